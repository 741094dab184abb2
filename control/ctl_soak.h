// A canary in `run`: its past is taken down, it is moved, watched, and taken back when it does
// badly.
#pragma once

#include <string>
#include <vector>

#include "control/ctl_talk.h"

namespace shunt::control {

class Soak {
 public:
  Soak(const Options& options, Talk& talk, Teller& tell);

  // Before anything moves: whether it can be one at all; then its past, for half the soak.
  Stopped look_before();
  // One more sample of its past; at most one a second is of use.
  Stopped add_to_past();
  // Moves it, unless it has been; watches; stops when it was taken back.
  Stopped run();

 private:
  Stopped move();
  Stopped watch(CanaryVerdict& verdict);
  Stop take_back(const CanaryVerdict& verdict);

  const std::string& group_;
  const CanaryRules rules_;
  Talk& talk_;
  Teller& tell_;
  std::vector<CanarySample> past_, since_;
};

}  // namespace shunt::control
