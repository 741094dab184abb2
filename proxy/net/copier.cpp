#include "proxy/net/copier.h"

#include "proxy/observe/log.h"

namespace shunt::net {

using wire::Array;
using wire::Struct;
using wire::Value;

namespace {

constexpr wire::ApiKey offset_commit_key = 8;
constexpr wire::Version offset_commit_max = 8;
constexpr auto copied_anew = std::chrono::hours(24);
constexpr auto other = route::Cluster::new_cluster;  // every group's home is old

}  // namespace

void Copier::accepted(const splice::CommitAccepted& commit) {
  const auto copy = splice::copy_of(world_.splice, commit);
  if (!copy) return;
  groups_[commit.group].waiting[{commit.topic, commit.partition}] = *copy;
  send(commit.group);
}

std::int64_t Copier::behind(const std::string& group) const {
  const auto g = groups_.find(group);
  return g == groups_.end() ? 0 : static_cast<std::int64_t>(g->second.waiting.size());
}

std::int64_t Copier::behind(const std::string& group, const std::string& topic,
                            std::int32_t partition) const {
  const auto g = groups_.find(group);
  return g != groups_.end() && g->second.waiting.contains({topic, partition}) ? 1 : 0;
}

void Copier::tick(Clock::time_point now) {
  if (world_.splice.idle() || world_.access[1] == nullptr || !world_.access[1]->reachable()) return;
  if (all_copied_ == Clock::time_point{} || now - all_copied_ > copied_anew) {
    all_copied_ = now;
    copy_all();
  }
  for (auto& [name, group] : groups_) {
    if (!group.waiting.empty()) send(name);
  }
}

void Copier::copy_all() {
  for (const auto& [group, commits] : world_.splice.commits()) {
    for (const auto& [key, c] : commits) {
      splice::CommitAccepted commit{group, key.first, key.second, c.at, c.metadata, c.time};
      if (const auto copy = splice::copy_of(world_.splice, commit))
        groups_[group].waiting.emplace(key, *copy);  // a newer one that waits stays
    }
  }
}

void Copier::send(const std::string& name) {
  Group& group = groups_[name];
  auto* access = world_.access[static_cast<std::size_t>(other)];
  if (group.under_way || group.waiting.empty() || access == nullptr) return;
  group.under_way = true;
  constexpr auto kind = route::CoordinatorKind::group;
  if (const auto at = world_.topology(other).coordinator(kind, name)) return send_to(name, *at);
  access->find_coordinator(kind, name, [this, name] {
    const auto at = world_.topology(other).coordinator(kind, name);
    if (at) return send_to(name, *at);
    groups_[name].under_way = false;  // again at the next tick
  });
}

void Copier::send_to(const std::string& name, route::NativeNodeId coordinator) {
  const auto sent = groups_[name].waiting;
  Array topics;
  for (auto it = sent.begin(); it != sent.end();) {
    const auto& topic = it->first.first;
    Array partitions;
    for (; it != sent.end() && it->first.first == topic; ++it) {
      partitions.push_back(Struct{{"PartitionIndex", it->first.second},
                                  {"CommittedOffset", it->second.native},
                                  {"CommittedMetadata", it->second.metadata}});
    }
    topics.push_back(Struct{{"Name", topic}, {"Partitions", std::move(partitions)}});
  }
  world_.access[static_cast<std::size_t>(other)]->call(
      coordinator, offset_commit_key, offset_commit_max,
      Struct{{"GroupId", name},
             {"GenerationIdOrMemberEpoch", -1},
             {"MemberId", ""},
             {"Topics", std::move(topics)}},
      [this, name, sent](const std::string& error, const Value& body) {
        answered(name, sent, error, body);
      });
}

void Copier::answered(const std::string& name, const std::map<Key, splice::Copy>& sent,
                      const std::string& error, const Value& body) {
  Group& group = groups_[name];
  group.under_way = false;
  std::int64_t refused = 0;
  for (const auto& t : body["Topics"].array()) {
    for (const auto& p : t["Partitions"].array()) {
      const Key key{std::string(t["Name"].text()),
                    static_cast<std::int32_t>(p["PartitionIndex"].number())};
      const auto was = sent.find(key);
      const auto now = group.waiting.find(key);
      if (const auto code = p["ErrorCode"].number(); code != 0) {
        refused = code;
      } else if (was != sent.end() && now != group.waiting.end() && now->second == was->second) {
        group.waiting.erase(now);
      }
    }
  }
  if (!error.empty() || refused != 0) {
    world_.topology(other).forget_coordinator(route::CoordinatorKind::group, name);
    observe::log::limited(observe::log::Level::warn, "commit.not_copied",
                          {{"group", name}, {"error", refused}, {"why", error}});
  } else if (!group.waiting.empty()) {
    send(name);
  }
}

}  // namespace shunt::net
