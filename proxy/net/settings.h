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

struct Settings {
  ClusterSettings old_cluster;
  std::optional<ClusterSettings> new_cluster;
  std::optional<route::Endpoint> plain;  // listen.plain; nullopt: off
  Advertise advertise = Advertise::loopback;
  std::string advertise_host;  // address mode
  std::uint16_t advertise_port_first = 0, advertise_port_last = 0;
  Limits limits;
};

}  // namespace shunt::net
