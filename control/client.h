// One call of the API over the Unix socket: a request out, an answer back.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "control/failure.h"

namespace shunt::control {

using Deadline = std::optional<std::chrono::steady_clock::time_point>;  // nullopt: wait for ever

struct CallAnswer {
  unsigned status = 0;
  std::string body;
};

// nullopt: `failure.code` is `unreachable` (no daemon, or none that speaks HTTP), `timed_out` (the
// deadline passed) or `interrupted` (a signal came while waiting).
std::optional<CallAnswer> call(const std::string& socket, const std::string& method,
                               const std::string& target, const std::string& body,
                               Deadline deadline, Failure& failure);

}  // namespace shunt::control
