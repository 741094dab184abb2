// A member of our own in a group at new, before the group's members come (rules B4).
//
// With it the group is not empty when they join, so that the broker's initial rebalance delay
// (group.initial.rebalance.delay.ms, 3 s) is over, and its coordinator is warm. On a connection of
// its own: a JoinGroup parks it. It leaves when all of them are there.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <set>
#include <string>

#include "proxy/net/broker_client.h"
#include "proxy/net/world.h"
#include "proxy/splice/commits.h"

namespace shunt::net {

class Placeholder : public std::enable_shared_from_this<Placeholder> {
 public:
  // `error` empty: done.
  using Done = std::function<void(const std::string& error)>;
  Placeholder(World& world, std::string group, std::string protocol_type, std::string protocol)
      : world_(world),
        group_(std::move(group)),
        protocol_type_(std::move(protocol_type)),
        protocol_(std::move(protocol)),
        timer_(world.io) {}
  // Joins, alone; at the latest after `limit`. From then on it heartbeats. Without a protocol type
  // it only finds the coordinator: what it commits are simple commits.
  void join(std::chrono::milliseconds limit, Done done);
  // These native offsets become the group's. Simple commits end while it is there.
  void commit(const std::vector<splice::Copy>& offsets, Done done);
  // What the coordinator says of the group: its state and its members, ours not among them.
  using Described = std::function<void(const std::string& error, const std::string& state,
                                       const std::set<std::string>& members)>;
  void describe(Described done);
  // Makes room; not before the others have joined. Nothing is to be done with it afterwards.
  void leave();
  // Goes without a word: the daemon's own connection ends.
  void close();
  const std::string& lost() const { return lost_; }  // why it is no member any more; empty: it is

 private:
  void find();
  void connect(route::NativeNodeId node);
  void ask_join();
  void joined(const std::string& error, const wire::Value& body);
  void sync(std::int32_t generation);
  void again(const std::string& why, std::function<void()> step);
  void beat();
  void over(const std::string& error);
  void call(wire::ApiKey api, wire::Version version_max, const wire::Value& body,
            BrokerClient::Done done);

  World& world_;
  std::string group_, protocol_type_, protocol_;
  std::string member_, lost_;
  std::int32_t generation_ = -1;
  route::NativeNodeId node_{-1};
  std::shared_ptr<BrokerClient> client_;
  boost::asio::steady_timer timer_;
  Clock::time_point until_;
  Done done_;
  bool in_ = false;
};

}  // namespace shunt::net
