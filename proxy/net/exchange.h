// One request of a client until its answer has left.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "proxy/route/identity.h"
#include "proxy/route/produce_order.h"
#include "proxy/route/topology.h"
#include "proxy/splice/records.h"
#include "proxy/splice/state.h"
#include "proxy/splice/task.h"
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
  struct Bound {  // Produce: a partition, by the part it went with
    std::size_t part;
    route::ProduceOrder::Road* road;
    route::ProduceOrder::Mark mark = 0;
    splice::BatchId batch{};
    std::int32_t leader_epoch = -1;       // native, when it was sent
    splice::PartitionLog* log = nullptr;  // of a topic in a migration
    bool first = false;                   // its answer decides about those behind it
    std::uint32_t cut = 0;                // of the tail it was sent to
    bool resent = false;                  // counted in log->resent_unanswered, until answered()
    bool rewrites = false;                // counted in log->rewriting, until answered()
    void answered() {
      if (std::exchange(resent, false)) --log->resent_unanswered;
      if (std::exchange(rewrites, false) && of_tail()) --log->rewriting;
    }
    bool counted = false;  // in World::under_way, as its writer's
    route::Instance instance{0};
    // A resend that was let through during a hold may be answered after the flip: then it says
    // nothing of the tail that is there by now.
    bool of_tail() const { return log != nullptr && log->log.tail().cut == cut; }
  };
  std::vector<Bound> roads;
  std::vector<std::string> keys;  // groups or transactional ids it named, for stale coordinators

  // Of topics in a migration.
  std::unique_ptr<splice::Task> task;  // asks brokers round by round
  bool paused = false;                 // and has nobody to ask just now
  struct Asked {
    wire::ApiKey api;
    wire::Version version;
  };
  std::vector<Asked> asks;  // of this round; parts_left of them are unanswered
  // Changes the translated answer's body, from brokers of `cluster`.
  std::function<wire::Value(const wire::Value&)> change;
  std::uint32_t next_cut = 0;    // State::next_cut() when it was asked, Produce: its last part
  bool spliced = false;          // offsets in its answers are translated
  bool whole = false;            // its answer must not be streamed
  bool settles = false;          // a Produce whose answer decides about others
  // The request's frame. Fetch: to answer it without a broker; JoinGroup: to ask another one.
  std::vector<std::byte> asked;
  std::string held_for;      // the group whose gate holds it (group_gate.h); empty: nobody does
  std::uint64_t ticket = 0;  // there
};

}  // namespace shunt::net
