// One message taken apart at the arrays that roles.txt splits by destination.
//
// A request that names partitions (or groups, resources) of several nodes becomes one request per
// node; their answers become one again (merge.h). Two levels at most: topics and their partitions,
// or one plain list. Reads routing keys on the way: a request for one destination needs no more.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "proxy/wire/value.h"
#include "proxy/wire/walker.h"

namespace shunt::wire {

// A field met outside the split arrays, by role: the first of its kind.
struct Found {
  bool present = false;
  std::int64_t number = 0;   // scalars; text: length, -1 when null
  std::string_view text;     // into the body
  std::uint64_t at = 0;      // position in the body
};

struct ArraySpan {
  std::uint64_t at = 0;      // of its count
  std::uint32_t size = 0;    // bytes of its count
  std::int64_t count = -1;   // -1: null, or not there
  std::uint64_t end = 0;     // behind its last element
};

// A topic around leaves, when there are two levels.
struct Outer {
  std::uint64_t begin = 0, end = 0;
  std::string_view topic{};  // empty when named by id
  Uuid topic_id{};           // zero when named by name
  ArraySpan inner{};
  std::uint32_t first_leaf = 0, leaves = 0;
};

// One element that is dispatched as a whole.
struct Leaf {
  std::uint64_t begin = 0, end = 0;
  std::uint32_t outer = 0;          // index in outers (two levels)
  std::int32_t partition = -1;
  std::string_view name{};          // a group, transactional id or resource name
  std::uint64_t name_at = 0;        // where that string (its length prefix) stands, and its bytes
  std::uint32_t name_size = 0;
  std::int8_t resource_type = 0;
  std::int64_t records_bytes = -1;  // of its record set; -1: none
  std::uint64_t max_bytes_at = 0;   // Fetch: position of PartitionMaxBytes
};

class Parts {
 public:
  // Takes a whole body apart. Null, or why it is not a message of this version. The body must
  // outlive the Parts. May be called again and again: memory is kept.
  const char* parse(const Message& message, Version version, Bytes body);

  const Found& top(Role role) const { return top_[static_cast<std::size_t>(role)]; }
  int levels() const { return levels_; }               // 0: nothing to split in this version
  const ArraySpan& array() const { return array_; }    // the outermost split array
  const std::vector<Outer>& outers() const { return outers_; }
  const std::vector<Leaf>& leaves() const { return leaves_; }
  std::string_view topic(const Leaf& l) const { return levels_ == 2 ? outers_[l.outer].topic : std::string_view{}; }
  Bytes body() const { return body_; }
  bool flexible() const { return flexible_; }

  // Appends the body of the request that holds only the leaves with chosen[i] == wanted.
  void append_selected(const std::vector<std::uint32_t>& chosen, std::uint32_t wanted,
                       std::vector<std::byte>& out) const;

 private:
  friend class PartsReader;
  void clear();
  std::array<Found, 64> top_{};
  int levels_ = 0;
  ArraySpan array_;
  std::vector<Outer> outers_;
  std::vector<Leaf> leaves_;
  Bytes body_;
  bool flexible_ = false;
};

// Appends an array's count as this version writes it.
void put_count(std::vector<std::byte>& out, bool flexible, std::int64_t count);

}  // namespace shunt::wire
