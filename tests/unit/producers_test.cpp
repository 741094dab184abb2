// Whether a batch may be written: judge() and clear_unclear() case by case.
#include "proxy/splice/producers.h"

#include <climits>

#include "proxy/splice/cut.h"
#include "tests/unit/spliced.h"

using namespace spliced;
using namespace shunt::splice;

namespace {

using Verdict = Judged::Verdict;
constexpr auto gap = std::int16_t{45}, fenced = std::int16_t{47};
constexpr std::int32_t greatest = INT_MAX;  // sequences go on at 0 behind it
constexpr UnixMillis now = 1'700'000'000'000;

// Partition 0 of "moved": behind a cut, its producer 7 known with five batches of epoch 3, and
// drawn as 1007; producer 8 was known to old by DescribeProducers only; 9 is new.
struct Behind : spliced::World {
  Behind() {
    must(CutIntended{"m1", "m1.1", {"moved"}, new_one, "", 0});
    CutSealed sealed{"m1.1", 1, {}, 0};
    Seam seam{"moved", 0, 100, 5, 7, {}, {}};
    seam.producers[7] = {3, {{0, 4, 10}, {5, 9, 20}, {10, 14, 30}, {15, 15, 40}, {16, 20, -1}}};
    seam.producers[8] = {0, {{9, 9, -1}}};
    seam.producers[6] = {0, {{greatest - 4, greatest, 50}}};
    seam.producers[5] = {0, {}};
    sealed.seams = {seam, {"moved", 1, 100, 5, 7, {}, {}}};
    must(sealed);
    for (const int id : {5, 6, 7, 8, 9}) must(ProducerMapped{id, 1, 1000 + id});
  }
  Judged judge(const BatchId& b) { return splice::judge(state, *topic(), part(), b); }
  TopicLog* topic() { return state.topic("moved"); }
  PartitionLog& part() { return log("moved", 0); }
};

std::string text(const Judged& j) {
  switch (j.verdict) {
    case Verdict::pass:
      return "pass as " + std::to_string(j.id) + (j.first ? ", first" : "");
    case Verdict::hold:
      return "hold";
    case Verdict::draw:
      return "draw";
    case Verdict::repeat:
      return "repeat at " + std::to_string(j.offset);
    case Verdict::refuse:
      return "refuse with " + std::to_string(j.error);
  }
  return {};
}

}  // namespace

TEST_CASE("producers: before a partition's first cut everything passes as it is", "[cut]") {
  spliced::World w;
  const auto& t = *w.state.topic("moved");
  for (const std::int64_t id : {-1, 7, 1 << 30}) {
    const BatchId b{id, 3, 16, 5};
    CHECK(text(judge(w.state, t, t.partitions[0], b)) == "pass as " + std::to_string(id));
  }
}

TEST_CASE("producers: the first batch behind a seam goes on where it ended", "[cut]") {
  const struct {
    const char* why;
    BatchId batch;
    const char* verdict;
  } rows[] = {
      {"no producer id", {-1, -1, -1, 5}, "pass as -1"},
      {"the next sequence", {7, 3, 21, 5}, "pass as 1007, first"},
      {"a gap", {7, 3, 22, 5}, "refuse with 45"},
      {"a gap of half the numbers", {7, 3, 20 + (greatest / 2), 5}, "refuse with 45"},
      {"before the last five, or in the middle of one", {7, 3, 6, 2}, "refuse with 45"},
      {"one of the last, but shorter", {7, 3, 16, 4}, "refuse with 45"},
      {"one of the last, but longer", {7, 3, 16, 6}, "refuse with 45"},
      {"the last of five again", {7, 3, 16, 5}, "repeat at -1"},
      {"the fourth", {7, 3, 15, 1}, "repeat at 40"},
      {"the third", {7, 3, 10, 5}, "repeat at 30"},
      {"the second", {7, 3, 5, 5}, "repeat at 20"},
      {"the first", {7, 3, 0, 5}, "repeat at 10"},
      {"a higher epoch begins at 0", {7, 4, 0, 5}, "pass as 1007, first"},
      {"a higher epoch that does not", {7, 4, 21, 5}, "refuse with 45"},
      {"a lower epoch, fenced", {7, 2, 21, 5}, "refuse with 47"},
      {"a repeat of a lower epoch, fenced too", {7, 2, 16, 5}, "refuse with 47"},
      {"known by its last sequence alone", {8, 0, 10, 1}, "pass as 1008, first"},
      {"such a repeat of one record", {8, 0, 9, 1}, "repeat at -1"},
      {"a wrap around", {6, 0, 0, 5}, "pass as 1006, first"},
      {"a gap behind the wrap", {6, 0, 1, 5}, "refuse with 45"},
      {"a repeat before the wrap", {6, 0, greatest - 4, 5}, "repeat at 50"},
      {"known, its batches are not", {5, 0, 33, 1}, "pass as 1005, first"},
      {"nobody knew it, sequence 0", {9, 0, 0, 1}, "pass as 1009, first"},
      {"nobody knew it, another sequence", {9, 5, 44, 1}, "pass as 1009, first"},
      {"its id is not drawn", {10, 0, 0, 1}, "draw"},
  };
  for (const auto& row : rows) {
    INFO(row.why);
    Behind w;
    CHECK(text(w.judge(row.batch)) == row.verdict);
  }
}

TEST_CASE("producers: one batch of an id until its first one is answered", "[cut]") {
  Behind w;
  const BatchId next{7, 3, 21, 5}, after{7, 3, 26, 5}, repeat{7, 3, 10, 5};
  w.part().firsts[7] = PartitionLog::First::on_its_way;
  CHECK(text(w.judge(next)) == "hold");
  CHECK(text(w.judge(after)) == "hold");
  CHECK(text(w.judge(repeat)) == "repeat at 30");
  CHECK(text(w.judge({9, 0, 0, 1})) == "pass as 1009, first");  // others do not wait for it
  w.must(FirstAccepted{"moved", 0, 7});
  // The cluster checks now, what it knows: also that something is a gap, or fenced.
  CHECK(text(w.judge(after)) == "pass as 1007");
  CHECK(text(w.judge({7, 3, 99, 1})) == "pass as 1007");
  CHECK(text(w.judge({7, 2, 21, 1})) == "pass as 1007");
  CHECK(text(w.judge(repeat)) == "repeat at 30");  // but not what is in the other one's log
  // Of the other partition that says nothing.
  CHECK(text(judge(w.state, *w.topic(), w.log("moved", 1), next)) == "pass as 1007, first");
}

TEST_CASE("producers: behind an unclear batch nothing is first until that one has come again",
          "[leave]") {
  Behind w;
  const BatchId unclear{9, 2, 18, 2}, next{9, 2, 20, 1};
  w.part().seam_unclear = {unclear, next};
  CHECK(text(w.judge(next)) == "refuse with 45");
  CHECK(text(w.judge({9, 2, 21, 1})) == "refuse with 45");
  CHECK(text(w.judge({9, 2, 17, 1})) == "pass as 1009, first");  // it was refused before
  CHECK(text(w.judge({9, 3, 0, 1})) == "pass as 1009, first");
  CHECK(text(w.judge(unclear)) == "pass as 1009, first");
  w.must(FirstAccepted{"moved", 0, 9});
  w.must(Rewritten{"moved", 0, unclear});
  CHECK(text(w.judge(next)) == "pass as 1009");
  // What is known of a producer says it exactly.
  w.part().seam_unclear = {{7, 3, 21, 5}};
  CHECK(text(w.judge({7, 3, 21, 5})) == "pass as 1007, first");
}

TEST_CASE("producers: a repeat needs no id of its own", "[cut]") {
  Behind w;
  w.part().producers[11] = {0, {{0, 4, 60}}};
  CHECK(text(w.judge({11, 0, 0, 5})) == "repeat at 60");
  CHECK(text(w.judge({11, 0, 5, 5})) == "draw");
}

TEST_CASE("producers: while a topic is held only resends of unclear batches pass", "[cut]") {
  const BatchId unclear{7, 3, 16, 5}, nameless{-1, -1, -1, 3};
  for (const bool cut : {false, true}) {
    INFO((cut ? "the second cut" : "the first cut"));
    Behind behind;
    spliced::World before;
    spliced::World& w = cut ? behind : before;
    auto& t = *w.state.topic("moved");
    auto& p = t.partitions[0];
    const std::string passes = cut ? "pass as 1007" : "pass as 7";
    const BatchId next{7, 3, 21, 5};
    if (cut) w.must(FirstAccepted{"moved", 0, 7});
    t.held = true;
    for (const auto& b : {unclear, next, nameless, BatchId{10, 0, 0, 1}})
      CHECK(text(judge(w.state, t, p, b)) == "hold");
    p.unclear = {{next, {}, 5, now, "app"}, {nameless, {}, 5, now, "app"}};
    CHECK(text(judge(w.state, t, p, next)) == passes);
    for (const auto& b : {BatchId{7, 3, 21, 4}, BatchId{7, 4, 21, 5}, BatchId{7, 3, 26, 5}})
      CHECK(text(judge(w.state, t, p, b)) == "hold");
    CHECK(text(judge(w.state, t, p, nameless)) == "hold");  // nothing shows that it is the same
    p.candidate_end = 100;                                  // the ends have been read: too late
    CHECK(text(judge(w.state, t, p, next)) == "hold");
    p.candidate_end.reset();
    t.held = false;
    CHECK(text(judge(w.state, t, p, next)) == passes);
  }
}

TEST_CASE("producers: sequences are counted modulo 2^31", "[cut]") {
  CHECK(sequence_distance(5, 6) == 1);
  CHECK(sequence_distance(6, 5) == -1);
  CHECK(sequence_distance(5, 5) == 0);
  CHECK(sequence_distance(greatest, 0) == 1);
  CHECK(sequence_distance(0, greatest) == -1);
  CHECK(sequence_distance(greatest - 1, 3) == 5);
  CHECK(BatchId{7, 0, greatest, 1}.last_sequence() == greatest);
  CHECK(BatchId{7, 0, greatest, 2}.last_sequence() == 0);
  CHECK(BatchId{7, 0, greatest - 1, 5}.last_sequence() == 2);
}

TEST_CASE("producers: the last five batches of an epoch are kept", "[cut]") {
  ProducerTails tails;
  for (int i = 0; i < 7; ++i) note_batch(tails, 7, 1, {i, i, i});
  REQUIRE(tails[7].last.size() == batches_kept);
  CHECK(tails[7].last.front() == ProducerTail::Batch{2, 2, 2});
  CHECK(tails[7].last.back() == ProducerTail::Batch{6, 6, 6});
  note_batch(tails, 7, 2, {0, 3, 7});
  CHECK(tails[7] == ProducerTail{2, {{0, 3, 7}}});
  CHECK(tails.size() == 1);
}

TEST_CASE("producers: what makes an unclear batch clear", "[cut]") {
  const BatchId of_seven{7, 3, 21, 5}, nameless{-1, -1, -1, 3};
  constexpr std::int64_t wait = 30'000;
  const struct {
    const char* why;
    Unclear unclear;
    std::int32_t epoch;
    ProducerTails tails;  // of new: 7 is 1007 there
    bool clear;
  } rows[] = {
      {"nothing has happened", {of_seven, {}, 5, 0, ""}, 5, {}, false},
      {"time alone does not do, with an id", {of_seven, {}, 5, now - 9 * wait, ""}, 5, {}, false},
      {"another leader epoch", {of_seven, {}, 5, now, ""}, 6, {}, true},
      {"a leader epoch of before", {of_seven, {}, 5, now, ""}, 4, {}, false},
      {"a leader that is changing", {of_seven, {}, 5, now, ""}, -1, {}, false},
      {"its epoch was not known", {of_seven, {}, -1, now, ""}, 6, {}, false},
      {"it stands in the log", {of_seven, {}, 5, now, ""}, 5, {{1007, {3, {{21, 25, 9}}}}}, true},
      {"one behind it does", {of_seven, {}, 5, now, ""}, 5, {{1007, {3, {{26, 26, 9}}}}}, true},
      {"one before it", {of_seven, {}, 5, now, ""}, 5, {{1007, {3, {{16, 20, 9}}}}}, false},
      {"a part of it", {of_seven, {}, 5, now, ""}, 5, {{1007, {3, {{21, 24, 9}}}}}, false},
      {"by a stranger's id", {of_seven, {}, 5, now, ""}, 5, {{7, {3, {{21, 25, 9}}}}}, false},
      {"in a higher epoch", {of_seven, {}, 5, now, ""}, 5, {{1007, {4, {{0, 0, 9}}}}}, true},
      {"in a lower epoch", {of_seven, {}, 5, now, ""}, 5, {{1007, {2, {{21, 25, 9}}}}}, false},
      {"no batch is known", {of_seven, {}, 5, now, ""}, 5, {{1007, {3, {}}}}, false},
      {"no id, just now", {nameless, {}, 5, now - wait + 1, ""}, 5, {}, false},
      {"no id, long enough ago", {nameless, {}, 5, now - wait, ""}, 5, {}, true},
      {"no id, another leader epoch", {nameless, {}, 5, now, ""}, 6, {}, true},
      {"behind the wrap",
       {{7, 3, greatest, 2}, {}, 5, now, ""},
       5,
       {{1007, {3, {{1, 1, 9}}}}},
       true},
      {"before it",
       {{7, 3, greatest, 2}, {}, 5, now, ""},
       5,
       {{1007, {3, {{greatest - 1, greatest - 1, 9}}}}},
       false},
  };
  for (const auto& row : rows) {
    INFO(row.why);
    Behind w;
    w.part().unclear = {row.unclear};
    clear_unclear(w.state, w.part(), row.epoch, &row.tails, now, wait);
    CHECK(w.part().unclear.empty() == row.clear);
  }
  // One of two; and nothing was read.
  Behind w;
  const BatchId next{7, 3, 26, 5};
  w.part().unclear = {{of_seven, {}, 5, now, ""}, {next, {}, 5, now, ""}};
  clear_unclear(w.state, w.part(), 5, nullptr, now, wait);
  CHECK(w.part().unclear.size() == 2);
  const ProducerTails tails{{1007, {3, {{21, 25, 9}}}}};
  clear_unclear(w.state, w.part(), 5, &tails, now, wait);
  REQUIRE(w.part().unclear.size() == 1);
  CHECK(w.part().unclear[0].batch == next);
}
