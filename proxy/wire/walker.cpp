#include "proxy/wire/walker.h"

#include <algorithm>

#include "proxy/wire/bytes.h"

namespace shunt::wire {
namespace {

constexpr std::int64_t string_bytes_max = 32767;  // Kafka's own limit, also for compact strings

int fixed_size(Type t) {
  switch (t) {
    case Type::boolean:
    case Type::int8:
      return 1;
    case Type::int16:
    case Type::uint16:
      return 2;
    case Type::int32:
    case Type::uint32:
      return 4;
    case Type::int64:
    case Type::float64:
      return 8;
    case Type::uuid:
      return 16;
    default:
      return 0;
  }
}

std::int64_t number(Type t, const std::byte* at) {
  switch (t) {
    case Type::boolean:
    case Type::int8:
      return load<std::int8_t>(at);
    case Type::int16:
      return load<std::int16_t>(at);
    case Type::uint16:
      return load<std::uint16_t>(at);
    case Type::int32:
      return load<std::int32_t>(at);
    case Type::uint32:
      return load<std::uint32_t>(at);
    case Type::int64:
    case Type::float64:
      return load<std::int64_t>(at);  // a float's bits
    default:
      return 0;
  }
}

}  // namespace

Walker::Walker(const Message& message, Version version, std::uint64_t body_size)
    : version_(version),
      flexible_(message.flexible.contains(version)),
      rest_passes_(message.request),
      size_(body_size) {
  push({.phase = Phase::fields, .all = fields_of(message)});
}

Walker::Walker(Version version, bool flexible, std::uint64_t from, std::uint64_t body_size)
    : version_(version), flexible_(flexible), size_(body_size), position_(from) {}

Walker Walker::in_struct(std::span<const Field> fields, Version version, bool flexible,
                         std::uint64_t from, std::uint64_t body_size) {
  Walker w(version, flexible, from, body_size);
  w.push({.phase = Phase::fields, .all = fields});
  return w;
}

Walker Walker::at_value(const Field& field, bool element, Version version, bool flexible,
                        std::uint64_t from, std::uint64_t body_size) {
  Walker w(version, flexible, from, body_size);
  w.push({.phase = Phase::value, .field = &field, .left = element ? 1U : 0U});
  return w;
}

Token Walker::fail(const char* why) {
  error_ = why;
  return {.kind = TokenKind::bad, .at = position_};
}

Token Walker::short_of(std::uint64_t n, Bytes rest) {
  if (n > size_ - position_) return fail("a field runs past the end of the frame");
  (void)rest;
  return {.kind = TokenKind::need_more, .at = position_};
}

Token Walker::take(TokenKind kind, const Field* f, std::uint32_t size, std::int64_t n,
                   Bytes content) {
  Token t{.kind = kind, .field = f, .at = position_, .size = size, .number = n, .content = content};
  position_ += size;
  return t;
}

bool Walker::push(Level l) {
  if (depth_ == depth_max) return false;
  levels_[static_cast<std::size_t>(depth_++)] = l;
  return true;
}

bool Walker::varint(Bytes rest, Varint& v) {
  const std::size_t skip = v.size;  // a second varint of the same token begins behind the first
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < 5; ++i) {
    if (skip + i >= rest.size() || position_ + skip + i >= size_) {
      v.problem = short_of(skip + i + 1, rest);
      return false;
    }
    const auto b = std::to_integer<std::uint8_t>(rest[skip + i]);
    value |= static_cast<std::uint64_t>(b & 0x7f) << (7 * i);
    if ((b & 0x80) == 0) {
      if (value > 0xffffffffU) break;
      v.value = static_cast<std::uint32_t>(value);
      v.size = static_cast<std::uint32_t>(skip + i + 1);
      return true;
    }
  }
  v.problem = fail("a varint is longer than 32 bits");
  return false;
}

// A length or count: int16 or int32, or an unsigned varint of length + 1 in flexible versions.
bool Walker::length(Bytes rest, const Field& f, int fixed_bytes, std::int64_t& n,
                    std::uint32_t& size, Token& problem) {
  if (flexible_) {
    Varint v;
    if (!varint(rest, v)) return problem = v.problem, false;
    n = static_cast<std::int64_t>(v.value) - 1;
    size = v.size;
  } else {
    const auto bytes = static_cast<std::uint32_t>(fixed_bytes);
    if (rest.size() < bytes || size_ - position_ < bytes) {
      return problem = short_of(bytes, rest), false;
    }
    n = fixed_bytes == 2 ? load<std::int16_t>(rest.data()) : load<std::int32_t>(rest.data());
    size = bytes;
  }
  if (n < -1) return problem = fail("a length is negative"), false;
  if (n > static_cast<std::int64_t>(size_ - position_ - size)) {
    return problem = fail("a length runs past the end of the frame"), false;
  }
  (void)f;
  return true;
}

Token Walker::scalar(const Field& f, Bytes rest) {
  const auto bytes = static_cast<std::uint32_t>(fixed_size(f.type));
  if (rest.size() < bytes || size_ - position_ < bytes) return short_of(bytes, rest);
  return take(TokenKind::scalar, &f, bytes, number(f.type, rest.data()), rest.first(bytes));
}

Token Walker::text(const Field& f, bool element, Bytes rest) {
  std::int64_t n = 0;
  std::uint32_t prefix = 0;
  Token problem;
  if (!length(rest, f, 2, n, prefix, problem)) return problem;
  if (n < 0 && (element || !f.nullable.contains(version_))) return fail("a string is null");
  if (n > string_bytes_max) return fail("a string is longer than 32767 bytes");
  const auto bytes = n < 0 ? 0U : static_cast<std::uint32_t>(n);
  if (rest.size() - prefix < bytes) return short_of(prefix + bytes, rest);
  return take(TokenKind::text, &f, prefix + bytes, n, rest.subspan(prefix, bytes));
}

Token Walker::begin_blob(const Field& f, bool element, Bytes rest) {
  std::int64_t n = 0;
  std::uint32_t prefix = 0;
  Token problem;
  if (!length(rest, f, 4, n, prefix, problem)) return problem;
  if (n < 0 && (element || !f.nullable.contains(version_))) return fail("bytes are null");
  Token t = take(TokenKind::blob, &f, prefix, n);
  if (n > 0) {
    const Level l{
        .phase = Phase::blob, .field = &f, .end = position_ + static_cast<std::uint64_t>(n)};
    if (!push(l)) return fail("nested too deep");
  }
  return t;
}

Token Walker::begin_array(const Field& f, Bytes rest) {
  std::int64_t n = 0;
  std::uint32_t prefix = 0;
  Token problem;
  // Every element takes at least a byte, so length() bounds the count as well.
  if (!length(rest, f, 4, n, prefix, problem)) return problem;
  if (n < 0 && !f.nullable.contains(version_)) return fail("an array is null");
  Token t = take(TokenKind::array, &f, prefix, n);
  if (n >= 0) {
    const Level l{.phase = Phase::elements, .field = &f, .left = static_cast<std::uint32_t>(n)};
    if (!push(l)) return fail("nested too deep");
  }
  return t;
}

Token Walker::begin_struct(const Field& f, Bytes rest) {
  const Level inside{.phase = Phase::fields, .all = fields_of(f)};
  if (!f.nullable.contains(version_)) {
    const Token t = take(TokenKind::structure, &f, 0, 1);
    return push(inside) ? t : fail("nested too deep");
  }
  if (rest.empty() || size_ == position_) return short_of(1, rest);
  const auto mark = load<std::int8_t>(rest.data());
  if (mark >= 0 && !push(inside)) return fail("nested too deep");
  return take(TokenKind::structure, &f, 1, mark < 0 ? -1 : 1);
}

Token Walker::value_of(const Field& f, bool element, Bytes rest) {
  if (f.array && !element) return begin_array(f, rest);
  switch (f.type) {
    case Type::string:
      return text(f, element, rest);
    case Type::bytes:
    case Type::records:
      return begin_blob(f, element, rest);
    case Type::structure:
      return begin_struct(f, rest);
    default:
      return scalar(f, rest);
  }
}

Token Walker::tag_count(Level& l, Bytes rest) {
  Varint v;
  if (!varint(rest, v)) return v.problem;
  if (v.value > size_ - position_ - v.size) return fail("more tagged fields than bytes");
  l.phase = Phase::tags;
  l.left = v.value;
  return take(TokenKind::tags, nullptr, v.size, v.value);
}

Token Walker::begin_tag(Level& l, Bytes rest) {
  Varint v;
  if (!varint(rest, v)) return v.problem;
  const auto tag = v.value;
  if (!varint(rest, v)) return v.problem;
  if (v.value > size_ - position_ - v.size) return fail("a tagged field runs past the frame's end");
  const auto known = std::find_if(l.all.begin(), l.all.end(), [&](const Field& f) {
    return f.tagged.contains(version_) && f.tag >= 0 && static_cast<std::uint32_t>(f.tag) == tag;
  });
  const Field* f = known == l.all.end() ? nullptr : &*known;
  --l.left;
  Token t = take(TokenKind::tag, f, v.size, tag);
  t.payload = v.value;
  const std::uint64_t end = position_ + v.value;
  if (f == nullptr) {
    if (v.value > 0 && !push({.phase = Phase::blob, .end = end})) return fail("nested too deep");
  } else if (!push({.phase = Phase::tag_end, .field = f, .end = end}) ||
             !push({.phase = Phase::value, .field = f})) {
    return fail("nested too deep");
  }
  return t;
}

Token Walker::begin_element(Level& l) {
  const Field& f = *l.field;
  if (l.left == 0) {
    --depth_;
    return take(TokenKind::end_array, &f, 0);
  }
  --l.left;
  const bool structure = f.type == Type::structure;
  const Level inside{.phase = structure ? Phase::fields : Phase::value,
                     .field = &f,
                     .all = structure ? fields_of(f) : std::span<const Field>{},
                     .left = 1};
  if (!push(inside)) return fail("nested too deep");
  return take(TokenKind::element, &f, 0, l.left);
}

Token Walker::blob_chunk(Level& l, Bytes rest) {
  const auto n = std::min<std::uint64_t>(rest.size(), l.end - position_);
  if (n == 0) return short_of(1, rest);
  Token t = take(TokenKind::chunk, l.field, static_cast<std::uint32_t>(n), 0, rest.first(n));
  if (position_ == l.end) {
    t.last = true;
    --depth_;
  }
  return t;
}

const Field* Walker::next_field(Level& l) const {
  for (; l.next < l.all.size(); ++l.next) {
    const Field& f = l.all[l.next];
    if (f.versions.contains(version_) && !f.tagged.contains(version_)) return &f;
  }
  return nullptr;
}

Token Walker::next(Bytes rest) {
  int depth = 0;
  Token t = step(rest, depth);
  t.depth = depth;
  return t;
}

Token Walker::step(Bytes rest, int& depth) {
  while (error_ == nullptr) {
    depth = depth_;
    if (depth_ == 0) {
      if (position_ == size_) return {.kind = TokenKind::done, .at = position_};
      // Brokers read a request to its end and no further, and librdkafka sends a byte too many in
      // Metadata v11: what follows a request passes with it.
      if (!rest_passes_) return fail("bytes follow the message's end");
      const auto n = std::min<std::uint64_t>(rest.size(), size_ - position_);
      if (n == 0) return short_of(1, rest);
      return take(TokenKind::chunk, nullptr, static_cast<std::uint32_t>(n), 0, rest.first(n));
    }
    Level& l = levels_[static_cast<std::size_t>(depth_ - 1)];
    switch (l.phase) {
      case Phase::fields: {
        const Field* f = next_field(l);
        if (f == nullptr) {
          if (flexible_)
            l.phase = Phase::tag_count;
          else
            --depth_;
          break;
        }
        const Token t = value_of(*f, false, rest);  // may push: l stays valid (a fixed array)
        if (t.kind == TokenKind::need_more || t.kind == TokenKind::bad) return t;
        ++l.next;
        return t;
      }
      case Phase::tag_count:
        return tag_count(l, rest);
      case Phase::tags:
        if (l.left > 0) return begin_tag(l, rest);
        --depth_;
        break;
      case Phase::tag_end:
        if (position_ != l.end) return fail("a tagged field is not as long as its size says");
        --depth_;
        return take(TokenKind::end_tag, l.field, 0);
      case Phase::elements:
        return begin_element(l);
      case Phase::value: {
        const bool element = l.left == 1;
        const Field& f = *l.field;
        --depth_;  // the value takes this level's place
        const Token t = value_of(f, element, rest);
        if (t.kind == TokenKind::need_more) ++depth_;
        return t;
      }
      case Phase::blob:
        return blob_chunk(l, rest);
    }
  }
  return {.kind = TokenKind::bad, .at = position_};
}

}  // namespace shunt::wire
