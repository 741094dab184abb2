// What the daemon is told: the configuration file's values the data path needs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "proxy/net/limits.h"
#include "proxy/route/node.h"

namespace shunt::net {

struct ClusterSettings {
  std::vector<route::Endpoint> bootstrap;
};

enum class Advertise : std::uint8_t {
  loopback,  // one 127.x.y.z per (client instance, node), the listener's port
  address,   // one host, one port per node
};

// contract.md, `move`.
struct MoveSettings {
  std::chrono::milliseconds hold_limit{2000};  // S2..S5; at most 9 s (probes P6)
  std::size_t partitions_at_once = 256;
  std::chrono::milliseconds unclear{30000};  // rules A1
  // A poll asked before the migration is not known by its topics: parked at old, it would learn of
  // a cut only when its wait is over. So long a cut waits for those; later ones end at the seam.
  std::chrono::milliseconds early_polls{10000};
};

struct Settings {
  MoveSettings move;
  ClusterSettings old_cluster;
  std::optional<ClusterSettings> new_cluster;
  std::optional<route::Endpoint> plain;  // listen.plain; nullopt: off
  Advertise advertise = Advertise::loopback;
  std::string advertise_host;  // address mode
  std::uint16_t advertise_port_first = 0, advertise_port_last = 0;
  Limits limits;
  std::string die_at;  // for tests: the step of a cut at which to die (SHUNT_DIE_AT); empty: none
};

}  // namespace shunt::net
