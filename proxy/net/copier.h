// Copies accepted commits to the other cluster, so that a group's place is known there too.
//
// As a simple consumer (no member id, no generation), newest per partition, in acceptance order.
// The journal is the truth: what is not copied yet waits here, and all is copied anew at start and
// once a day, because simple commits expire by commit time (rules A3).
#pragma once

#include <map>
#include <string>
#include <utility>

#include "proxy/net/exchange.h"
#include "proxy/net/world.h"
#include "proxy/splice/commits.h"

namespace shunt::net {

class Copier : public CommitTaker {
 public:
  explicit Copier(World& world) : world_(world) {}
  void accepted(const splice::CommitAccepted& commit) override;
  std::int64_t behind(const std::string& group) const override;
  std::int64_t behind(const std::string& group, const std::string& topic,
                      std::int32_t partition) const override;
  void tick(Clock::time_point now);  // once a second: what failed goes again, once a day all does

 private:
  using Key = std::pair<std::string, std::int32_t>;
  struct Group {
    std::map<Key, splice::Copy> waiting;
    bool under_way = false;
  };
  void copy_all();
  void send(const std::string& name);
  void send_to(const std::string& name, route::NativeNodeId coordinator);
  void answered(const std::string& name, const std::map<Key, splice::Copy>& sent,
                const std::string& error, const wire::Value& body);

  World& world_;
  std::map<std::string, Group> groups_;
  Clock::time_point all_copied_{};
};

}  // namespace shunt::net
