#include "proxy/splice/seams.h"

#include <algorithm>
#include <map>
#include <set>

namespace shunt::splice {
namespace {

constexpr std::size_t topics_named_max = 5;

std::string joined(const std::set<std::string>& names) {
  std::string out;
  std::size_t n = 0;
  for (const auto& name : names) {
    if (n++ == topics_named_max) break;
    out += (out.empty() ? "" : ", ") + name;
  }
  if (names.size() > topics_named_max)
    out += " and " + std::to_string(names.size() - topics_named_max) + " more";
  return out.empty() ? "topics that could not be read" : out;
}

// One group as both clusters have it.
struct Found {
  SeamGroup group;
  std::set<Cluster> on;
  std::set<std::string> topics;
  bool ahead = false;  // of the journal
};

std::string clusters(const Found& f) {
  return f.on.size() == 2 ? "on old and new" : "on " + std::string(route::name(*f.on.begin()));
}

// Whether a cluster knows of a segment that the journal does not.
bool is_ahead(const State& state, const Found& f, const FoundSeam& seam, const SeamText& text) {
  if (state.migration(f.group.migration) == nullptr) return true;
  const auto* p = state.partition(seam.topic, {}, seam.partition);
  if (p == nullptr) return true;
  const auto& last = p->log.tail();
  const auto& theirs = text.segments.back();
  return theirs.cut > last.cut || (theirs.cut == last.cut &&
                                   text.left_out + text.segments.size() > p->log.segments().size());
}

std::map<std::string, Found> gather(const State& state, const std::string& old_cluster,
                                    const std::vector<FoundGroup>& groups) {
  std::map<std::string, Found> out;
  for (const auto& g : groups) {
    const auto group = SeamGroup::parse(g.name);
    if (!group) continue;
    Found f{*group, {g.on}, {}, state.migration(group->migration) == nullptr};
    bool foreign = !g.seams.empty();
    for (const auto& seam : g.seams) {
      std::string problem;
      const auto text = read_seam_text(seam.text, problem);
      const bool elsewhere = text && !text->old_cluster.empty() && !old_cluster.empty() &&
                             text->old_cluster != old_cluster;
      if (elsewhere) continue;
      foreign = false;
      f.topics.insert(seam.topic);
      if (text && is_ahead(state, f, seam, *text)) f.ahead = true;
    }
    if (foreign) continue;
    const auto [known, fresh] = out.emplace(g.name, f);
    if (fresh) continue;
    known->second.on.insert(g.on);
    known->second.topics.merge(f.topics);
    known->second.ahead |= f.ahead;
  }
  return out;
}

std::string when_over(const Found& f) {
  return "; when that migration is over, delete the group " + clusters(f) +
         ": kafka-consumer-groups --bootstrap-server HOST:PORT --delete --group " + f.group.name();
}

}  // namespace

std::string SeamGroup::name() const {
  return std::string(seam_group_prefix) + (journal.empty() ? "" : journal + '.') + migration;
}

std::optional<SeamGroup> SeamGroup::parse(std::string_view group) {
  if (!group.starts_with(seam_group_prefix)) return std::nullopt;
  group.remove_prefix(seam_group_prefix.size());
  const auto dot = group.find('.');
  if (dot == std::string_view::npos) return SeamGroup{"", std::string(group)};
  return SeamGroup{std::string(group.substr(0, dot)), std::string(group.substr(dot + 1))};
}

bool changes_segments(const Record& record) {
  return std::holds_alternative<CutSealed>(record) || std::holds_alternative<Swept>(record);
}

SeamText seams_of(const State& state, const TopicLog& topic, std::int32_t partition) {
  SeamText out;
  out.old_id = topic.old_id;
  out.new_id = topic.new_id;
  out.partitions = static_cast<std::int32_t>(topic.partitions.size());
  out.segments = topic.partitions.at(static_cast<std::size_t>(partition)).log.segments();
  const auto* m = state.migration(topic.migration);
  if (m == nullptr) return out;
  out.scheme = m->scheme;
  out.since = m->since;
  out.topics = static_cast<std::int32_t>(m->topics.size());
  for (const auto& move : m->moves) {
    if (!move.sealed || std::ranges::find(move.topics, topic.name) == move.topics.end()) continue;
    out.cuts.push_back({move.cut, move.id, move.to, move.undoes, move.at});
  }
  return out;
}

std::int64_t seam_offset(const VirtualLog& log, Cluster c) {
  std::int64_t out = 0;
  for (const auto& s : log.segments()) {
    if (s.cluster == c) out = s.open() ? s.native_start : s.native_end;
  }
  return out;
}

StartVerdict judge_start(const State& state, const std::string& old_cluster,
                         const std::vector<FoundGroup>& groups) {
  StartVerdict out;
  for (const auto& [name, f] : gather(state, old_cluster, groups)) {
    const auto what =
        "group " + name + ' ' + clusters(f) + " keeps the seams of " + joined(f.topics);
    if (state.migrations().empty()) {
      out.refuse = what +
                   ", and the journal holds no migration: it was lost, or another Shunt "
                   "moves them; to rebuild it: shunt recover -c FILE" +
                   when_over(f);
    } else if (f.group.journal == state.journal()) {
      if (!f.ahead) continue;
      out.refuse = what +
                   ", and the journal lacks the newest: it is an older copy; put the newest one "
                   "back, or move it away and rebuild it: shunt recover -c FILE";
    } else {
      const bool ours = std::ranges::any_of(
          f.topics, [&](const std::string& t) { return state.topic(t) != nullptr; });
      if (!ours) {
        out.beside.push_back(what);
        continue;
      }
      out.refuse = what +
                   ", which this journal moves as well: another Shunt has moved them; one alone "
                   "may do so" +
                   when_over(f);
    }
    break;
  }
  return out;
}

}  // namespace shunt::splice
