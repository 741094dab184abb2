// Asks for `run`, and waits where others act.
#include "control/ctl_talk.h"

#include <algorithm>

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>

#include "control/ctl_show.h"

namespace shunt::control {
namespace {

namespace json = boost::json;

constexpr auto look_every = std::chrono::milliseconds(500);

bool refused_as(const Said& said, const char* code) {
  return said.status == 409 && said.failure.code == code;
}

std::int64_t now_ms() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(steady_clock::now().time_since_epoch()).count();
}

}  // namespace

Stop stop_of(const Said& said) {
  const int code = said.exit();
  return {code, code == aborted ? "rolled_back" : "blocked", said.failure,
          list(said.body, "blockers")};
}

Said Talk::post(const std::string& path, json::object body) {
  return ask({"POST", path, std::move(body)}, options_, deadline_);
}

Stopped Talk::act(const std::string& path, json::object body, Said& said) {
  body["migration"] = id_;
  for (;;) {
    if (auto stop = look()) return stop;
    said = post(path, body);
    relay();
    if (refused_as(said, "paused") || refused_as(said, "step_running")) {  // mostly look() waits
      if (auto stop = wait(look_every, said.failure.message)) return stop;
      continue;
    }
    newest_.reset();
    return said.good() ? look() : Stopped();
  }
}

void Talk::of_migration(const std::string& id) {
  id_ = id;
  tell_.migration(id);
}

Stopped Talk::read() {
  const Call status = call_of("status", [&] {
    Options o = options_;
    o.migration = id_;
    return o;
  }());
  const Said said = ask(status, options_, deadline_);
  if (!said.good()) return stop_of(said);
  const auto* m = said.body.if_contains("migration");
  if (!m || !m->is_object())
    return Stop{failed, "blocked", {"failed", "the daemon knows no migration " + id_, "", ""}, {}};
  migration_ = m->get_object();
  topics_.clear();
  for (const auto& name : list(migration_, "topics")) topics_.insert(cell(name));
  production_on_new_ = !topics_.empty();
  for (const auto& item : list(said.body, "topics")) {
    const json::object* t = item.if_object();
    if (t && topics_.contains(text_of(*t, "topic")))
      production_on_new_ &= text_of(*t, "produce") == "new";
  }
  relay();
  return std::nullopt;
}

Stopped Talk::look() {
  bool paused = false;
  std::string step_seen;
  for (;;) {
    if (auto stop = read()) return stop;
    const std::string step = text_of(migration_, "step");
    const bool pausing = state() == "paused";
    if (pausing && !paused)
      tell_.event("paused", "", {}, "paused: waits for `shuntctl resume`, nothing new begins");
    if (!step.empty() && step_seen.empty())
      tell_.event("waiting", step, {}, "step " + step + " is running: waits for it");
    paused |= pausing;
    if (!step.empty()) step_seen = step;
    if (!pausing && step.empty()) break;
    if (auto stop = wait(look_every, pausing ? "the migration is paused" : "a step is running"))
      return stop;
  }
  if (paused) tell_.event("resumed", "", {}, "resumed: goes on");
  was_paused_ |= paused;
  const std::string newest = newest_move(migration_);
  if (newest_ && *newest_ != newest)
    return Stop{blocked,
                "blocked",
                {"moved_by_another",
                 "somebody else has moved this migration meanwhile: its newest move was " +
                     (newest_->empty() ? "none" : *newest_) + " and is " +
                     (newest.empty() ? "none" : newest),
                 id_, "see shuntctl status, then run again: it goes on from there"},
                {}};
  newest_ = newest;
  return std::nullopt;
}

void Talk::relay() {
  Failure failure;
  const auto since = std::to_string(events_seen_.value_or(0));
  const auto answer =
      call(options_.socket, "GET", "/events?since=" + since, "", deadline_, failure);
  if (!answer || answer->status != 200) return;
  const bool old_news = !events_seen_;
  events_seen_ = events_seen_.value_or(0);
  std::size_t at = 0;
  while (at < answer->body.size()) {
    const auto end = std::min(answer->body.find('\n', at), answer->body.size());
    json::error_code ec;
    const json::value event = json::parse(answer->body.substr(at, end - at), ec);
    at = end + 1;
    if (ec || !event.is_object()) continue;
    const auto seq = integer(event.get_object(), "seq");
    if (seq) events_seen_ = static_cast<std::uint64_t>(*seq);
    if (!old_news && text_of(event.get_object(), "migration") == id_)
      tell_.relay(event.get_object());
  }
}

Stopped Talk::groups(std::vector<GroupProgress>& out) {
  const Said lag = get("/lag"), seen = get("/groups");
  if (!lag.good()) return stop_of(lag);
  if (!seen.good()) return stop_of(seen);
  out = progress_of(lag.body, seen.body, topics_);
  return std::nullopt;
}

// Counts are of connections that live: one that ends takes its part along, and the sum falls. What
// came on others in that half second is missed rather than made up.
void Talk::count(const json::object& clients, const std::string& group) {
  std::map<std::string, std::int64_t> now;
  for (const auto& item : list(clients, "clients")) {
    const json::object* c = item.if_object();
    if (!c || !std::ranges::any_of(list(*c, "groups"),
                                   [&](const auto& g) { return g == json::value(group); }))
      continue;
    for (const auto& each : list(*c, "apis")) {
      const json::object* api = each.if_object();
      if (api)
        now[text_of(*c, "id") + ' ' + text_of(*api, "name")] +=
            integer(*api, "requests").value_or(0);
    }
  }
  for (const auto& [key, n] : now) {
    const auto before = counted_.contains(key) ? counted_.at(key) : 0;
    const auto more = std::max<std::int64_t>(n - before, 0);
    if (!counting_) continue;
    if (key.ends_with(" JoinGroup")) joins_ += more;
    if (key.ends_with(" FindCoordinator")) lookups_ += more;
  }
  counting_ = true;
  counted_ = std::move(now);
}

Stopped Talk::sample(const std::string& group, CanarySample& out) {
  std::vector<GroupProgress> all;
  if (auto stop = groups(all)) return stop;
  const Said clients = get("/clients");
  if (!clients.good()) return stop_of(clients);
  count(clients.body, group);
  out = {};
  out.at_ms = now_ms();
  out.joins = joins_;
  out.lookups = lookups_;
  const auto g = std::ranges::find(all, group, &GroupProgress::group);
  if (g == all.end()) return std::nullopt;
  out.position = g->position;
  out.lag = g->lag;
  out.members = g->members;
  out.state = g->state;
  out.reading = g->fetch != "wait" || !g->drained;
  return std::nullopt;
}

Stopped Talk::wait(std::chrono::milliseconds pause, const std::string& shut) {
  if (sleep_until(pause, deadline_)) return std::nullopt;
  if (interrupted())
    return Stop{timed_out,
                "blocked",
                {"interrupted",
                 "interrupted; the daemon goes on with what it "
                 "does",
                 "", ""},
                {}};
  return Stop{timed_out, "blocked", {"timed_out", "--timeout: " + shut, "", ""}, {}};
}

}  // namespace shunt::control
