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
constexpr auto other = route::Cluster::new_cluster;  // while a group's home is old
constexpr auto kind = route::CoordinatorKind::group;
// A broker writes a request's offsets as one batch, which may have a mebibyte.
constexpr std::size_t sent_partitions_max = 1000, sent_bytes_max = 256 * 1024;

}  // namespace

void Copier::accepted(const splice::CommitAccepted& commit) {
  const auto copy = splice::copy_of(world_.splice, commit);
  if (!copy) return;
  add(other, *copy);
  begin(other, commit.group);
}

void Copier::add(route::Cluster to, const splice::Copy& copy) {
  groups_[{to, copy.group}].waiting[{copy.topic, copy.partition}] = copy;
}

void Copier::begin(route::Cluster to, const std::string& group) { send({to, group}); }

std::int64_t Copier::behind(const std::string& group) const {
  return waiting(other, group).partitions;
}

Copier::Waiting Copier::waiting(route::Cluster to, const std::string& group) const {
  const auto g = groups_.find({to, group});
  if (g == groups_.end()) return {};
  return {static_cast<std::int64_t>(g->second.waiting.size()), g->second.why};
}

std::int64_t Copier::behind(const std::string& group, const std::string& topic,
                            std::int32_t partition) const {
  const auto g = groups_.find({other, group});
  return g != groups_.end() && g->second.waiting.contains({topic, partition}) ? 1 : 0;
}

void Copier::tick(Clock::time_point now) {
  if (world_.splice.idle()) return;
  const auto reachable = [&](route::Cluster c) {
    const auto* a = world_.access[static_cast<std::size_t>(c)];
    return a != nullptr && a->reachable();
  };
  if (reachable(other) && (all_copied_ == Clock::time_point{} || now - all_copied_ > copied_anew)) {
    all_copied_ = now;
    copy_all();
  }
  for (auto& [target, group] : groups_) {
    if (!group.waiting.empty() && reachable(target.to)) send(target);
  }
}

void Copier::copy_all() {
  for (const auto& [group, commits] : world_.splice.commits()) {
    for (const auto& [key, c] : commits) {
      splice::CommitAccepted commit{group, key.first, key.second, c.at, c.metadata, c.time};
      if (const auto copy = splice::copy_of(world_.splice, commit))
        groups_[{other, group}].waiting.emplace(key, *copy);  // a newer one that waits stays
    }
  }
}

void Copier::send(const Target& target) {
  Group& group = groups_[target];
  if (group.under_way || group.waiting.empty() || access(target) == nullptr) return;
  const bool left = target.to == route::Cluster::old_cluster && world_.left_old();
  if (left || (target.to == other && world_.splice.handed(target.group) != nullptr)) {
    group.waiting.clear();  // who is at home there commits there
    return;
  }
  if (world_.gate(target.group) != nullptr) return;  // its hand-over takes them along
  group.under_way = true;
  if (const auto at = world_.topology(target.to).coordinator(kind, target.group))
    return send_to(target, *at);
  access(target)->find_coordinator(kind, target.group, [this, target] {
    const auto at = world_.topology(target.to).coordinator(kind, target.group);
    if (at) return send_to(target, *at);
    groups_[target].why = "its coordinator is not known";
    groups_[target].under_way = false;  // again at the next tick
  });
}

void Copier::send_to(const Target& target, route::NativeNodeId coordinator) {
  const auto& waiting = groups_[target].waiting;
  std::map<Key, splice::Copy> sent;
  std::size_t bytes = 0;
  for (const auto& [key, copy] : waiting) {
    bytes += key.first.size() + copy.metadata.size();
    if (!sent.empty() && (sent.size() == sent_partitions_max || bytes > sent_bytes_max)) break;
    sent.emplace(key, copy);
  }
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
  access(target)->call(coordinator, offset_commit_key, offset_commit_max,
                       Struct{{"GroupId", target.group},
                              {"GenerationIdOrMemberEpoch", -1},
                              {"MemberId", ""},
                              {"Topics", std::move(topics)}},
                       [this, target, sent](const std::string& error, const Value& body) {
                         answered(target, sent, error, body);
                       });
}

void Copier::answered(const Target& target, const std::map<Key, splice::Copy>& sent,
                      const std::string& error, const Value& body) {
  Group& group = groups_[target];
  group.under_way = false;
  std::int64_t refused = 0;
  std::size_t taken = 0;
  for (const auto& t : body["Topics"].array()) {
    for (const auto& p : t["Partitions"].array()) {
      const Key key{std::string(t["Name"].text()),
                    static_cast<std::int32_t>(p["PartitionIndex"].number())};
      const auto was = sent.find(key);
      const auto now = group.waiting.find(key);
      if (const auto code = p["ErrorCode"].number(); code != 0) {
        refused = code;
      } else if (was != sent.end()) {
        ++taken;
        if (now != group.waiting.end() && now->second == was->second) group.waiting.erase(now);
      }
    }
  }
  group.why = error;
  if (refused != 0) group.why = "OffsetCommit: error " + std::to_string(refused);
  if (!group.why.empty()) {
    world_.topology(target.to).forget_coordinator(kind, target.group);
    observe::log::limited(observe::log::Level::warn, "commit.not_copied",
                          {{"group", target.group},
                           {"cluster", route::name(target.to)},
                           {"error", refused},
                           {"why", group.why}});
  } else if (!group.waiting.empty() && taken > 0) {
    send(target);
  }
}

}  // namespace shunt::net
