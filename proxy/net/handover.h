// One group's coordinator moves from old to new, in one ordinary rebalance (rules B3, B4; probes
// P4).
//
//     check      stable at old, every member passes here and has fetched within two seconds
//     warm       a placeholder member at new
//     barrier    heartbeats hear REBALANCE_IN_PROGRESS; members commit and join; joins are held
//     closing    all are here: commits wait too, the group's offsets go to new
//     handed     journaled: the group's home is new. Until here anything wrong sends the joins back
//     settle     the joins go to new; the placeholder leaves when all are there; so do they at old
//
// A group without members moves by its offsets alone.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <set>
#include <string>

#include "proxy/net/ask.h"
#include "proxy/net/operator.h"
#include "proxy/net/placeholder.h"

namespace shunt::net {

class Handover : public GroupGate, public std::enable_shared_from_this<Handover> {
 public:
  struct Result {
    std::string group;
    bool done = false;
    std::int64_t handover_ms = 0;  // from the barrier's begin until the group is stable at new
    std::int64_t barrier_ms = 0;
    std::int64_t members = 0;
    Check why;  // not done
  };
  Handover(World& world, std::string migration, std::string group)
      : world_(world), migration_(std::move(migration)), timer_(world.io) {
    result_.group = std::move(group);
  }
  void start(std::function<void(const Result&)> done);
  // Before it is handed: sends the joins back. Behind it: nothing.
  void cancel(const std::string& why);

  Act judge(wire::ApiKey api) const override;
  splice::Barrier::Ticket held(std::weak_ptr<Session> session, wire::ApiKey api,
                               std::string_view member) override;
  void gone(splice::Barrier::Ticket ticket) override;

 private:
  enum class Phase : std::uint8_t { check, warm, barrier, closing, handed, back, over };
  const std::string& group() const { return result_.group; }
  void after(std::chrono::milliseconds wait, void (Handover::*step)());
  using OldSaid = std::function<void(const std::string& error, const wire::Value& group)>;
  void ask_old(OldSaid done);
  void check();
  std::string asleep(const wire::Value& group) const;
  void warm(const wire::Value& group);
  void begin_barrier();
  void wait_for_members();
  void look_again();
  void beat_for_members();
  void close_barrier();
  void take_offsets();
  void copy_offsets(const wire::Value& at_old, std::uint64_t since);
  void hand();
  void let_all_go(const std::vector<splice::Barrier::Ticket>& order);
  void settle();
  void leave_old();
  void fail(const std::string& id, const std::string& why, const std::string& fix);
  void send_back(const std::string& id, const std::string& why, const std::string& fix);
  void leader_back();
  void end();

  World& world_;
  std::string migration_;
  Result result_;
  std::function<void(const Result&)> done_;
  Phase phase_ = Phase::check;
  boost::asio::steady_timer timer_;
  Clock::time_point since_, barrier_since_, beaten_, looked_;
  std::shared_ptr<Placeholder> placeholder_;
  splice::Barrier barrier_;
  struct Held {
    std::weak_ptr<Session> session;
    bool join = false;
  };
  std::map<splice::Barrier::Ticket, Held> held_;
  splice::Barrier::Ticket last_other_ = std::uint64_t{1} << 62;  // of held commits
  std::set<std::string> old_members_;
  bool looking_ = false, placeholder_left_ = false;
};

}  // namespace shunt::net
