// Reads partitions' ends, and the last batches of their producers, from their leaders: S1 and S4.
//
// Over the daemon's own connections, so that no client's throttling delays it (rules C15).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "proxy/net/ask.h"
#include "proxy/splice/cut.h"

namespace shunt::net {

class EndReader : public std::enable_shared_from_this<EndReader> {
 public:
  EndReader(World& world, std::vector<std::string> topics, route::Cluster from, route::Cluster to);

  // Before the hold: the tails' last batches so far, min.insync.replicas. `done`: what went wrong.
  void prepare(std::function<void(std::string problem)> done);
  // One reading of all partitions (rules A8, A10, C1): leader and epoch, the ends, the batches
  // since the last reading, leader and epoch again.
  void read(std::function<void(const std::vector<splice::PartitionReading>&)> done);

  // Ids of the producers seen so far, as `from` knows them.
  std::set<std::int64_t> known_producers() const;

 private:
  using Key = PartitionKey;
  struct Side {
    route::NativeNodeId leader{-1};
    std::int32_t epoch = -1;
    splice::EndReading reading;
  };
  struct Partition {
    Side sides[2];  // by cluster
    splice::ProducerTails tails;
    std::int64_t read_to = -1;  // native, of the tails
  };
  Side& side(Partition& p, route::Cluster c) { return p.sides[static_cast<std::size_t>(c)]; }
  void metadata(route::Cluster c, bool again, Joint join);
  void take_metadata(route::Cluster c, bool again, const wire::Value& body);
  void configs(route::Cluster c, Joint join);
  void ends(route::Cluster c, Joint join);
  void offsets(route::Cluster c, route::NativeNodeId leader, const std::set<Key>& keys,
               const OffsetsAsked& asked, std::int64_t splice::EndReading::*into,
               const Joint& joint);
  void epoch_ends(route::Cluster c, route::NativeNodeId leader, const std::set<Key>& keys,
                  Joint join);
  void producers(route::NativeNodeId leader, const std::set<Key>& keys, Joint join);
  void tails(Joint join);
  void tails_from(route::NativeNodeId leader, std::set<Key> keys, Joint join);
  void take_records(Partition& p, wire::Bytes records);
  std::map<route::NativeNodeId, std::set<Key>> by_leader(route::Cluster c);
  void fail(route::Cluster c, const std::set<Key>& keys, const std::string& why);

  World& world_;
  std::vector<std::string> topics_;
  route::Cluster from_, to_;
  std::map<Key, Partition> partitions_;
  std::map<std::string, int> in_sync_min_[2];  // by cluster, topic
  std::string problem_;
};

}  // namespace shunt::net
