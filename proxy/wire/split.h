// One message taken apart at the arrays that roles.txt splits by destination.
//
// A request that names partitions (or groups, resources) of several nodes becomes one request per
// node; their answers become one again (merge.h). Two levels at most: topics and their partitions,
// or one plain list. Reads routing keys on the way: a request for one destination needs no more.
// The elements are not kept but walked to again when asked for: what a peer sends as a byte must
// not become a hundred here.
#pragma once

#include <array>
#include <cstdint>
#include <iterator>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "proxy/wire/value.h"
#include "proxy/wire/walker.h"

namespace shunt::wire {

// A field met outside the split arrays, by role: the first of its kind.
struct Found {
  bool present = false;
  std::int64_t number = 0;  // scalars; text: length, -1 when null
  std::string_view text;    // into the body
  std::uint64_t at = 0;     // position in the body
};

struct ArraySpan {
  std::uint64_t at = 0;     // of its count
  std::uint32_t size = 0;   // bytes of its count
  std::int64_t count = -1;  // -1: null, or not there
  std::uint64_t end = 0;    // behind its last element
};

// A topic around leaves, when there are two levels; a leaf by itself, when there is one.
struct Outer {
  std::uint64_t begin = 0, end = 0;
  std::string_view topic{};  // empty when named by id
  Uuid topic_id{};           // zero when named by name
  ArraySpan inner{};
};

// One element that is dispatched as a whole.
struct Leaf {
  std::uint64_t begin = 0, end = 0;
  std::string_view topic{};  // of the topic around it (two levels)
  Uuid topic_id{};
  std::int32_t partition = -1;
  std::string_view name{};    // a group, transactional id, coordinator key or resource name
  std::uint64_t name_at = 0;  // where that string (its length prefix) stands, and its bytes
  std::uint32_t name_size = 0;
  std::int8_t resource_type = 0;
  std::int64_t records_bytes = -1;  // of its record set; -1: none
  std::uint64_t records_at = 0;     // where that set begins
  std::uint64_t max_bytes_at = 0;   // Fetch: position of PartitionMaxBytes
};

class Leaves;
using Choice = std::uint16_t;  // a destination: an index into a list of them

class Parts {
 public:
  // Takes a whole body apart. Null, or why it is not a message of this version. The body must
  // outlive the Parts. May be called again and again.
  const char* parse(const Message& message, Version version, Bytes body);

  const Found& top(Role role) const { return top_[static_cast<std::size_t>(role)]; }
  int levels() const { return levels_; }             // 0: nothing to split in this version
  const ArraySpan& array() const { return array_; }  // the outermost split array
  std::uint32_t leaf_count() const { return leaf_count_; }
  std::uint32_t topic_count() const { return topic_count_; }  // that have leaves (two levels)
  Leaves leaves() const;                                      // in the order they stand there
  Bytes body() const { return body_; }
  bool flexible() const { return flexible_; }

  // Appends the body of the request that holds only the leaves with chosen[i] == wanted; of the
  // topics those with such a leaf.
  void append_selected(std::span<const Choice> chosen, std::uint32_t wanted,
                       std::vector<std::byte>& out) const;

 private:
  friend class SplitWalk;
  void note(const Token& t, bool inside);
  std::array<Found, 64> top_{};
  int levels_ = 0;
  std::uint32_t leaf_count_ = 0, topic_count_ = 0;
  ArraySpan array_;
  const Field* outer_field_ = nullptr;  // the outermost split array; the one in its struct, if any
  const Field* inner_field_ = nullptr;
  Version version_ = 0;
  Bytes body_;
  bool flexible_ = false;
};

// Walks the split arrays of a body that was taken apart, an event at a time.
class SplitWalk {
 public:
  enum class Event : std::uint8_t {
    inner,      // the array of a topic's leaves begins: outer() but for its ends
    leaf,       // leaf() has been read to its end
    outer_end,  // outer() has been read to its end (two levels)
    end,
  };
  explicit SplitWalk(const Parts& parts);
  // Of one topic alone, which begins at `at`.
  SplitWalk(const Parts& parts, std::uint64_t at);
  Event next();
  const Leaf& leaf() const { return leaf_; }
  const Outer& outer() const { return outer_; }

 private:
  bool end_leaf(std::uint64_t at);
  bool end_outer(std::uint64_t at);
  void field(const Token& t);
  const Parts* parts_;
  const Field* leaf_field_;
  Walker walker_;
  Leaf leaf_, reading_;  // the last one read whole, and the one that is being read
  Outer outer_;
  std::uint64_t next_outer_ = 0;  // where the next one begins, once outer_ has been told of
  bool in_leaf_ = false, in_outer_ = false;
};

// The leaves of a message, to be gone through with a range for.
class Leaves {
 public:
  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = Leaf;
    using difference_type = std::ptrdiff_t;
    using pointer = const Leaf*;
    using reference = const Leaf&;
    explicit Iterator(const Parts& parts) : walk_(parts) { ++*this; }
    const Leaf& operator*() const { return walk_.leaf(); }
    const Leaf* operator->() const { return &walk_.leaf(); }
    Iterator& operator++() {
      SplitWalk::Event e = walk_.next();
      while (e != SplitWalk::Event::leaf && e != SplitWalk::Event::end) e = walk_.next();
      over_ = e == SplitWalk::Event::end;
      return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const { return over_; }

   private:
    SplitWalk walk_;
    bool over_ = false;
  };
  explicit Leaves(const Parts& parts) : parts_(&parts) {}
  Iterator begin() const { return Iterator(*parts_); }
  std::default_sentinel_t end() const { return {}; }
  std::uint32_t size() const { return parts_->leaf_count(); }
  bool empty() const { return size() == 0; }

 private:
  const Parts* parts_;
};

inline Leaves Parts::leaves() const { return Leaves(*this); }

// Appends an array's count as this version writes it.
void put_count(std::vector<std::byte>& out, bool flexible, std::int64_t count);

}  // namespace shunt::wire
