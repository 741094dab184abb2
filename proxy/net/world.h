// What all sessions of the daemon share. One thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <random>
#include <set>
#include <unordered_map>

#include "proxy/net/daemon.h"
#include "proxy/net/resolver.h"
#include "proxy/net/settings.h"
#include "proxy/observe/events.h"
#include "proxy/observe/metrics.h"
#include "proxy/route/dispatch.h"
#include "proxy/route/identity.h"
#include "proxy/route/topology.h"
#include "proxy/route/translate.h"
#include "proxy/route/versions.h"
#include "proxy/splice/state.h"

namespace shunt::net {

class Session;

// What the sessions ask of the clusters' own connections (poller.h).
class ClusterAccess {
 public:
  virtual ~ClusterAccess() = default;
  // Reads the cluster's metadata again at once (limited to ten times a second).
  virtual void refresh_soon() = 0;
  // A group's membership has changed: those who look in should see it within a second or two.
  virtual void groups_changed() = 0;
  // Asks for a coordinator; it is in the topology when `done` is called, unless nobody could say.
  virtual void find_coordinator(route::CoordinatorKind kind, const std::string& key,
                                std::function<void()> done) = 0;
};

struct World {
  World(boost::asio::io_context& loop, Settings s, Remembered r, Memory& m);

  boost::asio::io_context& io;
  const Settings settings;
  Memory& memory;
  Resolver resolver;
  observe::Metrics metrics;
  route::Identities identities;
  route::Versions versions;
  route::Topology old_topology, new_topology;
  splice::State splice;
  observe::Events events;
  std::string cluster_id;  // as clients see it: old's, for ever
  ClusterAccess* access[2] = {nullptr, nullptr};
  std::set<std::shared_ptr<Session>> sessions;
  std::unordered_map<std::uint32_t, std::uint64_t> metadata_asked;  // by client instance
  bool draining = false;
  route::Instance shared_instance{0};  // kafka-go's (naming.cpp); 0: not needed yet
  std::mt19937_64 random;              // ids for telemetry only

  // Scratch of the one thread: valid within one call from the loop.
  std::vector<std::byte> buffer;
  wire::Parts parts;
  route::Dispatch decision;
  wire::Edits edits;

  route::View view() const { return {&old_topology, &new_topology}; }
  route::Topology& topology(route::Cluster c) {
    return c == route::Cluster::old_cluster ? old_topology : new_topology;
  }
  route::Seconds unix_now() const;
  // Writes identity's news to the journal: before the answer that shows them.
  void keep_identity();
  // Writes a record of the migration, then it holds. False: nothing has changed (a durable record
  // that could not be written; the journal has said so).
  bool record(const splice::Record& r, bool durable);
  // Where a node is, or null.
  const route::Endpoint* endpoint(route::NodeKey node) const;
};

}  // namespace shunt::net
