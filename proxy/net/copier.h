// Commits offsets of the daemon's own accord: to a cluster and group each, as a simple consumer.
//
// Accepted commits of clients go to the other cluster, so that a group's place is known there too;
// seams go to both (seam_keeper.h). No member id, no generation; newest per partition, in the order
// given. The journal is the truth: what is not there yet waits here, and all of it is committed
// anew at start and once a day, because simple commits expire by commit time (rules A3).
#pragma once

#include <compare>
#include <map>
#include <string>
#include <utility>

#include "proxy/net/exchange.h"
#include "proxy/net/world.h"
#include "proxy/splice/commits.h"

namespace shunt::net {

class Copier : public CommitTaker {
 public:
  explicit Copier(World& world) : world_(world) {}
  void accepted(const splice::CommitAccepted& commit) override;
  std::int64_t behind(const std::string& group) const override;
  std::int64_t behind(const std::string& group, const std::string& topic,
                      std::int32_t partition) const override;
  void tick(Clock::time_point now);  // once a second: what failed goes again, once a day all does

  // To be committed in `to`; it goes with the next begin(), or tick.
  void add(route::Cluster to, const splice::Copy& copy);
  void begin(route::Cluster to, const std::string& group);
  // Partitions that are not there yet, and why; an empty `why`: nobody has refused.
  struct Waiting {
    std::int64_t partitions = 0;
    std::string why;
  };
  Waiting waiting(route::Cluster to, const std::string& group) const;

 private:
  using Key = std::pair<std::string, std::int32_t>;
  struct Target {
    route::Cluster to;
    std::string group;
    auto operator<=>(const Target&) const = default;
  };
  struct Group {
    std::map<Key, splice::Copy> waiting;
    bool under_way = false;
    std::string why;  // it is not there yet
  };
  void copy_all();
  ClusterAccess* access(const Target& target) const {
    return world_.access[static_cast<std::size_t>(target.to)];
  }
  void send(const Target& target);
  void send_to(const Target& target, route::NativeNodeId coordinator);
  void answered(const Target& target, const std::map<Key, splice::Copy>& sent,
                const std::string& error, const wire::Value& body);

  World& world_;
  std::map<Target, Group> groups_;
  Clock::time_point all_copied_{};
};

}  // namespace shunt::net
