// What model clients share: connections by node, requests by the real wire, Metadata.
#pragma once

#include "tests/sim/client_connection.h"

namespace shunt::sim {

class Client {
 public:
  Client(Sim& sim, std::string id);
  virtual ~Client() = default;
  const std::string& id() const { return id_; }

 protected:
  using Node = std::int32_t;  // as shown; -1: the bootstrap address
  struct Leader {
    Node node = -1;
    std::int32_t epoch = -1;
  };
  // The answer's body; null: the connection was lost before.
  using Answered = std::function<void(const wire::Value& body)>;
  // `limit`: after so long the client closes the connection; 0: it may never take long.
  void request(Node node, wire::ApiKey api, wire::Version version, const wire::Value& body,
               Answered done, Time limit = 0);
  void send_only(Node node, wire::ApiKey api, wire::Version version, const wire::Value& body);
  bool connected(Node node) const { return connections_.contains(node); }
  std::size_t in_flight(Node node) const;
  void close(Node node);
  void close_all();
  void refresh();  // Metadata, soon
  virtual void refreshed() {}
  const Leader& leader(int partition) const {
    return leaders_[static_cast<std::size_t>(partition)];
  }
  void after(Time pause, Timeline::Action action) { sim_.time.after(pause, std::move(action)); }
  void trace(const std::string& what) {
    if (sim_.tracing()) sim_.trace(id_ + " " + what);
  }

  Sim& sim_;
  Random random_;

 private:
  struct Pending {
    std::int32_t correlation;
    wire::ApiKey api;
    wire::Version version;
    Answered done;
  };
  struct Connection {
    std::shared_ptr<ClientConnection> to;
    std::deque<Pending> pending;
  };
  std::shared_ptr<Connection> open(Node node);
  Buffer encoded(wire::ApiKey api, wire::Version version, std::int32_t correlation,
                 const wire::Value& body) const;
  void lost(Node node);

  std::string id_;
  std::map<Node, std::shared_ptr<Connection>> connections_;
  std::vector<Leader> leaders_;
  std::int32_t correlation_ = 0;
  bool refreshing_ = false;
};

}  // namespace shunt::sim
