#include "proxy/net/naming.h"

#include "proxy/observe/log.h"

namespace shunt::net {
namespace {

// kafka-go dials the bootstrap anew for every partition reader and error (probes P1): identities of
// its own would only use up the address space. All of it shares one instance.
constexpr std::string_view kafka_go = "(github.com/segmentio/kafka-go)";

}  // namespace

void SessionNaming::need_instance() {
  if (who_.instance != route::Instance{0}) return;
  const bool shared = who_.client_id.find(kafka_go) != std::string::npos;
  if (shared && world_.shared_instance != route::Instance{0}) {
    who_.instance = world_.shared_instance;
    return;
  }
  who_.instance = world_.identities.begin(shared ? kafka_go : std::string_view(who_.client_id),
                                          who_.software, world_.unix_now());
  if (shared) world_.shared_instance = who_.instance;
}

route::Instance find_shared_instance(const route::Identities& identities) {
  for (const auto& [instance, info] : identities.all()) {
    if (info.client_id == kafka_go) return instance;
  }
  return route::Instance{0};
}

std::optional<route::Endpoint> SessionNaming::endpoint(route::NodeKey node) {
  const Settings& s = world_.settings;
  if (s.advertise == Advertise::address) {
    const auto port = s.advertise_port_first + world_.identities.slot(node);
    if (port > s.advertise_port_last) {
      observe::log::limited(
          observe::log::Level::warn, "advertise.ports_used_up",
          {{"node", static_cast<std::int32_t>(route::shown(node.cluster, node.id))},
           {"next", "widen listen.advertise.ports: one port per broker"}});
      return std::nullopt;
    }
    return route::Endpoint{s.advertise_host, static_cast<std::uint16_t>(port)};
  }
  need_instance();
  const auto address = world_.identities.address(who_.instance, node, world_.unix_now());
  if (!address) {
    observe::log::limited(observe::log::Level::warn, "identity.addresses_used_up",
                          {{"next",
                            "restart with an empty journal, or wait: addresses are given "
                            "again after 30 days"}});
    return std::nullopt;
  }
  return route::Endpoint{address->text(), who_.local_port};
}

const std::vector<route::ShownNode>& SessionNaming::nodes() {
  nodes_.clear();
  for (const auto c : {route::Cluster::old_cluster, route::Cluster::new_cluster}) {
    if (c == route::Cluster::old_cluster && world_.left_old()) continue;
    for (const auto& [id, broker] : world_.topology(c).brokers()) {
      const auto at = endpoint({c, id});
      if (!at) continue;
      nodes_.push_back({route::shown(c, id), *at, broker.rack, broker.has_rack});
    }
  }
  world_.keep_identity();
  return nodes_;
}

std::optional<route::Endpoint> SessionNaming::at(route::NodeId id) {
  if (static_cast<std::int32_t>(id) < 0) return std::nullopt;
  auto found = endpoint(route::native(id));
  world_.keep_identity();
  return found;
}

wire::Uuid SessionNaming::topic_id(route::Cluster from, const wire::Uuid& id) {
  if (from == route::Cluster::old_cluster) return id;
  const auto name = world_.new_topology.topic_name(id);
  if (const auto* moves = world_.splice.topic(name)) return moves->old_id;
  if (world_.left_old()) return id;
  const auto* topic = world_.old_topology.topic(name);
  return topic != nullptr ? topic->id : wire::Uuid{};
}

wire::Uuid SessionNaming::native_topic_id(route::Cluster to, const wire::Uuid& shown_id) {
  if (to == route::Cluster::old_cluster) return shown_id;
  const auto moving = world_.splice.topic_name(shown_id);
  if (moving.empty() && world_.left_old()) return shown_id;
  const auto* topic = world_.new_topology.topic(
      moving.empty() ? world_.old_topology.topic_name(shown_id) : moving);
  return topic != nullptr ? topic->id : wire::Uuid{};
}

}  // namespace shunt::net
