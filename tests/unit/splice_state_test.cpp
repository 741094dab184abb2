// The migration's state: what its records make of it, and that a snapshot is all of it.
#include "proxy/splice/state.h"

#include <random>

#include "tests/unit/spliced.h"

using namespace spliced;
using namespace shunt::splice;

namespace {

class Random {
 public:
  explicit Random(std::uint32_t seed) : random_(seed) {}
  int below(int n) { return std::uniform_int_distribution<int>(0, n - 1)(random_); }
  template <class List>
  const auto& one_of(const List& list) {
    return list[static_cast<std::size_t>(below(static_cast<int>(list.size())))];
  }

 private:
  std::mt19937 random_;
};

// Takes a state through a random life, record by record.
class Life {
 public:
  Life(State& state, Random& random) : state_(state), random_(random) {}

  void go() {
    for (int m = 1 + random_.below(3); m > 0; --m) start();
    for (int n = random_.below(60); n > 0; --n) step();
  }

 private:
  void must(const Record& r) {
    const char* why = state_.apply(r);
    REQUIRE(std::string(why != nullptr ? why : "") == "");
  }

  void start() {
    MigrationStarted m{state_.next_migration_id(), 1 + random_.below(2), {}, random_.below(1000)};
    for (int t = 1 + random_.below(3); t > 0; --t) {
      const int n = ++topics_;
      const bool ids = random_.below(3) != 0;
      m.topics.push_back({"t" + std::to_string(n), ids ? uuid(n) : wire::Uuid{},
                          ids ? uuid(100 + n) : wire::Uuid{}, 1 + random_.below(3)});
    }
    must(m);
  }

  void step() {
    switch (random_.below(6)) {
      case 0:
        return cut();
      case 1:
        return sweep();
      case 2: {
        const auto id = random_.below(5);
        const auto cut = static_cast<std::uint32_t>(1 + random_.below(4));
        must(ProducerMapped{id, cut, state_.producer(id, cut).value_or(1000 + drawn_++)});
        return;
      }
      case 3:
        must(CommitAccepted{group(),
                            topic(),
                            random_.below(2),
                            {random_.below(100)},
                            random_.below(2) == 0 ? "" : "m",
                            random_.below(1000)});
        return;
      case 4:
        must(CommitForgotten{group(), random_.below(2) == 0 ? "" : topic(), random_.below(3) - 1});
        return;
      default:
        must(MigrationPaused{migration().id, random_.below(2) == 0});
    }
  }

  void cut() {
    const Migration& m = migration();
    const Move* newest = m.newest();
    const bool undo = newest != nullptr && random_.below(2) == 0;
    const auto move = state_.next_move_id(m);
    const Cluster to = state_.topic(m.topics[0])->produce_to() == old_one ? new_one : old_one;
    must(CutIntended{m.id, move, m.topics, to, undo ? newest->id : "", random_.below(1000)});
    const int fate = random_.below(6);
    if (fate == 0) return;  // still on its way
    if (fate == 1) return must(CutAborted{move, "S3", "unclear", 5});
    CutSealed sealed{move, state_.next_cut(), {}, 7};
    for (const auto& name : m.topics) {
      for (int p = 0; p < static_cast<int>(state_.topic(name)->partitions.size()); ++p) {
        sealed.seams.push_back(seam(name, p, to));
      }
    }
    must(sealed);
    if (random_.below(4) != 0) must(CutFlipped{move, random_.below(2000), 8});
  }

  Seam seam(const std::string& name, int p, Cluster to) {
    const VirtualLog& log = state_.partition(name, {}, p)->log;
    Seam s{name,
           p,
           log.tail().native_start + random_.below(20),
           log.next_native(to).value_or(random_.below(5)),
           log.tail().epoch_base + random_.below(4),
           {},
           {}};
    if (random_.below(2) == 0) s.producers[random_.below(9)] = {3, {{0, 4, 17}, {5, 9, -1}}};
    if (random_.below(3) == 0) s.unclear.push_back({random_.below(9), 0, 10, 5});
    return s;
  }

  void sweep() {
    const auto name = topic();
    const VirtualLog& log = state_.partition(name, {}, 0)->log;
    const Segment& tail = log.tail();
    const Cluster from = tail.cluster == old_one ? new_one : old_one;
    const auto next = log.next_native(from);
    if (!next) return;
    const auto end = *next + 1 + random_.below(4);
    Swept s{name,
            0,
            tail.native_start + random_.below(9),
            from,
            end,
            random_.below(5),
            9,
            tail.epoch_base + random_.below(3)};
    if (random_.below(2) == 0) s.from_start = end - random_.below(2);
    if (random_.below(2) == 0) s.producers[random_.below(9)] = {3, {{10, 11, 20}}};
    must(s);
    if (random_.below(2) == 0) must(Rewritten{name, 0, {random_.below(9), 0, 10, 5}});
  }

  const Migration& migration() {
    auto at = state_.migrations().begin();
    std::advance(at, random_.below(static_cast<int>(state_.migrations().size())));
    return at->second;
  }
  std::string topic() { return "t" + std::to_string(1 + random_.below(topics_)); }
  std::string group() { return random_.below(2) == 0 ? "g" : "h"; }

  State& state_;
  Random& random_;
  int topics_ = 0;
  int drawn_ = 0;
};

void same(const Move& a, const Move& b) {
  CHECK(a.id == b.id);
  CHECK(a.kind == b.kind);
  CHECK(a.to == b.to);
  CHECK(a.topics == b.topics);
  CHECK(a.undoes == b.undoes);
  CHECK(a.at == b.at);
  CHECK(a.sealed == b.sealed);
  CHECK(a.flipped == b.flipped);
  CHECK(a.undone == b.undone);
  CHECK(a.aborted_step == b.aborted_step);
  CHECK(a.aborted_reason == b.aborted_reason);
  CHECK(a.held_ms_max == b.held_ms_max);
  CHECK(a.cut == b.cut);
}

void same(const Migration& a, const Migration& b, const State& in_a, const State& in_b) {
  CHECK(a.id == b.id);
  CHECK(a.scheme == b.scheme);
  CHECK(a.topics == b.topics);
  CHECK(a.since == b.since);
  CHECK(a.paused == b.paused);
  CHECK(in_a.next_move_id(a) == in_b.next_move_id(b));
  CHECK((a.newest() == nullptr ? "" : a.newest()->id) ==
        (b.newest() == nullptr ? "" : b.newest()->id));
  REQUIRE(a.moves.size() == b.moves.size());
  for (std::size_t i = 0; i < a.moves.size(); ++i) same(a.moves[i], b.moves[i]);
}

void same(const TopicLog& a, const TopicLog& b) {
  CHECK(a.name == b.name);
  CHECK(a.migration == b.migration);
  CHECK(a.old_id == b.old_id);
  CHECK(a.new_id == b.new_id);
  REQUIRE(a.partitions.size() == b.partitions.size());
  for (std::size_t i = 0; i < a.partitions.size(); ++i) {
    const PartitionLog &p = a.partitions[i], &q = b.partitions[i];
    CHECK(p.log.segments() == q.log.segments());
    CHECK(p.producers == q.producers);
    CHECK(p.seam_unclear == q.seam_unclear);
    CHECK(p.rewritten == q.rewritten);
    CHECK(p.stragglers == q.stragglers);
    CHECK(p.shown_end == q.shown_end);
    CHECK(p.high_watermark == q.high_watermark);
    CHECK(p.last_stable == q.last_stable);
  }
}

void same(const State& a, const State& b) {
  REQUIRE(a.topics().size() == b.topics().size());
  for (const auto& [name, t] : a.topics()) {
    REQUIRE(b.topic(name) != nullptr);
    same(t, *b.topic(name));
    CHECK(b.topic({}, t.old_id) == (t.old_id == wire::Uuid{} ? nullptr : b.topic(name)));
  }
  REQUIRE(a.migrations().size() == b.migrations().size());
  for (const auto& [id, m] : a.migrations()) {
    REQUIRE(b.migration(id) != nullptr);
    same(m, *b.migration(id), a, b);
  }
  CHECK(a.next_migration_id() == b.next_migration_id());
  CHECK(a.next_cut() == b.next_cut());
  for (std::int64_t id = 0; id < 6; ++id) {
    for (std::uint32_t cut = 0; cut < 5; ++cut) CHECK(a.producer(id, cut) == b.producer(id, cut));
  }
  for (std::int64_t id = 1000; id < 1060; ++id) {
    for (std::uint32_t cut = 0; cut < 5; ++cut) {
      CHECK(a.producer_of(id, cut) == b.producer_of(id, cut));
    }
  }
  for (const char* group : {"g", "h"}) {
    for (const auto& [name, t] : a.topics()) {
      for (int p = 0; p < 3; ++p) {
        const Commit *c = a.commit(group, name, p), *d = b.commit(group, name, p);
        REQUIRE((c == nullptr) == (d == nullptr));
        if (c == nullptr) continue;
        CHECK(c->at == d->at);
        CHECK(c->metadata == d->metadata);
        CHECK(c->time == d->time);
      }
    }
  }
}

State read_back(const State& state) {
  State out;
  for (const Record& r : state.snapshot()) {
    const char* why = out.apply(r);
    REQUIRE(std::string(why != nullptr ? why : "") == "");
  }
  return out;
}

}  // namespace

TEST_CASE("state: a snapshot is all of it", "[splice]") {
  Random random(20261125);
  for (int i = 0; i < 300; ++i) {
    INFO("life " << i);
    State state;
    Life(state, random).go();
    const State again = read_back(state);
    same(state, again);
    same(again, read_back(again));
  }
}

TEST_CASE("state: who reads new, as the moves that stand have it", "[splice]") {
  State s;
  s.apply(MigrationStarted{"m1", 1, {{"t", {}, {}, 1}}, 0});
  int n = 0;
  const auto move = [&](Cluster to, std::vector<std::string> groups, std::string undoes = "") {
    const auto id = "m1." + std::to_string(++n);
    CHECK(s.apply(GroupsMoved{"m1", id, to, std::move(groups), std::move(undoes), 0}) == nullptr);
    return id;
  };
  const auto readers = [&](const State& of) {
    std::string out;
    for (const char* g : {"", "a", "b"}) out += of.migration("m1")->reads_new(g) ? 'y' : '-';
    return out;
  };
  const auto now = [&] {
    State copy;
    for (const auto& r : s.snapshot()) REQUIRE(copy.apply(r) == nullptr);
    CHECK(readers(copy) == readers(s));
    return readers(s);
  };
  constexpr auto old_one = Cluster::old_cluster, new_one = Cluster::new_cluster;
  CHECK(now() == "---");
  const auto canary = move(new_one, {"a"});
  CHECK(now() == "-y-");
  CHECK(s.migration("m1")->newest()->id == canary);
  const auto all = move(new_one, {});
  CHECK(now() == "yyy");
  move(old_one, {}, all);
  CHECK(now() == "-y-");
  CHECK(s.migration("m1")->newest()->id == canary);
  move(old_one, {"a"}, canary);
  CHECK(now() == "---");
  CHECK(s.migration("m1")->newest() == nullptr);
  move(new_one, {});
  const auto one_waits = move(old_one, {"b"});
  CHECK(now() == "yy-");
  move(new_one, {"b"}, one_waits);
  CHECK(now() == "yyy");
  CHECK(s.apply(GroupsMoved{"m1", "m1.1", new_one, {}, "", 0}) != nullptr);
  CHECK(s.apply(GroupsMoved{"m2", "m2.1", new_one, {}, "", 0}) != nullptr);
}

TEST_CASE("state: finish moves homes, and old's part of the log is out of reach", "[splice]") {
  State s;
  s.apply(MigrationStarted{"m1", 1, {{"t", wire::Uuid{std::byte{1}}, {}, 1}}, 0});
  CHECK(s.apply(MigrationFinished{"m1", true, 9}) != nullptr);  // written at old
  CHECK(s.apply(MigrationFinished{"m2", true, 9}) != nullptr);
  s.apply(CutIntended{"m1", "m1.1", {"t"}, Cluster::new_cluster, "", 1});
  Seam seam;
  seam.topic = "t";
  seam.partition = 0;
  seam.native_end = 40;
  REQUIRE(s.apply(CutSealed{"m1.1", 1, {seam}, 2}) == nullptr);
  REQUIRE(s.apply(CutFlipped{"m1.1", 3, 4}) == nullptr);
  CHECK(s.group_home("g") == Cluster::old_cluster);
  REQUIRE(s.apply(GroupHanded{"g", 5, {"m"}, 5}) == nullptr);
  CHECK(s.apply(GroupHanded{"g", 5, {"m"}, 5}) != nullptr);
  CHECK(s.group_home("g") == Cluster::new_cluster);
  CHECK(s.group_home("other") == Cluster::old_cluster);
  CHECK(s.home() == Cluster::old_cluster);
  CHECK_FALSE(s.partition("t", {}, 0)->jumps(s.partition("t", {}, 0)->log.segments().front()));
  REQUIRE(s.apply(MigrationFinished{"m1", true, 9}) == nullptr);
  State copy;
  for (const auto& r : s.snapshot()) REQUIRE(copy.apply(r) == nullptr);
  for (const State* of : {&std::as_const(s), &std::as_const(copy)}) {
    CHECK(of->left());
    CHECK(of->home() == Cluster::new_cluster);
    CHECK(of->home("unknown", {}) == Cluster::new_cluster);
    CHECK(of->group_home("other") == Cluster::new_cluster);
    CHECK(of->topic_name(wire::Uuid{std::byte{1}}) == "t");
    CHECK(of->migration("m1")->finished == 9);
    REQUIRE(of->handed("g") != nullptr);
    CHECK(of->handed("g")->generation == 5);
    CHECK(of->handed("g")->members.contains("m"));
    const auto* p = of->partition("t", {}, 0);
    CHECK(p->jumps(p->log.segments().front()));
    CHECK_FALSE(p->jumps(p->log.tail()));
    CHECK(p->log_start.at == 40);
  }
}

TEST_CASE("state: a cut's seams stand all, or none", "[splice]") {
  World w;
  const auto move = w.state.next_move_id(*w.state.migration("m1"));
  w.must(CutIntended{"m1", move, {"moved"}, new_one, "", 0});
  const Seam good{"moved", 0, 100, 5, 7, {}, {}}, bad{"moved", 1, -5, 5, 7, {}, {}},
      unknown{"moved", 9, 100, 5, 7, {}, {}};
  CHECK(w.state.apply(CutSealed{move, 1, {good, bad}, 0}) != nullptr);
  CHECK(w.state.apply(CutSealed{move, 1, {good, unknown}, 0}) != nullptr);
  CHECK_FALSE(w.log("moved", 0).log.spliced());
  CHECK_FALSE(w.state.move(move)->sealed);
}

TEST_CASE("state: records that cannot follow are refused", "[splice]") {
  World w;
  const auto refused = [&](const Record& r) { return w.state.apply(r) != nullptr; };
  CHECK(refused(MigrationStarted{"m1", 1, {}, 0}));
  CHECK(refused(MigrationStarted{"m2", 1, {{"moved", {}, {}, 1}}, 0}));  // it is in m1
  CHECK(refused(MigrationStarted{"m2", 1, {{"empty", {}, {}, 0}}, 0}));
  CHECK(refused(CutIntended{"m9", "m9.1", {}, new_one, "", 0}));
  CHECK(refused(CutSealed{"m1.1", 1, {}, 0}));
  CHECK(refused(CutAborted{"m1.1", "S1", "", 0}));
  CHECK(refused(CutFlipped{"m1.1", 0, 0}));
  CHECK(refused(Swept{"moved", 0, 5, new_one, 9, 1, 0, 1}));
  CHECK(refused(Swept{"other", 0, 5, new_one, 9, 1, 0, 1}));
  CHECK(refused(MigrationPaused{"m9", true}));
  w.must(ProducerMapped{7, 1, 1000});
  w.must(ProducerMapped{7, 1, 1000});
  CHECK(refused(ProducerMapped{7, 1, 1001}));
  CHECK(refused(ProducerMapped{8, 1, 1000}));
  w.must(ProducerMapped{7, 2, 1000});  // another cut, another cluster
  w.cut("moved", new_one, 100, 5, 7);
  CHECK(refused(CutSealed{"m1.1", 1, {}, 0}));
  CHECK(refused(CutAborted{"m1.1", "S4", "", 0}));
}
