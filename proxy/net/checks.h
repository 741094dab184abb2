// What stands in the way of a migration or a cut, found before anything moves.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "proxy/net/operator.h"
#include "proxy/net/world.h"

namespace shunt::net {

// The topics that names and globs (* ?) mean on old, sorted; a glob never matches names that begin
// with "__". Empty and `problem`: a name old lacks, or a glob without a match.
std::vector<std::string> match_topics(const route::Topology& old_topology,
                                      const std::vector<std::string>& list, std::string& problem);

struct CheckRequest {
  std::vector<std::string> topics;
  route::Cluster from = route::Cluster::old_cluster;
  bool accept_history = false, accept_stragglers = false;
};

// Asks both clusters and calls `done` with every finding that is not a pass.
void find_blockers(World& world, const CheckRequest& request,
                   std::function<void(std::vector<Check>)> done);

}  // namespace shunt::net
