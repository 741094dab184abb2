// What `run` asks of the daemon: where its migration is, how far the groups are, a move. Pauses and
// steps of others are waited for here, and nowhere else.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "control/ctl_ask.h"
#include "control/ctl_canary.h"
#include "control/ctl_progress.h"
#include "control/ctl_tell.h"

namespace shunt::control {

// How a run ends; result: done, rolled_back or blocked.
struct Stop {
  int exit = done;
  std::string result = "done";
  Failure why;
  boost::json::array blockers;
};
using Stopped = std::optional<Stop>;  // nullopt: go on

Stop stop_of(const Said& said);

class Talk {
 public:
  Talk(const Options& options, Deadline deadline, Teller& tell)
      : options_(options), deadline_(deadline), tell_(tell) {}

  Said get(const std::string& target) { return ask({"GET", target, {}}, options_, deadline_); }
  // Not waited for, not retried.
  Said post(const std::string& path, boost::json::object body);
  // A mutation of the migration, as soon as nothing is paused and no other step runs. Stops only
  // when waiting does; what the daemon said otherwise is in `said`.
  Stopped act(const std::string& path, boost::json::object body, Said& said);

  void of_migration(const std::string& id);
  const std::string& id() const { return id_; }
  // As of the last look.
  const boost::json::object& migration() const { return migration_; }
  std::string state() const { return text_of(migration_, "state"); }
  bool production_on_new() const { return production_on_new_; }
  const std::set<std::string>& topics() const { return topics_; }

  // Looks where the migration is, and waits while it is paused or a step runs. Stops when somebody
  // else has moved it since: what was decided would be of another state.
  Stopped look();
  bool was_paused() { return std::exchange(was_paused_, false); }  // since this was asked last
  Stopped groups(std::vector<GroupProgress>& out);
  Stopped sample(const std::string& group, CanarySample& out);
  // nullopt: that much later. Else --timeout or Ctrl-C ended it; `shut`: what is waited for.
  Stopped wait(std::chrono::milliseconds pause, const std::string& shut);

 private:
  Stopped read();  // status and events, once
  void relay();
  void count(const boost::json::object& clients, const std::string& group);

  const Options& options_;
  const Deadline deadline_;
  Teller& tell_;
  std::string id_;
  boost::json::object migration_;
  std::set<std::string> topics_;
  bool production_on_new_ = false, was_paused_ = false;
  std::optional<std::string> newest_;  // move; nullopt: whatever it is now
  std::optional<std::uint64_t> events_seen_;
  // Requests of the canary's clients: each one's counter as of the last sample, and their sum.
  std::map<std::string, std::int64_t> counted_;
  std::int64_t joins_ = 0, lookups_ = 0;
  bool counting_ = false;
};

}  // namespace shunt::control
