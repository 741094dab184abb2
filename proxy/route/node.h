// Clusters and their nodes, as they are and as clients see them.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

namespace shunt::route {

enum class Cluster : std::uint8_t { old_cluster, new_cluster };
constexpr std::string_view name(Cluster c) { return c == Cluster::old_cluster ? "old" : "new"; }

// A broker's id in its own cluster.
enum class NativeNodeId : std::int32_t {};
// A node's id as clients see it: old's unchanged, new's + 2^28. Always below 2^30: Java clients use
// Integer.MAX_VALUE - id for coordinator connections.
enum class NodeId : std::int32_t {};

constexpr std::int32_t new_node_base = 1 << 28;
constexpr std::int32_t native_node_max = new_node_base - 1;

// One broker: which cluster, which id there. Its place among all nodes.
struct NodeKey {
  Cluster cluster = Cluster::old_cluster;
  NativeNodeId id{-1};
  auto operator<=>(const NodeKey&) const = default;
};

// What clients are shown for a native id. -1 and other negative ids mean "none" and pass; an id
// above native_node_max cannot be shown: none (as in the topology).
constexpr NodeId shown(Cluster c, NativeNodeId id) {
  const auto n = static_cast<std::int32_t>(id);
  if (n > native_node_max) return NodeId{-1};
  return NodeId{n >= 0 && c == Cluster::new_cluster ? n + new_node_base : n};
}
constexpr NodeKey native(NodeId id) {
  const auto n = static_cast<std::int32_t>(id);
  if (n >= new_node_base) return {Cluster::new_cluster, NativeNodeId{n - new_node_base}};
  return {Cluster::old_cluster, NativeNodeId{n}};
}

struct Endpoint {
  std::string host;
  std::uint16_t port = 0;
  bool operator==(const Endpoint&) const = default;
};

}  // namespace shunt::route
