#include "proxy/splice/clip.h"

#include <span>

#include "proxy/wire/batch.h"

namespace shunt::splice {

Clipped clip(const Segment& segment, std::int64_t native_end, wire::Bytes set) {
  using Step = wire::BatchCursor::Step;
  Clipped out;
  out.records.assign(set.begin(), set.end());
  std::size_t kept = 0;
  wire::BatchCursor cursor(set.size());
  for (;;) {
    wire::BatchHeader h;
    std::size_t advance = 0;
    const auto at = static_cast<std::size_t>(cursor.position());
    const auto step = cursor.next(set.subspan(at), h, advance);
    if (step == Step::bad) out.problem = "a broker sent what is no record set";
    if (step != Step::batch) break;
    if (h.last_offset() >= native_end) {
      out.beyond = std::max(h.base_offset, native_end);
      break;
    }
    const wire::BatchEdit edit{.offset_shift = segment.start.at - segment.native_start,
                               .set_leader_epoch = true,
                               .leader_epoch = segment.shown_epoch(h.leader_epoch)};
    if (!wire::rewrite(edit, std::span(out.records).subspan(at + advance))) {
      out.problem = "a compressed message set of format 0 cannot be renumbered";
      break;
    }
    if (kept == 0) out.first = h.base_offset;
    kept = at + advance + static_cast<std::size_t>(h.size());
    out.next = h.last_offset() + 1;
  }
  out.records.resize(kept);
  return out;
}

}  // namespace shunt::splice
