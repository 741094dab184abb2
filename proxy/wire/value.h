// Shunt's own requests and answers as trees of values, written and read by the table.
//
// Not for the data path. The daemon speaks to brokers, and answers for them, by this alone; no
// message is ever laid out by hand. A value that was read is a place in its body, looked at when
// asked: a decoded message costs one copy of its bytes, not a tree of objects.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "proxy/wire/schema.h"
#include "proxy/wire/walker.h"

namespace shunt::wire {

using Uuid = std::array<std::byte, 16>;
class Value;
class Struct;
class Elements;
using Array = std::vector<Value>;

// One body that was read; shared by all values in it.
struct Body;

// A place in a body: a struct (its fields begin at `at`) or an array (its count stands at `at`).
struct Part {
  std::shared_ptr<const Body> body;
  std::span<const Field> fields;  // of the struct, or of the array's elements
  const Field* array = nullptr;   // null: a struct
  std::uint32_t at = 0;
  std::uint32_t count = 0;  // of the array
};

// A value; cheap to copy. Views (text, bytes) stay good while any value of the same tree lives.
class Value {
 public:
  Value() = default;  // null
  Value(std::nullptr_t) {}
  template <std::same_as<bool> B>  // no pointer is a boolean
  Value(B v) : v_(std::int64_t{v}) {}
  Value(int v) : v_(std::int64_t{v}) {}
  Value(std::uint32_t v) : v_(std::int64_t{v}) {}
  Value(std::int64_t v) : v_(v) {}
  Value(double v) : v_(v) {}
  Value(const char* v) : Value(std::string_view(v)) {}
  Value(std::string_view v);
  Value(const std::string& v) : Value(std::string_view(v)) {}
  Value(Bytes v);
  Value(const std::vector<std::byte>& v) : Value(Bytes(v)) {}
  Value(const Uuid& v) : v_(v) {}
  Value(Array v);
  Value(Struct v);

  bool null() const { return std::holds_alternative<std::monostate>(v_); }
  // Each returns a neutral value (0, "", empty) when the kind differs: brokers' answers of other
  // versions simply lack fields.
  std::int64_t number() const;
  double real() const;
  std::string_view text() const;
  Bytes bytes() const;
  Uuid uuid() const;
  Elements array() const;
  // The struct's fields, one level deep, to be changed and sent. Of a struct that was read: all
  // that its version carries, tagged ones that were not sent with their defaults, unknown tags.
  Struct fields() const;
  // The struct's field; null when it is not there. A tagged field that was not sent: its default.
  Value operator[](std::string_view name) const;
  // Deep; a struct's fields in any order. Reals by their bits.
  bool operator==(const Value&) const;

  // The kind: what encode needs to tell.
  bool is_number() const { return std::holds_alternative<std::int64_t>(v_); }
  bool is_real() const { return std::holds_alternative<double>(v_); }
  bool is_text() const { return std::holds_alternative<Text>(v_); }
  bool is_bytes() const { return std::holds_alternative<Blob>(v_); }
  bool is_uuid() const { return std::holds_alternative<Uuid>(v_); }
  bool is_array() const;
  bool is_struct() const;

 private:
  friend class Elements;
  friend struct Reader;
  struct Text {
    std::shared_ptr<const void> owner;
    std::string_view view;
  };
  struct Blob {
    std::shared_ptr<const void> owner;
    Bytes view;
  };
  std::variant<std::monostate, std::int64_t, double, Text, Blob, Uuid, std::shared_ptr<const Array>,
               std::shared_ptr<const Struct>, Part>
      v_;
};

// A struct: fields by Kafka's name, in the order they were set.
class Struct {
 public:
  Struct() = default;
  Struct(std::initializer_list<std::pair<std::string_view, Value>> fields);
  // The field, or null if it is not set.
  const Value* find(std::string_view name) const;
  // The field; a shared null value if it is not set.
  const Value& operator[](std::string_view name) const;
  Struct& set(std::string_view name, Value value);  // replaces an earlier one
  auto begin() const { return fields_.begin(); }
  auto end() const { return fields_.end(); }
  std::size_t size() const { return fields_.size(); }

 private:
  std::vector<std::pair<std::string, Value>> fields_;
};

// An array's elements, to be gone through once or often. Holds the tree: safe to keep.
class Elements {
 public:
  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = Value;
    using difference_type = std::ptrdiff_t;
    using pointer = const Value*;
    using reference = const Value&;
    Iterator() = default;
    const Value& operator*() const { return built_ ? (*built_)[at_] : now_; }
    const Value* operator->() const { return &**this; }
    Iterator& operator++();
    void operator++(int) { ++*this; }
    bool operator==(const Iterator& o) const { return at_ == o.at_; }

   private:
    friend class Elements;
    explicit Iterator(std::size_t at) : at_(at) {}
    void read();  // the next element that was read, into now_
    const Array* built_ = nullptr;
    std::size_t at_ = 0;
    Part part_;  // elements that were read: `now_`, and where the next one begins
    Value now_;
    std::uint32_t next_ = 0;
  };
  Elements() = default;
  explicit Elements(std::shared_ptr<const Array> built) : built_(std::move(built)) {}
  explicit Elements(Part part) : part_(std::move(part)) {}
  std::size_t size() const { return built_ ? built_->size() : part_.count; }
  bool empty() const { return size() == 0; }
  Iterator begin() const;
  Iterator end() const { return Iterator(size()); }
  Value operator[](std::size_t i) const;  // null past the end; read ones: walks there

 private:
  std::shared_ptr<const Array> built_;
  Part part_;
};

// What a field of a version means that is not set: Kafka's default (a struct: of all its fields).
Value default_of(const Field& field, Version version);

// Appends the body of `message` in `version` to `out`. Fields that are not set take Kafka's
// default; fields the version does not carry are left out. A tagged field is written when it
// differs from its default, as Kafka's own encoder does. Returns null, or what does not fit
// (a null where none is allowed, a value of another kind or range, a name the message does not
// have, nowhere to put it); `out` is then as it was and `where`, if given, the field (null for the
// message or an unknown name).
const char* encode(const Message& message, Version version, const Value& body,
                   std::vector<std::byte>& out, const Field** where = nullptr);

// Appends `elements` (structs) as an array of field `array_field` in `version`, count included.
const char* encode_array(const Field& array_field, Version version, bool flexible,
                         const Array& elements, std::vector<std::byte>& out,
                         const Field** where = nullptr);

// Reads a whole body: a struct. Null value and a reason in `problem` (else null) if it is not one.
// Allocates one copy of the body, whatever counts it claims. Unknown tagged fields are kept under
// the name "_unknown" (array of structs {tag, bytes}, by tag) and written again by encode; of a tag
// that comes twice the last counts, as in Kafka. A struct may have 32 tagged fields.
Value decode(const Message& message, Version version, Bytes body, const char*& problem);

}  // namespace shunt::wire
