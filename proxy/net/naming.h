// The virtual cluster as one client connection sees it: nodes at addresses of its own.
#pragma once

#include "proxy/net/world.h"

namespace shunt::net {

// Who a connection belongs to; filled in as it speaks.
struct Who {
  route::Instance instance{0};
  std::optional<route::NodeKey> addressed;  // the node whose address was dialled
  std::string client_id, software, software_version;
  std::string principal;  // of its certificate; empty: not known
  std::uint16_t local_port = 0;
};

// The instance that all kafka-go clients share, if one was begun before; else 0.
route::Instance find_shared_instance(const route::Identities& identities);

class SessionNaming : public route::Naming {
 public:
  SessionNaming(World& world, Who& who) : world_(world), who_(who) {}
  const std::vector<route::ShownNode>& nodes() override;
  std::optional<route::Endpoint> at(route::NodeId id) override;
  const std::string& cluster_id() override { return world_.cluster_id; }
  wire::Uuid topic_id(route::Cluster from, const wire::Uuid& id) override;
  wire::Uuid native_topic_id(route::Cluster to, const wire::Uuid& shown_id) override;

 private:
  std::optional<route::Endpoint> endpoint(route::NodeKey node);
  void need_instance();
  World& world_;
  Who& who_;
  std::vector<route::ShownNode> nodes_;
};

}  // namespace shunt::net
