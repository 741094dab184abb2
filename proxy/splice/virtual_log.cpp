#include "proxy/splice/virtual_log.h"

#include <algorithm>

namespace shunt::splice {

std::int32_t Segment::shown_epoch(std::int32_t native_epoch) const {
  if (native_epoch < 0) return -1;
  return std::min(epoch_base + native_epoch, epoch_last);
}

std::int32_t Segment::native_epoch(std::int32_t shown_epoch) const {
  return std::max(shown_epoch - epoch_base, -1);
}

const Segment& VirtualLog::run_start() const {
  auto first = segments_.rbegin();
  while (first + 1 != segments_.rend() && (first + 1)->cut == first->cut) ++first;
  return *first;
}

std::size_t VirtualLog::at(VirtualOffset v) const {
  const auto behind =
      std::upper_bound(segments_.begin(), segments_.end(), v,
                       [](VirtualOffset value, const Segment& s) { return value < s.start; });
  return behind == segments_.begin() ? 0 : static_cast<std::size_t>(behind - segments_.begin()) - 1;
}

std::optional<VirtualOffset> VirtualLog::shown(NativeOffset n) const {
  for (const Segment& s : segments_) {
    if (s.cluster == n.in && n.at >= s.native_start && n.at < s.native_end) return s.shown(n.at);
  }
  return std::nullopt;
}

std::optional<VirtualOffset> VirtualLog::at_or_after(NativeOffset n) const {
  for (const Segment& s : segments_) {
    if (s.cluster != n.in || s.native_start == s.native_end) continue;
    if (n.at < s.native_end) return s.shown(std::max(n.at, s.native_start));
  }
  return std::nullopt;
}

Pair VirtualLog::pair(VirtualOffset v) const {
  const auto position_in = [&](Cluster c) {
    std::optional<std::int64_t> first, reached;
    for (const Segment& s : segments_) {
      if (s.cluster != c) continue;
      if (!first) first = s.native_start;
      if (s.start > v) break;
      reached = std::min(s.native(v).at, s.native_end);
    }
    return reached.value_or(first.value_or(0));
  };
  return {position_in(Cluster::old_cluster), position_in(Cluster::new_cluster)};
}

VirtualOffset VirtualLog::position(const Pair& p) const {
  for (const Segment& s : segments_) {
    // What lies before a cluster's first segment is not of this log: nothing to read there.
    const auto reached = std::max(p.of(s.cluster), s.native_start);
    if (!s.open() && reached >= s.native_end) continue;
    return s.shown(reached);
  }
  return tail().start;  // not reached: the tail is open
}

std::optional<std::int64_t> VirtualLog::next_native(Cluster c) const {
  for (auto s = segments_.rbegin(); s != segments_.rend(); ++s) {
    if (s->cluster == c) return s->native_end;
  }
  return std::nullopt;
}

const char* VirtualLog::append(std::int64_t native_end, std::int32_t epoch_last, Cluster to,
                               std::int64_t native_start, std::uint32_t cut) {
  const Segment& last = segments_.back();
  if (native_end < last.native_start || native_end == Segment::open_end)
    return "a segment cannot end before it begins";
  if (native_start < 0) return "a segment cannot begin below 0";
  if (to == last.cluster) {
    if (native_start != native_end) return "a cluster's next segment begins where its last ended";
  } else if (const auto next = next_native(to); next && *next != native_start) {
    return "a cluster's next segment begins where its last ended";
  }
  go_on(native_end, epoch_last, to, native_start, cut);
  return nullptr;
}

void VirtualLog::go_on(std::int64_t native_end, std::int32_t epoch_last, Cluster to,
                       std::int64_t native_start, std::uint32_t cut) {
  Segment& last = segments_.back();
  last.native_end = native_end;
  last.epoch_last = std::max(epoch_last, last.epoch_base - 1);
  Segment s;
  s.start = last.end();
  s.cluster = to;
  s.native_start = native_start;
  s.epoch_base = last.epoch_last + 1;
  s.cut = cut;
  segments_.push_back(s);
}

const char* VirtualLog::sweep(std::int64_t native_end, std::int32_t epoch_last, Cluster from,
                              std::int64_t from_start, std::int64_t from_end) {
  const Segment before = segments_.back();
  const auto next = next_native(from);
  if (from == before.cluster || !next) return "only a cluster that was left can be swept";
  if (from_end <= *next) return "nothing to sweep";
  if (from_start < *next || from_start > from_end) return "a sweep begins before what is swept";
  if (native_end < before.native_start || native_end == Segment::open_end)
    return "a segment cannot end before it begins";
  go_on(native_end, epoch_last, from, from_start, before.cut);
  go_on(from_end, epoch_last, before.cluster, native_end, before.cut);
  Segment& swept = segments_[segments_.size() - 2];
  swept.epoch_base = swept.epoch_last = epoch_last;
  segments_.back().epoch_base = before.epoch_base;
  return nullptr;
}

const char* VirtualLog::restore(std::vector<Segment> segments) {
  if (segments.empty()) return "no segments";
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const Segment& s = segments[i];
    if (s.open() != (i + 1 == segments.size())) return "only the last segment is open";
    if (s.native_end < s.native_start) return "a segment ends before it begins";
    if (i > 0 && s.start != segments[i - 1].end()) return "segments do not meet";
  }
  segments_ = std::move(segments);
  return nullptr;
}

}  // namespace shunt::splice
