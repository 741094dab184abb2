#include "tests/sim/place.h"

#include <algorithm>

namespace shunt::sim {

using route::Cluster;

std::int64_t below(const splice::VirtualLog& log, Cluster c, std::int64_t v) {
  std::int64_t n = 0;
  for (const auto& s : log.segments()) {
    if (s.cluster != c) continue;
    n += std::clamp<std::int64_t>(v - s.start.at, 0, s.end().at - s.start.at);
  }
  return n;
}

std::int64_t place_in_new(const splice::VirtualLog& log, std::int64_t native) {
  for (const auto& s : log.segments()) {
    if (native < 0 || s.cluster != Cluster::new_cluster) continue;
    if (native <= s.native_end)
      return s.start.at + std::max<std::int64_t>(native - s.native_start, 0);
  }
  return -1;
}

std::int64_t place(const splice::VirtualLog& log, std::int64_t in_old, std::int64_t journaled) {
  const auto in_new = below(log, Cluster::new_cluster, journaled);
  auto v = in_old + in_new;  // not behind it: each offset is of one of them
  while (below(log, Cluster::old_cluster, v) > in_old ||
         below(log, Cluster::new_cluster, v) > in_new) {
    --v;
  }
  return v;
}

std::set<std::int64_t> places(const splice::VirtualLog& log, const std::set<std::int64_t>& in_old,
                              std::set<std::int64_t> before, std::set<std::int64_t> journaled) {
  const auto all = [&](const std::set<std::int64_t>& homes) {
    std::set<std::int64_t> out;
    for (const auto x : homes) {
      for (const auto j : journaled) out.insert(x >= 0 ? place(log, x, j) : j);
    }
    return out;
  };
  before.insert(in_old.begin(), in_old.end());
  for (std::size_t was = 0; was != journaled.size();) {
    was = journaled.size();
    journaled.merge(all(before));
  }
  return all(in_old);
}

}  // namespace shunt::sim
