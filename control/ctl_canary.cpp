// What a canary's samples say.
#include "control/ctl_canary.h"

#include <algorithm>
#include <cstdio>

namespace shunt::control {
namespace {

using Samples = std::vector<CanarySample>;
using Number = std::optional<std::int64_t>;

constexpr std::int64_t lag_floor = 1000;         // that nobody calls a lag
constexpr std::int64_t unknown_max_ms = 15'000;  // how long its lag may not be readable
constexpr std::int64_t stall_ms_min = 5'000, stall_ms_max = 30'000;

std::string seconds(std::int64_t ms) {
  char out[32];
  std::snprintf(out, sizeof out, "%.0f s", static_cast<double>(ms) / 1000);
  return out;
}
std::string per_second(double rate) {
  char out[32];
  std::snprintf(out, sizeof out, "%.1f/s", rate);
  return out;
}
std::string text(Number n) { return n ? std::to_string(*n) : "unknown"; }

Samples reading(const Samples& all) {
  Samples out;
  std::ranges::copy_if(all, std::back_inserter(out), [](const auto& s) { return s.reading; });
  return out;
}

std::optional<double> rate_of(const Samples& all) {
  const auto known = [](const CanarySample& s) { return s.position.has_value(); };
  const auto first = std::ranges::find_if(all, known);
  const auto last = std::ranges::find_if(all.rbegin(), all.rend(), known);
  if (first == all.end() || last->at_ms - first->at_ms < 1000) return std::nullopt;
  return static_cast<double>(*last->position - *first->position) * 1000 /
         static_cast<double>(last->at_ms - first->at_ms);
}

// The longest time up to its last sample (`now`: that alone) without a step, records before it.
std::int64_t standstill(const Samples& all, bool now) {
  std::int64_t longest = 0, since = all.empty() ? 0 : all.front().at_ms;
  const CanarySample* before = nullptr;
  for (const auto& s : all) {
    const bool stands = before && s.position && before->position &&
                        *s.position == *before->position && s.lag.value_or(0) > 0;
    if (!stands) since = s.at_ms;
    longest = now ? s.at_ms - since : std::max(longest, s.at_ms - since);
    before = &s;
  }
  return longest;
}

std::int64_t span(const Samples& all) {
  return all.empty() ? 0 : all.back().at_ms - all.front().at_ms;
}

Number most_lag(const Samples& all) {
  Number out;
  for (const auto& s : all)
    if (s.lag) out = std::max(out.value_or(0), *s.lag);
  return out;
}

Number last_known(const Samples& all, Number CanarySample::*what) {
  Number out;
  for (const auto& s : all)
    if (s.*what) out = s.*what;
  return out;
}

// As many as it would have had in this time by its past, rounded up.
std::int64_t due(std::int64_t in_past, const Samples& past, const Samples& since) {
  const auto before = std::max<std::int64_t>(span(past), 1);
  return (in_past * span(since) + before - 1) / before;
}

class Judge {
 public:
  Judge(const Samples& past, const Samples& since, const CanaryRules& rules)
      : past_(past), read_(reading(past)), since_(since), rules_(rules) {
    auto& f = out_.figures;
    f.rate_before = rate_of(read_);
    f.rate = rate_of(since);
    f.lag_before = most_lag(read_);
    f.lag = since.back().lag;
    f.members = since.back().members;
    f.joins = grown(since, &CanarySample::joins);
    f.lookups = grown(since, &CanarySample::lookups);
    limit_ = rules.max_lag.value_or(std::max(lag_floor, f.lag_before.value_or(0)));
  }

  CanaryVerdict verdict() {
    rebalances();
    errors();
    stall();
    lag();
    const bool over = span(since_) >= rules_.soak_ms;
    if (out_.saw.empty() && over) at_the_end();
    if (!out_.saw.empty())
      out_.is = CanaryVerdict::Is::bad;
    else if (over && since_.back().lag)
      out_.is = CanaryVerdict::Is::good;
    if (out_.is == CanaryVerdict::Is::good) good();
    return std::move(out_);
  }

 private:
  // The counter's value before the first sample of a series is that of the last one before it.
  std::int64_t grown(const Samples& all, std::int64_t CanarySample::*what) const {
    if (all.empty()) return 0;
    const bool after = &all == &since_ && !past_.empty();
    return all.back().*what - (after ? past_.back().*what : all.front().*what);
  }
  void bad(const std::string& words) { out_.saw.push_back(words); }

  void rebalances() {
    const auto& f = out_.figures;
    const auto shaken = [](const CanarySample& s) {
      return !s.state.empty() && s.state != "Stable";
    };
    const bool before = std::ranges::any_of(past_, shaken);
    if (since_.size() > 1 && shaken(since_.back()) && shaken(since_[since_.size() - 2]) && !before)
      bad("rebalances: its state is " + since_.back().state + ", not Stable");
    const Number were = last_known(past_, &CanarySample::members);
    const Number least = were ? were : Number(1);
    if (f.members && *f.members < *least)
      bad("members: " + text(f.members) + " left" + (were ? " of " + text(were) : ""));
    const auto joins = grown(past_, &CanarySample::joins);
    if (f.joins > due(joins, past_, since_))
      bad("rebalances: members joined again " + std::to_string(f.joins) + " times in " +
          seconds(span(since_)) + ", " + std::to_string(joins) + " times in the " +
          seconds(span(past_)) + " before");
  }

  // One look each may be a connection that idled.
  void errors() {
    const auto& f = out_.figures;
    const auto before = grown(past_, &CanarySample::lookups);
    const auto members = std::max<std::int64_t>(f.members.value_or(1), 1);
    if (f.lookups > due(before, past_, since_) + members)
      bad("errors: members looked for their coordinator " + std::to_string(f.lookups) +
          " times in " + seconds(span(since_)) + ", " + std::to_string(before) + " times before");
  }

  void stall() {
    const auto usual =
        past_.empty() ? stall_ms_max : std::clamp(rules_.soak_ms / 3, stall_ms_min, stall_ms_max);
    const auto most = std::max(usual, 2 * standstill(read_, false));
    const auto stands = standstill(since_, true);
    if (stands >= most)
      bad("rate: it reads nothing for " + seconds(stands) + ", with " + text(out_.figures.lag) +
          " records before it");
  }

  // What no soak has to end for.
  void lag() {
    const Number at_move = since_.front().lag;
    const bool settled = span(since_) >= stall_ms_min;  // it has had time to commit
    if (settled && at_move && since_.back().lag > std::max(*at_move, limit_) + limit_)
      return bad("lag: " + text(since_.back().lag) + " and growing, " + text(at_move) +
                 " when it was moved");
    const auto beyond = [&](const CanarySample& s) { return s.lag > limit_; };
    const auto near = [&](const CanarySample& s) { return s.lag && *s.lag <= limit_; };
    if (since_.size() > 2 && beyond(since_.back()) && beyond(since_[since_.size() - 2]) &&
        std::ranges::any_of(since_, near))
      bad("lag: it has grown to " + text(since_.back().lag) + ", " + allowed());
  }

  std::string allowed() const {
    return std::to_string(limit_) + " at most are allowed" + (rules_.max_lag ? " (--max-lag)" : "");
  }

  void at_the_end() {
    const auto& f = out_.figures;
    const Number at_move = since_.front().lag;
    if (!f.lag) {
      if (span(since_) >= rules_.soak_ms + unknown_max_ms) bad("lag: it cannot be read");
      return;
    }
    const bool falls = !rules_.max_lag && at_move && *f.lag < *at_move;
    if (*f.lag > limit_ && !falls)
      bad("lag: " + text(f.lag) + " at the end of the soak, " + allowed());
    if (standstill(since_, true) >= rules_.soak_ms)
      bad("rate: it has read nothing at all, with " + text(f.lag) + " records before it");
    if (f.rate && f.rate_before && *f.rate * 2 < *f.rate_before && at_move && *f.lag > *at_move)
      bad("rate: " + per_second(*f.rate) + ", " + per_second(*f.rate_before) +
          " before, and its lag grows");
  }

  void good() {
    const auto& f = out_.figures;
    out_.saw.push_back("rate " + (f.rate ? per_second(*f.rate) : "unknown") +
                       (f.rate_before ? " (" + per_second(*f.rate_before) + " before)" : ""));
    out_.saw.push_back("lag " + text(f.lag) +
                       (f.lag_before ? " (" + text(f.lag_before) + " at most before)" : ""));
    out_.saw.push_back(f.joins ? "members joined " + std::to_string(f.joins) + " times, as before"
                               : "no rebalance");
    out_.saw.push_back(f.lookups ? "coordinator looked for " + std::to_string(f.lookups) + " times"
                                 : "no errors");
  }

  const Samples& past_;
  const Samples read_;
  const Samples& since_;
  const CanaryRules& rules_;
  std::int64_t limit_ = 0;
  CanaryVerdict out_;
};

}  // namespace

CanaryVerdict judge_canary(const Samples& past, const Samples& since, const CanaryRules& rules) {
  if (since.empty()) return {};
  return Judge(past, since, rules).verdict();
}

}  // namespace shunt::control
