// Brokers for tests of the data path: they answer what the daemon asks and gather what clients do.
#pragma once

#include <map>
#include <set>
#include <string>

#include "proxy/route/topology.h"
#include "tests/unit/fake_peer.h"

namespace fake {

struct Cluster;

// A client's request as a broker got it, to be answered by the test.
struct Asked {
  std::shared_ptr<Peer> peer;
  wire::RequestHeader header;
  Buffer body;
  wire::Value value() const {
    return messages::decoded(*wire::request(header.api), header.version, body);
  }
  Buffer frame(const wire::Value& answer) const {
    return answer_frame(header.api, header.version, header.correlation, answer);
  }
  void answer(const wire::Value& v) const { peer->send(frame(v)); }
};

class Broker {
 public:
  Broker(asio::io_context& io, Cluster& cluster, int id)
      : id_(id),
        cluster_(cluster),
        acceptor_(io, {asio::ip::address_v4::loopback(), 0}),
        port_(acceptor_.local_endpoint().port()) {
    accept();
  }
  std::vector<Asked> asked;              // by clients, in order
  std::function<void(const Asked&)> on;  // besides gathering it
  int id() const { return id_; }
  std::uint16_t port() const { return port_; }
  // Its process ends, and is started again at the same port.
  void stop() {
    acceptor_.close();
    for (const auto& peer : asked_on_) peer->close();
  }
  void start() {
    acceptor_ = tcp::acceptor(acceptor_.get_executor(), {asio::ip::address_v4::loopback(), port_});
    accept();
  }
  // Connections of clients that are open.
  std::size_t open() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(asked_on_, [](const auto& p) { return !p->closed; }));
  }

 private:
  void accept();
  void take(const std::shared_ptr<Peer>& peer, const Buffer& content);

  int id_;
  Cluster& cluster_;
  tcp::acceptor acceptor_;
  std::uint16_t port_;
  std::vector<std::shared_ptr<Peer>> asked_on_;
};

// Topic "t" has a partition per broker, led by it; `dead` brokers are listed and not there, and
// lead the partitions after those.
struct Cluster {
  Cluster(asio::io_context& io, int brokers_count) {
    for (int id = 1; id <= brokers_count; ++id)
      brokers.push_back(std::make_unique<Broker>(io, *this, id));
  }
  std::vector<std::unique_ptr<Broker>> brokers;
  std::vector<std::pair<int, std::uint16_t>> dead;
  std::map<std::string, int> coordinators;
  int lookups = 0;  // of coordinators
  // What else the daemon is answered, by broker; a null value: with silence, on that connection
  // from then on (brokers answer in order: what is behind such a request waits, too).
  using Answer = std::function<wire::Value(int broker, const wire::Value& request)>;
  std::map<wire::ApiKey, Answer> answers;
  std::string cluster_id = "the-old-cluster";
  int leader_epoch = 1;
  std::function<bool(const Asked&)> daemon_asks;  // true: it has been, or will be, answered

  Broker& operator[](int broker) { return *brokers.at(static_cast<std::size_t>(broker - 1)); }

  wire::Value metadata() const {
    wire::Array list, partitions;
    const auto add = [&](int broker, std::uint16_t port) {
      list.push_back(wire::Struct{{"NodeId", broker}, {"Host", "127.0.0.1"}, {"Port", int{port}}});
      partitions.push_back(wire::Struct{{"PartitionIndex", static_cast<int>(partitions.size())},
                                        {"LeaderId", broker},
                                        {"LeaderEpoch", leader_epoch},
                                        {"ReplicaNodes", wire::Array{broker}},
                                        {"IsrNodes", wire::Array{broker}}});
    };
    for (const auto& b : brokers) add(b->id(), b->port());
    for (const auto& [broker, port] : dead) add(broker, port);
    return wire::Struct{{"Brokers", std::move(list)},
                        {"ClusterId", cluster_id},
                        {"ControllerId", 1},
                        {"Topics", wire::Array{wire::Struct{
                                       {"Name", "t"}, {"Partitions", std::move(partitions)}}}}};
  }
  wire::Value coordinator(const wire::Value& request) {
    ++lookups;
    const auto at = coordinators.find(std::string(request["Key"].text()));
    if (at == coordinators.end())
      return wire::Struct{{"ErrorCode", 15}, {"NodeId", -1}, {"Port", -1}};
    return wire::Struct{
        {"NodeId", at->second}, {"Host", "127.0.0.1"}, {"Port", int{(*this)[at->second].port()}}};
  }
  // The daemon's own connections.
  std::set<std::shared_ptr<Peer>> daemons;
  std::set<std::shared_ptr<Peer>> silent;
  void drop_daemon() {  // it comes back
    for (const auto& peer : std::exchange(daemons, {})) peer->close();
  }
  void stop() {
    for (const auto& broker : brokers) broker->stop();
    drop_daemon();
  }
  void start() {
    for (const auto& broker : brokers) broker->start();
  }
  std::map<wire::ApiKey, int> most;  // the versions it serves end there
  wire::Value versions() const {
    wire::Array apis;
    for (const auto& m : wire::messages()) {
      if (!m.request || m.valid.empty()) continue;
      const auto last = most.contains(m.api) ? most.at(m.api) : int{m.valid.last};
      apis.push_back(wire::Struct{
          {"ApiKey", int{m.api}}, {"MinVersion", int{m.valid.first}}, {"MaxVersion", last}});
    }
    return wire::Struct{{"ErrorCode", 0}, {"ApiKeys", std::move(apis)}};
  }
};

inline void Broker::accept() {
  acceptor_.async_accept([this](Error e, tcp::socket socket) {
    if (e) return;
    auto peer = std::make_shared<Peer>(std::move(socket));
    peer->on_frame = [this, weak = std::weak_ptr(peer)](const Buffer& content) {
      take(weak.lock(), content);
    };
    peer->read();
    accept();
  });
}

inline void Broker::take(const std::shared_ptr<Peer>& peer, const Buffer& content) {
  constexpr wire::ApiKey metadata = 3, find_coordinator = 10, api_versions = 18;
  Asked a{peer, {}, {}};
  REQUIRE(wire::parse(content, content.size(), a.header) == wire::Parse::ok);
  a.body.assign(content.begin() + a.header.size, content.end());
  const bool daemon = a.header.client_id == "shunt";
  a.header.client_id = {};
  if (daemon) {
    cluster_.daemons.insert(peer);
    if (cluster_.silent.contains(peer)) return;
    if (cluster_.daemon_asks && cluster_.daemon_asks(a)) return;
    switch (a.header.api) {
      case api_versions:
        return a.answer(cluster_.versions());
      case metadata:
        return a.answer(cluster_.metadata());
      case find_coordinator:
        return a.answer(cluster_.coordinator(a.value()));
      default:
        if (const auto known = cluster_.answers.find(a.header.api);
            known != cluster_.answers.end()) {
          const auto answer = known->second(id_, a.value());
          if (answer.null()) return void(cluster_.silent.insert(peer));
          return a.answer(answer);
        }
        return a.answer(wire::Struct{});
    }
  }
  if (std::ranges::find(asked_on_, peer) == asked_on_.end()) asked_on_.push_back(peer);
  asked.push_back(std::move(a));
  if (on) on(Asked(asked.back()));
}

}  // namespace fake
