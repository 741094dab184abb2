// The canary's part of `run`.
#include "control/ctl_soak.h"

#include <algorithm>

#include "control/ctl_show.h"
#include "control/json.h"
#include "control/units.h"

namespace shunt::control {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;

constexpr auto sample_every = 500ms;
constexpr auto past_most = 30s;

}  // namespace

Soak::Soak(const Options& o, Talk& talk, Teller& tell)
    : group_(o.canary),
      rules_{parse_duration(o.soak)->count(), o.max_lag},
      talk_(talk),
      tell_(tell) {}

Stopped Soak::look_before() {
  const auto how_long =
      std::min<std::chrono::milliseconds>(std::chrono::milliseconds(rules_.soak_ms / 2), past_most);
  tell_.event("canary.past", "past", {{"group", text(group_)}, {"for_ms", how_long.count()}},
              "looks at " + group_ + " for " + duration_text(how_long) +
                  ": its past, which it is judged against");
  do {
    if (auto stop = talk_.look()) return stop;
    if (auto stop = add_to_past()) return stop;
    if (auto stop = talk_.wait(sample_every, "the canary's past")) return stop;
  } while (past_.back().at_ms - past_.front().at_ms < how_long.count());
  const auto& last = past_.back();
  if (last.position && last.members.value_or(1) > 0) return std::nullopt;
  return Stop{blocked,
              "blocked",
              {"canary_idle",
               group_ + (last.position ? " has no members" : " reads none of these topics") +
                   ": as a canary it would prove nothing",
               group_, "name another with --canary; shuntctl groups"},
              {}};
}

Stopped Soak::add_to_past() {
  CanarySample s;
  if (auto stop = talk_.sample(group_, s)) return stop;
  past_.push_back(s);
  return std::nullopt;
}

Stopped Soak::move() {
  Said said;
  if (auto stop = talk_.act("/move", {{"kind", "fetch"}, {"to", "new"}, {"group", group_}}, said))
    return stop;
  if (!said.good()) return stop_of(said);
  tell_.event("canary.moved", "canary", said.body,
              "the canary " + group_ + " may read new (move " + text_of(said.body, "move") + ")");
  return std::nullopt;
}

Stopped Soak::run() {
  if (may_read_new(talk_.migration(), group_))
    tell_.event("canary.again", "canary", {{"group", text(group_)}},
                "the canary " + group_ + " has been moved before: it is watched from here on");
  else if (auto stop = move())
    return stop;
  CanaryVerdict verdict;
  if (auto stop = watch(verdict)) return stop;
  json::object keys = figures_object(verdict.figures);
  keys["group"] = text(group_);
  keys["ok"] = verdict.is == CanaryVerdict::Is::good;
  keys["saw"] = texts(verdict.saw);
  const bool good = verdict.is == CanaryVerdict::Is::good;
  tell_.event("canary.judged", "soak", std::move(keys),
              "the canary " + group_ + " does " + (good ? "well: " : "badly: ") +
                  joined(verdict.saw, good ? ", " : "; "));
  return good ? Stopped() : take_back(verdict);
}

Stopped Soak::watch(CanaryVerdict& verdict) {
  for (;;) {
    if (auto stop = talk_.look()) return stop;
    if (talk_.was_paused() && !since_.empty()) {
      since_.clear();
      tell_.event("canary.anew", "soak", {{"group", text(group_)}}, "the soak begins anew");
    }
    CanarySample s;
    if (auto stop = talk_.sample(group_, s)) return stop;
    since_.push_back(s);
    verdict = judge_canary(past_, since_, rules_);
    tell_.soak(group_, verdict, s.at_ms - since_.front().at_ms, rules_.soak_ms);
    if (verdict.is != CanaryVerdict::Is::watching) return std::nullopt;
    if (auto stop = talk_.wait(sample_every, "the canary's soak is not over")) return stop;
  }
}

Stop Soak::take_back(const CanaryVerdict& verdict) {
  Said said;
  if (auto stop = talk_.act("/undo", {}, said)) return *stop;
  if (!said.good()) {
    Stop stop = stop_of(said);
    stop.why.message = "the canary could not be taken back: " + stop.why.message;
    return stop;
  }
  tell_.event("canary.undone", "canary", said.body,
              group_ + " stands at the seam again, exactly where it is (move " +
                  text_of(said.body, "move") + ")");
  return {aborted,
          "rolled_back",
          {"canary_failed", "the canary was taken back: " + joined(verdict.saw, "; "), group_,
           "mend what it saw, then run again; or back to old: shuntctl undo"},
          {}};
}

}  // namespace shunt::control
