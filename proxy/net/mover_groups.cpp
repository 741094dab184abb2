// Moves groups: who may read what is written at new, and who waits at its seam.
#include <algorithm>
#include <boost/asio/steady_timer.hpp>

#include "proxy/net/attribution.h"
#include "proxy/net/lag.h"
#include "proxy/net/mover.h"
#include "proxy/net/session.h"
#include "proxy/observe/text.h"

namespace shunt::net {

using route::Cluster;

namespace {

constexpr auto look_again = std::chrono::milliseconds(250);  // whether they have crossed

std::string nearby(const std::set<std::string>& groups) {
  std::string out;
  for (const auto& g : groups) out += (out.empty() ? "" : ", ") + g;
  return out.empty() ? "none" : out;
}

// Where it stands in the migration's topics, and whether it may go on behind the seam.
std::vector<GroupPlace> places(const splice::State& state, const splice::Migration& m,
                               const GroupLag& group) {
  std::vector<GroupPlace> out;
  for (const auto& p : group.partitions) {
    const auto* topic = state.topic(p.topic);
    const auto* log = state.partition(p.topic, {}, p.partition);
    if (topic == nullptr || log == nullptr || topic->migration != m.id) continue;
    GroupPlace place{p.topic, p.partition, {p.position}, false};
    place.crossed = topic->produce_to() == Cluster::new_cluster &&
                    !state.waits(*topic, group.group) && log->drained_at(place.position);
    out.push_back(std::move(place));
  }
  return out;
}

bool all_crossed(const std::vector<GroupMoved>& groups) {
  return std::ranges::all_of(groups, [](const GroupMoved& g) {
    return std::ranges::all_of(g.partitions, [](const GroupPlace& p) { return p.crossed; });
  });
}

}  // namespace

Refused no_such_group(const std::string& group, const std::set<std::string>& known) {
  return refuse(400, "no_such_group", "old knows no group " + group,
                "groups there are: " + nearby(known));
}

Fetching fetching(const splice::State& state, const splice::Migration& m,
                  const std::string& group) {
  const bool at_new = std::ranges::any_of(m.topics, [&](const std::string& name) {
    const auto* t = state.topic(name);
    return t != nullptr && t->produce_to() == Cluster::new_cluster;
  });
  if (!at_new) return Fetching::old;
  return m.reads_new(group) ? Fetching::fresh : Fetching::wait;
}

// Why it cannot be moved by itself; nullopt: it can.
std::optional<Refused> Mover::unmovable(const splice::Migration& m,
                                        const FetchRequest& request) const {
  const auto known = world_.known_groups();
  if (!known.contains(request.group)) {
    return no_such_group(request.group, known);
  }
  std::vector<Check> found;
  for (const auto& member : world_.members(request.group)) {
    const std::string who =
        "member " + member.id + " (" + member.client_id + " at " + member.host + ")";
    if (!world_.passes_here(request.group, member.id)) {
      if (!request.accept_stragglers)
        found.push_back({"group.outside", "fail", request.group, who + " does not pass here",
                         "let it connect through Shunt, or go on with --accept-stragglers"});
      continue;
    }
    if (world_.identities.of_member(request.group, member.id) != route::Instance{0}) continue;
    // Known by its client id alone: another group's member must not have the same one (rules A6).
    for (const auto& [topic, partitions] : member.topics) {
      const auto* log = world_.splice.topic(topic);
      if (log == nullptr || log->migration != m.id) continue;
      for (const auto partition : partitions) {
        auto others = world_.groups_of(member.client_id, topic, partition);
        others.erase(request.group);
        if (others.empty()) continue;
        found.push_back({"group.attribution", "fail", request.group,
                         who + " cannot be told from a member of " + nearby(others),
                         "move them together: shuntctl move fetch --all"});
        break;
      }
    }
  }
  if (found.empty()) return std::nullopt;
  return blocked(std::move(found));
}

void Mover::move_fetch(const FetchRequest& request, Done<GroupsMoved> done) {
  Refused why;
  const auto* m = find(request.migration, why);
  if (m == nullptr || !may_begin(*m, why)) return done(&why, {});
  if (!request.group.empty()) {
    if (const auto no = unmovable(*m, request)) return done(&*no, {});
  }
  const bool to_new = request.to == Cluster::new_cluster;
  const bool same = request.group.empty() ? m->all_read_new == to_new && m->read_new.empty()
                                          : m->reads_new(request.group) == to_new;
  splice::GroupsMoved record{m->id, "", request.to, {}, "", observe::unix_ms_now()};
  if (!request.group.empty()) record.groups.push_back(request.group);
  if (!same) record.move = world_.splice.next_move_id(*m);
  move_groups(record, request.wait, std::move(done));
}

// Journaled, then it holds; without a move's id there is nothing to change.
void Mover::move_groups(const splice::GroupsMoved& record, bool wait, Done<GroupsMoved> done) {
  const splice::Migration& m = *world_.splice.migration(record.migration);
  GroupsMoved moved;
  moved.to = record.to;
  moved.changed = !record.move.empty();
  moved.move = record.move;
  std::set<std::string> names(record.groups.begin(), record.groups.end());
  if (names.empty()) names = world_.known_groups();
  for (const auto& group : names) {
    auto& one = moved.groups.emplace_back();
    one.group = group;
    one.from = one.to = fetching(world_.splice, m, group);
  }
  if (moved.changed) {
    if (!world_.record(record, true)) {
      const auto r = refuse(500, "journal_failed", "the journal cannot be written",
                            "make room on its disk; nothing has changed");
      return done(&r, {});
    }
    const auto sessions = world_.sessions;
    for (const auto& s : sessions) s->route_changed({m.topics.begin(), m.topics.end()});
  }
  for (auto& group : moved.groups) {
    group.to = fetching(world_.splice, m, group.group);
    if (group.to == group.from) continue;
    observe::Event e;
    e.event = "group.moved";
    e.migration = m.id;
    e.keys = {{"move", moved.move},
              {"group", group.group},
              {"from", std::string(name(group.from))},
              {"to", std::string(name(group.to))}};
    world_.events.add(std::move(e));
  }
  show_groups(std::move(moved), record, wait, std::move(done));
}

// Where they stand now; with `wait`, when they have all crossed.
void Mover::show_groups(GroupsMoved moved, const splice::GroupsMoved& record, bool wait,
                        Done<GroupsMoved> done) {
  std::set<std::string> names;
  for (const auto& g : moved.groups) names.insert(g.group);
  std::make_shared<Lag>(world_)
      ->start(names, [this, moved = std::move(moved), record, wait,
                      done = std::move(done)](const std::vector<GroupLag>& all) mutable {
        const auto& m = *world_.splice.migration(record.migration);
        for (auto& group : moved.groups) {
          const auto of = std::ranges::find(all, group.group, &GroupLag::group);
          group.partitions.clear();
          if (of != all.end()) group.partitions = places(world_.splice, m, *of);
        }
        const bool elsewhere = m.moves.empty() || m.moves.back().undone || m.paused;
        if (wait && record.to == Cluster::new_cluster && !elsewhere && !all_crossed(moved.groups)) {
          auto timer = std::make_shared<boost::asio::steady_timer>(world_.io, look_again);
          return timer->async_wait([this, timer, moved = std::move(moved), record,
                                    done = std::move(done)](boost::system::error_code) mutable {
            show_groups(std::move(moved), record, true, std::move(done));
          });
        }
        // Those that have nothing to do with these topics are not of this move.
        if (record.groups.empty())
          std::erase_if(moved.groups, [](const GroupMoved& g) { return g.partitions.empty(); });
        done(nullptr, moved);
      });
}

}  // namespace shunt::net
