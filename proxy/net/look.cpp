#include "proxy/net/look.h"

#include <algorithm>

#include "proxy/net/session.h"

namespace shunt::net {
namespace {

observe::ClusterView cluster_view(const World& world, route::Cluster c, const Poller* poller) {
  observe::ClusterView v;
  if (poller == nullptr) return v;
  const auto& topology = c == route::Cluster::old_cluster ? world.old_topology : world.new_topology;
  v.configured = true;
  v.cluster_id = topology.cluster_id();
  v.reachable = poller->reachable();
  v.brokers = static_cast<int>(topology.brokers().size());
  v.error = poller->error();
  return v;
}

using Uses = std::map<std::pair<wire::ApiKey, wire::Version>, std::uint64_t>;

// Can new serve what this client has used so far?
void judge(observe::ClientView& v, const Uses& uses,
           const std::optional<route::ApiRanges>& theirs) {
  for (const auto& [use, requests] : uses) {
    const auto& [api, version] = use;
    v.apis.push_back({api, std::string(wire::api_name(api)), version, requests});
    constexpr wire::ApiKey api_versions = 18;
    if (!theirs || api == api_versions) continue;
    const auto range = theirs->of(api);
    if (range.contains(version)) continue;
    v.why_not.push_back(std::string(wire::api_name(api)) + " v" + std::to_string(version) +
                        (range.empty() ? std::string(": new does not serve it")
                                       : ": new serves " + std::to_string(range.first) + "-" +
                                             std::to_string(range.last)));
  }
  if (theirs) v.served_by_new = v.why_not.empty();
}

// Sessions of one client instance are one client; a session without instance is one by itself.
std::string client_key(const Session& s) {
  const auto i = static_cast<std::uint32_t>(s.who().instance);
  if (i != 0) return "c" + std::to_string(i);
  return "x" + s.remote().substr(s.remote().rfind(':') + 1);
}

void add(observe::ClientView& v, const World& world, const Session& s) {
  const auto& who = s.who();
  if (v.connections++ == 0) {
    v.address = s.remote();
    v.since = s.since();
    v.listener = s.listener();
    if (!s.who().principal.empty()) v.principal = "User:" + s.who().principal;
  }
  if (!who.client_id.empty()) v.client_id = who.client_id;
  if (!who.software.empty()) {
    v.software = who.software;
    v.software_version = who.software_version;
  }
  v.since = std::min(v.since, s.since());
  v.bytes_in += s.bytes_in();
  v.bytes_out += s.bytes_out();
  for (const auto& id : s.transactional_ids()) {
    if (std::find(v.transactional_ids.begin(), v.transactional_ids.end(), id) ==
        v.transactional_ids.end()) {
      v.transactional_ids.push_back(id);
    }
  }
  const auto* info = world.identities.info(who.instance);
  if (info == nullptr || !v.groups.empty()) return;
  for (const auto& [group, member] : info->groups) v.groups.push_back(group);
}

void add(observe::GroupView& v, const splice::GroupLag& lag) {
  v.drained = true;
  for (const auto& p : lag.partitions) {
    *v.drained &= p.drained;
    if (v.topics.empty() || v.topics.back() != p.topic) v.topics.push_back(p.topic);
  }
  std::int64_t sum = 0;
  for (const auto c : {route::Cluster::old_cluster, route::Cluster::new_cluster}) {
    const auto of = splice::lag_in(lag, c);
    if (of < 0) return;
    sum += of;
  }
  v.lag = sum;
}

}  // namespace

observe::Snapshot look(const World& world, const Poller& old_poller, const Poller* new_poller,
                       const std::map<std::string, splice::GroupLag>& lags) {
  observe::Snapshot s;
  s.connections = static_cast<int>(world.sessions.size());
  s.old_cluster = cluster_view(world, route::Cluster::old_cluster, &old_poller);
  s.new_cluster = cluster_view(world, route::Cluster::new_cluster, new_poller);
  const auto& home = world.left_old() ? world.new_topology : world.old_topology;
  for (const auto& [name, topic] : home.topics()) {
    if (topic.internal) continue;
    s.topics.push_back({name, static_cast<int>(topic.partitions.size())});
  }

  std::map<std::string, observe::ClientView> clients;
  std::map<std::string, Uses> uses;
  std::set<std::pair<std::string, std::string>> here;  // members connected to us
  for (const auto& session : world.sessions) {
    const auto key = client_key(*session);
    add(clients[key], world, *session);
    for (const auto& [use, n] : session->apis()) uses[key][use] += n;
    if (const auto* info = world.identities.info(session->who().instance)) {
      here.insert(info->groups.begin(), info->groups.end());
    }
  }
  const auto theirs = world.versions.cluster(route::Cluster::new_cluster);
  for (auto& [key, view] : clients) {
    view.id = key;
    judge(view, uses[key], theirs);
    s.clients.push_back(std::move(view));
  }

  std::set<std::string> listed;
  for (const auto* poller : {&old_poller, new_poller}) {
    if (poller == nullptr) continue;
    const auto c =
        poller == &old_poller ? route::Cluster::old_cluster : route::Cluster::new_cluster;
    for (const auto& [name, view] : poller->groups()) {
      if (world.splice.group_home(name) != c) continue;
      listed.insert(name);
      auto v = view;
      v.at_new = c == route::Cluster::new_cluster;
      const auto& members = world.members(name);
      if (!members.empty()) {
        v.members_outside = static_cast<int>(std::ranges::count_if(
            members, [&](const GroupMember& m) { return !world.passes_here(name, m.id); }));
      }
      if (const auto lag = lags.find(name); lag != lags.end()) add(v, lag->second);
      s.groups.push_back(std::move(v));
    }
  }
  // Groups that spoke here and are not listed yet: known by name alone.
  for (const auto& [group, member] : here) {
    if (!listed.insert(group).second) continue;
    auto& v = s.groups.emplace_back();
    v.group = group;
    v.at_new = world.splice.group_home(group) == route::Cluster::new_cluster;
  }
  return s;
}

}  // namespace shunt::net
