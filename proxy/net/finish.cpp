#include "proxy/net/finish.h"

#include <algorithm>

#include "proxy/net/attribution.h"
#include "proxy/net/lag.h"
#include "proxy/net/mover.h"
#include "proxy/net/offset_reader.h"
#include "proxy/net/session.h"
#include "proxy/observe/text.h"

namespace shunt::net {

using route::Cluster;
using wire::Array;
using wire::Struct;
using wire::Value;

namespace {

constexpr wire::ApiKey describe_groups = 15, describe_configs = 32, describe_scram = 50;
constexpr auto kind = route::CoordinatorKind::group;
constexpr std::chrono::seconds checks_limit{10}, sweep_recent{10};
constexpr std::chrono::minutes reader_recent{5};
constexpr std::chrono::milliseconds groups_turn{20};

std::string number(std::int64_t n) { return std::to_string(n); }
std::string partition(const std::string& topic, std::int32_t index) {
  return topic + "-" + number(index);
}

}  // namespace

void Finish::block(const char* id, std::string target, std::string reason, std::string fix) {
  found_.push_back({id, "fail", std::move(target), std::move(reason), std::move(fix)});
}

void Finish::start(Done done) {
  done_ = std::move(done);
  for (const auto c : {Cluster::old_cluster, Cluster::new_cluster}) {
    const auto* access = world_.access[static_cast<std::size_t>(c)];
    if (access == nullptr || !access->reachable())
      block("net.reach", std::string(route::name(c)), "the cluster does not answer",
            "bring it back: finish asks both; see `shuntctl status`");
  }
  if (found_.empty()) check_topics();
  if (!found_.empty()) return refused(std::move(found_));
  since_ = Clock::now();
  world_.access[0]->groups_changed();
  wait_for_groups();
}

// All groups, and their members, as old has them now: one that is overlooked would be left behind.
void Finish::wait_for_groups() {
  if (world_.access[0]->groups_as_of() > since_) return check();
  if (Clock::now() - since_ > checks_limit) {
    block("net.reach", "old", "not all of its brokers say which groups they have",
          "see `shuntctl status`; then finish again");
    return refused(std::move(found_));
  }
  timer_.expires_after(groups_turn);
  timer_.async_wait([self = shared_from_this()](boost::system::error_code e) {
    if (!e) self->wait_for_groups();
  });
}

void Finish::check() {
  const auto joint =
      join_within(world_, checks_limit, [self = shared_from_this()] { self->judged(); });
  check_cleanup(joint);
  check_new(joint);
  check_users(joint);
  check_readers();
  look_at_groups(joint);
  joint->end();
}

void Finish::refused(std::vector<Check> found) {
  const auto r = blocked(std::move(found));
  std::exchange(done_, nullptr)(&r, {});
}

// Written at new, all that is unclear cleared, nobody writes past us.
void Finish::check_topics() {
  const auto now = Clock::now();
  for (const auto& name : m().topics) {
    const auto& t = *world_.splice.topic(name);
    if (!t.changed.empty()) block("topic.recreated", name, t.changed, "it cannot be finished");
    if (t.produce_to() != Cluster::new_cluster) {
      block("topic.produce", name, "it is written at old", "shuntctl move produce --to new");
      continue;
    }
    std::int64_t unclear = 0, skipped = 0;
    for (const auto& p : t.partitions) {
      unclear += static_cast<std::int64_t>(p.unclear.size());
      skipped += p.skips_new;
    }
    if (unclear > 0)
      block("producer.unclear", name, number(unclear) + " batches without an answer",
            "finish again when their clients have sent them anew");
    if (skipped > 0)
      block("topic.skipped", name,
            number(skipped) + " partitions of new were left and are not back",
            "bring new's brokers back");
    const auto swept = world_.swept_at.find(name);
    if (swept != world_.swept_at.end() && now - swept->second < sweep_recent)
      block("producer.foreign", name,
            "somebody writes to old past Shunt: records were swept in just now",
            "let that producer connect through Shunt, or end it; see `shuntctl events`");
  }
  if (!m().all_read_new)
    block("group.wait", m().id, "groups, and consumers without one, wait at the seam by default",
          "shuntctl move fetch --all");
  for (const auto& [group, reads] : m().read_new) {
    if (!reads)
      block("group.wait", group, "it waits at the seam", "shuntctl move fetch --group " + group);
  }
}

// Compacted topics are tables: what only old has is not history, it is their content (rules A11).
void Finish::check_cleanup(const Joint& joint) {
  auto* access = world_.access[0];
  const auto node = access->any_node();
  if (!node || accept_history_) return;
  constexpr int resource_topic = 2;
  Array resources;
  for (const auto& name : m().topics)
    resources.push_back(Struct{{"ResourceType", resource_topic},
                               {"ResourceName", name},
                               {"ConfigurationKeys", Array{"cleanup.policy"}}});
  ++joint->left;
  access->call(*node, describe_configs, 2, Struct{{"Resources", std::move(resources)}},
               [self = shared_from_this(), joint](const std::string&, const Value& body) {
                 for (const Value& r : body["Results"].array()) {
                   for (const Value& c : r["Configs"].array()) {
                     if (c["Value"].text().find("compact") == std::string_view::npos) continue;
                     self->block("topic.cleanup", std::string(r["ResourceName"].text()),
                                 "it is compacted: what only old has of it would be lost",
                                 "use scheme 3, or go on with --accept-history");
                   }
                 }
                 joint->end();
               });
}

// A group that has members at new which did not come from here.
void Finish::check_new(const Joint& joint) {
  for (const auto& [name, commits] : world_.splice.commits()) {
    if (world_.splice.handed(name) != nullptr) continue;
    ++joint->left;
    auto* access = world_.access[1];
    access->find_coordinator(kind, name, [self = shared_from_this(), access, name = name, joint] {
      const auto at = self->world_.new_topology.coordinator(kind, name);
      if (!at) return joint->end();
      access->call(*at, describe_groups, 4, Struct{{"Groups", Array{name}}},
                   [self, name, joint](const std::string&, const Value& body) {
                     for (const Value& g : body["Groups"].array()) {
                       std::int64_t n = 0;  // a placeholder that a daemon's death has left expires
                       for (const Value& one : g["Members"].array())
                         n += one["ClientId"].text() != own_client_id;
                       if (n == 0) continue;
                       self->block("group.foreign", name,
                                   "it has " + number(n) +
                                       " members at new already, who did not come from here",
                                   "end them: they read beside those that come through Shunt");
                     }
                     joint->end();
                   });
    });
  }
}

// SCRAM users that old knows and new does not: their next login would fail (rules C17).
void Finish::check_users(const Joint& joint) {
  struct Users {
    std::map<std::string, std::set<std::int64_t>> of[2];
    bool told[2] = {false, false};
  };
  auto users = std::make_shared<Users>();
  auto both = join([self = shared_from_this(), users, joint] {
    for (const auto& [name, mechanisms] : users->of[0]) {
      const auto there = users->of[1].find(name);
      const bool has =
          there != users->of[1].end() && std::ranges::includes(there->second, mechanisms);
      if (users->told[0] && users->told[1] && !has)
        self->block(
            "sasl.user", name, "old knows this SCRAM user, new does not",
            "create it on new with the same password (kafka-configs --alter --entity-type users)");
    }
    joint->end();
  });
  ++joint->left;
  for (const auto c : {Cluster::old_cluster, Cluster::new_cluster}) {
    const auto i = static_cast<std::size_t>(c);
    const auto node = world_.access[i]->any_node();
    if (!node) continue;
    ++both->left;
    world_.access[i]->call(*node, describe_scram, 0, Struct{{"Users", nullptr}},
                           [users, both, i](const std::string& error, const Value& body) {
                             users->told[i] = error.empty() && body["ErrorCode"].number() == 0;
                             for (const Value& r : body["Results"].array()) {
                               auto& all = users->of[i][std::string(r["User"].text())];
                               for (const Value& k : r["CredentialInfos"].array())
                                 all.insert(k["Mechanism"].number());
                             }
                             both->end();
                           });
  }
  both->end();
}

// Readers without a group (assign, offsets of their own) have no commits to judge them by: who is
// here and reads what only old has would lose the rest of it (rules C7).
void Finish::check_readers() {
  if (accept_history_) return;
  for (const auto& s : world_.sessions) {
    std::int64_t left = 0, partitions = 0;
    std::string first;
    for (const auto& [where, at] : s->reads_behind(reader_recent)) {
      const auto* topic = world_.splice.topic(where.first);
      if (topic == nullptr || topic->migration != migration_) continue;
      if (!groups_of(world_, s->who(), where.first, where.second).empty()) continue;
      const auto& log = topic->partitions[static_cast<std::size_t>(where.second)];
      ++partitions;
      if (first.empty()) first = partition(where.first, where.second);
      left += log.seam().at - at.at;
    }
    if (partitions == 0) continue;
    block("reader.undrained", s->who().client_id,
          "a consumer without a group has not read all that only old has: " + number(left) +
              " records in " + number(partitions) + " partitions, " + first + " first",
          "let it read on, or end it; or go on with --accept-history: it would jump to new's first "
          "record");
  }
}

void Finish::look_at_groups(const Joint& joint) {
  auto names = world_.known_groups();
  std::erase_if(names, [&](const auto& g) { return world_.splice.handed(g) != nullptr; });
  for (const auto& name : names) {
    groups_[name];
    judge_members(name);
    find_elsewhere(name, joint);
  }
  ++joint->left;
  std::make_shared<Lag>(world_)->start(
      names, [self = shared_from_this(), joint](const std::vector<splice::GroupLag>& all) {
        for (const auto& lag : all) self->judge_group(lag);
        joint->end();
      });
}

// Every place must be one that new can express: behind all that only old has.
void Finish::judge_group(const splice::GroupLag& lag) {
  std::int64_t left = 0, partitions = 0;
  std::string first;
  for (const auto& p : lag.partitions) {
    const auto* topic = world_.splice.topic(p.topic);
    if (topic == nullptr || topic->migration != migration_) continue;
    groups_[lag.group].here = true;
    if (p.drained) continue;
    ++partitions;
    if (first.empty()) first = partition(p.topic, p.partition);
    if (p.in_old.next >= 0 && p.in_old.end >= 0) left += p.in_old.end - p.in_old.next;
  }
  if (partitions == 0) return;
  block("group.undrained", lag.group,
        "it has not read all that only old has: " + number(left) + " records in " +
            number(partitions) + " partitions, " + first + " first",
        "let it read on (shuntctl lag --group " + lag.group +
            "); one that nobody uses any more: delete it");
}

void Finish::judge_members(const std::string& name) {
  for (const auto& member : world_.members(name)) {
    const bool ours = std::ranges::any_of(member.topics, [&](const auto& t) {
      const auto* topic = world_.splice.topic(t.first);
      return topic != nullptr && topic->migration == migration_;
    });
    groups_[name].here |= ours;
    if (!ours) continue;
    if (!world_.passes_here(name, member.id))
      block("group.outside", name,
            "member " + member.id + " (" + member.client_id + " at " + member.host +
                ") does not pass here",
            "let it connect through Shunt, or end it");
  }
}

// What else it has committed: a group that also reads what stays keeps its home.
void Finish::find_elsewhere(const std::string& group, const Joint& joint) {
  ++joint->left;
  fetch_offsets(world_, Cluster::old_cluster, group,
                [self = shared_from_this(), group, joint](
                    const std::string& problem, const std::vector<splice::Committed>& offsets) {
                  auto& g = self->groups_[group];
                  if (!problem.empty() && g.here)
                    self->block("group.state", group, "its offsets at old: " + problem,
                                "finish again");
                  for (const auto& o : offsets) {
                    const auto* topic = self->world_.splice.topic(o.topic);
                    const bool goes = topic != nullptr && (topic->migration == self->migration_ ||
                                                           self->world_.splice.finished(*topic));
                    if (!goes && self->world_.old_topology.topic(o.topic) != nullptr)
                      g.elsewhere.insert(o.topic);
                  }
                  joint->end();
                });
}

void Finish::judged() {
  if (cancelled_) block("step", migration_, "the daemon is stopping", "shuntctl finish");
  for (const auto& [name, g] : groups_) {
    if (g.here && !world_.access[0]->classic(name))
      block("group.type", name, "it uses the group protocol of KIP-848",
            "such groups cannot be handed over yet: set group.protocol=classic in its members");
  }
  if (!found_.empty()) return refused(std::move(found_));
  hand_over();
}

void Finish::hand_over() {
  running_ = 1;
  for (auto& [name, g] : groups_) {
    g.stays = !g.elsewhere.empty();
    if (!g.here || g.stays) continue;
    ++running_;
    g.handover = std::make_shared<Handover>(world_, migration_, name);
    g.handover->start([self = shared_from_this(), name = name](const Handover::Result& r) {
      self->groups_[name].result = r;
      if (--self->running_ == 0) self->end();
    });
  }
  if (--running_ == 0) end();
}

void Finish::cancel(const std::string& why) {
  cancelled_ = true;
  const auto groups = groups_;
  for (const auto& [name, g] : groups) {
    if (g.handover) g.handover->cancel(why);
  }
}

// It is old's, and in no migration that has finished.
bool Finish::in_use_at_old(const std::string& topic) const {
  const auto* t = world_.splice.topic(topic);
  const bool goes = t != nullptr && (t->migration == migration_ || world_.splice.finished(*t));
  return !goes && world_.old_topology.topic(topic) != nullptr;
}

void Finish::end() {
  Finished out;
  out.migration = migration_;
  std::vector<Check> failed;
  for (const auto& [name, g] : groups_) {
    if (!g.handover) continue;
    if (g.result.done)
      out.groups.push_back({name, g.result.handover_ms, g.result.members});
    else
      failed.push_back(g.result.why);
  }
  if (!failed.empty()) return refused(std::move(failed));
  for (const auto& [name, g] : groups_) {
    if (g.here && g.stays) {
      std::string topics;
      for (const auto& t : g.elsewhere) topics += (topics.empty() ? "" : ", ") + t;
      out.stays.push_back("group " + name + " also reads " + topics);
    }
  }
  std::map<std::string, std::string> used;  // by a client that is here now
  for (const auto& s : world_.sessions) {
    for (const auto& topic : s->uses_elsewhere()) {
      if (in_use_at_old(topic)) used.emplace(topic, s->who().client_id);
    }
  }
  for (const auto& [topic, client] : used)
    out.stays.push_back("topic " + topic + " is used here, by " + client);
  for (const auto& [id, other] : world_.splice.migrations()) {
    if (id != migration_ && other.finished == 0)
      out.stays.push_back("migration " + id + " is open");
  }
  out.left = out.stays.empty();
  if (!world_.record(splice::MigrationFinished{migration_, out.left, observe::unix_ms_now()},
                     true)) {
    const auto r = refuse(500, "journal_failed", "the journal cannot be written",
                          "make room on its disk; the groups are at new: finish again");
    return std::exchange(done_, nullptr)(&r, {});
  }
  world_.reached("H8");
  const auto sessions = world_.sessions;
  for (const auto& s : sessions) s->route_changed({m().topics.begin(), m().topics.end()});
  observe::Event e;
  e.event = "migration.finished";
  e.migration = migration_;
  e.keys = {{"groups", static_cast<std::int64_t>(out.groups.size())}, {"old_left", out.left}};
  world_.events.add(std::move(e));
  std::exchange(done_, nullptr)(nullptr, out);
}

}  // namespace shunt::net
