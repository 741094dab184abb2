#include "proxy/splice/metadata.h"

#include <optional>

namespace shunt::splice {
namespace {

using route::NativeNodeId;
using wire::Array;
using wire::Struct;
using wire::Value;

constexpr wire::ApiKey describe_topic_partitions = 75;
constexpr int leader_not_available = 5;

Value node(Cluster c, NativeNodeId id) { return static_cast<std::int32_t>(route::shown(c, id)); }

// Leader and replicas as `known`, the tail's cluster, has them.
void set_nodes(Struct& s, Cluster c, const route::Topology* known, const route::Partition* part) {
  Array replicas, in_sync, offline;
  NativeNodeId leader{-1};
  if (part != nullptr) {
    for (const NativeNodeId id : part->replicas) {
      const bool alive = known->broker(id) != nullptr;
      replicas.push_back(node(c, id));
      (alive ? in_sync : offline).push_back(node(c, id));
    }
    if (known->broker(part->leader) != nullptr) leader = part->leader;
  }
  s.set("ErrorCode", leader < NativeNodeId{0} ? leader_not_available : 0);
  s.set("LeaderId", node(c, leader));
  s.set("ReplicaNodes", std::move(replicas));
  s.set("IsrNodes", std::move(in_sync));
  s.set("OfflineReplicas", std::move(offline));
}

Value partition(const PartitionLog& log, const route::View& view, wire::ApiKey api,
                std::string_view topic, const Value& was) {
  const Segment& tail = log.log.tail();
  Struct s = was.fields();
  if (tail.cluster == Cluster::old_cluster) {  // old itself says the rest
    const Value epoch = was["LeaderEpoch"];    // v7+
    const auto native = epoch.null() ? -1 : static_cast<std::int32_t>(epoch.number());
    return s.set("LeaderEpoch", tail.leader_epoch(native));
  }
  const route::Topology* known = view.of(tail.cluster);
  const auto index = static_cast<std::int32_t>(was["PartitionIndex"].number());
  const auto* part = known == nullptr ? nullptr : known->partition(topic, index);
  set_nodes(s, tail.cluster, known, part);
  s.set("LeaderEpoch", tail.leader_epoch(part == nullptr ? -1 : part->epoch));
  if (api == describe_topic_partitions) {
    s.set("EligibleLeaderReplicas", Array{});
    s.set("LastKnownElr", Array{});
  }
  return s;
}

// One topic of the answer; nullopt: it stays as it is.
std::optional<Value> topic(const State& state, const route::View& view, wire::ApiKey api,
                           const Value& was) {
  const TopicLog* log = state.topic(was["Name"].text(), was["TopicId"].uuid());
  if (log == nullptr || !log->spliced()) return std::nullopt;
  Array partitions;
  for (const Value& p : was["Partitions"].array()) {
    const auto index = p["PartitionIndex"].number();
    if (index < 0) continue;
    if (static_cast<std::size_t>(index) >= log->partitions.size()) {
      if (state.finished(*log)) partitions.push_back(p);  // added since, to new alone
      continue;
    }
    const PartitionLog& of = log->partitions[static_cast<std::size_t>(index)];
    partitions.push_back(of.log.spliced() ? partition(of, view, api, log->name, p) : p);
  }
  return was.fields().set("Partitions", std::move(partitions));
}

}  // namespace

Value show_topics(const State& state, const route::View& view, wire::ApiKey api, wire::Version,
                  const Value& answer) {
  if (state.idle()) return answer;
  bool changed = false;
  Array topics;
  for (const Value& t : answer["Topics"].array()) {
    auto now = topic(state, view, api, t);
    changed |= now.has_value();
    topics.push_back(now ? std::move(*now) : t);
  }
  return changed ? Value(answer.fields().set("Topics", std::move(topics))) : answer;
}

}  // namespace shunt::splice
