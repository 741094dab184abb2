// S8: the end of what was left behind must not move. Whoever writes there writes past us.
//
// Once a second the log ends of closed segments' clusters are read. Control batches (markers of a
// transaction that timed out) are no records and count for nothing (rules A8); data is made part of
// the log by a sweep, a cut of its own (rules A9), and reported.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "proxy/net/world.h"

namespace shunt::net {

class StragglerWatch : public std::enable_shared_from_this<StragglerWatch> {
 public:
  explicit StragglerWatch(World& world) : world_(world) {}
  // Once a second, while no cut runs.
  void tick();

 private:
  using Key = std::pair<std::string, std::int32_t>;
  struct Late {  // what a partition's left cluster holds past its segment's end
    route::Cluster from{};
    std::int64_t end = 0;      // native, of its log
    std::int64_t read_to = 0;  // native, so far
    std::int64_t records = 0;  // of data
    std::set<std::int64_t> producers;
  };
  void look(route::Cluster c);
  void compare(route::Cluster c, const wire::Value& answer);
  void read(const Key& key, const Late& late);
  void sweep(const Key& key, const Late& late);
  void swept(const Key& key, const Late& late, std::int64_t tail_end);
  std::optional<route::NativeNodeId> leader(route::Cluster c, const Key& key) const;
  void ask_end(route::Cluster c, route::NativeNodeId leader, const std::set<Key>& keys,
               std::function<void(const wire::Value&)> then);

  World& world_;
  std::set<Key> busy_;
  std::map<Key, std::int64_t> markers_to_;  // native: only control batches lie before
};

}  // namespace shunt::net
