// A client's connection to the proxy, both ends: bytes keep their order and take their time.
#pragma once

#include <functional>
#include <memory>

#include "proxy/route/node.h"
#include "tests/sim/sim.h"

namespace shunt::sim {

class Session;

class ClientConnection : public std::enable_shared_from_this<ClientConnection> {
 public:
  // Null: the proxy does not listen.
  static std::shared_ptr<ClientConnection> open(Sim& sim, std::optional<route::NodeKey> to,
                                                std::string client_id);

  // The client's end.
  void send(Buffer frame);
  void close(bool reset);
  bool closed() const { return closed_; }
  std::function<void(Buffer frame)> on_answer;  // whole frames, in order
  std::function<void()> on_lost;

  // The proxy's end.
  void to_client(wire::Bytes bytes);
  void lost();  // the proxy has closed it, or died
  const std::optional<route::NodeKey> addressed;
  const std::string client_id;

  ClientConnection(Sim& sim, std::optional<route::NodeKey> to, std::string id);

 private:
  void take_frames();
  void send_bytes(Buffer bytes);
  Sim& sim_;
  std::weak_ptr<Session> session_;
  bool closed_ = false;
  Time arrives_ = 0, leaves_ = 0;
  Buffer got_;
};

}  // namespace shunt::sim
