// Reads what both clusters have committed for the groups of the journal, for `verify`.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "proxy/net/ask.h"
#include "proxy/net/exchange.h"
#include "proxy/splice/proof.h"

namespace shunt::net {

class ProveGroups : public std::enable_shared_from_this<ProveGroups> {
 public:
  ProveGroups(World& world, std::chrono::milliseconds limit) : world_(world), limit_(limit) {}
  // Commits go on meanwhile: a group that differs is asked again until it agrees, a few times.
  // `done`: once, at the latest after the limit.
  void start(std::function<void()> done);
  std::vector<splice::GroupProof> proofs() const;
  std::vector<std::string> problems() const;  // of those that differ

 private:
  struct Position {
    splice::Pair when_asked;
    std::optional<std::int64_t> committed[2];  // by cluster, as answered last
    splice::GroupProof proof;
    std::string problem;
    bool agreed = false;  // once is enough
  };
  using Group = std::map<PartitionKey, Position>;
  void ask_all();
  void ask(const std::string& name, route::Cluster c, const Joint& joint,
           std::function<void()> ended);
  void judge(const std::string& name, Group& group);
  static bool agreed(const Group& group);

  World& world_;
  std::chrono::milliseconds limit_;
  std::function<void()> done_;
  std::map<std::string, Group> groups_;
  int rounds_ = 0;
  Clock::time_point until_{};
  std::shared_ptr<Window> windows_[2];
};

}  // namespace shunt::net
