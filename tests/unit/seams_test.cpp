// The clusters' copies of the seams: whether a start is a first one, and a journal made of them.
#include "proxy/splice/seams.h"

#include <algorithm>

#include "proxy/splice/recovery.h"
#include "tests/unit/spliced.h"

using namespace spliced;
using splice::FoundGroup;
using splice::Rebuilt;
using splice::Record;

namespace {

constexpr splice::UnixMillis now = 1'700'000'000'000;

// Two topics in m1; "moved" was cut to new and back, "waits" is where it was.
World moved_and_back() {
  World w({"moved", "waits"});
  w.must(splice::JournalNamed{"k7q2"});
  w.cut("moved", new_one, 100, 5, 7);
  const auto move = w.state.next_move_id(*w.state.migration("m1"));
  w.must(splice::CutIntended{"m1", move, {"moved"}, old_one, "", 0});
  w.must(splice::CutAborted{move, "S3", "late", 0});
  w.must(splice::CutIntended{"m1", "m1.3", {"moved"}, old_one, "m1.1", 0});
  splice::CutSealed sealed{"m1.3", 2, {}, 9};
  for (int p = 0; p < 2; ++p) sealed.seams.push_back({"moved", p, 35 + p, 100, 9, {}, {}});
  w.must(sealed);
  w.must(splice::CutFlipped{"m1.3", 4, 9});
  return w;
}

// What a cluster keeps of it.
FoundGroup kept(const World& w, Cluster on, const std::string& old_cluster = "OLD") {
  FoundGroup g{splice::SeamGroup{w.state.journal(), "m1"}.name(), on, {}};
  for (const auto& [name, topic] : w.state.topics()) {
    for (int p = 0; p < 2; ++p) {
      auto text = splice::seams_of(w.state, topic, p);
      text.old_cluster = old_cluster;
      text.new_cluster = "NEW";
      g.seams.push_back({name, p, splice::seam_text(text)});
    }
  }
  return g;
}

Rebuilt rebuilt(const std::vector<FoundGroup>& found, const std::string& journal = "") {
  return splice::rebuild(found, journal, "OLD", "NEW");
}

std::string all(const std::vector<std::string>& lines) {
  std::string out;
  for (const auto& l : lines) out += l + '\n';
  return out;
}

splice::State state_of(const Rebuilt& r) {
  splice::State s;
  for (const auto& record : r.records) REQUIRE(s.apply(record) == nullptr);
  return s;
}

std::string refused(const splice::State& s, const std::vector<FoundGroup>& found) {
  return splice::judge_start(s, "OLD", found).refuse;
}

}  // namespace

TEST_CASE("seams: the group's name says whose, and of which migration", "[splice]") {
  CHECK(splice::SeamGroup{"k7q2", "m1"}.name() == "__shunt.k7q2.m1");
  const auto g = splice::SeamGroup::parse("__shunt.k7q2.m1");
  REQUIRE(g);
  CHECK(g->journal == "k7q2");
  CHECK(g->migration == "m1");
  CHECK(splice::SeamGroup::parse("__shunt.m1")->migration == "m1");
  CHECK_FALSE(splice::SeamGroup::parse("billing"));
}

TEST_CASE("seams: the committed offset is where a cluster's last segment ends", "[splice]") {
  const auto w = moved_and_back();
  const auto& moved = w.state.topic("moved")->partitions[1].log;
  CHECK(splice::seam_offset(moved, old_one) == 100);
  CHECK(splice::seam_offset(moved, new_one) == 36);
  const auto& waits = w.state.topic("waits")->partitions[1].log;
  CHECK(splice::seam_offset(waits, old_one) == 0);
  CHECK(splice::seam_offset(waits, new_one) == 0);
}

TEST_CASE("seams: an empty journal with seams on either cluster is not a first start", "[splice]") {
  const auto w = moved_and_back();
  const splice::State empty;
  CHECK(refused(empty, {}) == "");
  for (const auto on : {old_one, new_one}) {
    const auto why = refused(empty, {kept(w, on)});
    CHECK_THAT(why, Catch::Contains("group __shunt.k7q2.m1 on " + std::string(route::name(on))));
    CHECK_THAT(why, Catch::Contains("moved, waits"));
    CHECK_THAT(why, Catch::Contains("shunt recover -c FILE"));
    CHECK_THAT(why, Catch::Contains("--delete --group __shunt.k7q2.m1"));
  }
  CHECK_THAT(refused(empty, {kept(w, old_one), kept(w, new_one)}),
             Catch::Contains("on old and new keeps"));
  // Known by its name alone, or not readable: nobody may say that it is nothing.
  CHECK_THAT(refused(empty, {{"__shunt.k7q2.m1", new_one, {}}}), Catch::Contains("__shunt.k7q2"));
  CHECK_THAT(refused(empty, {{"__shunt.k7q2.m1", new_one, {{"moved", 0, "torn"}}}}),
             Catch::Contains("moved"));
  // A migration of another old cluster to the same new one.
  CHECK(refused(empty, {kept(w, new_one, "ANOTHER")}) == "");
}

TEST_CASE("seams: a journal with migrations knows its own, and older copies of itself",
          "[splice]") {
  const auto w = moved_and_back();
  CHECK(refused(w.state, {kept(w, old_one), kept(w, new_one)}) == "");
  CHECK(refused(w.state, {}) == "");

  World older({"moved", "waits"});
  older.must(splice::JournalNamed{"k7q2"});
  CHECK_THAT(refused(older.state, {kept(w, old_one)}), Catch::Contains("an older copy"));
  older.cut("moved", new_one, 100, 5, 7);
  CHECK_THAT(refused(older.state, {kept(w, old_one)}), Catch::Contains("an older copy"));
  CHECK(refused(w.state, {kept(older, old_one)}) == "");  // the cluster is behind: written anew

  // Swept in on one side only: no new cut, but more segments.
  World swept = moved_and_back();
  swept.must(splice::Swept{"moved", 0, 120, new_one, 38, 3, now, 9});
  CHECK_THAT(refused(w.state, {kept(swept, new_one)}), Catch::Contains("an older copy"));
}

TEST_CASE("seams: another Shunt's are refused for our topics, told for others", "[splice]") {
  const auto w = moved_and_back();
  World same({"moved"}), others({"pay"});
  same.must(splice::JournalNamed{"zzzz"});
  others.must(splice::JournalNamed{"zzzz"});
  CHECK_THAT(refused(same.state, {kept(w, old_one)}), Catch::Contains("another Shunt"));
  const auto verdict = splice::judge_start(others.state, "OLD", {kept(w, old_one)});
  CHECK(verdict.refuse == "");
  CHECK_THAT(all(verdict.beside), Catch::Contains("__shunt.k7q2.m1"));
}

TEST_CASE("recovery: segments, moves and numbers are as they were", "[splice]") {
  const auto w = moved_and_back();
  const auto r = rebuilt({kept(w, old_one), kept(w, new_one)});
  CHECK(all(r.problems) == "");
  CHECK(all(r.notes) == "");
  CHECK(r.journal == "k7q2");
  const auto s = state_of(r);
  CHECK(s.journal() == "k7q2");
  for (const auto& [name, topic] : w.state.topics()) {
    REQUIRE(s.topic(name) != nullptr);
    CHECK(s.topic(name)->old_id == topic.old_id);
    CHECK(s.topic(name)->new_id == topic.new_id);
    REQUIRE(s.topic(name)->partitions.size() == topic.partitions.size());
    for (std::size_t i = 0; i < topic.partitions.size(); ++i)
      CHECK(s.topic(name)->partitions[i].log.segments() == topic.partitions[i].log.segments());
  }
  CHECK(s.next_cut() == w.state.next_cut());
  CHECK(s.next_migration_id() == "m2");
  const auto& m = *s.migration("m1");
  CHECK(s.next_move_id(m) == "m1.4");
  REQUIRE(m.moves.size() == 3);
  CHECK((m.moves[0].sealed && m.moves[0].flipped && m.moves[0].undone));
  CHECK(m.moves[1].aborted_step == "S1");  // rolled back: its number alone is known
  CHECK(m.moves[2].undoes == "m1.1");
  CHECK(m.moves[2].topics == std::vector<std::string>{"moved"});
  CHECK(m.newest() == w.state.migration("m1")->newest());  // both: none
  // Written again, it is the same: the rebuilt journal does not refuse its own start.
  CHECK(splice::judge_start(s, "OLD", {kept(w, old_one)}).refuse == "");
}

TEST_CASE("recovery: where the clusters differ the newer one is taken, and said", "[splice]") {
  const auto w = moved_and_back();
  World before({"moved", "waits"});
  before.must(splice::JournalNamed{"k7q2"});
  before.cut("moved", new_one, 100, 5, 7);
  for (const bool old_is_newer : {true, false}) {
    const auto r = rebuilt(old_is_newer ? std::vector{kept(w, old_one), kept(before, new_one)}
                                        : std::vector{kept(before, old_one), kept(w, new_one)});
    CHECK(all(r.problems) == "");
    const std::string newer = old_is_newer ? "old" : "new";
    CHECK_THAT(all(r.notes), Catch::Contains("moved-1: old keeps ") &&
                                 Catch::Contains(newer + "'s are newer and are taken"));
    CHECK(state_of(r).topic("moved")->partitions[1].log.segments() ==
          w.state.topic("moved")->partitions[1].log.segments());
  }
  const auto one = rebuilt({kept(w, new_one)});
  CHECK(all(one.problems) == "");
  CHECK_THAT(all(one.notes), Catch::Contains("moved-0: only new keeps its segments"));

  auto torn = kept(w, old_one);
  torn.seams[0].text.pop_back();
  const auto healed = rebuilt({torn, kept(w, new_one)});
  CHECK(all(healed.problems) == "");
  CHECK_THAT(all(healed.notes), Catch::Contains("is torn or changed"));
}

TEST_CASE("recovery: what is not all there is refused, naming it", "[splice]") {
  const auto w = moved_and_back();
  const auto problems = [](const std::vector<FoundGroup>& found, const std::string& id = "") {
    return all(rebuilt(found, id).problems);
  };
  CHECK_THAT(problems({}), Catch::Contains("keep no seams"));
  CHECK_THAT(problems({kept(w, old_one, "ANOTHER")}), Catch::Contains("keep no seams"));
  CHECK_THAT(problems({{"__shunt.k7q2.m1", old_one, {}}}), Catch::Contains("could not be read"));

  auto less = kept(w, old_one);
  less.seams.erase(less.seams.begin() + 1);
  CHECK_THAT(problems({less}), Catch::Contains("moved-1: not kept anywhere"));
  auto one_topic = kept(w, old_one);
  one_topic.seams.resize(2);
  CHECK_THAT(problems({one_topic}), Catch::Contains("migration m1 has 2 topics"));

  // The newest cut's seam has come to one partition alone.
  World before({"moved", "waits"});
  before.must(splice::JournalNamed{"k7q2"});
  before.cut("moved", new_one, 100, 5, 7);
  auto half = kept(w, old_one);
  half.seams[1] = kept(before, old_one).seams[1];
  CHECK_THAT(problems({half}), Catch::Contains("moved-1: its last cut is 1"));

  World other({"pay"});
  other.must(splice::JournalNamed{"zzzz"});
  other.cut("pay", new_one, 3, 0, 1);
  const std::vector two = {kept(w, old_one), kept(other, old_one)};
  CHECK_THAT(problems(two), Catch::Contains("k7q2, zzzz") && Catch::Contains("--journal-id"));
  CHECK(problems(two, "zzzz") == "");
  CHECK_THAT(problems(two, "none"), Catch::Contains("--journal-id"));
  CHECK_THAT(all(splice::rebuild({kept(w, old_one)}, "", "OLD", "THIRD").problems),
             Catch::Contains("clusters.new is THIRD"));

  World cut_short({"moved"});
  cut_short.must(splice::JournalNamed{"k7q2"});
  for (int i = 0; i < 1500; ++i)
    cut_short.cut("moved", i % 2 == 0 ? new_one : old_one, 100 + i / 2,
                  std::max(100, 100 + i / 2 - (i + 1) % 2), 7);
  CHECK_THAT(problems({kept(cut_short, old_one)}), Catch::Contains("had no room"));
}

TEST_CASE("recovery: the topics and their ends must still be those", "[splice]") {
  const auto w = moved_and_back();
  const auto found = std::vector{kept(w, old_one), kept(w, new_one)};
  auto r = rebuilt(found);
  splice::check_topics(r, w.old_cluster, w.new_cluster);
  const auto before = all(r.problems);
  World gone({"waits"});
  splice::check_topics(r, gone.old_cluster, gone.new_cluster);
  CHECK_THAT(all(r.problems), Catch::Contains("moved: old does not have it any more"));

  r = rebuilt(found);
  splice::check_ends(r, {{old_one, "moved", 0, 130}, {new_one, "moved", 0, 35}});
  CHECK(all(r.problems) == "");
  splice::check_ends(r, {{new_one, "moved", 1, 40}});
  CHECK_THAT(all(r.notes), Catch::Contains("moved-1 on new: 4 offsets behind"));
  splice::check_ends(r, {{new_one, "moved", 0, 34}, {old_one, "moved", 1, -1}});
  CHECK_THAT(all(r.problems), Catch::Contains("moved-0 on new: its log ends at 34, below 35") &&
                                  Catch::Contains("moved-1 on old: its log's end cannot be read"));
}

TEST_CASE("recovery: a group is where both clusters say, a torn pair repeats", "[splice]") {
  const auto w = moved_and_back();  // moved-0: old [0,100) new [5,35) old [100,...
  struct Row {
    std::int64_t in_old, in_new;
    std::int64_t at;  // virtual; -1: nothing is known
  };
  const Row rows[] = {{40, 5, 40},    {100, 5, 100}, {100, 20, 115}, {100, 35, 130}, {110, 35, 140},
                      {110, 20, 115}, {40, 20, 40},  {60, -1, -1},   {-1, 20, -1}};
  for (const auto& row : rows) {
    INFO(row.in_old << " and " << row.in_new);
    auto r = rebuilt({kept(w, old_one), kept(w, new_one)});
    std::vector<splice::Committed> a, b;
    if (row.in_old >= 0) a.push_back({"moved", 0, row.in_old, "meta"});
    if (row.in_new >= 0) b.push_back({"moved", 0, row.in_new, "copied"});
    a.push_back({"waits", 0, 3, ""});  // not cut: old's offset says it all
    b.push_back({"other", 0, 3, ""});
    splice::add_positions(r, "billing", a, b, now);
    const auto s = state_of(r);
    const auto* c = s.commit("billing", "moved", 0);
    CHECK((c != nullptr ? c->at.at : -1) == row.at);
    if (c != nullptr) CHECK(c->metadata == "meta");
    CHECK(s.commit("billing", "waits", 0) == nullptr);
  }
  auto r = rebuilt({kept(w, old_one)});
  r.notes.clear();
  splice::add_positions(r, "billing", {{"moved", 0, 105, ""}}, {}, now);
  CHECK_THAT(all(r.notes), Catch::Contains("committed on old alone, at 105"));
  splice::add_positions(r, "audit", {}, {{"moved", 1, 20, ""}}, now);
  CHECK_THAT(all(r.notes), Catch::Contains("audit: moved-1: committed on new alone, at 20"));
}
