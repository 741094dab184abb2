// Lines and bars of `run`.
#include "control/ctl_tell.h"

#include <algorithm>
#include <cstdio>

#include "control/ctl_ask.h"
#include "control/ctl_show.h"
#include "control/json.h"
#include "proxy/observe/text.h"

namespace shunt::control {
namespace {

namespace json = boost::json;

constexpr std::int64_t line_every_ms = 5000;
constexpr int bar_width = 24;
constexpr std::size_t bars_max = 20;  // what fits on a screen

json::value value(std::optional<std::int64_t> n) { return n ? json::value(*n) : nullptr; }
// One digit behind the point says enough.
json::value value(std::optional<double> n) {
  return n ? json::value(static_cast<double>(static_cast<std::int64_t>(*n * 10)) / 10) : nullptr;
}

std::string bar(std::int64_t part, std::int64_t whole) {
  const auto n = whole <= 0 ? bar_width : static_cast<int>(part * bar_width / whole);
  char percent[16];
  std::snprintf(percent, sizeof percent, " %3d%%",
                whole <= 0 ? 100 : static_cast<int>(part * 100 / whole));
  return '[' + std::string(static_cast<std::size_t>(n), '#') +
         std::string(static_cast<std::size_t>(bar_width - n), '.') + ']' + percent;
}

json::object group_object(const GroupProgress& g) {
  json::object out;
  out["group"] = text(g.group);
  out["state"] = known(g.state);
  out["fetch"] = known(g.fetch);
  out["members"] = value(g.members);
  out["lag"] = value(g.lag);
  out["left_of_old"] = value(g.left);
  out["drained"] = g.drained;
  return out;
}

}  // namespace

json::object figures_object(const CanaryFigures& f) {
  json::object out;
  out["records_per_second"] = value(f.rate);
  out["records_per_second_before"] = value(f.rate_before);
  out["lag"] = value(f.lag);
  out["lag_before"] = value(f.lag_before);
  out["members"] = value(f.members);
  out["joins"] = f.joins;
  out["coordinator_lookups"] = f.lookups;
  return out;
}

Teller::Teller(const Options& o)
    : json_(o.json_output()),
      color_(!o.json_output() && use_color(o)),
      began_(std::chrono::steady_clock::now()) {}

std::int64_t Teller::ms() const {
  using namespace std::chrono;
  return duration_cast<milliseconds>(steady_clock::now() - began_).count();
}

std::string Teller::stamp() const {
  char out[32];
  std::snprintf(out, sizeof out, "%7.1f s  ", static_cast<double>(ms()) / 1000);
  return out;
}

void Teller::event(const std::string& name, const std::string& step, json::object keys,
                   const std::string& words) {
  if (!json_) return words.empty() ? void() : block(stamp() + cell(json::value(words)) + '\n');
  json::object out = begin_object();
  out["seq"] = ++seq_;
  out["time"] = time_of(observe::unix_ms_now());
  out["event"] = name;
  out["migration"] = known(migration_);
  out["step"] = known(step);
  for (auto& [key, v] : keys)
    if (!out.contains(key)) out[key] = std::move(v);
  print_json(out);
  std::fflush(stdout);
}

void Teller::relay(json::object e) {
  e["seq"] = ++seq_;
  const bool notable = text_of(e, "event") == "straggler.found";
  if (json_)
    print_json(e), std::fflush(stdout);
  else if (notable)
    block(show_event(e));
}

void Teller::block(const std::string& all) {
  if (json_ || all.empty()) return;
  erase();
  std::fputs(all.c_str(), stdout);
  std::fflush(stdout);
}

void Teller::erase() {
  if (drawn_ > 0) std::printf("\033[%zuA\033[J", drawn_);
  drawn_ = 0;
}

void Teller::live(const std::string& step, const std::string& all, const std::string& line) {
  if (color_) {
    block("\033[?7l" + all + "\033[?7h");  // a line too long is clipped: each is one to erase
    drawn_ = static_cast<std::size_t>(std::ranges::count(all, '\n'));
    return;
  }
  if (line == told_ || line.empty()) return;
  if (step == told_step_ && ms() - told_at_ < line_every_ms) return;
  told_ = line;
  told_step_ = step;
  told_at_ = ms();
  block(stamp() + step + ": " + line + '\n');
}

void Teller::progress(const std::string& step, const std::vector<GroupProgress>& groups,
                      const std::vector<std::string>& shut) {
  if (json_) {
    json::object keys;
    keys["groups"] = objects(groups, group_object);
    keys["waits_for"] = texts(shut);
    return event("progress", step, std::move(keys), "");
  }
  Table t({"GROUP", "READS", "LEFT OF OLD", "LAG", step == "lag" ? "LAG FALLS" : "OLD READ"});
  std::size_t more = 0, rows_drawn = 0;
  for (const auto& g : groups) {
    const auto now = (step == "lag" ? g.lag : g.left).value_or(0);
    const std::string key = step + '/' + g.group;
    auto at = std::ranges::find(most_, key, &decltype(most_)::value_type::first);
    if (at == most_.end()) at = most_.insert(at, {key, now});
    at->second = std::max(at->second, now);
    const bool alive = g.alive();
    if (rows_drawn == bars_max) {
      ++more;
      continue;
    }
    ++rows_drawn;
    t.row({cell(text(g.group)), cell(known(g.fetch)), cell(value(g.left)), cell(value(g.lag)),
           alive ? bar(at->second - now, at->second) : "no members: not waited for"});
  }
  const std::string rest = more ? "and " + std::to_string(more) + " groups more\n" : "";
  live(step, t.empty() ? "" : t.text(color_) + rest,
       shut.empty() ? "" : "waits: " + joined(shut, "; "));
}

void Teller::soak(const std::string& group, const CanaryVerdict& v, std::int64_t passed_ms,
                  std::int64_t soak_ms) {
  const CanaryFigures& f = v.figures;
  if (json_) {
    json::object keys = figures_object(f);
    keys["group"] = text(group);
    keys["passed_ms"] = passed_ms;
    keys["soak_ms"] = soak_ms;
    return event("canary.sample", "soak", std::move(keys), "");
  }
  const auto rate = [](std::optional<double> r) {
    char out[32] = "unknown";
    if (r) std::snprintf(out, sizeof out, "%.1f/s", *r);
    return std::string(out);
  };
  const std::string words = cell(text(group)) + ": rate " + rate(f.rate) + " (" +
                            rate(f.rate_before) + " before), lag " + cell(value(f.lag)) +
                            ", members " + cell(value(f.members)) + ", rejoins " +
                            std::to_string(f.joins);
  live("soak", bar(std::min(passed_ms, soak_ms), soak_ms) + "  " + words + '\n', words);
}

}  // namespace shunt::control
