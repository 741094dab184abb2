#include "proxy/splice/ends.h"

#include <algorithm>

namespace shunt::splice {
namespace {

// Everything before the tail is the view's, whoever has been heard.
std::int64_t shown(const PartitionLog& p, VirtualOffset known) {
  const Segment& tail = p.log.tail();
  const auto end = std::max(known, tail.start);
  return p.candidate_end ? std::min(end, tail.shown(*p.candidate_end)).at : end.at;
}

// Takes a native end of segment `i` into `known`.
std::int64_t learn(PartitionLog& p, std::size_t i, std::int64_t native, VirtualOffset& known) {
  const auto& segments = p.log.segments();
  const Segment& s = segments[i];
  const auto clipped = std::min(native, end_of(p, i));
  if (i + 1 == segments.size() && clipped >= s.native_start) {
    known = std::max(known, s.shown(clipped));
    p.show(known);
  }
  return p.log.spliced() ? shown(p, known) : clipped;
}

}  // namespace

std::int64_t end_of(const PartitionLog& p, std::size_t i) {
  const Segment& s = p.log.segments()[i];
  return s.open() ? p.candidate_end.value_or(Segment::open_end) : s.native_end;
}

std::int64_t learn_high_watermark(PartitionLog& p, std::size_t i, std::int64_t native) {
  return learn(p, i, native, p.high_watermark);
}

std::int64_t learn_last_stable(PartitionLog& p, std::size_t i, std::int64_t native) {
  return learn(p, i, native, p.last_stable);
}

std::int64_t learn_log_start(PartitionLog& p, Cluster c, std::int64_t native) {
  for (;;) {
    const Segment& s = p.log.segments()[p.log.at(p.log_start)];
    if (s.cluster != c) break;
    if (s.open() || native < s.native_end) {
      p.log_start = std::max(p.log_start, s.shown(std::max(native, s.native_start)));
      break;
    }
    p.log_start = s.end();  // nothing of it is left
  }
  return p.log.spliced() ? p.log_start.at : native;
}

std::int64_t shown_high_watermark(const PartitionLog& p) { return shown(p, p.high_watermark); }
std::int64_t shown_last_stable(const PartitionLog& p) { return shown(p, p.last_stable); }

}  // namespace shunt::splice
