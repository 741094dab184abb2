#include "proxy/net/lag.h"

#include <algorithm>

#include "proxy/splice/commits.h"

namespace shunt::net {

using route::Cluster;
using wire::Array;
using wire::Struct;
using wire::Value;

namespace {

constexpr auto measured_every = std::chrono::seconds(5);
constexpr std::size_t at_once = 16;  // a cut's readings wait behind them

const GroupMember* member_of(const World& world, const std::string& group,
                             const PartitionKey& key) {
  for (const auto& m : world.members(group)) {
    const auto topic = m.topics.find(key.first);
    if (topic != m.topics.end() && topic->second.contains(key.second)) return &m;
  }
  return nullptr;
}

// Those that have to do with topics in migration, without asking anybody.
std::set<std::string> concerned_groups(const World& world) {
  std::set<std::string> out;
  for (const auto& [group, commits] : world.splice.commits()) out.insert(group);
  for (const auto& group : world.known_groups()) {
    for (const auto& m : world.members(group)) {
      if (std::ranges::any_of(
              m.topics, [&](const auto& t) { return world.splice.topic(t.first) != nullptr; }))
        out.insert(group);
    }
  }
  return out;
}

}  // namespace

void Lag::start(const std::set<std::string>& groups,
                std::function<void(const std::vector<splice::GroupLag>&)> done) {
  done_ = std::move(done);
  const auto joint =
      join_within(world_, limits_.positions, [self = shared_from_this()] { self->ends(); });
  const auto window = std::make_shared<Window>(at_once);
  for (const auto& name : groups) {
    auto& positions = groups_[name];
    if (const auto c = world_.splice.commits().find(name); c != world_.splice.commits().end()) {
      for (const auto& [key, commit] : c->second) positions[key] = commit.at;
    }
    ++joint->left;
    window->run([self = shared_from_this(), name, joint](std::function<void()> ended) {
      self->ask(name, joint, std::move(ended));
    });
  }
  joint->end();
}

void Lag::ask(const std::string& group, const Joint& joint, std::function<void()> ended) {
  const auto taken = [self = shared_from_this(), group, joint, ended = std::move(ended),
                      since = world_.splice.last_commit()](const std::string& error,
                                                           const Value& body) {
    if (error.empty() && joint->then) {
      const Value request = Struct{{"GroupId", group}, {"Topics", nullptr}};
      auto& positions = self->groups_[group];
      positions.clear();
      const auto shown = splice::fetched(self->world_.splice, request, body, since);
      self->take(positions, shown.answer["Topics"]);
    }
    ended();
    joint->end();
  };
  fetch_committed(world_, world_.splice.group_home(group), group, nullptr, taken);
}

void Lag::take(Positions& into, const Value& topics) const {
  for (const auto& t : topics.array()) {
    const std::string name(t["Name"].text());
    for (const auto& p : t["Partitions"].array()) {
      const PartitionKey key{name, static_cast<std::int32_t>(p["PartitionIndex"].number())};
      const auto at = p["CommittedOffset"].number();
      if (at < 0 || world_.splice.partition(name, {}, key.second) == nullptr) continue;
      into[key] = {at};
    }
  }
}

// The tails' high watermarks, after the positions: none is past its end.
void Lag::ends() {
  const auto joint =
      join_within(world_, limits_.ends, [self = shared_from_this()] { self->finish(); });
  std::map<std::pair<Cluster, route::NativeNodeId>, std::set<PartitionKey>> by_leader;
  for (const auto& [group, positions] : groups_) {
    for (const auto& [key, at] : positions) {
      const auto* log = world_.splice.partition(key.first, {}, key.second);
      if (log == nullptr) continue;
      const auto c = log->log.tail().cluster;
      ends_[key].cluster = c;
      const auto* p = world_.topology(c).partition(key.first, key.second);
      const auto* access = world_.access[static_cast<std::size_t>(c)];
      if (p != nullptr && access != nullptr && access->reachable())
        by_leader[{c, p->leader}].insert(key);
    }
  }
  for (const auto& [at, keys] : by_leader) {
    list_offsets(
        world_, at.first, at.second, keys, {}, [](const PartitionKey&) { return -1; },
        [self = shared_from_this(), c = at.first](const PartitionKey& key, const std::string& error,
                                                  std::int64_t offset) {
          self->ends_[key].high_watermark = error.empty() ? offset : -1;
          if (!error.empty()) self->world_.access[static_cast<std::size_t>(c)]->refresh_soon();
        },
        joint);
  }
  joint->end();
}

void Lag::finish() {
  std::vector<splice::GroupLag> out;
  for (const auto& [name, positions] : groups_) {
    splice::GroupLag group{name, {}};
    for (const auto& [key, at] : positions) {
      const auto* log = world_.splice.partition(key.first, {}, key.second);
      if (log == nullptr) continue;
      const End& end = ends_[key];
      // Cut in the meantime: the end that was read is not the tail's.
      const bool same = end.cluster == log->log.tail().cluster;
      auto p = splice::progress(*log, at, same ? end.high_watermark : -1);
      p.topic = key.first;
      p.partition = key.second;
      if (world_.commits != nullptr)
        p.commit_behind = world_.commits->behind(name, key.first, key.second);
      if (const auto* m = member_of(world_, name, key)) {
        p.member_id = m->id;
        p.client_id = m->client_id;
      }
      group.partitions.push_back(std::move(p));
    }
    if (!group.partitions.empty()) out.push_back(std::move(group));
  }
  std::exchange(done_, nullptr)(out);
}

void LagMeter::tick(Clock::time_point now) {
  if (running_ || now - last_ < measured_every) return;
  last_ = now;
  auto& metrics = world_.metrics;
  if (world_.splice.idle()) {
    metrics.groups.clear();
    seen_.clear();
    return;
  }
  running_ = true;
  std::make_shared<Lag>(world_)
      ->start(concerned_groups(world_), [this](const std::vector<splice::GroupLag>& all) {
        running_ = false;
        auto& groups = world_.metrics.groups;
        groups.clear();
        seen_.clear();
        for (const auto& g : all) {
          seen_[g.group] = g;
          auto& m = groups[g.group];
          for (const auto c : {Cluster::old_cluster, Cluster::new_cluster})
            m.lag[static_cast<std::size_t>(c)] = splice::lag_in(g, c);
          m.commit_behind = world_.commits != nullptr ? world_.commits->behind(g.group) : 0;
        }
      });
}

}  // namespace shunt::net
