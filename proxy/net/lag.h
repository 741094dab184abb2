// Carries out `lag`: where groups stand (their home and the journal) against the tails' ends.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "proxy/net/ask.h"
#include "proxy/net/exchange.h"
#include "proxy/splice/progress.h"

namespace shunt::net {

struct LagLimits {
  std::chrono::milliseconds positions{3000}, ends{2000};
};

// One look. Positions are what a client would be told now (splice/commits.h); where the home does
// not answer within its limit, the journal's.
class Lag : public std::enable_shared_from_this<Lag> {
 public:
  explicit Lag(World& world, LagLimits limits = {}) : world_(world), limits_(limits) {}
  // `done`: once, within a few seconds. Groups without a position in a topic in migration are left
  // out.
  void start(const std::set<std::string>& groups,
             std::function<void(const std::vector<splice::GroupLag>&)> done);

 private:
  using Positions = std::map<PartitionKey, splice::VirtualOffset>;
  struct End {
    route::Cluster cluster = route::Cluster::old_cluster;
    std::int64_t high_watermark = -1;
  };
  void ask(const std::string& group, const Joint& joint, std::function<void()> ended);
  void take(Positions& into, const wire::Value& topics) const;
  void ends();
  void finish();

  World& world_;
  LagLimits limits_;
  std::function<void(const std::vector<splice::GroupLag>&)> done_;
  std::map<std::string, Positions> groups_;
  std::map<PartitionKey, End> ends_;  // of the partitions somebody has a position in
};

// Keeps the metrics of groups: every few seconds while a migration is open.
class LagMeter {
 public:
  explicit LagMeter(World& world) : world_(world) {}
  void tick(Clock::time_point now);  // once a second
  // As of the last look.
  const std::map<std::string, splice::GroupLag>& seen() const { return seen_; }

 private:
  std::map<std::string, splice::GroupLag> seen_;
  World& world_;
  Clock::time_point last_{};
  bool running_ = false;
};

}  // namespace shunt::net
