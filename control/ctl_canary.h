// Judges a canary: a group that was moved first, against its own past. Pure: samples in, a verdict
// and what was seen out.
//
//   lag         when the soak ends, at most --max-lag; without it, 1,000 or the most of its past,
//               or less than when it was moved. Ends the soak at once: twice in a row beyond that
//               after it had caught up, or beyond what it had when it was moved
//   rate        never stands still with records before it for longer than a third of the soak (5 s
//               to 30 s) or twice as long as it did in its past; not below half of its past while
//               its lag grows
//   rebalances  its state stays Stable, no member is missing, members do not join again more often
//               than in its past
//   errors      members do not look for their coordinator more often than in its past, which is
//               what every client does after an error
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace shunt::control {

struct CanarySample {
  std::int64_t at_ms = 0;  // on a clock that never jumps
  std::optional<std::int64_t> position, lag, members;
  std::string state;                    // of the group; "": unknown
  std::int64_t joins = 0, lookups = 0;  // by its members, since the first sample
  bool reading = true;                  // not standing at the seam
};

struct CanaryRules {
  std::int64_t soak_ms = 60'000;
  std::optional<std::int64_t> max_lag;
};

// What scripts are told of a soak.
struct CanaryFigures {
  std::optional<double> rate_before, rate;      // records per second
  std::optional<std::int64_t> lag_before, lag;  // lag_before: the most of its past
  std::int64_t joins = 0, lookups = 0;
  std::optional<std::int64_t> members;
};

struct CanaryVerdict {
  enum class Is { watching, good, bad } is = Is::watching;
  std::vector<std::string> saw;  // bad: why, worst first; good: how it stands
  CanaryFigures figures;
};

// `past`: before it was moved, may be empty; `since`: from its move on, oldest first.
CanaryVerdict judge_canary(const std::vector<CanarySample>& past,
                           const std::vector<CanarySample>& since, const CanaryRules& rules);

}  // namespace shunt::control
