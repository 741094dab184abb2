#include "proxy/splice/progress.h"

#include <algorithm>

namespace shunt::splice {

PartitionLag progress(const PartitionLog& p, VirtualOffset position, std::int64_t high_watermark) {
  PartitionLag out;
  out.position = position.at;
  const Segment& tail = p.log.tail();
  auto end = high_watermark;
  if (end >= 0) {
    if (p.candidate_end) end = std::min(end, *p.candidate_end);
    end = std::max(end, tail.native_start);
    out.end = tail.shown(end).at;
  }
  out.drained = p.drained_at(position);
  const Pair pair = p.log.pair(position);
  for (const auto c : {Cluster::old_cluster, Cluster::new_cluster}) {
    const auto closed = p.log.next_native(c);
    if (!closed) continue;
    auto& side = c == Cluster::old_cluster ? out.in_old : out.in_new;
    side.next = pair.of(c);
    side.end = tail.cluster == c ? end : *closed;
  }
  return out;
}

std::int64_t lag_in(const GroupLag& group, Cluster c) {
  std::int64_t sum = 0;
  for (const auto& p : group.partitions) {
    const auto& side = c == Cluster::old_cluster ? p.in_old : p.in_new;
    if (side.next < 0 && side.end < 0) continue;  // nothing of it is there
    if (side.next < 0 || side.end < 0) return -1;
    sum += std::max<std::int64_t>(side.end - side.next, 0);
  }
  return sum;
}

}  // namespace shunt::splice
