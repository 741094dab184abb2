// `shunt run`: the daemon's process from its first check to `stopped`.
#pragma once

#include "control/config.h"

namespace shunt::control {

// The process' exit code: 0 drained, 1 cannot run (said on stderr, naming the key).
int run(const Config& config, const std::string& version);

}  // namespace shunt::control
