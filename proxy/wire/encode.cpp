// Writes values by the table. Source: the protocol guide; MessageDataGenerator.java for defaults
// and tagged fields (KIP-482).
#include <algorithm>
#include <bit>
#include <limits>

#include "proxy/wire/bytes.h"
#include "proxy/wire/value.h"

namespace shunt::wire {
namespace {

constexpr std::size_t string_bytes_max = 32767;
constexpr std::string_view unknown_tags = "_unknown";

bool in_range(Type t, std::int64_t n) {
  const auto within = [n]<class T>(T) {
    return n >= std::numeric_limits<T>::min() && n <= std::numeric_limits<T>::max();
  };
  switch (t) {
    case Type::boolean:
      return n == 0 || n == 1;
    case Type::int8:
      return within(std::int8_t{});
    case Type::int16:
      return within(std::int16_t{});
    case Type::uint16:
      return within(std::uint16_t{});
    case Type::int32:
      return within(std::int32_t{});
    case Type::uint32:
      return within(std::uint32_t{});
    default:
      return true;
  }
}

// Whether a tagged field need not be sent. Fields of structs that are not set are defaults.
bool is_default(const Field& f, Version version, const Value& v) {
  if (f.array || f.type != Type::structure || !v.is_struct()) return v == default_of(f, version);
  if (f.default_null) return false;
  const Struct s = v.fields();
  const auto same = [&](const Field& child) {
    const Value* set = child.versions.contains(version) ? s.find(child.name) : nullptr;
    return set == nullptr || is_default(child, version, *set);
  };
  return std::ranges::all_of(fields_of(f), same) && s[unknown_tags].array().empty();
}

class Encoder {
 public:
  Encoder(Version version, bool flexible, std::vector<std::byte>& out)
      : version_(version), flexible_(flexible), out_(out), start_(out.size()) {}

  // A struct's fields. Each returns false when something did not fit.
  bool fields(std::span<const Field> all, const Value& v) {
    if (!v.is_struct()) return fail(v.null() ? "a struct is null" : "not a struct");
    const Struct s = v.fields();
    if (!names_known(all, s)) return fail("the message has no field of this name");
    for (const Field& f : all) {
      if (!f.versions.contains(version_) || f.tagged.contains(version_)) continue;
      const Value* set = s.find(f.name);
      if (!value(f, false, set == nullptr ? default_of(f, version_) : *set)) return false;
    }
    return !flexible_ || tags(all, s);
  }

  bool array(const Field& f, const Elements& elements) {
    length(static_cast<std::int64_t>(elements.size()), 4);
    return std::ranges::all_of(elements, [&](const Value& e) { return value(f, true, e); });
  }

  // Ends the work: null, or the problem and `out` as it was.
  const char* done(const Field** where) {
    if (where != nullptr) *where = problem_ == nullptr ? nullptr : where_;
    if (problem_ != nullptr) out_.resize(start_);
    return problem_;
  }

 private:
  struct Tag {
    std::int64_t number;
    const Field* field;  // null: unknown, `value` is its bytes
    Value value;
  };

  bool fail(const char* why) {
    if (problem_ == nullptr) problem_ = why;
    return false;
  }

  static bool names_known(std::span<const Field> all, const Struct& s) {
    return std::ranges::all_of(s, [&](const auto& set) {
      return set.first == unknown_tags ||
             std::ranges::any_of(all, [&](const Field& f) { return set.first == f.name; });
    });
  }

  // A length or count; -1 for null.
  void length(std::int64_t n, int fixed_bytes) {
    if (flexible_)
      put_varint(out_, static_cast<std::uint32_t>(n + 1));
    else if (fixed_bytes == 2)
      put(out_, static_cast<std::int16_t>(n));
    else
      put(out_, static_cast<std::int32_t>(n));
  }

  bool value(const Field& f, bool element, const Value& v) {
    where_ = &f;
    if (v.null()) return null_value(f, element);
    if (f.array && !element) return v.is_array() ? array(f, v.array()) : fail("not an array");
    switch (f.type) {
      case Type::string: {
        if (!v.is_text()) return fail("not a text");
        const auto text = v.text();
        if (text.size() > string_bytes_max) return fail("a text is longer than 32767 bytes");
        return content(std::as_bytes(std::span(text)), 2);
      }
      case Type::bytes:
      case Type::records:
        if (!v.is_bytes()) return fail("not bytes");
        if (v.bytes().size() > 0x7fffffff) return fail("bytes are longer than a frame can be");
        return content(v.bytes(), 4);
      case Type::structure:
        if (!element && f.nullable.contains(version_)) put(out_, std::int8_t{1});
        return fields(fields_of(f), v);
      case Type::uuid: {
        if (!v.is_uuid()) return fail("not an id");
        const Uuid id = v.uuid();
        out_.insert(out_.end(), id.begin(), id.end());
        return true;
      }
      default:
        return number(f, v);
    }
  }

  bool null_value(const Field& f, bool element) {
    if (element || !f.nullable.contains(version_)) return fail("null is not allowed here");
    if (f.type == Type::structure && !f.array)
      put(out_, std::int8_t{-1});
    else
      length(-1, f.type == Type::string && !f.array ? 2 : 4);
    return true;
  }

  bool content(Bytes bytes, int fixed_bytes) {
    length(static_cast<std::int64_t>(bytes.size()), fixed_bytes);
    out_.insert(out_.end(), bytes.begin(), bytes.end());
    return true;
  }

  bool number(const Field& f, const Value& v) {
    if (f.type == Type::float64 && (v.is_real() || v.is_number())) {
      put(out_, std::bit_cast<std::int64_t>(v.real()));
      return true;
    }
    if (!v.is_number()) return fail("not a number");
    const auto n = v.number();
    if (!in_range(f.type, n)) return fail("a number is out of its type's range");
    switch (f.type) {
      case Type::boolean:
      case Type::int8:
        put(out_, static_cast<std::int8_t>(n));
        break;
      case Type::int16:
      case Type::uint16:
        put(out_, static_cast<std::int16_t>(n));
        break;
      case Type::int32:
      case Type::uint32:
        put(out_, static_cast<std::int32_t>(n));
        break;
      default:
        put(out_, n);
    }
    return true;
  }

  bool tags(std::span<const Field> all, const Struct& s) {
    std::vector<Tag> list;
    for (const Field& f : all) {
      if (!f.versions.contains(version_) || !f.tagged.contains(version_)) continue;
      const Value* set = s.find(f.name);
      if (set != nullptr && !is_default(f, version_, *set)) list.push_back({f.tag, &f, *set});
    }
    for (const Value& t : s[unknown_tags].array()) {
      list.push_back({t["tag"].number(), nullptr, t["bytes"]});
    }
    std::ranges::sort(list, {}, &Tag::number);
    if (std::ranges::adjacent_find(list, {}, &Tag::number) != list.end()) {
      return fail("a tag stands twice");
    }
    put_varint(out_, static_cast<std::uint32_t>(list.size()));
    return std::ranges::all_of(list, [&](const Tag& t) { return tag(t); });
  }

  bool tag(const Tag& t) {
    if (!in_range(Type::uint32, t.number)) return fail("a tag is no unsigned number of 32 bits");
    put_varint(out_, static_cast<std::uint32_t>(t.number));
    const auto at = out_.size();
    if (t.field == nullptr) {
      const Bytes bytes = t.value.bytes();
      out_.insert(out_.end(), bytes.begin(), bytes.end());
    } else if (!value(*t.field, false, t.value)) {
      return false;
    }
    std::vector<std::byte> size;  // known only now
    put_varint(size, static_cast<std::uint32_t>(out_.size() - at));
    out_.insert(out_.begin() + static_cast<std::ptrdiff_t>(at), size.begin(), size.end());
    return true;
  }

  Version version_;
  bool flexible_;
  std::vector<std::byte>& out_;
  std::size_t start_;
  const char* problem_ = nullptr;
  const Field* where_ = nullptr;
};

}  // namespace

Value default_of(const Field& f, Version version) {
  if (f.default_null && f.nullable.contains(version)) return {};
  if (f.array) return Array{};
  switch (f.type) {
    case Type::string:
      return "";
    case Type::bytes:
    case Type::records:
      return Bytes{};
    case Type::uuid:
      return Uuid{};
    case Type::float64:
      return static_cast<double>(f.default_number);
    case Type::boolean:
      return f.default_number != 0;
    case Type::structure: {
      Struct s;
      for (const Field& child : fields_of(f)) {
        if (child.versions.contains(version)) s.set(child.name, default_of(child, version));
      }
      return s;
    }
    default:
      return f.default_number;
  }
}

const char* encode(const Message& message, Version version, const Value& body,
                   std::vector<std::byte>& out, const Field** where) {
  if (where != nullptr) *where = nullptr;
  if (!message.valid.contains(version)) return "no such version of this message";
  Encoder e(version, message.flexible.contains(version), out);
  e.fields(fields_of(message), body);
  return e.done(where);
}

const char* encode_array(const Field& array_field, Version version, bool flexible,
                         const Array& elements, std::vector<std::byte>& out, const Field** where) {
  Encoder e(version, flexible, out);
  e.array(array_field, Elements(std::make_shared<const Array>(elements)));
  return e.done(where);
}

}  // namespace shunt::wire
