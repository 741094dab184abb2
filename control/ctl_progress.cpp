// Groups' progress and gates from the daemon's JSON.
#include "control/ctl_progress.h"

#include <algorithm>

#include <boost/json/array.hpp>

#include "control/ctl_ask.h"
#include "control/ctl_show.h"

namespace shunt::control {
namespace {

namespace json = boost::json;

// An unknown part makes the sum unknown.
void add(std::optional<std::int64_t>& sum, std::optional<std::int64_t> part) {
  if (!part)
    sum.reset();
  else if (sum)
    *sum += *part;
}

bool is_true(const json::object& o, std::string_view key) {
  const auto* v = o.if_contains(key);
  return v && v->is_bool() && v->get_bool();
}

// What is left of a cluster; none of it is there: 0.
std::optional<std::int64_t> left_on(const json::object& partition, std::string_view cluster) {
  const auto* side = partition.if_contains(cluster);
  if (!side || !side->is_object()) return std::nullopt;
  const json::object& s = side->get_object();
  if (!integer(s, "next") && !integer(s, "end")) return 0;
  return integer(s, "lag");
}

std::string records(std::optional<std::int64_t> n) {
  return n ? std::to_string(*n) + (*n == 1 ? " record" : " records") : "an unknown number";
}

std::vector<std::string> shut(const std::vector<GroupProgress>& groups, auto phrase) {
  std::vector<std::string> out;
  for (const auto& g : groups) {
    if (!g.alive()) continue;
    if (std::string words = phrase(g); !words.empty()) out.push_back(g.group + ' ' + words);
  }
  return out;
}

// Moves to which groups' rights are due: neither rolled back nor taken back nor taking one back.
bool stands(const json::object& move) {
  return !is_true(move, "undone") && text_of(move, "undoes").empty() &&
         text_of(move, "aborted_at").empty();
}

bool reads_new(const json::object& migration, const std::string* group) {
  bool out = false;
  for (const auto& item : list(migration, "moves")) {
    const json::object* m = item.if_object();
    if (!m || text_of(*m, "kind") != "fetch" || !stands(*m)) continue;
    const auto& of = list(*m, "groups");
    const bool named = group && std::ranges::any_of(of, [&](const json::value& g) {
                         return g.is_string() && std::string_view(g.get_string()) == *group;
                       });
    if (of.empty() || named) out = text_of(*m, "to") == "new";
  }
  return out;
}

}  // namespace

std::optional<std::int64_t> integer(const json::object& o, std::string_view key) {
  const auto* v = o.if_contains(key);
  json::error_code ec;
  if (!v || !(v->is_int64() || v->is_uint64())) return std::nullopt;
  const auto n = v->to_number<std::int64_t>(ec);
  return ec ? std::nullopt : std::optional(n);
}

std::string joined(const std::vector<std::string>& all, const char* between) {
  std::string out;
  for (const auto& one : all) out += (out.empty() ? "" : between) + one;
  return out;
}

std::vector<GroupProgress> progress_of(const json::object& lag, const json::object& groups,
                                       const std::set<std::string>& topics) {
  std::vector<GroupProgress> out;
  for (const auto& item : list(lag, "groups")) {
    const json::object* g = item.if_object();
    if (!g) continue;
    GroupProgress one;
    one.group = text_of(*g, "group");
    one.drained = true;
    one.position = one.lag = one.left = 0;
    bool concerned = false;
    for (const auto& each : list(*g, "partitions")) {
      const json::object* p = each.if_object();
      if (!p || !topics.contains(text_of(*p, "topic"))) continue;
      concerned = true;
      one.drained &= is_true(*p, "drained");
      add(one.position, integer(*p, "position"));
      add(one.lag, integer(*p, "lag"));
      add(one.left, left_on(*p, "old"));
    }
    if (!concerned) continue;
    for (const auto& seen : list(groups, "groups")) {
      const json::object* s = seen.if_object();
      if (!s || text_of(*s, "group") != one.group) continue;
      one.state = text_of(*s, "state");
      one.fetch = text_of(*s, "fetch");
      one.members = integer(*s, "members");
    }
    out.push_back(std::move(one));
  }
  return out;
}

std::vector<std::string> not_drained(const std::vector<GroupProgress>& groups) {
  return shut(groups, [](const GroupProgress& g) {
    return g.drained ? "" : "has " + records(g.left) + " of old to read";
  });
}

std::vector<std::string> not_crossed(const std::vector<GroupProgress>& groups) {
  return shut(groups, [](const GroupProgress& g) -> std::string {
    if (g.fetch != "new") return "reads " + (g.fetch.empty() ? "nothing" : g.fetch);
    return g.drained ? "" : "has " + records(g.left) + " of old to read";
  });
}

std::vector<std::string> behind(const std::vector<GroupProgress>& groups, std::int64_t max_lag) {
  return shut(groups, [&](const GroupProgress& g) {
    return g.lag && *g.lag <= max_lag ? "" : "is " + records(g.lag) + " behind";
  });
}

std::string newest_move(const json::object& migration) {
  std::string out;
  for (const auto& item : list(migration, "moves"))
    if (const json::object* m = item.if_object(); m && stands(*m)) out = text_of(*m, "move");
  return out;
}

bool all_may_read_new(const json::object& migration) { return reads_new(migration, nullptr); }
bool may_read_new(const json::object& migration, const std::string& group) {
  return reads_new(migration, &group);
}

}  // namespace shunt::control
