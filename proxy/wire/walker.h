// Walks the body of one message by the table, token by token, as its bytes arrive.
//
// A pull parser: the caller owns the bytes and hands the walker what it has from position() on.
// The walker owns nothing, allocates nothing, and can stop between any two tokens, so a frame
// larger than any buffer is walked as it streams.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "proxy/wire/schema.h"

namespace shunt::wire {

using Bytes = std::span<const std::byte>;

enum class TokenKind : std::uint8_t {
  need_more,  // the next token is not complete in the given bytes: call again with more
  done,       // the body ended exactly where its size says
  bad,        // not a message of this version: error() says why; final
  scalar,     // a fixed-size field: number (uuid: content)
  text,       // a whole string: content; number = its length, -1 when null
  blob,       // the length of bytes or records: number, -1 when null; its chunks follow
  chunk,      // a part of a blob, of an unknown tagged field, or of what follows a request: content
  array,      // an array's count: number, -1 when null
  element,    // the next element of an array begins here (no bytes)
  end_array,  // after the last element (no bytes); not sent for a null array
  structure,  // a struct that is no element begins: number = -1 when null, else 1 (a mark of a
              // byte where it may be null, else no bytes)
  tags,       // the number of tagged fields: number
  tag,        // a tagged field's number; payload = its size; known: its value follows, then
              // end_tag; unknown (field null): its chunks
  end_tag,    // a known tagged field's value has ended where its size says (no bytes)
};

struct Token {
  TokenKind kind = TokenKind::need_more;
  const Field* field = nullptr;  // null for tags and unknown tagged fields
  std::uint64_t at = 0;          // position of its first byte in the body
  std::uint32_t size = 0;        // bytes of the body it takes, length prefix included
  std::int64_t number = 0;
  std::uint32_t payload = 0;  // tag: the announced size of its value
  Bytes content{};            // text, chunk, uuid: valid as long as the caller's bytes
  bool last = false;          // chunk: the blob ends with it
  int depth = 0;              // of the level it stands in: the message's own fields and tags 1
};

class Walker {
 public:
  // `body_size`: bytes of the body as the frame's size announces it; every length inside is held
  // against it before anything is skipped. `version` must be in message.valid.
  Walker(const Message& message, Version version, std::uint64_t body_size);

  // Walk a part of a body again that was found good before, from position `from`: a struct's fields
  // (behind its mark), or a field's value (`element`: of an array field's element that is no
  // struct). At the part's end: done or bad at depth 0.
  static Walker in_struct(std::span<const Field> fields, Version version, bool flexible,
                          std::uint64_t from, std::uint64_t body_size);
  static Walker at_value(const Field& field, bool element, Version version, bool flexible,
                         std::uint64_t from, std::uint64_t body_size);

  // The next token of `rest`, the bytes from position() on (as many as there are). Consumes
  // token.size bytes: the caller goes on with rest.subspan(token.size).
  Token next(Bytes rest);

  std::uint64_t position() const { return position_; }
  std::uint64_t body_size() const { return size_; }
  bool flexible() const { return flexible_; }
  const char* error() const { return error_; }
  // Levels of arrays and structs around the next token; 0 = the message itself.
  int depth() const { return depth_; }

 private:
  enum class Phase : std::uint8_t { fields, tag_count, tags, tag_end, elements, value, blob };
  struct Level {
    Phase phase = Phase::fields;
    const Field* field = nullptr;  // elements, value, blob: whose
    std::span<const Field> all{};  // fields, tags: of this struct
    std::size_t next = 0;          // fields: index of the next one
    std::uint64_t end = 0;         // tag_end, blob: where it must end
    std::uint32_t left = 0;        // elements, tags: still to come
  };
  struct Varint {
    std::uint32_t value = 0, size = 0;
    Token problem{};
  };

  Walker(Version version, bool flexible, std::uint64_t from, std::uint64_t body_size);
  Token step(Bytes rest, int& depth);
  Token fail(const char* why);
  Token short_of(std::uint64_t n, Bytes rest);  // need_more, or bad where the body is too short
  Token take(TokenKind kind, const Field* f, std::uint32_t size, std::int64_t number = 0,
             Bytes content = {});
  bool varint(Bytes rest, Varint& v);
  bool length(Bytes rest, const Field& f, int fixed_bytes, std::int64_t& n, std::uint32_t& size,
              Token& problem);
  bool push(Level l);
  Token value_of(const Field& f, bool element, Bytes rest);
  Token scalar(const Field& f, Bytes rest);
  Token text(const Field& f, bool element, Bytes rest);
  Token begin_blob(const Field& f, bool element, Bytes rest);
  Token begin_array(const Field& f, Bytes rest);
  Token begin_struct(const Field& f, Bytes rest);
  Token tag_count(Level& l, Bytes rest);
  Token begin_tag(Level& l, Bytes rest);
  Token begin_element(Level& l);
  Token blob_chunk(Level& l, Bytes rest);
  const Field* next_field(Level& l) const;

  static constexpr int depth_max = 24;
  std::array<Level, depth_max> levels_{};
  int depth_ = 0;
  Version version_;
  bool flexible_;
  bool rest_passes_ = false;  // bytes behind a request's end are no error
  std::uint64_t size_;
  std::uint64_t position_ = 0;
  const char* error_ = nullptr;
};

}  // namespace shunt::wire
