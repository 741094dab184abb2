// A message rewritten as spans: copy what is unchanged, replace what is not.
#pragma once

#include <cstdint>
#include <vector>

#include "proxy/wire/walker.h"

namespace shunt::wire {

// Replacements in one body, each of `size` bytes at `at` by other bytes. They must not overlap.
class Edits {
 public:
  void replace(std::uint64_t at, std::uint32_t size, Bytes with);
  void clear();
  bool empty() const { return edits_.empty(); }
  // Bytes the body grows by (negative: shrinks), for edits at or after `from`.
  std::int64_t growth(std::uint64_t from = 0) const;
  // Every replacement has its original's length.
  bool keeps_lengths() const;
  // Writes into `body` itself; only when keeps_lengths().
  void apply_in_place(std::span<std::byte> body) const;
  // Appends the rewritten body to `out`.
  void append_to(std::vector<std::byte>& out, Bytes body) const;

 private:
  struct Edit { std::uint64_t at; std::uint32_t size; std::uint32_t from, length; };
  std::vector<Edit> edits_;        // by position
  std::vector<std::byte> pool_;
};

}  // namespace shunt::wire
