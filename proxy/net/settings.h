// What the daemon is told: the configuration file's values the data path needs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "proxy/net/limits.h"
#include "proxy/route/node.h"

namespace shunt::net {

// How Shunt speaks to a cluster. Empty: none. Paths are absolute; files are PEM.
struct ClusterTls {
  bool enabled = false;
  std::string ca = "system", certificate, key;
  bool verify = true;
  bool operator==(const ClusterTls&) const = default;
};
enum class Sasl : std::uint8_t { none, plain, scram_sha_256, scram_sha_512, oauthbearer };
struct ClusterSasl {
  Sasl mechanism = Sasl::none;
  std::string username, password_file, token_file;
  bool replay_plain = false;
};
struct ClusterSettings {
  std::vector<route::Endpoint> bootstrap;
  ClusterTls tls{};
  ClusterSasl sasl{};
};

enum class ClientAuth : std::uint8_t { none, request, require };
struct ListenTls {
  std::optional<route::Endpoint> address = route::Endpoint{"127.0.0.1", 9093};
  std::string certificate, key, mint_ca, mint_key, client_ca;
  ClientAuth client_auth = ClientAuth::none;
  // Off until a certificate, or a CA to make certificates, is given.
  bool on() const { return address && (!certificate.empty() || !mint_ca.empty()); }
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
  ListenTls tls;
  Advertise advertise = Advertise::loopback;
  std::string advertise_host;  // address mode
  std::uint16_t advertise_port_first = 0, advertise_port_last = 0;
  Limits limits;
  std::string die_at;  // for tests: the step of a cut at which to die (SHUNT_DIE_AT); empty: none
};

}  // namespace shunt::net
