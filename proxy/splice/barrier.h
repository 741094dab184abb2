// The hand-over's barrier: who is to come, who has, and in which order they go back (rules B3, B4).
//
// A group moves when every member that old lists has sent a JoinGroup that is held here; never
// without one of them. Pure: no clock, no socket.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace shunt::splice {

class Barrier {
 public:
  // Which held request: given by hold().
  using Ticket = std::uint64_t;

  // The members as old lists them now; those it lists no more have left.
  void expect(std::set<std::string> members) { expected_ = std::move(members); }
  // A JoinGroup is held; `member` empty: one that old does not know yet. A member that joins again
  // (on another connection) takes its own place.
  Ticket hold(const std::string& member);
  // Its client has gone.
  void gone(Ticket t);

  // Those who have not come.
  std::set<std::string> missing() const;
  bool complete() const { return missing().empty(); }
  // The held members whom old knows.
  std::set<std::string> members() const;
  std::size_t held() const { return held_.size(); }

  // How the held requests go back to old: followers first, who are answered with the generation
  // that stands; the leader's, which begins a rebalance, last.
  std::vector<Ticket> back(const std::string& leader) const;

 private:
  std::set<std::string> expected_;
  std::map<Ticket, std::string> held_;
  Ticket last_ = 0;
};

}  // namespace shunt::splice
