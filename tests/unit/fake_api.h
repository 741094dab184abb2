// The API's server on a socket and a port of its own, in a thread, before a made-up proxy.
#pragma once

#include <future>
#include <stdexcept>
#include <thread>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include "control/http.h"
#include "tests/unit/fake_operator.h"
#include "tests/unit/scratch.h"

namespace shunt::test {

class FakeApi {
 public:
  explicit FakeApi(observe::Snapshot shown = {}, FakeOperator acting = {})
      : op_(std::move(acting)), server_(io_, sources(std::move(shown))) {
    control::Failure failure;
    if (!server_.listen_socket(socket(), "", failure) ||
        !server_.listen_http({"127.0.0.1", 0}, failure))
      throw std::runtime_error(failure.message);
    port_ = server_.http_port();
    thread_ = std::thread([this] { io_.run(); });
  }
  ~FakeApi() {
    boost::asio::post(io_, [this] {
      server_.close();
      io_.stop();  // also when somebody still waits for an answer
    });
    thread_.join();
  }
  std::string socket() const { return scratch_.path("s.sock"); }
  std::uint16_t port() const { return port_; }
  const Scratch& scratch() const { return scratch_; }
  // On the server's thread, to its end.
  template <class F>
  void with(F work) {
    std::promise<void> done;
    boost::asio::post(io_, [&] {
      work(op_, events_);
      done.set_value();
    });
    done.get_future().wait();
  }

 private:
  control::ApiSources sources(observe::Snapshot shown) {
    control::ApiSources out;
    out.version = "9.9.9";
    out.socket = socket();
    out.snapshot = [shown] { return shown; };
    out.metrics = [] { return std::string("shunt_up 1\n"); };
    out.not_ready = [] { return std::string(); };
    out.operate = [this]() -> net::Operator& { return op_; };
    out.events = [this]() -> const observe::Events& { return events_; };
    return out;
  }

  Scratch scratch_;
  boost::asio::io_context io_{1};
  FakeOperator op_;
  observe::Events events_;
  control::HttpServer server_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

}  // namespace shunt::test
