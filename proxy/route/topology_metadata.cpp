// Metadata answers into what is known of a cluster: what replaces what, and what is too old to.
#include <algorithm>
#include <set>
#include <utility>

#include "proxy/route/topology.h"

namespace shunt::route {
namespace {

using wire::Value;

constexpr int unknown_topic = 3;
constexpr int unknown_topic_id = 100;

bool is_zero(const wire::Uuid& id) { return id == wire::Uuid{}; }

// Ids that clients could not be shown are none: Kafka's own word for a leader that is not there.
NativeNodeId node_id(const Value& v) {
  const auto n = v.number();
  return v.null() || n < 0 || n > native_node_max ? NativeNodeId{-1}
                                                  : NativeNodeId{static_cast<std::int32_t>(n)};
}

bool same(const Broker& a, const Broker& b) {
  return a.at == b.at && a.has_rack == b.has_rack && a.rack == b.rack;
}

}  // namespace

bool Topology::take_metadata(const Value& body, bool all_topics) {
  if (body["ErrorCode"].number() != 0 || body["Brokers"].array().empty()) return false;
  const Value id = body["ClusterId"];  // not there below v2, null when the broker has none
  if (!id.text().empty()) {
    if (!cluster_id_.empty() && cluster_id_ != id.text()) {
      stranger_ = id.text();
      return false;
    }
    cluster_id_ = id.text();
    stranger_.clear();
  }

  bool changed = take_brokers(body);
  if (const Value controller = body["ControllerId"]; !controller.null()) {  // v1+
    changed |= std::exchange(controller_, node_id(controller)) != node_id(controller);
  }
  changed |= take_topics(body, all_topics);
  return changed;
}

bool Topology::take_brokers(const Value& body) {
  std::map<NativeNodeId, Broker> now;
  for (const Value& b : body["Brokers"].array()) {
    const auto id = node_id(b["NodeId"]);
    const auto port = b["Port"].number();
    if (id < NativeNodeId{0} || port <= 0 || port > 65535) continue;
    const Value rack = b["Rack"];
    now[id] = {{std::string(b["Host"].text()), static_cast<std::uint16_t>(port)},
               std::string(rack.text()),
               !rack.null()};
  }
  const bool equal = std::ranges::equal(now, brokers_, [](const auto& a, const auto& b) {
    return a.first == b.first && same(a.second, b.second);
  });
  if (equal) return false;
  brokers_ = std::move(now);
  for (std::size_t kind = 0; kind < coordinators_.size(); ++kind) {
    std::erase_if(coordinators_[kind], [&](const auto& c) {
      const bool gone = !brokers_.contains(c.second);
      if (gone) coordinator_key_bytes_[kind] -= c.first.size();
      return gone;
    });
  }
  return true;
}

bool Topology::take_topics(const Value& body, bool all_topics) {
  bool changed = false;
  const auto topics = body["Topics"].array();
  for (const Value& t : topics) changed |= take_topic(t);
  if (!all_topics) return changed;

  // Whatever error a topic has, it is there; those without an error that says "gone" stay.
  std::set<std::string_view> listed;
  for (const Value& t : topics) listed.insert(t["Name"].text());
  for (auto it = topics_.begin(); it != topics_.end();) {
    if (listed.contains(it->first)) {
      ++it;
      continue;
    }
    it = erase(it);
    changed = true;
  }
  return changed;
}

bool Topology::take_topic(const Value& t) {
  const auto id = t["TopicId"].uuid();  // zero below v10
  const Value named = t["Name"];        // null when it was asked for by an id that does not exist
  const auto error = t["ErrorCode"].number();
  if (error != 0) {
    if (error != unknown_topic && error != unknown_topic_id) return false;
    const auto it = topics_.find(named.text().empty() ? topic_name(id) : named.text());
    if (it == topics_.end()) return false;
    // "This id does not exist" says nothing about a topic of that name with another id.
    if (!is_zero(id) && !is_zero(it->second.id) && it->second.id != id) return false;
    erase(it);
    return true;
  }
  if (named.text().empty()) return false;

  auto it = topics_.find(named.text());
  const bool fresh = it == topics_.end();
  if (fresh) it = topics_.try_emplace(std::string(named.text())).first;
  bool changed = fresh;
  changed |= set_id(it->first, it->second, id);
  it->second.internal = t["IsInternal"].number() != 0;
  changed |= take_partitions(it->second, t);
  return changed;
}

// A topic's id, learned or replaced. Another id than before: the topic was deleted and created
// again, and nothing known of the former one counts, least of all its higher epochs.
bool Topology::set_id(const std::string& name, Topic& known, const wire::Uuid& id) {
  if (is_zero(id) || id == known.id) return false;
  if (!is_zero(known.id)) {
    forget_id(name, known.id);
    known.partitions.clear();
  }
  known.id = id;
  names_[id] = name;
  return true;
}

bool Topology::take_partitions(Topic& known, const Value& topic) {
  const auto partitions = topic["Partitions"].array();
  // Metadata lists every partition of a topic, in any order, so indexes are below the array's size.
  // Growing by that, never by an index, no answer can make us allocate more than it is long. Fewer
  // than before (partitions never go away): an older answer.
  bool changed = partitions.size() > known.partitions.size();
  if (changed) known.partitions.resize(partitions.size());
  for (const Value& p : partitions) {
    const auto index = p["PartitionIndex"].number();
    if (index < 0 || static_cast<std::size_t>(index) >= partitions.size()) continue;
    Partition& mine = known.partitions[static_cast<std::size_t>(index)];
    const Value told = p["LeaderEpoch"];  // v7+
    const auto epoch = told.null() ? -1 : static_cast<std::int32_t>(told.number());
    // A broker that lags behind, or an answer of a version without epochs: not newer, for all we
    // can know. The same epoch with leader -1 is news: the leader's broker is down.
    if (epoch < mine.epoch) continue;
    const auto leader = node_id(p["LeaderId"]);
    changed |= std::exchange(mine.leader, leader) != leader;
    changed |= std::exchange(mine.epoch, epoch) != epoch;
    const auto replicas = p["ReplicaNodes"].array();
    mine.replicas.clear();
    mine.replicas.reserve(replicas.size());
    for (const Value& r : replicas) mine.replicas.push_back(node_id(r));
  }
  return changed;
}

}  // namespace shunt::route
