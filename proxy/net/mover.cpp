#include "proxy/net/mover.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "proxy/net/checks.h"
#include "proxy/net/history.h"
#include "proxy/net/lag.h"
#include "proxy/net/verify.h"
#include "proxy/observe/log.h"
#include "proxy/observe/text.h"

namespace shunt::net {

using route::Cluster;

namespace {

constexpr auto look_again_after = std::chrono::milliseconds(500);

std::string joined(const std::vector<std::string>& all) {
  std::string out;
  for (const auto& s : all) out += (out.empty() ? "" : ",") + s;
  return out;
}

}  // namespace

Refused refuse(unsigned status, std::string code, std::string message, std::string next) {
  Refused r;
  r.status = status;
  r.code = std::move(code);
  r.message = std::move(message);
  r.next = std::move(next);
  return r;
}

Refused blocked(std::vector<Check> found) {
  const auto& first = found.front();
  auto r = refuse(409, "blocked", first.id + ": " + first.target + ": " + first.reason, first.fix);
  r.where = first.target;
  r.blockers = std::move(found);
  return r;
}

// A cut that did not come to its seam before the daemon ended has been aborted.
void Mover::know(Poller* old_poller, Poller* new_poller) {
  old_ = old_poller;
  new_ = new_poller;
  std::vector<splice::Record> aborts;
  for (const auto& [id, m] : world_.splice.migrations()) {
    for (const auto& move : m.moves) {
      if (!move.sealed && move.aborted_step.empty()) {
        aborts.emplace_back(splice::CutAborted{move.id, "S1", "the daemon ended before S5",
                                               observe::unix_ms_now()});
      } else if (move.sealed && !move.flipped) {
        aborts.emplace_back(splice::CutFlipped{move.id, 0, observe::unix_ms_now()});
      }
    }
  }
  for (const auto& r : aborts) world_.record(r, true);
}

void Mover::tick() {
  if (!running_ && !finishing_) watch_->tick();
}

std::string Mover::step() const {
  if (finishing_) return "handover";
  return running_ ? running_->cut().step_name() : "";
}

void Mover::drain() {
  if (finishing_) finishing_->cancel("the daemon is stopping");
}

const splice::Migration* Mover::find(const std::string& id, Refused& why) const {
  const auto& all = world_.splice.migrations();
  if (!id.empty()) {
    const auto* m = world_.splice.migration(id);
    if (m == nullptr)
      why = refuse(400, "no_such_migration", "no migration " + id, "shuntctl status");
    return m;
  }
  if (all.size() == 1) return &all.begin()->second;
  std::string ids;
  const splice::Migration* only = nullptr;
  std::size_t open = 0;
  for (const auto& [name, m] : all) {
    if (m.finished != 0) continue;
    ids += (ids.empty() ? "" : ", ") + name;
    only = &m;
    ++open;
  }
  if (open == 1) return only;
  if (open == 0) {
    why = refuse(409, "no_migration", "no migration is open",
                 "shuntctl start --scheme 1 --topics LIST");
  } else {
    why = refuse(400, "which_migration", "several migrations are open: " + ids,
                 "give --migration ID");
  }
  return nullptr;
}

Refused Mover::refuse_running() const {
  if (finishing_)
    return refuse(409, "step_running", "a step is running: finish of " + finishing_->migration(),
                  "wait for it: shuntctl status -w");
  return refuse(
      409, "step_running",
      "a step is running: " + running_->cut().plan().move + " at " + running_->cut().step_name(),
      "wait for it: shuntctl status -w");
}

Refused Mover::refuse_paused(const std::string& migration) const {
  const bool one = world_.splice.migrations().size() == 1;
  return refuse(409, "paused", "migration " + migration + " is paused",
                "shuntctl resume" + (one ? std::string() : " --migration " + migration));
}

bool Mover::may_begin(const splice::Migration& m, Refused& why) const {
  if (running_ || finishing_) {
    why = refuse_running();
  } else if (m.finished != 0) {
    why = refuse(409, "finished", "migration " + m.id + " has finished: it cannot be changed",
                 "shuntctl history");
  } else if (m.paused) {
    why = refuse_paused(m.id);
  } else if (new_ == nullptr) {
    why = refuse(409, "no_new_cluster", "no new cluster is configured",
                 "set clusters.new.bootstrap and restart");
  } else {
    return true;
  }
  return false;
}

void Mover::plan(const StartRequest& request, Done<Plan> done) {
  plan_with(request, false, [this, done = std::move(done)](const Refused* refused, const Plan& p) {
    if (refused != nullptr) return done(refused, p);
    count_history(world_, p.topics, [plan = p, done](std::vector<HistoryLeft> left) mutable {
      plan.history_left_on_old = std::move(left);
      done(nullptr, plan);
    });
  });
}

// `looked_again`: the clusters' topics are as they are now, not as they were some seconds ago.
void Mover::plan_with(const StartRequest& request, bool looked_again, Done<Plan> done) {
  Plan plan;
  if (request.scheme != 1) {
    const auto r =
        refuse(501, "not_implemented",
               "scheme " + std::to_string(request.scheme) + " is not in this version yet",
               "use --scheme 1: producers first, then groups");
    return done(&r, {});
  }
  if (world_.left_old()) {
    const auto r =
        refuse(409, "old_left",
               "a migration has finished and old was needed no more: it is not asked any more",
               "another migration needs another Shunt, with a journal of its own");
    return done(&r, {});
  }
  std::string problem;
  plan.scheme = request.scheme;
  plan.topics = match_topics(world_.old_topology, request.topics, problem);
  const bool unknown = !problem.empty() || std::ranges::any_of(plan.topics, [&](const auto& name) {
    return world_.new_topology.topic(name) == nullptr;
  });
  if (unknown && !looked_again) {
    for (auto* access : world_.access) {
      if (access != nullptr) access->refresh_soon();
    }
    auto timer = std::make_shared<boost::asio::steady_timer>(world_.io, look_again_after);
    return timer->async_wait([this, timer, request, done](boost::system::error_code) {
      plan_with(request, true, done);
    });
  }
  if (!problem.empty() && !world_.access[0]->reachable()) {  // its topics may just not be known
    const auto r = blocked(
        {{"net.reach", "fail", "old", "the cluster does not answer", "see `shuntctl status`"}});
    return done(&r, {});
  }
  if (!problem.empty() || plan.topics.empty()) {
    const auto r = refuse(400, "usage", problem.empty() ? "no topics are given" : problem,
                          "name topics of old: --topics orders,pay-*");
    return done(&r, {});
  }
  std::int64_t partitions = 0;
  for (const auto& name : plan.topics) {
    if (const auto* t = world_.old_topology.topic(name))
      partitions += static_cast<std::int64_t>(t->partitions.size());
  }
  plan.order_promised =
      "the order of every partition, also across the move: new is read when old has been read";
  plan.hold_ms_expected = 20 + partitions;  // three rounds to the leaders, and their batches
  const auto list = joined(plan.topics);
  plan.steps = {
      {1, "create the migration; nothing moves", "shuntctl start --scheme 1 --topics " + list, ""},
      {2,
       "cut production over to new: producers wait about " + std::to_string(plan.hold_ms_expected) +
           " ms",
       "shuntctl move produce --to new", "nothing in flight, both clusters' ends agree"},
      {3, "groups read old to its end and wait there; producers are on new", "shuntctl groups",
       "every group drained, or short of it by as much as may wait"},
      {4, "one group goes on to new, as a canary; each partition when it has read old",
       "shuntctl move fetch --group G", "its lag falls, its members see no error"},
      {5, "all the others, and consumers without a group", "shuntctl move fetch --all",
       "every group reads new"},
      {6, "old is needed no more: groups' coordinators go to new in one rebalance; no way back",
       "shuntctl finish", "all groups drained, all members here and reading"},
      {0, "back, at any time, move by move", "shuntctl undo", ""}};
  CheckRequest check;
  check.topics = plan.topics;
  check.accept_history = request.accept_history;
  check.accept_stragglers = request.accept_stragglers;
  find_blockers(world_, check, [this, plan, done](std::vector<Check> found) mutable {
    for (const auto& name : plan.topics) {
      if (const auto* t = world_.splice.topic(name)) {
        found.push_back({"topic.migration", "fail", name, "it is in migration " + t->migration,
                         "leave it out, or go on with that one"});
      }
    }
    plan.blockers = std::move(found);
    done(nullptr, plan);
  });
}

void Mover::start(const StartRequest& request, Done<std::string> done) {
  if (running_ || finishing_) {
    const auto r = refuse_running();
    return done(&r, {});
  }
  plan_with(request, false, [this, done](const Refused* refused, const Plan& plan) {
    if (refused != nullptr) return done(refused, {});
    if (!plan.blockers.empty()) {
      const auto r = blocked(plan.blockers);
      return done(&r, {});
    }
    splice::MigrationStarted started;
    started.migration = world_.splice.next_migration_id();
    started.scheme = plan.scheme;
    started.at = observe::unix_ms_now();
    for (const auto& name : plan.topics) {
      const auto& t = *world_.old_topology.topic(name);
      started.topics.push_back({name, t.id, world_.new_topology.topic(name)->id,
                                static_cast<std::int32_t>(t.partitions.size())});
    }
    if (!world_.record(started, true)) {
      const auto r = refuse(500, "journal_failed", "the journal cannot be written",
                            "make room on its disk; nothing has changed");
      return done(&r, {});
    }
    world_.migration_began = Clock::now();
    world_.adopt_unclear();
    observe::Event e;
    e.event = "migration.started";
    e.migration = started.migration;
    e.keys.emplace_back("topics", joined(plan.topics));
    e.keys.emplace_back("scheme", std::int64_t{plan.scheme});
    world_.events.add(std::move(e));
    done(nullptr, started.migration);
  });
}

void Mover::move_produce(const ProduceRequest& request, Done<ProduceMoved> done) {
  Refused why;
  const auto* m = find(request.migration, why);
  if (m == nullptr || !may_begin(*m, why)) return done(&why, {});
  if (request.to == Cluster::old_cluster && !may_go_back(*m, why)) return done(&why, {});
  std::vector<std::string> topics = m->topics;
  if (!request.topics.empty()) {
    std::string problem;
    topics = match_topics(world_.old_topology, request.topics, problem);
    for (const auto& name : topics) {
      if (std::ranges::find(m->topics, name) == m->topics.end())
        problem = "topic " + name + " is not in migration " + m->id;
    }
    if (!problem.empty()) {
      why = refuse(400, "usage", problem, "shuntctl topics");
      return done(&why, {});
    }
  }
  std::erase_if(topics, [&](const std::string& name) {
    return world_.splice.topic(name)->produce_to() == request.to;
  });
  ProduceMoved nothing;
  nothing.to = request.to;
  if (topics.empty()) return done(nullptr, nothing);
  cut(*m, std::move(topics), request.to, "", request.accept_stragglers, std::move(done));
}

void Mover::undo(const UndoRequest& request, Done<Moved> done) {
  Refused why;
  const auto* m = find(request.migration, why);
  if (m == nullptr || !may_begin(*m, why) || !may_go_back(*m, why)) return done(&why, {});
  const auto* move = m->newest();
  ProduceMoved nothing;
  if (!request.move.empty()) {
    const auto named = std::ranges::find(m->moves, request.move, &splice::Move::id);
    if (named == m->moves.end()) {
      why = refuse(400, "no_such_move", "migration " + m->id + " has no move " + request.move,
                   "shuntctl status");
      return done(&why, {});
    }
    nothing.to = named->to == Cluster::new_cluster ? Cluster::old_cluster : Cluster::new_cluster;
    if (named->undone) return done(nullptr, nothing);  // by somebody else, a moment ago
    if (move == nullptr || move->id != request.move) {
      why = refuse(409, "not_newest", "move " + request.move + " is not the newest that stands",
                   "shuntctl undo takes back " + (move != nullptr ? move->id : "nothing"));
      return done(&why, {});
    }
  }
  const auto as_moved = [done](const Refused* refused, const auto& moved) { done(refused, moved); };
  if (request.without_new) return leave_new(*m, request.skip_unreachable, as_moved);
  if (move != nullptr && move->kind == splice::MoveKind::fetch) {
    const auto back =
        move->to == Cluster::new_cluster ? Cluster::old_cluster : Cluster::new_cluster;
    return move_groups({m->id, world_.splice.next_move_id(*m), back, move->groups, move->id,
                        observe::unix_ms_now()},
                       false, as_moved);
  }
  nothing.to = Cluster::old_cluster;  // where production is when no move stands
  if (move == nullptr) return done(nullptr, nothing);
  const auto back = move->to == Cluster::new_cluster ? Cluster::old_cluster : Cluster::new_cluster;
  cut(*m, move->topics, back, move->id, request.accept_stragglers, as_moved);
}

void Mover::cut(const splice::Migration& m, std::vector<std::string> topics, Cluster to,
                const std::string& undoes, bool accept_stragglers, CutDone done) {
  CheckRequest check;
  check.topics = topics;
  check.from = to == Cluster::new_cluster ? Cluster::old_cluster : Cluster::new_cluster;
  check.accept_history = true;  // asked when the migration was started
  check.accept_stragglers = accept_stragglers;
  // It runs from here on for others, though its checks come first.
  running_ =
      std::make_shared<CutRun>(world_, plan_of(m, std::move(topics), to, undoes), check.from);
  find_blockers(world_, check, [this, id = m.id, done](std::vector<Check> found) {
    const bool called_off = running_->called_off();
    if (found.empty() && !called_off) return running_->start(when_ended(done));
    let_run_go();
    const auto r = called_off ? refuse_paused(id) : blocked(std::move(found));
    done(&r, {});
  });
}

splice::CutPlan Mover::plan_of(const splice::Migration& m, std::vector<std::string> topics,
                               Cluster to, const std::string& undoes) const {
  splice::CutPlan plan;
  plan.migration = m.id;
  plan.move = world_.splice.next_move_id(m);
  plan.undoes = undoes;
  plan.topics = std::move(topics);
  plan.to = to;
  plan.hold_limit_ms = world_.settings.move.hold_limit.count();
  plan.unclear_ms = world_.settings.move.unclear.count();
  return plan;
}

void Mover::let_run_go() {
  boost::asio::post(world_.io, [run = std::move(running_)] {});  // it may be in its own call
  running_ = nullptr;
}

std::function<void(const ProduceMoved&)> Mover::when_ended(CutDone done) {
  return [this, done = std::move(done)](const ProduceMoved& moved) {
    let_run_go();
    done(nullptr, moved);
  };
}

void Mover::pause(const std::string& migration, bool paused, Done<std::string> done) {
  Refused why;
  const auto* m = find(migration, why);
  if (m == nullptr) return done(&why, {});
  if (m->paused != paused && !world_.record(splice::MigrationPaused{m->id, paused}, true)) {
    why = refuse(500, "journal_failed", "the journal cannot be written",
                 "make room on its disk; nothing has changed");
    return done(&why, {});
  }
  if (paused && running_ && running_->cut().plan().migration == m->id)
    running_->cancel("paused by the operator");
  done(nullptr, m->id);
}

// A group at home in new stays there: then there is no way back.
bool Mover::may_go_back(const splice::Migration& m, Refused& why) const {
  for (const auto& [group, commits] : world_.splice.commits()) {
    if (world_.splice.handed(group) == nullptr) continue;
    for (const auto& [key, c] : commits) {
      const auto* t = world_.splice.topic(key.first);
      if (t == nullptr || t->migration != m.id) continue;
      why = refuse(409, "finishing", "group " + group + " has been handed over to new already",
                   "shuntctl finish");
      return false;
    }
  }
  return true;
}

void Mover::finish(const FinishRequest& request, Done<Finished> done) {
  Refused why;
  const auto* m = find(request.migration, why);
  if (m == nullptr) return done(&why, {});
  Finished nothing;
  nothing.migration = m->id;
  nothing.left = world_.splice.left();
  if (m->finished != 0 && !finishing_) return done(nullptr, nothing);
  if (!may_begin(*m, why)) return done(&why, {});
  finishing_ = std::make_shared<Finish>(world_, m->id, request.accept_history);
  finishing_->start([this, done](const Refused* refused, const Finished& finished) {
    boost::asio::post(world_.io, [run = std::move(finishing_)] {});  // it is in its own call
    finishing_ = nullptr;
    if (refused == nullptr && finished.left && on_left) on_left();
    done(refused, finished);
  });
}

void Mover::verify(Done<Proof> done) {
  std::make_shared<Verify>(world_)->start([done](const Proof& proof) { done(nullptr, proof); });
}
void Mover::lag(const std::string& group, Done<std::vector<GroupLag>> done) {
  std::set<std::string> groups;
  const auto known = world_.known_groups();
  if (!group.empty() && !known.contains(group)) {
    const auto r = no_such_group(group, known);
    return done(&r, {});
  }
  if (group.empty())
    groups = known;
  else
    groups.insert(group);
  std::make_shared<Lag>(world_)->start(
      groups, [done](const std::vector<GroupLag>& all) { done(nullptr, all); });
}

}  // namespace shunt::net
