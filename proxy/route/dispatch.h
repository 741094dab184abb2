// Which broker must answer a request, whichever connection it came on.
//
// Source of the rule per API: `route=` in wire/roles.txt. A decision is a value; nothing is sent
// here.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "proxy/route/node.h"
#include "proxy/route/produce_order.h"
#include "proxy/route/topology.h"
#include "proxy/wire/split.h"

namespace shunt::route {

// Where things live while they move: topics in the cluster they are produced to.
class Homes {
 public:
  virtual ~Homes() = default;
  // Of all that names neither a topic nor a group: who answers Metadata, where the controller is.
  virtual Cluster home() const { return Cluster::old_cluster; }
  // By name or, when that is empty, by the id that clients are shown.
  virtual Cluster home(std::string_view topic, const wire::Uuid& shown_id) const = 0;
  // Of a group's coordinator.
  virtual Cluster group_home(std::string_view) const { return home(); }
  // Of the topic's id as clients are shown it; empty: not one that moves.
  virtual std::string_view topic_name(const wire::Uuid&) const { return {}; }
};

// Both clusters as they are known. `fresh` null: that cluster is not configured or never seen.
struct View {
  const Topology* old_cluster = nullptr;
  const Topology* new_cluster = nullptr;
  const Homes* homes = nullptr;  // null: everything is on old
  Cluster home() const { return homes != nullptr ? homes->home() : Cluster::old_cluster; }
  Cluster group_home(std::string_view group) const {
    return homes != nullptr ? homes->group_home(group) : Cluster::old_cluster;
  }
  // Of the id that clients are shown; empty: not known.
  std::string_view topic_name(const wire::Uuid& shown_id) const;
  const Topology* of(Cluster c) const {
    return c == Cluster::old_cluster ? old_cluster : new_cluster;
  }
};

// What a connection says of itself.
struct Origin {
  std::optional<NodeKey> addressed{};         // the node whose address the client dialled
  std::int32_t fetch_session = 0;             // the last fetch session answered on it (KIP-227) ...
  std::optional<NodeKey> fetch_session_at{};  // ... and the node that holds it
  std::span<const std::string> unresolved{};  // coordinator keys that could not be found just now
  const ProduceOrder* order = nullptr;        // its batches on the way; null: nothing binds
  std::uint64_t metadata_asked = 0;           // by this client so far
};

enum class Act : std::uint8_t {
  forward,    // whole, to nodes[0]
  split,      // leaf i of the request goes to nodes[chosen[i]]
  resolve,    // first find the coordinator of (kind, key), then decide again
  self,       // Shunt answers (self.h)
  no_broker,  // nobody can answer: no broker of the cluster is known
};

struct Dispatch {
  Act act = Act::no_broker;
  std::vector<NodeKey> nodes;
  std::vector<wire::Choice> chosen;
  bool anyone = false;  // forward: any broker of that cluster would do as well
  CoordinatorKind kind = CoordinatorKind::group;
  Cluster home = Cluster::old_cluster;  // resolve: the cluster to ask
  std::string key;
};

// Decides for one request. `parts` is the request taken apart; View::homes says where what it names
// lives. `out` is reused: its memory is kept.
void dispatch(const wire::Message& request, const wire::Parts& parts, const View& view,
              const Origin& origin, Dispatch& out);

// The leader of one partition, for Produce frames that are streamed in parts; `batch`: the part's.
std::optional<NodeKey> leader_of(const View& view, std::string_view topic,
                                 const wire::Uuid& topic_id, std::int32_t partition,
                                 const Origin& origin, ProduceOrder::Mark batch = 0);

}  // namespace shunt::route
