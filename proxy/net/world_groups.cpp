// Groups as their homes list them.
#include "proxy/net/world.h"

namespace shunt::net {

const std::vector<GroupMember>& World::members(const std::string& group) const {
  static const std::vector<GroupMember> none;
  const auto* home = access[static_cast<std::size_t>(splice.group_home(group))];
  if (home == nullptr) return none;
  const auto it = home->members().find(group);
  return it == home->members().end() ? none : it->second;
}

std::set<std::string> World::groups_of(const std::string& client_id, const std::string& topic,
                                       std::int32_t partition) const {
  std::set<std::string> out;
  for (const auto& group : known_groups()) {
    for (const auto& m : members(group)) {
      if (m.client_id != client_id) continue;
      const auto of_topic = m.topics.find(topic);
      if (of_topic != m.topics.end() && of_topic->second.contains(partition)) out.insert(group);
    }
  }
  return out;
}

std::set<std::string> World::known_groups() const {
  std::set<std::string> out;
  for (const auto& [group, places] : splice.commits()) out.insert(group);
  for (const auto c : {route::Cluster::old_cluster, route::Cluster::new_cluster}) {
    const auto* a = access[static_cast<std::size_t>(c)];
    if (a == nullptr) continue;
    for (const auto& [group, view] : a->groups()) {
      if (splice.group_home(group) == c) out.insert(group);
    }
  }
  return out;
}

}  // namespace shunt::net
