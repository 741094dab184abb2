// Reads bodies: walked once whole by decode, and again from a part's place when it is asked for.
#include <algorithm>
#include <bit>

#include "proxy/wire/value.h"

namespace shunt::wire {

// Of one struct. Kafka has 4 at most; unknown ones become values that are larger than they came.
constexpr std::int64_t tags_max = 32;

struct Body {
  const Message* message;
  Version version;
  bool flexible;
  std::vector<std::byte> bytes;
};

// Turns tokens into values. All bodies here were walked to their end before: no token is bad.
struct Reader {
  const std::shared_ptr<const Body>& body;
  Walker walker;

  Bytes rest() const { return Bytes(body->bytes).subspan(walker.position()); }
  Token next() { return walker.next(rest()); }

  static bool over(const Token& t) {
    return t.kind == TokenKind::done || t.kind == TokenKind::bad || t.kind == TokenKind::need_more;
  }

  Value view(const Bytes& bytes) const {
    Value v;
    v.v_ = Value::Blob{body, bytes};
    return v;
  }

  Value part(std::span<const Field> fields, const Field* array, std::uint64_t at,
             std::int64_t count) const {
    Value v;
    v.v_ = Part{body, fields, array, static_cast<std::uint32_t>(at),
                static_cast<std::uint32_t>(count)};
    return v;
  }

  // The value that `t` is or begins.
  Value value(const Token& t) const {
    if (t.number < 0 && t.kind != TokenKind::scalar) return {};
    switch (t.kind) {
      case TokenKind::scalar:
        if (t.field->type == Type::float64) return std::bit_cast<double>(t.number);
        if (t.field->type == Type::boolean) return t.number != 0;
        if (t.field->type == Type::uuid) {
          Uuid id;
          std::copy(t.content.begin(), t.content.end(), id.begin());
          return id;
        }
        return t.number;
      case TokenKind::text: {
        Value v;
        v.v_ =
            Value::Text{body, {reinterpret_cast<const char*>(t.content.data()), t.content.size()}};
        return v;
      }
      case TokenKind::blob:
        return view(rest().first(static_cast<std::size_t>(t.number)));
      case TokenKind::array:
        return part(fields_of(*t.field), t.field, t.at, t.number);
      case TokenKind::structure:
        return part(fields_of(*t.field), nullptr, t.at + t.size, 0);
      default:
        return {};
    }
  }

  // Calls see(field, tag, value) for each field that stands in the struct `p`, until it returns
  // false; an unknown tagged field has no Field.
  template <class See>
  static void each(const Part& p, See see) {
    const Body& b = *p.body;
    Reader r{p.body, Walker::in_struct(p.fields, b.version, b.flexible, p.at, b.bytes.size())};
    for (Token t = r.next(); !over(t); t = r.next()) {
      if (t.depth != 1 || t.kind == TokenKind::tags) continue;  // inside a field's value
      if (t.kind == TokenKind::tag && t.field == nullptr) {
        if (!see(nullptr, t.number, r.view(r.rest().first(t.payload)))) return;
      } else {
        if (t.kind == TokenKind::tag) t = r.next();
        if (!see(t.field, 0, r.value(t))) return;
      }
    }
  }
};

Struct Value::fields() const {
  if (const auto* s = std::get_if<std::shared_ptr<const Struct>>(&v_)) return **s;
  const auto* p = std::get_if<Part>(&v_);
  if (p == nullptr || p->array != nullptr) return {};
  Struct s;
  Array unknown;
  Reader::each(*p, [&](const Field* f, std::int64_t tag, Value v) {
    if (f != nullptr) return s.set(f->name, std::move(v)), true;
    std::erase_if(unknown, [&](const Value& u) { return u["tag"].number() == tag; });
    unknown.push_back(Struct{{"tag", tag}, {"bytes", std::move(v)}});
    return true;
  });
  const Version version = p->body->version;
  for (const Field& f : p->fields) {
    const bool carried = f.versions.contains(version) && f.tagged.contains(version);
    if (carried && s.find(f.name) == nullptr) s.set(f.name, default_of(f, version));
  }
  std::ranges::sort(unknown, {}, [](const Value& u) { return u["tag"].number(); });
  if (!unknown.empty()) s.set("_unknown", std::move(unknown));
  return s;
}

Value Value::operator[](std::string_view name) const {
  if (const auto* s = std::get_if<std::shared_ptr<const Struct>>(&v_)) return (**s)[name];
  const auto* p = std::get_if<Part>(&v_);
  if (p == nullptr || p->array != nullptr) return {};
  if (name == "_unknown") return fields()[name];
  const Field* wanted = nullptr;
  for (const Field& f : p->fields) {
    if (name == f.name && f.versions.contains(p->body->version)) wanted = &f;
  }
  if (wanted == nullptr) return {};
  bool found = false;
  Value value;
  Reader::each(*p, [&](const Field* f, std::int64_t, Value v) {
    if (f != wanted) return true;
    found = true;
    value = std::move(v);
    return f->tagged.contains(p->body->version);  // a tag may come again
  });
  return found ? value : default_of(*wanted, p->body->version);
}

// Elements stand one behind the other: the next begins where this one ends.
void Elements::Iterator::read() {
  const Body& b = *part_.body;
  const Field& array = *part_.array;
  if (next_ == 0) {  // no element can stand there: it is behind the array's count
    Reader count{part_.body,
                 Walker::at_value(array, false, b.version, b.flexible, part_.at, b.bytes.size())};
    next_ = part_.at + count.next().size;
  }
  Reader r{part_.body,
           array.type == Type::structure
               ? Walker::in_struct(part_.fields, b.version, b.flexible, next_, b.bytes.size())
               : Walker::at_value(array, true, b.version, b.flexible, next_, b.bytes.size())};
  now_ =
      array.type == Type::structure ? r.part(part_.fields, nullptr, next_, 0) : r.value(r.next());
  while (!Reader::over(r.next())) {
  }
  next_ = static_cast<std::uint32_t>(r.walker.position());
}

Value decode(const Message& message, Version version, Bytes body, const char*& problem) {
  problem = nullptr;
  if (!message.valid.contains(version)) return problem = "no such version of this message", Value{};
  if (body.size() > 0x7fffffff) return problem = "larger than a frame can be", Value{};
  Walker walker(message, version, body.size());
  Token t = walker.next(body);
  for (; !Reader::over(t); t = walker.next(body.subspan(walker.position()))) {
    if (t.kind == TokenKind::tags && t.number > tags_max) {
      return problem = "a struct has more tagged fields than Shunt reads", Value{};
    }
  }
  if (t.kind != TokenKind::done) {
    problem = t.kind == TokenKind::bad ? walker.error() : "the body is cut short";
    return {};
  }
  const auto shared = std::make_shared<const Body>(
      Body{&message, version, message.flexible.contains(version), {body.begin(), body.end()}});
  return Reader{shared, walker}.part(fields_of(message), nullptr, 0, 0);
}

}  // namespace shunt::wire
