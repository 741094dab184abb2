// Values that were built, and what they share with those that were read (decode.cpp).
#include "proxy/wire/value.h"

#include <algorithm>
#include <bit>

namespace shunt::wire {

Value::Value(std::string_view v) {
  auto owner = std::make_shared<const std::string>(v);
  const std::string_view view = *owner;
  v_ = Text{std::move(owner), view};
}

Value::Value(Bytes v) {
  auto owner = std::make_shared<const std::vector<std::byte>>(v.begin(), v.end());
  const Bytes view = *owner;
  v_ = Blob{std::move(owner), view};
}

Value::Value(Array v) : v_(std::make_shared<const Array>(std::move(v))) {}
Value::Value(Struct v) : v_(std::make_shared<const Struct>(std::move(v))) {}

std::int64_t Value::number() const {
  const auto* v = std::get_if<std::int64_t>(&v_);
  return v == nullptr ? 0 : *v;
}

double Value::real() const {
  const auto* v = std::get_if<double>(&v_);
  return v == nullptr ? static_cast<double>(number()) : *v;
}

std::string_view Value::text() const {
  const auto* v = std::get_if<Text>(&v_);
  return v == nullptr ? std::string_view{} : v->view;
}

Bytes Value::bytes() const {
  const auto* v = std::get_if<Blob>(&v_);
  return v == nullptr ? Bytes{} : v->view;
}

Uuid Value::uuid() const {
  const auto* v = std::get_if<Uuid>(&v_);
  return v == nullptr ? Uuid{} : *v;
}

Elements Value::array() const {
  if (const auto* v = std::get_if<std::shared_ptr<const Array>>(&v_)) return Elements(*v);
  const auto* part = std::get_if<Part>(&v_);
  return part != nullptr && part->array != nullptr ? Elements(*part) : Elements();
}

bool Value::is_array() const {
  const auto* part = std::get_if<Part>(&v_);
  return part != nullptr ? part->array != nullptr
                         : std::holds_alternative<std::shared_ptr<const Array>>(v_);
}

bool Value::is_struct() const {
  const auto* part = std::get_if<Part>(&v_);
  return part != nullptr ? part->array == nullptr
                         : std::holds_alternative<std::shared_ptr<const Struct>>(v_);
}

bool Value::operator==(const Value& o) const {
  if (is_array()) {
    if (!o.is_array()) return false;
    const Elements a = array(), b = o.array();
    return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin());
  }
  if (is_struct()) {
    if (!o.is_struct()) return false;
    const Struct a = fields(), b = o.fields();
    return a.size() == b.size() && std::all_of(a.begin(), a.end(), [&](const auto& f) {
             const Value* other = b.find(f.first);
             return other != nullptr && f.second == *other;
           });
  }
  if (v_.index() != o.v_.index()) return false;
  if (is_text()) return text() == o.text();
  if (is_bytes()) return std::ranges::equal(bytes(), o.bytes());
  if (is_real()) {
    return std::bit_cast<std::uint64_t>(real()) == std::bit_cast<std::uint64_t>(o.real());
  }
  return number() == o.number() && uuid() == o.uuid();
}

Struct::Struct(std::initializer_list<std::pair<std::string_view, Value>> fields) {
  fields_.reserve(fields.size());
  for (const auto& [name, value] : fields) set(name, value);
}

const Value* Struct::find(std::string_view name) const {
  const auto it = std::ranges::find(fields_, name, [](const auto& f) { return f.first; });
  return it == fields_.end() ? nullptr : &it->second;
}

const Value& Struct::operator[](std::string_view name) const {
  static const Value null;
  const Value* v = find(name);
  return v == nullptr ? null : *v;
}

Struct& Struct::set(std::string_view name, Value value) {
  const auto it = std::ranges::find(fields_, name, [](const auto& f) { return f.first; });
  if (it != fields_.end())
    it->second = std::move(value);
  else
    fields_.emplace_back(std::string(name), std::move(value));
  return *this;
}

Elements::Iterator Elements::begin() const {
  Iterator it(0);
  it.built_ = built_.get();
  if (built_ == nullptr && part_.count > 0) {
    it.part_ = part_;
    it.read();
  }
  return it;
}

Elements::Iterator& Elements::Iterator::operator++() {
  ++at_;
  if (built_ == nullptr && at_ < part_.count) read();
  return *this;
}

Value Elements::operator[](std::size_t i) const {
  if (i >= size()) return {};
  if (built_) return (*built_)[i];
  return *std::next(begin(), static_cast<std::ptrdiff_t>(i));
}

}  // namespace shunt::wire
