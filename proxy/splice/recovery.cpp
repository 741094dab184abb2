#include "proxy/splice/recovery.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <set>

namespace shunt::splice {
namespace {

using Place = std::pair<std::string, std::int32_t>;  // topic, partition

std::string text(const Place& p) { return p.first + '-' + std::to_string(p.second); }
std::string text(std::int64_t n) { return std::to_string(n); }

// What both clusters keep of one partition.
struct Kept {
  std::optional<SeamText> in[2];
};
// A migration's partitions.
using Texts = std::map<Place, Kept>;

std::pair<std::uint32_t, std::size_t> age(const SeamText& t) {
  return {t.segments.back().cut, t.left_out + t.segments.size()};
}

class Rebuilding {
 public:
  Rebuilding(const std::string& old_cluster, const std::string& new_cluster)
      : old_cluster_(old_cluster), new_cluster_(new_cluster) {}

  Rebuilt from(const std::vector<FoundGroup>& found, const std::string& journal) {
    std::map<std::string, std::map<std::string, Texts>> all;  // by journal, migration
    for (const auto& g : found) read(g, all);
    if (all.empty()) {
      problem("the clusters keep no seams: there is no journal to rebuild");
      return std::move(out_);
    }
    auto chosen = journal.empty() && all.size() == 1 ? all.begin() : all.find(journal);
    if (chosen == all.end()) {
      std::string ids;
      for (const auto& [id, migrations] : all) ids += (ids.empty() ? "" : ", ") + id;
      problem("the clusters keep seams of the journals " + ids +
              ": say which one was this proxy's with --journal-id ID");
      return std::move(out_);
    }
    out_.journal = chosen->first;
    out_.records.emplace_back(JournalNamed{out_.journal});
    for (const auto& [id, texts] : chosen->second) migration(id, texts);
    std::ranges::sort(out_.partitions, {}, [](const auto& p) {
      return Place{p.topic, p.partition};
    });
    return std::move(out_);
  }

 private:
  void problem(std::string what) { out_.problems.push_back(std::move(what)); }
  void note(std::string what) { out_.notes.push_back(std::move(what)); }

  void read(const FoundGroup& g, std::map<std::string, std::map<std::string, Texts>>& all) {
    const auto group = SeamGroup::parse(g.name);
    if (!group) return;
    if (g.seams.empty()) problem("group " + g.name + " on " + name(g.on) + " could not be read");
    for (const auto& seam : g.seams) {
      std::string why;
      auto read = read_seam_text(seam.text, why);
      const Place place{seam.topic, seam.partition};
      if (!read) {
        note(text(place) + ": what " + name(g.on) + " keeps in " + g.name + " is " + why);
        all[group->journal][group->migration][place];
        continue;
      }
      if (read->old_cluster != old_cluster_) continue;  // of another old cluster
      if (read->new_cluster != new_cluster_) {
        problem(g.name + " is of a migration to the cluster " + read->new_cluster +
                ", clusters.new is " + new_cluster_);
        continue;
      }
      all[group->journal][group->migration][place].in[static_cast<int>(g.on)] = std::move(*read);
    }
  }
  static std::string name(Cluster c) { return std::string(route::name(c)); }

  // The newer one of both clusters' texts.
  const SeamText* choose(const Place& place, const Kept& kept, std::string& kept_on) {
    const auto& a = kept.in[0];
    const auto& b = kept.in[1];
    if (!a && !b) {
      problem(text(place) + ": neither cluster keeps its segments readably");
      return nullptr;
    }
    if (a && b && *a == *b) {
      kept_on = "old and new";
      return &*a;
    }
    const bool first = a && (!b || age(*a) >= age(*b));
    kept_on = first ? "old" : "new";
    if (a && b) {
      note(text(place) + ": old keeps " + text(static_cast<std::int64_t>(age(*a).second)) +
           " segments up to cut " + text(a->segments.back().cut) + ", new " +
           text(static_cast<std::int64_t>(age(*b).second)) + " up to cut " +
           text(b->segments.back().cut) + ": " + kept_on + "'s are newer and are taken");
    } else {
      note(text(place) + ": only " + kept_on + " keeps its segments");
    }
    return first ? &*a : &*b;
  }

  void migration(const std::string& id, const Texts& texts) {
    MigrationStarted started{id, 1, {}, 0};
    std::map<std::string, const SeamText*> topics;
    std::map<std::uint32_t, KeptCut> cuts;
    std::map<std::uint32_t, std::set<std::string>> cut_topics;
    std::vector<Record> kept;
    std::int32_t topics_wanted = 0;
    for (const auto& [place, both] : texts) {
      std::string kept_on;
      const auto* t = choose(place, both, kept_on);
      if (t == nullptr) continue;
      const auto& known = topics.emplace(place.first, t).first->second;
      if (known->segments.back().cut != t->segments.back().cut)
        problem(text(place) + ": its last cut is " + text(t->segments.back().cut) + ", that of " +
                "another partition of the topic " + text(known->segments.back().cut) +
                ": the newest seam was not kept of all of them");
      if (t->left_out > 0)
        problem(
            text(place) + ": its " + text(t->left_out) +
            " oldest segments had no room on the clusters: only a copy of the journal has them");
      started.scheme = t->scheme;
      started.at = t->since;
      topics_wanted = t->topics;
      for (const auto& c : t->cuts) {
        cuts.emplace(c.cut, c);
        cut_topics[c.cut].insert(place.first);
      }
      Rebuilt::Partition p{place.first, place.second, {}, kept_on};
      p.log.restore(t->segments);
      kept.emplace_back(
          PartitionKept{p.topic, p.partition, t->segments, {}, {}, {}, swept_in(t->segments)});
      out_.partitions.push_back(std::move(p));
    }
    if (static_cast<std::size_t>(topics_wanted) != topics.size())
      problem("migration " + id + " has " + text(topics_wanted) + " topics, the clusters keep " +
              text(static_cast<std::int64_t>(topics.size())));
    for (const auto& [topic, t] : topics) {
      started.topics.push_back({topic, t->old_id, t->new_id, t->partitions});
      for (std::int32_t i = 0; i < t->partitions; ++i) {
        if (!texts.contains({topic, i})) problem(text(Place{topic, i}) + ": not kept anywhere");
      }
    }
    out_.records.emplace_back(started);
    moves(id, started, cuts, cut_topics);
    out_.records.insert(out_.records.end(), kept.begin(), kept.end());
  }

  // Records that came past us are shown by a segment within a cut's.
  static std::int64_t swept_in(const std::vector<Segment>& all) {
    std::int64_t out = 0;
    for (std::size_t i = 1; i + 1 < all.size(); ++i) {
      const auto& s = all[i];
      if (s.cluster != all[i - 1].cluster && s.cut == all[i - 1].cut)
        out += s.native_end - s.native_start;
    }
    return out;
  }

  // Those that stand, in their order; for the numbers between, which were rolled back, one that was
  // aborted: a new move must not get a number that was seen.
  void moves(const std::string& migration, const MigrationStarted& started,
             const std::map<std::uint32_t, KeptCut>& cuts,
             const std::map<std::uint32_t, std::set<std::string>>& cut_topics) {
    int next = 1;
    for (const auto& [cut, c] : cuts) {
      const int number = move_number(c.move);
      for (; next < number; ++next) {
        CutIntended unknown{migration, migration + '.' + std::to_string(next), {}, c.to, "", c.at};
        for (const auto& t : started.topics) unknown.topics.push_back(t.name);
        out_.records.emplace_back(unknown);
        out_.records.emplace_back(
            CutAborted{unknown.move, "S1", "not known: the journal was rebuilt", c.at});
      }
      next = number + 1;
      const auto& topics = cut_topics.at(cut);
      out_.records.emplace_back(
          CutIntended{migration, c.move, {topics.begin(), topics.end()}, c.to, c.undoes, c.at});
      out_.records.emplace_back(CutSealed{c.move, cut, {}, c.at});
      out_.records.emplace_back(CutFlipped{c.move, 0, c.at});
    }
  }
  // Of "m1.3": 3.
  static int move_number(const std::string& move) {
    constexpr int most = 100'000;
    int n = 0;
    const auto dot = move.rfind('.');
    if (dot != std::string::npos)
      std::from_chars(move.data() + dot + 1, move.data() + move.size(), n);
    return std::clamp(n, 0, most);
  }

  const std::string& old_cluster_;
  const std::string& new_cluster_;
  Rebuilt out_;
};

}  // namespace

const Rebuilt::Partition* Rebuilt::find(const std::string& topic, std::int32_t partition) const {
  const auto at =
      std::ranges::lower_bound(partitions, Place{topic, partition}, {}, [](const auto& p) {
        return Place{p.topic, p.partition};
      });
  const bool there = at != partitions.end() && at->topic == topic && at->partition == partition;
  return there ? &*at : nullptr;
}

Rebuilt rebuild(const std::vector<FoundGroup>& found, const std::string& journal,
                const std::string& old_cluster, const std::string& new_cluster) {
  auto out = Rebuilding(old_cluster, new_cluster).from(found, journal);
  State trial;
  for (const auto& r : out.records) {
    if (!out.problems.empty()) break;
    if (const char* why = trial.apply(r)) out.problems.emplace_back(why);
  }
  return out;
}

void check_topics(Rebuilt& r, const route::Topology& old_cluster,
                  const route::Topology& new_cluster) {
  const auto check = [&](const MigratedTopic& t, const route::Topology& where, const wire::Uuid& id,
                         const char* name) {
    const auto* topic = where.topic(t.name);
    if (topic == nullptr)
      r.problems.push_back(t.name + ": " + name + " does not have it any more");
    else if (id != wire::Uuid{} && topic->id != wire::Uuid{} && topic->id != id)
      r.problems.push_back(t.name + ": it was deleted and created again on " + name);
    else if (topic->partitions.size() < static_cast<std::size_t>(t.partitions))
      r.problems.push_back(t.name + ": " + name + " has fewer partitions than were moved");
  };
  for (const auto& record : r.records) {
    const auto* started = std::get_if<MigrationStarted>(&record);
    if (started == nullptr) continue;
    for (const auto& t : started->topics) {
      check(t, old_cluster, t.old_id, "old");
      check(t, new_cluster, t.new_id, "new");
    }
  }
}

void check_ends(Rebuilt& r, const std::vector<LogEnd>& ends) {
  for (const auto& e : ends) {
    const auto* p = r.find(e.topic, e.partition);
    if (p == nullptr) continue;
    const auto where = text(Place{e.topic, e.partition}) + " on " + std::string(route::name(e.in));
    const auto least = seam_offset(p->log, e.in);
    const bool closed = p->log.tail().cluster != e.in && p->log.next_native(e.in).has_value();
    if (e.at < 0)
      r.problems.push_back(where + ": its log's end cannot be read");
    else if (e.at < least)
      r.problems.push_back(where + ": its log ends at " + text(e.at) + ", below " + text(least) +
                           " where its last segment " + (closed ? "ends" : "begins") +
                           ": records were lost, or the topic was made anew");
    else if (closed && e.at > least)
      r.notes.push_back(where + ": " + text(e.at - least) +
                        " offsets behind its last segment came past Shunt");
  }
}

void add_positions(Rebuilt& r, const std::string& group, const std::vector<Committed>& in_old,
                   const std::vector<Committed>& in_new, UnixMillis now) {
  const auto of = [](const std::vector<Committed>& all, const Place& place) {
    const auto c = std::ranges::find_if(all, [&](const Committed& one) {
      return Place{one.topic, one.partition} == place && one.at >= 0;
    });
    return c == all.end() ? nullptr : &*c;
  };
  for (const auto& p : r.partitions) {
    const Place place{p.topic, p.partition};
    const auto* a = of(in_old, place);
    const auto* b = of(in_new, place);
    if (!p.log.spliced() || (a == nullptr && b == nullptr)) continue;
    if (a == nullptr) {
      r.notes.push_back("group " + group + ": " + text(place) + ": committed on new alone, at " +
                        text(b->at) + ": its position is not known, auto.offset.reset decides");
    } else if (b == nullptr) {
      if (a->at < p.log.segments().front().native_end) continue;  // old's offset says it all
      r.notes.push_back("group " + group + ": " + text(place) + ": committed on old alone, at " +
                        text(a->at) +
                        ": it goes on from there, and reads again what it read on new");
    } else {
      const auto at = p.log.position({a->at, b->at});
      r.records.emplace_back(
          CommitAccepted{group, place.first, place.second, at, a->metadata, now});
    }
  }
}

}  // namespace shunt::splice
