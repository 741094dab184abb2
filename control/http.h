// The API's HTTP/1.1 server: the Unix socket and loopback control.http, on the daemon's one thread.
//
// Only moves bytes: what a request means is in routes.cpp.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "control/failure.h"
#include "control/routes.h"
#include "proxy/route/node.h"

namespace boost::asio {
class io_context;
}

namespace shunt::control {

class HttpServer {
 public:
  HttpServer(boost::asio::io_context& io, ApiSources sources);
  ~HttpServer();

  // `group`: members of it may connect, besides root and this user; empty: none.
  // False: `failure` names the key.
  bool listen_socket(const std::string& path, const std::string& group, Failure& failure);
  bool listen_http(const route::Endpoint& at, Failure& failure);
  std::uint16_t http_port() const;  // 0: not listening

  // Takes no more connections, ends those that are open, removes the socket's file.
  void close();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace shunt::control
