// Carries out `verify`: asks both clusters what splice/proof.h judges.
//
//     metadata ─▶ ends ─▶ batches at the seams ─┐
//     the groups' commits, again until they agree ─┴─▶ judge
//
// Each stage has a limit: what has not answered by then is a problem of its own, not a wait. When a
// seam was written in the meantime, all begins anew.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "proxy/net/ask.h"
#include "proxy/net/prove_groups.h"
#include "proxy/splice/proof.h"

namespace shunt::net {

// How long each stage waits for what does not answer.
struct VerifyLimits {
  std::chrono::milliseconds metadata{1500}, ends{2000}, edges{3000}, groups{5000};
};

class Verify : public std::enable_shared_from_this<Verify> {
 public:
  explicit Verify(World& world, VerifyLimits limits = {}) : world_(world), limits_(limits) {}
  void start(std::function<void(const splice::Proof&)> done);

 private:
  struct Leader {
    route::NativeNodeId node{-1};
    std::int32_t epoch = -1;
  };
  struct Partition {
    splice::PartitionSaid said;
    Leader leaders[2];  // by cluster
  };
  using Reading = std::shared_ptr<splice::EdgeReading>;
  // What is being read of a log, and where the result belongs.
  struct Edge {
    PartitionKey key;
    route::Cluster cluster = route::Cluster::old_cluster;
    Reading reading;
    std::function<void(Partition&, const splice::EdgeReading&)> into;
  };

  void begin();
  bool changed_meanwhile() const;
  void metadata();
  void take_metadata(route::Cluster c, const std::string& error, const wire::Value& body);
  void take_topic(route::Cluster c, const splice::TopicLog& topic, const wire::Value& told);
  void ends();
  void edges();
  void add_edges(const PartitionKey& key, Partition& p);
  void read(const Reading& reading, const PartitionKey& key, route::Cluster c,
            route::NativeNodeId leader, std::function<void()> ended);
  void finish();
  splice::LogSaid& said(const PartitionKey& key, route::Cluster c) {
    return partitions_[key].said.clusters[static_cast<std::size_t>(c)];
  }

  World& world_;
  VerifyLimits limits_;
  std::function<void(const splice::Proof&)> done_;
  int attempts_ = 0;
  std::map<PartitionKey, Partition> partitions_;
  std::vector<Edge> edges_;
  std::vector<std::string> problems_;
  Joint both_;  // logs and groups
  std::shared_ptr<ProveGroups> groups_;
};

}  // namespace shunt::net
