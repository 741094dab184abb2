// Snapshot to JSON, one function per object of the contract.
#include "control/views.h"

#include <algorithm>
#include <set>

#include <boost/json/array.hpp>

#include "proxy/observe/text.h"

namespace shunt::control {
namespace {

namespace json = boost::json;
using json::array;
using json::object;
using json::value;

value count(const std::optional<int>& n) { return n ? value(*n) : value(nullptr); }

object cluster(const observe::ClusterView& c) {
  object out;
  out["cluster_id"] = known(c.cluster_id);
  if (c.configured)
    out["reachable"] = c.reachable;
  else
    out["reachable"] = nullptr;
  if (c.configured && (c.reachable || c.brokers > 0))
    out["brokers"] = c.brokers;
  else
    out["brokers"] = nullptr;
  out["error"] = known(c.error);
  return out;
}

// The newest cut of a topic that stands or stood: when, and how long producers waited.
value last_cut(const splice::TopicLog& t, const splice::State& state) {
  const splice::Migration* m = state.migration(t.migration);
  if (!m) return nullptr;
  for (auto move = m->moves.rbegin(); move != m->moves.rend(); ++move) {
    const bool of_it =
        std::find(move->topics.begin(), move->topics.end(), t.name) != move->topics.end();
    if (!move->sealed || !of_it) continue;
    object out;
    out["at"] = time_of(move->at);
    if (move->flipped)
      out["held_ms_max"] = move->held_ms_max;
    else
      out["held_ms_max"] = nullptr;
    return out;
  }
  return nullptr;
}

object topic(const observe::TopicView& seen, const splice::State& state) {
  const splice::TopicLog* t = state.topic(seen.topic);
  object out;
  out["topic"] = text(seen.topic);
  out["partitions"] = t ? static_cast<int>(t->partitions.size()) : seen.partitions;
  out["migration"] = t ? known(t->migration) : value(nullptr);
  out["produce"] = !t        ? route::name(state.home())
                   : t->held ? "cutting"
                             : route::name(t->produce_to());
  std::size_t segments = 1;
  std::int64_t stragglers = 0;
  if (t) {
    for (const auto& p : t->partitions) {
      segments = std::max(segments, p.log.segments().size());
      stragglers += p.stragglers;
    }
  }
  out["segments"] = segments;
  out["stragglers"] = stragglers;
  out["last_cut"] = t ? last_cut(*t, state) : value(nullptr);
  return out;
}

// Where a group's records come from: as the migrations have it whose topics it reads.
std::string_view fetch_of(const observe::GroupView& g, const splice::State& state) {
  std::set<std::string_view> topics(g.topics.begin(), g.topics.end());
  if (const auto own = state.commits().find(g.group); own != state.commits().end()) {
    for (const auto& [key, commit] : own->second) topics.insert(key.first);
  }
  for (const auto& name : topics) {
    const splice::TopicLog* t = state.topic(name);
    if (t && t->produce_to() == route::Cluster::new_cluster)
      return state.waits(*t, g.group) ? "wait" : "new";
  }
  return "old";
}

object group(const observe::GroupView& g, const splice::State& state) {
  object out;
  out["group"] = text(g.group);
  out["state"] = known(g.state);
  out["protocol"] = known(g.protocol);
  out["members"] = count(g.members);
  out["members_outside"] = count(g.members_outside);
  out["coordinator"] = g.at_new ? "new" : "old";
  out["fetch"] = fetch_of(g, state);
  out["lag"] = count(g.lag);
  out["drained"] = g.drained ? value(*g.drained) : value(nullptr);
  return out;
}

array topics(const observe::Snapshot& s, const splice::State& state) {
  array out;
  std::set<std::string_view> seen;
  for (const auto& t : s.topics) {
    out.push_back(topic(t, state));
    seen.insert(t.topic);
  }
  // Those of a migration are shown also while old does not tell its topics.
  for (const auto& [name, log] : state.topics())
    if (!seen.contains(name)) out.push_back(topic({name, 0}, state));
  return out;
}

array groups(const observe::Snapshot& s, const splice::State& state) {
  return objects(s.groups, [&](const observe::GroupView& g) { return group(g, state); });
}

array apis(const observe::ClientView& c) {
  array out;
  for (const auto& a : c.apis) {
    object api;
    api["key"] = a.key;
    api["name"] = text(a.name);
    api["version"] = a.version;
    api["requests"] = a.requests;
    out.push_back(std::move(api));
  }
  return out;
}

object client(const observe::ClientView& c) {
  object out;
  out["id"] = text(c.id);
  out["address"] = known(c.address);
  out["client_id"] = known(c.client_id);
  out["software"] = known(c.software);
  out["software_version"] = known(c.software_version);
  out["listener"] = c.listener == observe::Listener::plain ? "plain" : "tls";
  out["principal"] = known(c.principal);
  out["groups"] = texts(c.groups);
  out["connections"] = c.connections;
  out["since"] = observe::rfc3339(c.since);
  out["bytes_in"] = c.bytes_in;
  out["bytes_out"] = c.bytes_out;
  out["apis"] = apis(c);
  out["transactional_ids"] = texts(c.transactional_ids);
  if (c.served_by_new)
    out["served_by_new"] = *c.served_by_new;
  else
    out["served_by_new"] = nullptr;
  out["why_not"] = texts(c.why_not);
  return out;
}

}  // namespace

object status_view(const observe::Snapshot& s, const splice::State& state, value migration,
                   const std::string& version, observe::UnixMillis now) {
  object out = begin_object();
  out["version"] = version;
  out["uptime_ms"] = now > s.started ? now - s.started : 0;
  out["ready"] = s.ready;
  out["migration"] = std::move(migration);
  object clusters;
  clusters["old"] = cluster(s.old_cluster);
  clusters["new"] = cluster(s.new_cluster);
  out["clusters"] = std::move(clusters);
  out["connections"] = s.connections;
  out["topics"] = topics(s, state);
  out["groups"] = groups(s, state);
  return out;
}

object topics_view(const observe::Snapshot& s, const splice::State& state) {
  object out = begin_object();
  out["topics"] = topics(s, state);
  return out;
}

object groups_view(const observe::Snapshot& s, const splice::State& state) {
  object out = begin_object();
  out["groups"] = groups(s, state);
  return out;
}

object clients_view(const observe::Snapshot& s) {
  object out = begin_object();
  array all;
  for (const auto& c : s.clients) all.push_back(client(c));
  out["clients"] = std::move(all);
  return out;
}

object error_view(const Failure& failure) {
  object out = begin_object();
  out["error"] = error_object(failure.code, failure.message, failure.where, failure.next);
  return out;
}

}  // namespace shunt::control
