// Counters and gauges of the data path, in Prometheus' text format (contract.md, Metrics).
//
// Plain numbers on the data path (one thread writes them); prometheus-cpp core only renders.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>

#include "proxy/observe/cause.h"
#include "proxy/route/node.h"
#include "proxy/wire/schema.h"

namespace shunt::observe {

enum class Listener : std::uint8_t { plain, tls };
enum class Direction : std::uint8_t { to_cluster, to_client };

class Metrics {
 public:
  static constexpr int api_max = 128;
  // Upper bounds of request_seconds' buckets.
  static constexpr std::array<double, 10> bounds = {.0005, .001, .0025, .005, .01,
                                                    .05,   .1,   .5,    1,    5};

  void opened(Listener l) { ++connections[static_cast<std::size_t>(l)]; }
  void turned_tls() {  // opened as plain, it speaks TLS
    --connections[static_cast<std::size_t>(Listener::plain)];
    ++connections[static_cast<std::size_t>(Listener::tls)];
  }
  void closed(Listener l, CloseCause c) {
    --connections[static_cast<std::size_t>(l)];
    ++client_closed[static_cast<std::size_t>(c)];
  }
  void request(wire::ApiKey api, route::Cluster c, double seconds);  // answered
  void moved(Direction d, route::Cluster c, std::uint64_t bytes) {
    bytes_moved[static_cast<std::size_t>(d)][static_cast<std::size_t>(c)] += bytes;
  }

  std::array<std::int64_t, 2> connections{};
  std::array<std::uint64_t, close_causes> client_closed{};
  struct Api {
    std::uint64_t count = 0;
    double seconds = 0;
    std::array<std::uint64_t, 11> buckets{};
    void add(double took);
  };
  std::array<std::array<Api, 2>, api_max> apis{};  // [api][cluster]
  std::array<std::array<std::uint64_t, 2>, 2> bytes_moved{};
  std::array<std::int64_t, 2> links{};  // [cluster]
  std::array<bool, 2> reachable{};      // [cluster]
  std::uint64_t journal_bytes = 0;
  std::int64_t held_requests = 0;                   // of clients, waiting for the migration
  Api hold;                                         // how long they waited
  std::array<std::uint64_t, 2> cuts{};              // done, aborted
  int cut_step = 0;                                 // 1..8 while one runs; 0: none
  std::map<std::string, std::uint64_t> stragglers;  // by topic
  struct Group {
    std::array<std::int64_t, 2> lag{-1, -1};  // records left, [cluster]; -1: not known
    std::int64_t commit_behind = 0;           // partitions whose commit is not copied yet
  };
  std::map<std::string, Group> groups;  // with a position in a topic in migration, a look ago

  // The whole page for /metrics.
  std::string render(const std::string& version) const;
};

}  // namespace shunt::observe
