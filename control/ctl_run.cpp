// The steps of `run`, one function each, in order.
#include "control/ctl_run.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include <unistd.h>
#include <boost/json/array.hpp>

#include "control/ctl_show.h"
#include "control/ctl_soak.h"
#include "control/ctl_talk.h"
#include "control/json.h"

namespace shunt::control {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;

constexpr auto gate_every = 1s;
constexpr int cuts_most = 5;
constexpr auto cut_again_after = 2s;  // doubled each time
constexpr int finishes_most = 3;
constexpr auto finish_again_after = 5s;
constexpr std::int64_t max_lag_default = 1000;  // that nobody calls a lag

Stop refused(int code, const char* name, const std::string& message, const std::string& where,
             const std::string& next) {
  return {code, "blocked", {name, message, where, next}, {}};
}

// As a shell takes it.
std::string quoted(const std::string& word) {
  const bool plain = word.find_first_not_of(
                         "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                         "0123456789._-") == std::string::npos;
  if (plain) return word;
  std::string out = "'";
  for (const char c : word) out += c == '\'' ? "'\\''" : std::string(1, c);
  return out + '\'';
}

std::set<std::string> names(const json::object& o) {
  std::set<std::string> out;
  for (const auto& item : list(o, "topics")) out.insert(cell(item));
  return out;
}

class Guide {
 public:
  Guide(const Options& o, Deadline deadline)
      : options_(o), tell_(o), talk_(o, deadline, tell_), soak_(o, talk_, tell_) {}

  int run() {
    const Stop end = steps();
    summary(end);
    return end.exit;
  }

 private:
  Stop steps() {
    using Step = Stopped (Guide::*)();
    constexpr Step in_order[] = {&Guide::allowed, &Guide::find,    &Guide::confirm, &Guide::start,
                                 &Guide::past,    &Guide::produce, &Guide::drain,   &Guide::canary,
                                 &Guide::fetch,   &Guide::lag,     &Guide::finish};
    for (const Step step : in_order) {
      const bool closing = talk_.state() == "finishing" || talk_.state() == "finished";
      if (closing && step != &Guide::confirm && step != &Guide::finish) continue;
      if (const auto stop = (this->*step)()) return *stop;
    }
    return {};
  }

  Stopped allowed() {
    if (options_.migration.empty() && (options_.scheme == 0 || options_.topics.empty()))
      return refused(usage, "usage", "--scheme and --topics are required, or --migration to go on",
                     "", "shuntctl run --help");
    if (!options_.yes && !(::isatty(STDIN_FILENO) && ::isatty(STDERR_FILENO)))
      return refused(usage, "usage", "nobody can be asked without a terminal: --yes is required",
                     "--yes", "shuntctl plan shows what would happen; then run with --yes");
    return std::nullopt;
  }

  Stopped find() {
    if (options_.migration.empty()) {
      if (auto stop = find_by_topics()) return stop;
    } else {
      talk_.of_migration(options_.migration);
    }
    if (talk_.id().empty()) return std::nullopt;
    if (auto stop = talk_.look()) return stop;
    if (talk_.state() != "finished") {
      if (auto stop = canary_known()) return stop;
    }
    tell_.event("found", "find", {{"topics", talk_.migration().at("topics")}}, "");
    tell_.block(show_migration(talk_.migration(), tell_.color()));
    return talk_.state() == "finished" ? Stopped(Stop()) : std::nullopt;
  }

  // The plan knows which topics are meant, and what is in the way of a new migration.
  Stopped find_by_topics() {
    const Call asked = call_of("plan", options_);
    const Said plan = talk_.post(asked.target, asked.body);
    if (!plan.good() && plan.status != 409) return stop_of(plan);
    std::set<std::string> wanted = names(plan.body);
    if (wanted.empty()) wanted = {options_.topics.begin(), options_.topics.end()};  // old is away
    const Said history = talk_.get("/history");
    if (!history.good()) return stop_of(history);
    std::string finished;
    for (const auto& item : list(history.body, "migrations")) {
      const json::object* m = item.if_object();
      if (!m || wanted.empty() || names(*m) != wanted) continue;
      if (text_of(*m, "state") == "finished")
        finished = text_of(*m, "id");
      else
        talk_.of_migration(text_of(*m, "id"));
    }
    if (talk_.id().empty()) talk_.of_migration(finished);
    if (!talk_.id().empty()) return std::nullopt;
    if (auto stop = canary_known()) return stop;
    if (!list(plan.body, "steps").empty()) {
      tell_.event("planned", "find", told(plan.body), "");
      tell_.block(show_plan(plan.body, tell_.color()) + '\n');
    }
    return plan.good() ? Stopped() : stop_of(plan);
  }

  // Without what an error adds.
  static json::object told(json::object plan) {
    plan.erase("error");
    return plan;
  }

  // Sooner than after the cut.
  Stopped canary_known() {
    if (options_.canary.empty()) return std::nullopt;
    const Said groups = talk_.get("/groups");
    if (!groups.good()) return stop_of(groups);
    std::vector<std::string> all;
    for (const auto& item : list(groups.body, "groups"))
      if (const json::object* g = item.if_object()) all.push_back(text_of(*g, "group"));
    if (std::ranges::find(all, options_.canary) != all.end()) return std::nullopt;
    return refused(usage, "no_such_group", "old knows no group " + options_.canary, options_.canary,
                   "groups there are: " + (all.empty() ? "none" : joined(all)));
  }

  Stopped confirm() {
    if (options_.yes) return std::nullopt;
    std::fprintf(stderr, "Go on%s? Each step can be undone until finish. [y/N] ",
                 talk_.id().empty() ? "" : " with it");
    std::string answer;
    char c = 0;
    for (;;) {
      const auto n = ::read(STDIN_FILENO, &c, 1);
      if (n < 0 && errno == EINTR) return *talk_.wait(0ms, "");
      if (n <= 0 || c == '\n') break;
      answer += c;
    }
    if (answer == "y" || answer == "Y" || answer == "yes") return std::nullopt;
    return refused(blocked, "not_confirmed", "not confirmed: nothing has changed", "", "");
  }

  Stopped start() {
    if (!talk_.id().empty()) return std::nullopt;
    const Call asked = call_of("start", options_);
    const Said said = talk_.post(asked.target, asked.body);
    if (!said.good()) return stop_of(said);
    const auto* m = said.body.if_contains("migration");
    if (m && m->is_object()) talk_.of_migration(text_of(m->get_object(), "id"));
    tell_.event("started", "start", {{"scheme", options_.scheme}},
                "started migration " + talk_.id() + "; nothing has moved yet");
    return talk_.look();
  }

  Stopped past() {
    const bool first = !options_.canary.empty() && !talk_.production_on_new() && !all_moved();
    return first ? soak_.look_before() : Stopped();
  }

  bool all_moved() const { return all_may_read_new(talk_.migration()); }

  Stopped produce() {
    if (talk_.production_on_new()) return std::nullopt;
    json::object body = {{"kind", "produce"}, {"to", "new"}};
    if (options_.accept_stragglers) body["accept_stragglers"] = true;
    auto pause = std::chrono::milliseconds(cut_again_after);
    for (int times = 1;; ++times) {
      Said said;
      if (auto stop = talk_.act("/move", body, said)) return stop;
      if (said.good()) {
        held_ms_ = integer(said.body, "held_ms_max");
        tell_.event("moved", "produce", said.body,
                    "production goes to new (move " + text_of(said.body, "move") +
                        "); producers were held for " + cell(said.body, "held_ms_max") +
                        " ms at most");
        return std::nullopt;
      }
      const std::string at = text_of(said.body, "aborted_at");
      if (at.empty()) return stop_of(said);
      if (times == cuts_most) {
        Stop stop = stop_of(said);
        stop.why.message = std::to_string(times) + " cuts in a row: " + stop.why.message;
        return stop;
      }
      tell_.event("cut_again", at, said.body,
                  "the cut was rolled back at " + at + ": " + text_of(said.body, "reason") +
                      "; once more in " + std::to_string(pause / 1s) + " s");
      if (auto stop = talk_.wait(pause, "the cut is to be made once more")) return stop;
      pause *= 2;
    }
  }

  // Until `shut` names nobody. `meanwhile` is done at each look.
  Stopped gate(const std::string& step, const std::string& opened, auto shut, auto meanwhile) {
    for (;;) {
      if (auto stop = talk_.look()) return stop;
      std::vector<GroupProgress> groups;
      if (auto stop = talk_.groups(groups)) return stop;
      if (auto stop = meanwhile()) return stop;
      const std::vector<std::string> who = shut(groups);
      tell_.progress(step, groups, who);
      if (who.empty()) {
        tell_.event("gate", step, {{"open", true}, {"groups", groups.size()}}, opened);
        return std::nullopt;
      }
      if (auto stop = talk_.wait(gate_every, "the gate " + step + " is shut: " + joined(who, "; ")))
        return stop;
    }
  }
  Stopped gate(const std::string& step, const std::string& opened, auto shut) {
    return gate(step, opened, shut, [] { return Stopped(); });
  }

  bool with_canary() const { return !options_.canary.empty() && !all_moved(); }

  Stopped drain() {
    if (all_moved()) return std::nullopt;
    const bool to_come = with_canary() && !may_read_new(talk_.migration(), options_.canary);
    return gate("drain", "every group has read old to its end", not_drained,
                [&] { return to_come ? soak_.add_to_past() : Stopped(); });
  }

  Stopped canary() { return with_canary() ? soak_.run() : Stopped(); }

  Stopped fetch() {
    Said said;
    if (auto stop = talk_.act("/move", {{"kind", "fetch"}, {"to", "new"}, {"all", true}}, said))
      return stop;
    if (!said.good()) return stop_of(said);
    if (said.body.contains("changed") && said.body.at("changed") == json::value(true))
      tell_.event("moved", "fetch", said.body,
                  "all groups may read new (move " + text_of(said.body, "move") + ")");
    return gate("fetch", "every group has crossed to new", not_crossed);
  }

  Stopped lag() {
    const auto most = options_.max_lag.value_or(max_lag_default);
    return gate("lag", "no group is more than " + std::to_string(most) + " records behind",
                [&](const auto& groups) { return behind(groups, most); });
  }

  Stopped finish() {
    if (options_.no_finish) return std::nullopt;
    if (auto stop = talk_.look()) return stop;
    if (talk_.state() == "finished") return std::nullopt;
    tell_.event("finishing", "finish", {}, "hands the groups over to new");
    json::object body;
    if (options_.accept_history) body["accept_history"] = true;
    auto pause = std::chrono::milliseconds(finish_again_after);
    Said said;
    for (int times = 1;; ++times, pause *= 2) {
      if (auto stop = talk_.act("/finish", body, said)) return stop;
      if (said.good()) return finished(said.body);
      if (times == finishes_most || !passing(list(said.body, "blockers"))) break;
      tell_.event("finish_again", "finish", {{"blockers", list(said.body, "blockers")}},
                  "not finished: " + said.failure.message + "; once more in " +
                      std::to_string(pause / 1s) + " s");
      if (auto stop = talk_.wait(pause, said.failure.message)) return stop;
    }
    if (said.status != 501) return stop_of(said);
    return refused(blocked, "not_implemented",
                   "all has moved, but `finish` is not in this version yet: old still "
                   "coordinates the groups and must stay on",
                   talk_.id(), "leave it so, or go back move by move: shuntctl undo");
  }

  // A member that sleeps, a group that rebalances, a broker that is away: all of it may be over
  // soon.
  static bool passing(const json::array& blockers) {
    constexpr std::string_view ids[] = {"group.state", "group.asleep", "group.old", "group.new"};
    return !blockers.empty() && std::ranges::all_of(blockers, [&](const json::value& b) {
      return b.is_object() && std::ranges::count(ids, text_of(b.get_object(), "id"));
    });
  }

  Stopped finished(const json::object& answer) {
    std::string words = "finished";
    for (const auto& item : list(answer, "groups"))
      if (const json::object* g = item.if_object())
        words += ", " + text_of(*g, "group") + " handed over in " + cell(*g, "handover_ms") + " ms";
    json::object keys = answer;
    keys.erase("migration");
    tell_.event("finished", "finish", keys, words);
    for (const auto& why : list(answer, "old_needed_by"))
      tell_.event("old_needed", "finish", {{"by", why}}, "old is still needed: " + cell(why));
    old_needed_ = !list(answer, "old_needed_by").empty();
    return std::nullopt;
  }

  // What goes on from here, in one command.
  std::string again() const {
    if (talk_.id().empty()) return "";
    std::string out = "shuntctl run --migration " + talk_.id();
    if (!options_.canary.empty())
      out += " --canary " + quoted(options_.canary) + " --soak " + options_.soak;
    if (options_.max_lag) out += " --max-lag " + std::to_string(*options_.max_lag);
    if (options_.accept_stragglers) out += " --accept-stragglers";
    return out + (options_.no_finish ? " --no-finish" : "") + (options_.yes ? " --yes" : "");
  }

  void summary(const Stop& end) {
    const bool good = end.result == "done";
    Failure why = end.why;
    if (!good && why.next.empty() && !again().empty())
      why.next = "goes on where it stands: " + again();
    json::object keys = {{"result", end.result}, {"exit", end.exit}, {"took_ms", tell_.ms()}};
    keys["reason"] = known(why.message);
    keys["held_ms_max"] = held_ms_ ? json::value(*held_ms_) : json::value(nullptr);
    keys["resume"] = good ? json::value(nullptr) : known(again());
    if (!good) keys["error"] = error_object(why.code, why.message, why.where, why.next);
    if (!end.blockers.empty()) keys["blockers"] = end.blockers;
    const std::string rest = options_.no_finish ? "all has moved; next: shuntctl finish"
                             : old_needed_      ? "all groups are at home on new"
                                                : "old may be switched off";
    tell_.event("summary", "", std::move(keys), good ? "done: " + rest : "");
    if (good) return;
    say(why);
    std::fprintf(stderr, "%s", show_checks(end.blockers).c_str());
  }

  const Options& options_;
  Teller tell_;
  Talk talk_;
  Soak soak_;
  std::optional<std::int64_t> held_ms_;
  bool old_needed_ = false;
};

}  // namespace

int run_scheme(const Options& o, Deadline deadline) { return Guide(o, deadline).run(); }

}  // namespace shunt::control
