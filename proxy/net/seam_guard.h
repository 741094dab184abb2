// Before the first client: does either cluster keep seams that this journal does not know of
// (rules B2)? Asks every broker for its groups, then reads the reserved ones.
//
// Old has the seams as well, so a new cluster that does not answer is not waited for long, and a
// journal that holds a migration waits for nobody who cannot be reached.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "proxy/net/exchange.h"
#include "proxy/net/offset_reader.h"
#include "proxy/net/world.h"

namespace shunt::net {

class SeamGuard : public std::enable_shared_from_this<SeamGuard> {
 public:
  explicit SeamGuard(World& world) : world_(world), timer_(world.io) {}
  // `done`: once, unless the daemon drains before; why it must not start, or empty.
  void start(std::function<void(const std::string& refused)> done);

 private:
  // What was asked, and said.
  enum class Said : std::uint8_t { nothing, asked, failed, all };
  struct Asked {
    Said said = Said::nothing;
    std::string why;
  };
  struct Side {
    route::Cluster cluster;
    std::map<route::NativeNodeId, Asked> brokers;
    std::map<std::string, Asked> groups;
  };
  void turn();
  bool over(Side& side);
  void ask(Side& side, route::NativeNodeId broker);
  void fetch(Side& side, const std::string& group);
  void end();

  World& world_;
  boost::asio::steady_timer timer_;
  Clock::time_point since_{};
  std::vector<Side> sides_;
  std::vector<splice::FoundGroup> found_;
  std::function<void(const std::string&)> done_;
};

}  // namespace shunt::net
