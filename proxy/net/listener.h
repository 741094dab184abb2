// A port that clients connect to.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "proxy/net/stream.h"
#include "proxy/route/node.h"

namespace shunt::net {

class Listener : public std::enable_shared_from_this<Listener> {
 public:
  using Accepted = std::function<void(tcp::socket)>;
  explicit Listener(boost::asio::io_context& io) : acceptor_(io), io_(io) {}

  // Binds and listens; nothing is accepted before start(). All of 127/8 on that port when
  // `all_loopback` (the wildcard address bound to the device lo), else just `address`.
  // Returns an empty string, or what the system says.
  std::string open(const boost::asio::ip::address& address, std::uint16_t port, bool all_loopback);
  void start(Accepted accepted);
  void close();
  // Accepts again after a pause (out of file descriptors).
  void retry();

 private:
  void accept();
  void pause(const std::string& why);
  tcp::acceptor acceptor_;
  boost::asio::io_context& io_;
  Accepted accepted_;
  bool all_loopback_ = false;
  bool waiting_ = false;
  bool paused_ = false;
};

}  // namespace shunt::net
