// The record set of one segment, cut at the segment's end and renumbered.
#pragma once

#include <optional>
#include <vector>

#include "proxy/splice/virtual_log.h"
#include "proxy/wire/walker.h"

namespace shunt::splice {

struct Clipped {
  std::vector<std::byte> records;  // whole batches below the end, in virtual offsets
  std::int64_t first = 0;          // native: where the first of them begins
  std::int64_t next = 0;           // native: behind the last of them; 0: there is none
  // Native base offset of the first batch at or past the end; nullopt: none was met.
  std::optional<std::int64_t> beyond;
  // Why the set cannot be shown; null: it can. A compressed message set of format 0 holds absolute
  // offsets inside: it can be shown only where virtual = native (rules C13).
  const char* problem = nullptr;
};

// Takes a broker's record set. A batch over `native_end` cannot be (segments end between batches):
// it counts as past it. A partial batch at the end of the set is left out.
Clipped clip(const Segment& segment, std::int64_t native_end, wire::Bytes set);

}  // namespace shunt::splice
