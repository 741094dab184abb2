// The proxy's state as values, for those who look in.
#pragma once

#include "proxy/net/poller.h"
#include "proxy/net/world.h"
#include "proxy/observe/snapshot.h"

namespace shunt::net {

// `new_poller` null: no new cluster is configured.
observe::Snapshot look(const World& world, const Poller& old_poller, const Poller* new_poller,
                       const std::map<std::string, splice::GroupLag>& lags);

}  // namespace shunt::net
