// S8: the end of what was left behind must not move. Whoever writes there writes past us.
//
// Once a second the log ends of closed segments' clusters are read. Control batches (markers of a
// transaction that timed out) are no records and count for nothing (rules A8); data is made part of
// the log by a sweep, a cut of its own (rules A9), and reported; but not what its client has sent
// again and the tail's cluster has (splice/stragglers.h).
#pragma once

#include <memory>
#include <set>
#include <vector>

#include "proxy/net/ask.h"
#include "proxy/splice/stragglers.h"

namespace shunt::net {

class StragglerWatch : public std::enable_shared_from_this<StragglerWatch> {
 public:
  explicit StragglerWatch(World& world) : world_(world) {}
  // Once a second, while no cut runs.
  void tick();

 private:
  using Key = PartitionKey;
  struct Late {  // what a partition's left cluster holds past its segment's end
    route::Cluster from{};
    std::int64_t end = 0;      // native, of its log
    std::int64_t begin = 0;    // native, of what is read
    std::int64_t read_to = 0;  // native, so far
    std::vector<splice::Straggler> batches;
  };
  void look(route::Cluster c);
  void compare(route::Cluster c, const Key& key, std::int64_t log_end);
  void read(const Key& key, const Late& late);
  void sweep(const Key& key, const Late& late);
  void swept(const Key& key, const Late& late, std::int64_t tail_end);
  bool take(const Key& key, const Late& late, const splice::StragglerRun& run,
            std::int64_t tail_end, std::int64_t repeats);
  std::optional<route::NativeNodeId> leader(route::Cluster c, const Key& key) const;
  // `then`: the log end of each partition that its leader could tell; the others at the next tick.
  void ask_ends(route::Cluster c, route::NativeNodeId leader, const std::set<Key>& keys,
                std::function<void(const Key&, std::optional<std::int64_t>)> then);

  World& world_;
  std::set<Key> busy_;
};

}  // namespace shunt::net
