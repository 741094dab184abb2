// Ends a migration: every group's coordinator goes to new, and old is not needed any more for its
// topics (rules C7).
//
// Checks first, and all that is unsafe is named; then the groups, side by side (handover.h); then
// one record. A group that could not be handed over leaves the others where they are, new: finish
// again goes on with it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "proxy/net/handover.h"
#include "proxy/net/operator.h"

namespace shunt::net {

class Finish : public std::enable_shared_from_this<Finish> {
 public:
  using Done = std::function<void(const Refused* refused, const Finished& finished)>;
  Finish(World& world, std::string migration, bool accept_history)
      : world_(world),
        migration_(std::move(migration)),
        accept_history_(accept_history),
        timer_(world.io) {}
  void start(Done done);
  void cancel(const std::string& why);
  const std::string& migration() const { return migration_; }

 private:
  struct Group {
    bool here = false;   // it has something to do with the topics
    bool stays = false;  // it also reads what stays at old
    std::set<std::string> elsewhere;
    std::shared_ptr<Handover> handover;
    Handover::Result result;
  };
  const splice::Migration& m() const { return *world_.splice.migration(migration_); }
  void block(const char* id, std::string target, std::string reason, std::string fix);
  void wait_for_groups();
  void check();
  void check_topics();
  void check_cleanup(const Joint& joint);
  void check_new(const Joint& joint);
  void check_users(const Joint& joint);
  void check_readers();
  void look_at_groups(const Joint& joint);
  void find_elsewhere(const std::string& group, const Joint& joint);
  void judge_group(const splice::GroupLag& lag);
  void judge_members(const std::string& name);
  void judged();
  void hand_over();
  void end();
  bool in_use_at_old(const std::string& topic) const;
  void refused(std::vector<Check> found);

  World& world_;
  std::string migration_;
  bool accept_history_;
  Done done_;
  std::vector<Check> found_;
  std::map<std::string, Group> groups_;
  std::size_t running_ = 0;
  bool cancelled_ = false;
  Clock::time_point since_;
  boost::asio::steady_timer timer_;
};

}  // namespace shunt::net
