// Migrations, moves and plans as JSON, one function per object of the contract.
#include "control/migration_view.h"

#include <algorithm>

#include "control/json.h"

namespace shunt::control {
namespace {

namespace json = boost::json;
using json::object;
using splice::Cluster;

object move_object(const splice::Move& m) {
  object out;
  out["move"] = text(m.id);
  out["kind"] = m.kind == splice::MoveKind::produce ? "produce" : "fetch";
  out["to"] = route::name(m.to);
  out["at"] = time_of(m.at);
  out["undone"] = m.undone;
  out["undoes"] = known(m.undoes);
  out["aborted_at"] = known(m.aborted_step);
  out["reason"] = known(m.aborted_reason);
  if (m.kind == splice::MoveKind::fetch) out["groups"] = texts(m.groups);  // none: all
  return out;
}

bool under_way(const splice::Migration& m, const net::Operator& op) {
  return !op.step().empty() && latest(op.state()) == &m;
}

// Some of its groups have their home at new already: it only goes on from here.
bool finishing(const splice::Migration& m, const net::Operator& op) {
  const splice::State& state = op.state();
  return m.finished == 0 && std::ranges::any_of(state.all_handed(), [&](const auto& handed) {
           const auto commits = state.commits().find(handed.first);
           return commits != state.commits().end() &&
                  std::ranges::any_of(commits->second, [&](const auto& c) {
                    const splice::TopicLog* t = state.topic(c.first.first);
                    return t && t->migration == m.id;
                  });
         });
}

std::string_view state_of(const splice::Migration& m, const net::Operator& op) {
  if (m.finished != 0) return "finished";
  if (m.paused) return "paused";
  const bool runs = under_way(m, op);
  if (finishing(m, op) || (runs && op.step() == "handover")) return "finishing";
  return runs || m.newest() ? "moving" : "started";
}

// What an operator would do now; "": wait.
std::string next_command(const splice::Migration& m, const net::Operator& op) {
  const std::string which = op.state().migrations().size() > 1 ? " --migration " + m.id : "";
  if (m.finished != 0) return "";
  if (m.paused) return "shuntctl resume" + which;
  if (under_way(m, op)) return "";
  if (finishing(m, op)) return "shuntctl finish" + which;
  const bool all_on_new = std::all_of(m.topics.begin(), m.topics.end(), [&](const auto& name) {
    const splice::TopicLog* t = op.state().topic(name);
    return t && t->produce_to() == Cluster::new_cluster;
  });
  if (!all_on_new) return "shuntctl move produce --to new" + which;
  return m.all_read_new ? "shuntctl lag" : "shuntctl move fetch --all" + which;
}

}  // namespace

const splice::Migration* latest(const splice::State& state) {
  const auto changed = [](const splice::Migration& m) {
    return m.moves.empty() ? m.since : std::max(m.since, m.moves.back().at);
  };
  const splice::Migration* out = nullptr;
  for (const auto& [id, m] : state.migrations())
    if (!out || changed(m) >= changed(*out)) out = &m;
  return out;
}

object migration_object(const splice::Migration& m, const net::Operator& op) {
  object out;
  const bool runs = under_way(m, op);
  out["id"] = text(m.id);
  out["scheme"] = m.scheme;
  out["topics"] = texts(m.topics);
  out["state"] = state_of(m, op);
  out["step"] = runs ? known(op.step()) : json::value(nullptr);
  out["since"] = time_of(m.since);
  out["moves"] = objects(m.moves, move_object);
  out["next"] = known(next_command(m, op));
  return out;
}

object migration_view(const std::string& id, const net::Operator& op) {
  object out = begin_object();
  const splice::Migration* m = op.state().migration(id);
  if (m)
    out["migration"] = migration_object(*m, op);
  else
    out["migration"] = nullptr;
  return out;
}

object finished_view(const net::Finished& f, const net::Operator& op) {
  object out = migration_view(f.migration, op);
  out["groups"] = objects(f.groups, [](const net::Finished::Group& g) {
    object one;
    one["group"] = text(g.group);
    one["handover_ms"] = known(g.handover_ms);
    one["members"] = g.members;
    return one;
  });
  out["old_needed"] = !f.left;
  out["old_needed_by"] = texts(f.stays);
  return out;
}

object plan_view(const net::Plan& p) {
  object out = begin_object();
  out["scheme"] = p.scheme;
  out["topics"] = texts(p.topics);
  out["order_promised"] = known(p.order_promised);
  out["history_left_on_old"] = objects(p.history_left_on_old, [](const net::HistoryLeft& h) {
    object one;
    one["topic"] = text(h.topic);
    one["records"] = known(h.records);
    return one;
  });
  out["hold_ms_expected"] = known(p.hold_ms_expected);
  out["steps"] = objects(p.steps, [](const net::PlanStep& s) {
    object one;
    one["n"] = s.n;
    one["action"] = text(s.action);
    one["command"] = known(s.command);
    one["gate"] = known(s.gate);
    return one;
  });
  out["blockers"] = objects(p.blockers, check_object);
  return out;
}

object moved_view(const net::ProduceMoved& m) {
  object out = begin_object();
  out["move"] = known(m.move);
  out["kind"] = "produce";
  out["to"] = route::name(m.to);
  out["changed"] = m.changed;
  out["aborted_at"] = known(m.aborted_at);
  out["reason"] = known(m.reason);
  out["held_ms_max"] = m.held_ms_max;
  out["partitions"] = objects(m.partitions, [](const net::PartitionMoved& p) {
    object one;
    one["topic"] = text(p.topic);
    one["partition"] = p.partition;
    one["old_end"] = known(p.old_end);
    one["new_start"] = known(p.new_start);
    one["virtual_start"] = known(p.virtual_start);
    one["held_ms"] = p.held_ms;
    one["producers"] = p.producers;
    one["unclear"] = p.unclear;
    return one;
  });
  return out;
}

namespace {

// OFFSETS: where a virtual offset stands.
object offsets_object(const splice::PartitionLog* p, splice::VirtualOffset at) {
  object out;
  out["virtual"] = at.at;
  out["cluster"] = nullptr;
  out["native"] = nullptr;
  if (p == nullptr) return out;
  const auto native = p->log.segments()[p->log.at(at)].native(at);
  out["cluster"] = route::name(native.in);
  out["native"] = native.at;
  return out;
}

}  // namespace

object moved_view(const net::GroupsMoved& m, const splice::State& state) {
  object out = begin_object();
  out["move"] = known(m.move);
  out["kind"] = "fetch";
  out["to"] = route::name(m.to);
  out["changed"] = m.changed;
  out["groups"] = objects(m.groups, [&](const net::GroupMoved& g) {
    object one;
    one["group"] = text(g.group);
    one["from"] = net::name(g.from);
    one["to"] = net::name(g.to);
    one["partitions"] = objects(g.partitions, [&](const net::GroupPlace& p) {
      object place;
      place["topic"] = text(p.topic);
      place["partition"] = p.partition;
      place["position"] = offsets_object(state.partition(p.topic, {}, p.partition), p.position);
      place["crossed"] = p.crossed;
      return place;
    });
    return one;
  });
  return out;
}

}  // namespace shunt::control
