// How far the groups of a migration are, as values: read from the daemon's answers, compared with
// the gates of `run`. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <boost/json/object.hpp>

namespace shunt::control {

struct GroupProgress {
  std::string group, state, fetch;  // fetch: old, wait or new
  std::optional<std::int64_t> members;
  std::optional<std::int64_t> position, lag, left;  // sums; left: what is to be read of old
  bool drained = false;  // all that lies before the newest seam has been read
  // One without members cannot read on; each partition crosses when it is drained all the same.
  bool alive() const { return state != "Empty" && state != "Dead" && members != 0; }
};

// Groups with positions in these topics: `lag` and `groups` as GET /lag and /groups answer.
std::vector<GroupProgress> progress_of(const boost::json::object& lag,
                                       const boost::json::object& groups,
                                       const std::set<std::string>& topics);

// What keeps a gate of `run` shut: a phrase per group; none: it is open.
std::vector<std::string> not_drained(const std::vector<GroupProgress>& groups);
std::vector<std::string> not_crossed(const std::vector<GroupProgress>& groups);
std::vector<std::string> behind(const std::vector<GroupProgress>& groups, std::int64_t max_lag);

// The move that stands and was the last to be made; "": none. Of a migration's `moves`.
std::string newest_move(const boost::json::object& migration);
bool all_may_read_new(const boost::json::object& migration);
bool may_read_new(const boost::json::object& migration, const std::string& group);

std::optional<std::int64_t> integer(const boost::json::object& o, std::string_view key);
std::string joined(const std::vector<std::string>& all, const char* between = ", ");

}  // namespace shunt::control
