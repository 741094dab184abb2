// What is known of one cluster: brokers, controller, topics with their leaders, coordinators.
//
// Filled from Metadata answers (the poller's own, and those that pass to clients) and
// FindCoordinator answers. Pure: no clock, no socket; whoever fills it says what is complete.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "proxy/route/node.h"
#include "proxy/wire/value.h"

namespace shunt::route {

struct Broker {
  Endpoint at;
  std::string rack;
  bool has_rack = false;
};

struct Partition {
  NativeNodeId leader{-1};  // -1: none
  std::int32_t epoch = -1;  // leader epoch; -1: not told (Metadata below v7)
  std::vector<NativeNodeId> replicas;
};

struct Topic {
  wire::Uuid id{};  // zero: the cluster has no topic ids (below 2.8)
  bool internal = false;
  std::vector<Partition> partitions;  // by index
};

enum class CoordinatorKind : std::uint8_t { group = 0, transaction = 1 };

class Topology {
 public:
  // Takes a Metadata answer's decoded body. `all_topics`: the request asked for every topic and its
  // principal may see them all (the poller's own), so topics it lacks are gone. Brokers, cluster id
  // and controller are always complete in it.
  // A lower leader epoch than the one known never replaces it, nor does an answer without epochs
  // (same topic id, or ids that are not known).
  // Changes nothing: an answer with a top-level error, without any broker (a broker that is
  // starting; Java ignores these too), or from another cluster than before (see stranger()).
  // Returns true when brokers, the controller, the topics, any leader or leader epoch changed.
  bool take_metadata(const wire::Value& body, bool all_topics);
  // The cluster id of the last answer when it was refused because it is not this cluster's: the
  // bootstrap address leads elsewhere now. Empty: all is well.
  const std::string& stranger() const { return stranger_; }
  // A topic's own leader said again and again that it is not: what is known is wrong. Needed for
  // clusters without topic ids, where a re-created topic only shows as lower epochs.
  void forget_topic(std::string_view name);

  // FindCoordinator: remembers (a negative node: forgets), forgets (on NOT_COORDINATOR; by itself
  // when the broker went away). At most coordinators_max of a kind, and their keys no longer than
  // coordinator_key_bytes_max: past that, some are forgotten.
  void set_coordinator(CoordinatorKind kind, std::string_view key, NativeNodeId node);
  void forget_coordinator(CoordinatorKind kind, std::string_view key);
  std::optional<NativeNodeId> coordinator(CoordinatorKind kind, std::string_view key) const;

  bool known() const { return !brokers_.empty(); }
  const std::string& cluster_id() const { return cluster_id_; }
  // The controller, if it is a broker that can be reached. With KRaft it is any broker (they
  // forward); nullopt: ask any() and let it say NOT_CONTROLLER.
  std::optional<NativeNodeId> controller() const;
  const std::map<NativeNodeId, Broker>& brokers() const { return brokers_; }
  const Broker* broker(NativeNodeId id) const;
  // Topics by name, in name order.
  const std::map<std::string, Topic, std::less<>>& topics() const { return topics_; }
  const Topic* topic(std::string_view name) const;
  // Name of a topic id; empty when unknown. Good until the next change.
  std::string_view topic_name(const wire::Uuid& id) const;
  // Null when topic or partition is unknown.
  const Partition* partition(std::string_view topic, std::int32_t index) const;
  // Broker to ask what any broker can answer: `preferred` if it is alive, else the first one.
  std::optional<NativeNodeId> any(std::optional<NativeNodeId> preferred) const;

  static constexpr std::size_t coordinators_max = 65536, coordinator_key_bytes_max = 8 << 20;

 private:
  using Topics = std::map<std::string, Topic, std::less<>>;
  bool take_brokers(const wire::Value& body);
  bool take_topics(const wire::Value& body, bool all_topics);
  bool take_topic(const wire::Value& topic);
  bool take_partitions(Topic& known, const wire::Value& topic);
  bool set_id(const std::string& name, Topic& known, const wire::Uuid& id);
  void forget_id(std::string_view name, const wire::Uuid& id);
  Topics::iterator erase(Topics::iterator it);

  std::string cluster_id_;
  std::string stranger_;
  NativeNodeId controller_{-1};
  std::map<NativeNodeId, Broker> brokers_;
  Topics topics_;
  struct UuidHash {
    std::size_t operator()(const wire::Uuid& id) const;
  };
  std::unordered_map<wire::Uuid, std::string, UuidHash> names_;
  // By kind. Two maps, not one by (kind, key): a pair cannot be looked up without a std::string.
  std::array<std::map<std::string, NativeNodeId, std::less<>>, 2> coordinators_;
  std::array<std::size_t, 2> coordinator_key_bytes_{};
};

}  // namespace shunt::route
