// One request of a client until its answer has left.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "proxy/route/produce_order.h"
#include "proxy/route/topology.h"
#include "proxy/wire/schema.h"

namespace shunt::net {

using Clock = std::chrono::steady_clock;

struct Exchange {
  const wire::Message* request = nullptr;
  const wire::Message* answer = nullptr;
  wire::Version version = 0;
  std::int32_t correlation = 0;
  Clock::time_point began;
  route::Cluster cluster = route::Cluster::old_cluster;  // for the metrics: who answered last

  std::vector<std::vector<std::byte>> parts;  // split: translated bodies, as they come
  std::size_t parts_left = 0;
  bool complete = true;  // false: more parts may still be added (a streamed Produce)

  bool ready = false;
  std::vector<std::byte> frame;  // the whole answer, when ready

  // What the answer is read for.
  route::CoordinatorKind coordinator = route::CoordinatorKind::group;
  struct Bound {
    std::size_t part;
    route::ProduceOrder::Road* road;
  };
  std::vector<Bound> roads;       // Produce: of its partitions, by the part they went with
  std::vector<std::string> keys;  // groups or transactional ids it named, for stale coordinators
};

}  // namespace shunt::net
