// Reads both clusters' ends and the tails' last batches by real requests: net's EndReader.
#pragma once

#include "tests/sim/proxy.h"

namespace shunt::sim {

class EndReader : public std::enable_shared_from_this<EndReader> {
 public:
  EndReader(Proxy& proxy, route::Cluster from, route::Cluster to);
  using Readings = std::vector<splice::PartitionReading>;
  void read(std::function<void(Readings)> done);
  std::size_t known_producers() const;

 private:
  struct Side {
    int leader = -1;
    std::int32_t epoch = -1;
    splice::EndReading reading;
  };
  struct Partition {
    Side sides[2];
    splice::ProducerTails tails;
    std::int64_t read_to = -1;
  };
  struct Join {
    std::size_t left = 1;
    std::function<void()> then;
    void end() {
      if (--left == 0) then();
    }
  };
  using Joint = std::shared_ptr<Join>;
  Side& side(int p, route::Cluster c) {
    return partitions_[static_cast<std::size_t>(p)].sides[static_cast<std::size_t>(c)];
  }
  std::map<int, std::vector<int>> by_leader(route::Cluster c);
  void fail(route::Cluster c, const std::vector<int>& keys, const std::string& why);
  void metadata(route::Cluster c, bool again, Joint join);
  void ends(route::Cluster c, Joint join);
  void list_offsets(route::Cluster c, int leader, const std::vector<int>& keys, int replica,
                    int isolation, std::int64_t splice::EndReading::*into, Joint join);
  void epoch_ends(route::Cluster c, int leader, const std::vector<int>& keys, Joint join);
  void producers(int leader, const std::vector<int>& keys, Joint join);
  void tails(Joint join);
  void tails_from(int leader, std::vector<int> keys, Joint join);
  void from_log_start(int leader, int partition, Joint join);
  void take_records(Partition& p, wire::Bytes records);

  Proxy& proxy_;
  route::Cluster from_, to_;
  std::vector<Partition> partitions_;
  std::vector<int> all_;
};

}  // namespace shunt::sim
