// Broker addresses to endpoints: literal addresses at once, names by the system's resolver.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <string>
#include <vector>

#include "proxy/route/node.h"

namespace shunt::net {

class Resolver {
 public:
  using Endpoints = std::vector<boost::asio::ip::tcp::endpoint>;
  using Done = std::function<void(const std::string& error, const Endpoints& found)>;

  explicit Resolver(boost::asio::io_context& io) : resolver_(io) {}
  // Calls `done` later, never from inside. `error` is empty when `found` has at least one endpoint.
  void resolve(const route::Endpoint& at, Done done);

 private:
  boost::asio::ip::tcp::resolver resolver_;
};

}  // namespace shunt::net
