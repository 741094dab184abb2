// The API's server on a socket and a port of its own, in a thread, before a made-up proxy.
#pragma once

#include <stdexcept>
#include <thread>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include "control/http.h"
#include "tests/unit/scratch.h"

namespace shunt::test {

class FakeApi {
 public:
  explicit FakeApi(observe::Snapshot shown = {}) : server_(io_, sources(std::move(shown))) {
    control::Failure failure;
    if (!server_.listen_socket(socket(), "", failure) ||
        !server_.listen_http({"127.0.0.1", 0}, failure))
      throw std::runtime_error(failure.message);
    port_ = server_.http_port();
    thread_ = std::thread([this] { io_.run(); });
  }
  ~FakeApi() {
    boost::asio::post(io_, [this] { server_.close(); });
    thread_.join();
  }
  std::string socket() const { return scratch_.path("s.sock"); }
  std::uint16_t port() const { return port_; }
  const Scratch& scratch() const { return scratch_; }

 private:
  control::ApiSources sources(observe::Snapshot shown) {
    control::ApiSources out;
    out.version = "9.9.9";
    out.socket = socket();
    out.snapshot = [shown] { return shown; };
    out.metrics = [] { return std::string("shunt_up 1\n"); };
    out.not_ready = [] { return std::string(); };
    return out;
  }

  Scratch scratch_;
  boost::asio::io_context io_{1};
  control::HttpServer server_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

}  // namespace shunt::test
