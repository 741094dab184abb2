// The daemon's own connection to one broker: requests and answers as values, in order.
#pragma once

#include <deque>
#include <functional>
#include <memory>

#include "proxy/net/link.h"
#include "proxy/wire/value.h"

namespace shunt::net {

// What brokers see as our client id.
constexpr std::string_view own_client_id = "shunt";

class BrokerClient : public Link::Owner, public std::enable_shared_from_this<BrokerClient> {
 public:
  // `error` is empty when `body` is the answer. Called once, from the loop.
  using Done = std::function<void(const std::string& error, const wire::Value& body)>;

  // `dialer` outlives this.
  BrokerClient(boost::asio::io_context& io, const Dialer& dialer, route::Endpoint at);
  void call(wire::ApiKey api, wire::Version version, const wire::Value& body, Done done);
  // Fails what has waited longer than `limit`.
  void tick(Clock::time_point now, std::chrono::milliseconds limit);
  void close(const std::string& why);
  bool closed() const { return closed_; }
  const route::Endpoint& at() const { return at_; }

 private:
  void link_readable(const std::shared_ptr<Link>& link) override;
  void link_drained(const std::shared_ptr<Link>&) override {}
  void link_failed(const std::shared_ptr<Link>& link, const std::string& why) override;
  bool take_answer();

  struct Pending {
    const wire::Message* answer;
    wire::Version version;
    std::int32_t correlation;
    Clock::time_point since;
    Done done;
  };
  boost::asio::io_context& io_;
  const Dialer& dialer_;
  route::Endpoint at_;
  std::shared_ptr<Link> link_;
  std::deque<Pending> pending_;
  std::vector<std::byte> in_;
  std::int32_t correlation_ = 0;
  bool closed_ = false;
};

}  // namespace shunt::net
