// `shunt recover`: reads from both clusters what a journal can be rebuilt from (rules B2).
//
// Runs the loop itself until it has read all, or cannot. Writes nothing anywhere.
#pragma once

#include <string>

#include "proxy/net/settings.h"
#include "proxy/splice/recovery.h"

namespace shunt::net {

struct Recovered {
  std::string old_cluster_id, new_cluster_id;
  splice::Rebuilt rebuilt;  // with problems: it is not to be used
  std::size_t groups = 0;   // whose positions are known
};

// `journal`: the id to look for; empty: there must be one alone.
Recovered recover_from_clusters(const Settings& settings, const std::string& journal);

}  // namespace shunt::net
