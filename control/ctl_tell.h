// What `run` says as it goes: JSON lines, or lines and progress bars for people.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "control/ctl_canary.h"
#include "control/ctl_commands.h"
#include "control/ctl_progress.h"

namespace shunt::control {

class Teller {
 public:
  explicit Teller(const Options& options);
  void migration(const std::string& id) { migration_ = id; }

  // One event: `keys` are its own for scripts, `words` what people read; "": nothing.
  void event(const std::string& name, const std::string& step, boost::json::object keys,
             const std::string& words);
  // For people alone: a table.
  void block(const std::string& text);
  // How far each group is: of old (`left`), or behind its end. On a terminal bars, drawn anew each
  // time; elsewhere a line when something has changed, every five seconds at most.
  void progress(const std::string& step, const std::vector<GroupProgress>& groups,
                const std::vector<std::string>& shut);
  void soak(const std::string& group, const CanaryVerdict& verdict, std::int64_t passed_ms,
            std::int64_t soak_ms);
  // The daemon's own, as `events` has it, under a number of ours.
  void relay(boost::json::object event);

  bool color() const { return color_; }
  std::int64_t ms() const;  // since the beginning

 private:
  void live(const std::string& step, const std::string& block, const std::string& line);
  void erase();
  std::string stamp() const;

  const bool json_, color_;
  const std::chrono::steady_clock::time_point began_;
  std::string migration_, told_, told_step_;
  std::int64_t seq_ = 0, told_at_ = 0;
  std::size_t drawn_ = 0;                                   // lines of bars on the terminal
  std::vector<std::pair<std::string, std::int64_t>> most_;  // the bar's whole: step/group, records
};

boost::json::object figures_object(const CanaryFigures& figures);

}  // namespace shunt::control
