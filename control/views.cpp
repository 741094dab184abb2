// Snapshot to JSON, one function per object of the contract.
#include "control/views.h"

#include <boost/json/array.hpp>

#include "proxy/observe/text.h"

namespace shunt::control {
namespace {

namespace json = boost::json;
using json::array;
using json::object;
using json::value;

value text(const std::string& s) { return value(observe::clean_utf8(s)); }
value known(const std::string& s) { return s.empty() ? value(nullptr) : text(s); }
value known(const std::optional<int>& n) { return n ? value(*n) : value(nullptr); }

array texts(const std::vector<std::string>& all) {
  array out;
  for (const auto& s : all) out.push_back(text(s));
  return out;
}

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

// Until there are migrations, every topic and group is on old.
object topic(const observe::TopicView& t) {
  object out;
  out["topic"] = text(t.topic);
  out["partitions"] = t.partitions;
  out["migration"] = nullptr;
  out["produce"] = "old";
  out["segments"] = 1;
  out["stragglers"] = 0;
  out["last_cut"] = nullptr;
  return out;
}

object group(const observe::GroupView& g) {
  object out;
  out["group"] = text(g.group);
  out["state"] = known(g.state);
  out["protocol"] = known(g.protocol);
  out["members"] = known(g.members);
  out["members_outside"] = known(g.members_outside);
  out["coordinator"] = "old";
  out["fetch"] = "old";
  out["lag"] = nullptr;
  out["drained"] = nullptr;
  return out;
}

array topics(const observe::Snapshot& s) {
  array out;
  for (const auto& t : s.topics) out.push_back(topic(t));
  return out;
}

array groups(const observe::Snapshot& s) {
  array out;
  for (const auto& g : s.groups) out.push_back(group(g));
  return out;
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
  out["principal"] = nullptr;  // comes with SASL
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

object begin() {
  object out;
  out["api"] = api_version;
  return out;
}

}  // namespace

object status_view(const observe::Snapshot& s, const std::string& version,
                   observe::UnixMillis now) {
  object out = begin();
  out["version"] = version;
  out["uptime_ms"] = now > s.started ? now - s.started : 0;
  out["ready"] = s.ready;
  out["migration"] = nullptr;
  object clusters;
  clusters["old"] = cluster(s.old_cluster);
  clusters["new"] = cluster(s.new_cluster);
  out["clusters"] = std::move(clusters);
  out["connections"] = s.connections;
  out["topics"] = topics(s);
  out["groups"] = groups(s);
  return out;
}

object topics_view(const observe::Snapshot& s) {
  object out = begin();
  out["topics"] = topics(s);
  return out;
}

object groups_view(const observe::Snapshot& s) {
  object out = begin();
  out["groups"] = groups(s);
  return out;
}

object clients_view(const observe::Snapshot& s) {
  object out = begin();
  array all;
  for (const auto& c : s.clients) all.push_back(client(c));
  out["clients"] = std::move(all);
  return out;
}

object error_view(const Failure& failure) {
  object error;
  error["code"] = failure.code;
  error["message"] = text(failure.message);
  error["where"] = known(failure.where);
  error["next"] = known(failure.next);
  object out = begin();
  out["error"] = std::move(error);
  return out;
}

}  // namespace shunt::control
