// A daemon between fake brokers and fake clients, all on one loop, with ports the kernel chose.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>

#include "proxy/net/daemon.h"
#include "proxy/observe/log.h"
#include "tests/unit/fake_cluster.h"

namespace fake {

using namespace std::chrono_literals;
using observe::CloseCause;

// Keeps nothing but the migration's records; `fails`: those that cannot be written.
struct NoMemory : net::Memory {
  void remember(const route::IdentityRecord&) override {}
  void remember_versions(route::Cluster, const route::ApiRanges&) override {}
  void remember_cluster_id(route::Cluster, const std::string&) override {}
  bool keep(const splice::Record& record, bool) override {
    if (fails && fails(record)) return false;
    kept.push_back(record);
    return true;
  }
  std::vector<splice::Record> kept;
  std::function<bool(const splice::Record&)> fails;
};

struct Proxy {
  explicit Proxy(int brokers, net::Limits limits = {}, int dead = 0) : old(io, brokers) {
    for (int i = 1; i <= dead; ++i) old.dead.emplace_back(brokers + i, free_port());
    net::Settings s;
    s.limits = limits;
    start(s);
  }
  // With a new cluster; of as many brokers it has the same partitions.
  Proxy(net::MoveSettings move, int brokers, int new_brokers) : old(io, brokers) {
    fresh = std::make_unique<Cluster>(io, new_brokers);
    fresh->cluster_id = "the-new-cluster";
    old.leader_epoch = 5;
    fresh->leader_epoch = 2;
    net::Settings s;
    s.move = move;
    s.new_cluster = net::ClusterSettings{{{"127.0.0.1", (*fresh)[1].port()}}};
    start(s);
  }
  void start(net::Settings s) {
    observe::log::setup(observe::log::Level::error, observe::log::Format::text);
    s.old_cluster.bootstrap = {{"127.0.0.1", old[1].port()}};
    for (int attempt = 0; attempt < 10; ++attempt) {  // somebody else may be faster
      port = free_port();
      s.plain = route::Endpoint{"127.0.0.1", port};
      daemon = net::Daemon::make(io, s, {}, memory);
      if (daemon->listen().empty()) break;
    }
    bool ready = false;
    daemon->start([&ready] { ready = true; }, [](const std::string& why) { FAIL(why); });
    REQUIRE(until([&] {
      const auto seen = daemon->snapshot();
      return ready && seen.old_cluster.reachable && (!fresh || seen.new_cluster.reachable);
    }));
    quiet();  // all brokers have said what they serve
  }

  std::uint16_t free_port() {
    tcp::acceptor a(io, {asio::ip::address_v4::any(), 0});
    return a.local_endpoint().port();
  }
  // Runs the loop until it holds; false: it did not within `limit`.
  template <class F>
  bool until(F holds, std::chrono::milliseconds limit = 10s) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!holds()) {
      if (std::chrono::steady_clock::now() > end) return false;
      io.run_one_for(50ms);
    }
    return true;
  }
  // Runs until nothing is under way (all peers are on this loop, so nothing arrives from
  // elsewhere), but for timers that go on and on.
  void quiet() {
    const auto end = std::chrono::steady_clock::now() + 300ms;
    while (io.run_one_for(30ms) > 0 && std::chrono::steady_clock::now() < end) {
    }
  }
  std::shared_ptr<Peer> client(bool reads = true, const char* to = "127.0.0.1") {
    tcp::socket socket(io, tcp::v4());
    auto peer = std::make_shared<Peer>(std::move(socket));
    if (!reads) peer->shrink_buffers();  // before connecting: the window is told there
    peer->socket().connect({asio::ip::make_address(to), port});
    if (reads) peer->read();
    return peer;
  }
  std::uint64_t closed(CloseCause c) const {
    return daemon->metrics().client_closed[static_cast<std::size_t>(c)];
  }
  std::int64_t connections() const { return daemon->metrics().connections[0]; }
  std::int64_t links() const { return daemon->metrics().links[0]; }
  static std::size_t open_files() {
    const std::filesystem::directory_iterator all("/proc/self/fd");
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
  }

  asio::io_context io;
  Cluster old;
  std::unique_ptr<Cluster> fresh;  // null: none is configured
  NoMemory memory;
  std::uint16_t port = 0;
  std::unique_ptr<net::Daemon> daemon;
};

}  // namespace fake
