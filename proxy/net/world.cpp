#include "proxy/net/world.h"

#include "proxy/net/naming.h"
#include "proxy/observe/log.h"
namespace shunt::net {

World::World(boost::asio::io_context& loop, Settings s, Remembered r, Memory& m)
    : io(loop),
      settings(std::move(s)),
      memory(m),
      resolver(loop),
      identities(std::move(r.identities)),
      splice(std::move(r.splice)),
      cluster_id(r.old_cluster_id),
      random(std::random_device{}()),
      buffer(read_buffer_bytes) {
  shared_instance = find_shared_instance(identities);
  if (r.old_versions) versions.restore(route::Cluster::old_cluster, *r.old_versions);
  if (r.new_versions && settings.new_cluster) {
    versions.restore(route::Cluster::new_cluster, *r.new_versions);
  }
}

route::Seconds World::unix_now() const {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

void World::keep_identity() {
  for (const auto& record : identities.take_records()) memory.remember(record);
}

const route::Endpoint* World::endpoint(route::NodeKey node) const {
  const auto& t = node.cluster == route::Cluster::old_cluster ? old_topology : new_topology;
  const route::Broker* b = t.broker(node.id);
  return b != nullptr ? &b->at : nullptr;
}

bool World::record(const splice::Record& r, bool durable) {
  if (!memory.keep(r, durable) && durable) return false;
  if (const char* why = splice.apply(r)) {
    observe::log::error("internal", {{"why", why}});
    return false;
  }
  return true;
}

}  // namespace shunt::net
