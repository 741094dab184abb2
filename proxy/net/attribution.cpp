#include "proxy/net/attribution.h"

#include <algorithm>

#include "proxy/net/naming.h"

namespace shunt::net {

std::set<std::string> groups_of(const World& world, const Who& who, const std::string& topic,
                                std::int32_t partition) {
  std::set<std::string> out;
  if (who.instance != world.shared_instance) {
    if (const auto* info = world.identities.info(who.instance)) {
      for (const auto& [group, member] : info->groups) out.insert(group);
    }
  }
  if (!out.empty() || who.client_id.empty()) return out;
  return world.groups_of(who.client_id, topic, partition);
}

bool waits_at_seam(const World& world, const Who& who, const splice::TopicLog& topic,
                   std::int32_t partition) {
  const auto* m = world.splice.migration(topic.migration);
  if (m == nullptr || topic.produce_to() != route::Cluster::new_cluster) return false;
  if (m->read_new.empty()) return !m->all_read_new;  // all alike
  const auto groups = groups_of(world, who, topic.name, partition);
  if (groups.empty()) return !m->all_read_new;
  return std::ranges::any_of(groups, [&](const auto& g) { return !m->reads_new(g); });
}

}  // namespace shunt::net
