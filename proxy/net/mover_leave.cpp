// New is the thing that failed (rules B1): what is done without asking it anything.
#include <algorithm>

#include "proxy/net/mover.h"
#include "proxy/observe/text.h"

namespace shunt::net {

using route::Cluster;

// Production goes back to old, whatever groups have been moved since. `skip`: readers do not wait
// for what new has and they have not read. That may also be asked for afterwards.
void Mover::leave_new(const splice::Migration& m, bool skip, CutDone done) {
  const auto* move = m.newest(splice::MoveKind::produce);
  const bool at_new = std::ranges::any_of(m.topics, [&](const auto& name) {
    return world_.splice.topic(name)->produce_to() == Cluster::new_cluster;
  });
  if (move == nullptr || !at_new) {
    ProduceMoved moved;
    moved.to = Cluster::old_cluster;
    moved.changed = skip && skip_new(m.topics);
    return done(nullptr, moved);
  }
  if (move->to != Cluster::new_cluster) {
    const auto why =
        refuse(409, "not_on_new", "the newest move went to old: there is nothing to leave",
               "shuntctl move produce --to old --topics LIST, while new answers; shuntctl topics");
    return done(&why, {});
  }
  running_ = std::make_shared<CutRun>(
      world_, plan_of(m, move->topics, Cluster::old_cluster, move->id), Cluster::new_cluster);
  running_->leave(when_ended([this, skip, topics = move->topics, done = std::move(done)](
                                 const Refused* refused, const ProduceMoved& moved) {
    if (refused == nullptr && moved.changed && skip) skip_new(topics);
    done(refused, moved);
  }));
}

// From now on, and until its leader answers again, readers jump over what lies in new. False:
// there is nothing of it to jump over, or all of it is in reach.
bool Mover::skip_new(const std::vector<std::string>& topics) {
  bool any = false;
  for (const auto& name : topics) {
    const auto& partitions = world_.splice.topic(name)->partitions;
    std::int64_t skipped = 0;
    for (std::size_t i = 0; i < partitions.size(); ++i) {
      const auto& log = partitions[i];
      if (log.skips_new || log.log.tail().cluster == Cluster::new_cluster) continue;
      if (std::ranges::none_of(log.log.segments(), [](const splice::Segment& s) {
            return s.cluster == Cluster::new_cluster;
          })) {
        continue;
      }
      const auto* known = world_.new_topology.partition(name, static_cast<std::int32_t>(i));
      if (new_->reachable() && known != nullptr && world_.new_topology.broker(known->leader))
        continue;
      skipped += world_.record(splice::NewSkipped{name, static_cast<std::int32_t>(i), true}, true);
    }
    if (skipped == 0) continue;
    any = true;
    observe::Event e;
    e.event = "new.skipped";
    e.migration = world_.splice.topic(name)->migration;
    e.keys = {{"topic", name}, {"partitions", skipped}};
    world_.events.add(std::move(e));
  }
  return any;
}

}  // namespace shunt::net
