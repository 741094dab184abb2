// What the proxy shows of itself: values, made on request, rendered by control.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "proxy/observe/metrics.h"

namespace shunt::observe {

using UnixMillis = std::int64_t;

struct ClusterView {
  bool configured = false;
  std::string cluster_id;  // empty: unknown
  bool reachable = false;
  int brokers = 0;
  std::string error;  // empty: none; else what, where, what to do
};

struct ApiUse {
  int key;
  std::string name;
  int version;
  std::uint64_t requests;
};

struct ClientView {  // one client instance, or one connection without instance
  std::string id;    // "c12": stable over restarts; "" for connections without instance: "x<port>"
  std::string address;  // remote ip:port of one of its connections
  std::string client_id, software, software_version;
  Listener listener = Listener::plain;
  std::string principal;  // as Kafka writes it, "User:CN=app"; "": not known
  std::vector<std::string> groups;
  int connections = 0;
  UnixMillis since = 0;
  std::uint64_t bytes_in = 0, bytes_out = 0;  // from the client, to the client
  std::vector<ApiUse> apis;
  std::vector<std::string> transactional_ids;
  std::optional<bool> served_by_new;  // nullopt: new not known yet
  std::vector<std::string> why_not;
};

struct TopicView {
  std::string topic;
  int partitions = 0;
};

struct GroupView {  // seen by this proxy or listed by the home cluster
  std::string group, state, protocol;
  std::optional<int> members;
  std::optional<int> members_outside;  // members of it that are not connected here
  // Of topics in a migration, as of some seconds ago; nullopt: not known, or it reads none of them.
  std::optional<std::int64_t> lag{};
  std::vector<std::string> topics{};  // those it has a position in
  std::optional<bool> drained{};      // all that lies before the seams has been read
  bool at_new = false;                // its coordinator
};

struct Snapshot {
  bool ready = false;
  std::string not_ready_reason;  // when !ready
  UnixMillis started = 0;
  int connections = 0;
  ClusterView old_cluster, new_cluster;
  std::vector<TopicView> topics;
  std::vector<GroupView> groups;
  std::vector<ClientView> clients;
};

}  // namespace shunt::observe
