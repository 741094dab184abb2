// What the operator asks of the daemon: starts, cuts, undoes, leaves, pauses; as net's Mover.
#include "tests/sim/cut_run.h"
#include "tests/sim/session.h"

namespace shunt::sim {

using route::Cluster;

void Proxy::start_migration() {
  if (!splice.migrations().empty()) return;
  splice::MigrationStarted started{"m1", 1, {{topic_name, {}, {}, sim.plan.partitions}}, 0};
  record(started, true);
  adopt_unclear();
}

bool Proxy::cut(Cluster to, const std::string& undoes) {
  const auto* m = splice.migration("m1");
  if (running || m == nullptr || m->paused) return false;
  if (splice.topic(topic_name)->produce_to() == to) return false;
  running = std::make_shared<CutRun>(*this, plan_of(*m, to, undoes));
  running->start();
  return true;
}

splice::CutPlan Proxy::plan_of(const splice::Migration& m, Cluster to,
                               const std::string& undoes) const {
  splice::CutPlan plan;
  plan.migration = m.id;
  plan.move = splice.next_move_id(m);
  plan.undoes = undoes;
  plan.topics = {topic_name};
  plan.to = to;
  plan.hold_limit_ms = sim.plan.hold_limit_ms;
  plan.unclear_ms = sim.plan.unclear_ms;
  return plan;
}

bool Proxy::leave_new() {
  const auto* m = splice.migration("m1");
  const auto* move = m == nullptr ? nullptr : m->newest(splice::MoveKind::produce);
  if (running || move == nullptr || m->paused || move->to != Cluster::new_cluster) return false;
  running = std::make_shared<CutRun>(*this, plan_of(*m, Cluster::old_cluster, move->id));
  running->leave();
  return true;
}

void Proxy::undo() {
  const auto* m = splice.migration("m1");
  const auto* move = m == nullptr ? nullptr : m->newest();
  if (move == nullptr) return;
  const auto back = move->to == Cluster::new_cluster ? Cluster::old_cluster : Cluster::new_cluster;
  if (move->kind == splice::MoveKind::fetch) return move_groups(back, move->groups, move->id);
  cut(back, move->id);
}

void Proxy::move_groups(Cluster to, const std::vector<std::string>& groups,
                        const std::string& undoes) {
  const auto* m = splice.migration("m1");
  if (running || m == nullptr || m->paused) return;
  if (!record(splice::GroupsMoved{m->id, splice.next_move_id(*m), to, groups, undoes, 0}, true))
    return;
  groups_moved_ms = sim.time.now_ms();
  if (sim.tracing())
    sim.trace(std::to_string(groups.size()) + " groups (0: all) may read " +
              std::string(route::name(to)));
  const auto all = sessions;
  for (const auto& s : all) s->route_changed();
}

void Proxy::pause(bool paused) {
  const auto* m = splice.migration("m1");
  if (m == nullptr) return;
  if (m->paused != paused) record(splice::MigrationPaused{m->id, paused}, true);
  if (paused && running) running->cancel("paused by the operator");
}

}  // namespace shunt::sim
