// A message rewritten as spans: copy what is unchanged, replace what is not.
#pragma once

#include <cstdint>
#include <vector>

#include "proxy/wire/walker.h"

namespace shunt::wire {

// Replacements in one body, each of `size` bytes at `at` by other bytes. They must not overlap.
class Edits {
 public:
  void clear();
  // Says which body is edited. Replacements that keep their length are then made at once, in a copy
  // of it, and cost nothing each: an answer may have one for every four bytes. Optional; after
  // clear(); the body must be the one given to append_to().
  void begin(Bytes body) { body_ = body; }
  void replace(std::uint64_t at, std::uint32_t size, Bytes with);
  bool empty() const { return edits_.empty() && copy_.empty(); }
  // Bytes the body grows by (negative: shrinks), for edits at or after `from`.
  std::int64_t growth(std::uint64_t from = 0) const;
  // Every replacement has its original's length.
  bool keeps_lengths() const;
  // Writes into `body` itself; only when keeps_lengths().
  void apply_in_place(std::span<std::byte> body) const;
  // Appends the rewritten body to `out`.
  void append_to(std::vector<std::byte>& out, Bytes body) const;

 private:
  struct Edit {
    std::uint64_t at;
    std::uint32_t size;
    std::uint32_t from, length;
  };
  std::vector<Edit> edits_;  // by position
  std::vector<std::byte> pool_;
  Bytes body_;
  std::vector<std::byte> copy_;  // of body_, once something in it was replaced
};

}  // namespace shunt::wire
