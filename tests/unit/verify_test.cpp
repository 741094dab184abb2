// What `verify` makes of the clusters' words, and how it reads the batches beside a seam.
#include <catch2/catch.hpp>
#include <functional>

#include "proxy/splice/proof.h"
#include "tests/unit/record_sets.h"

using namespace shunt;
using namespace shunt::splice;

namespace {

using Kind = EdgeReading::Kind;
using record_sets::Buffer;
constexpr auto old_cluster = Cluster::old_cluster, new_cluster = Cluster::new_cluster;
constexpr std::int16_t control = 0x20;

// A broker's log: answers a Fetch with whole batches from the one that holds the offset on.
struct Log {
  struct Batch {
    std::int64_t base, last;
    Buffer bytes;
  };
  std::vector<Batch> batches;
  record_sets::Random random{1};
  int fetches = 0;

  Log& add(std::int64_t base, int records, std::int16_t attributes = 0, std::int64_t producer = 7) {
    batches.push_back({base, base + records - 1,
                       record_sets::batch(random, base, records, 0, producer, 20, attributes)});
    return *this;
  }
  Buffer from(std::int64_t offset, bool one) const {
    Buffer out;
    for (const auto& b : batches) {
      if (b.last < offset) continue;
      record_sets::append(out, b.bytes);
      if (one) break;
    }
    if (!one) record_sets::append(out, {std::byte{0}, std::byte{0}});  // a partial one
    return out;
  }
  std::uint32_t crc(std::int64_t base) const {
    for (const auto& b : batches) {
      if (b.base == base) return wire::crc32c(0, b.bytes);
    }
    return 0;
  }
  EdgeReading read(Kind kind, std::int64_t start, std::int64_t end, std::int64_t log_start = 0) {
    EdgeReading r(kind, start, end);
    for (fetches = 0; r.wanted(); ++fetches) {
      REQUIRE(fetches < 1000);
      r.take(from(*r.wanted(), r.one_batch()), log_start);
    }
    return r;
  }
};

LogSaid log_said(std::int64_t start, std::int64_t end) {
  LogSaid out;
  out.log_start = start;
  out.log_end = end;
  return out;
}

// old [0, 100), new [10, ...): log ends and batches as they should be.
PartitionSaid moved() {
  PartitionSaid p;
  p.topic = "orders";
  p.partition = 3;
  REQUIRE(p.log.append(100, 0, new_cluster, 10, 1) == nullptr);
  p.shown_end = 120;
  p.clusters[0] = log_said(40, 100);
  p.clusters[1] = log_said(0, 30);
  p.edges.resize(2);
  p.edges[0].last = EdgeBatch{95, 99, 0xaaaa};
  p.edges[1].first = EdgeBatch{10, 12, 0xbbbb};
  return p;
}

GroupSaid billing() {
  return {"billing", "orders", 3, {110}, {100, 20}, {100, 20}, {100, 20}, false};
}

}  // namespace

TEST_CASE("verify: the batches at a seam, found by few fetches") {
  Log log;
  for (int i = 0; i < 20; ++i) log.add(i * 5, 5);
  const auto first = log.read(Kind::first, 50, 100);
  CHECK(first.found() == EdgeBatch{50, 54, log.crc(50)});
  CHECK(log.fetches == 1);
  const auto last = log.read(Kind::last, 0, 100);
  CHECK(last.found() == EdgeBatch{95, 99, log.crc(95)});
  CHECK(log.fetches == 1);
  CHECK(last.complete());
  const auto inner = log.read(Kind::last, 0, 50);
  CHECK(inner.found() == EdgeBatch{45, 49, log.crc(45)});
}

TEST_CASE("verify: batches around holes, markers, what is gone and what lies behind") {
  Log log;
  log.add(0, 5).add(10, 5).add(20, 1, control).add(21, 1, control).add(60, 5);
  CHECK(log.read(Kind::last, 0, 60).found() == EdgeBatch{10, 14, log.crc(10)});
  CHECK(log.read(Kind::last, 15, 60).found() == std::nullopt);
  CHECK(log.read(Kind::last, 15, 60).complete());
  CHECK(log.read(Kind::first, 5, 60).found() == EdgeBatch{10, 14, log.crc(10)});
  CHECK(log.read(Kind::first, 20, 60).found() == std::nullopt);
  CHECK(log.read(Kind::first, 70, 90).found() == std::nullopt);  // not written yet
  CHECK(log.read(Kind::first, 0, 60, 10).found() == EdgeBatch{10, 14, log.crc(10)});
  CHECK(log.read(Kind::last, 0, 5, 5).found() == std::nullopt);  // retention has eaten it
  CHECK_FALSE(EdgeReading(Kind::last, 5, 5).wanted());
  EdgeReading failed(Kind::first, 0, 5);
  failed.fail();
  CHECK_FALSE(failed.wanted());
  CHECK_FALSE(failed.complete());
}

TEST_CASE("verify: what lies behind a closed end is gone through") {
  Log log;
  log.add(0, 10).add(10, 3, 0, 41).add(13, 1, control, 41).add(14, 6, 0, 42).add(20, 2, 0, -1);
  const auto all = log.read(Kind::all, 10, Segment::open_end);
  CHECK(all.control() == 1);
  CHECK(all.producers() == std::set<std::int64_t>{41, 42});
  CHECK(all.complete());
}

TEST_CASE("verify: a damaged batch is seen, and every prefix of one ends the reading") {
  Log log;
  log.add(0, 5);
  log.batches[0].bytes.back() ^= std::byte{1};
  CHECK_FALSE(log.read(Kind::first, 0, 5).found()->intact);
  log.batches[0].bytes.back() ^= std::byte{1};
  for (std::size_t n = 0; n < log.batches[0].bytes.size(); ++n) {
    EdgeReading r(Kind::last, 0, 5);
    for (int i = 0; r.wanted() && i < 20; ++i)
      r.take(wire::Bytes(log.batches[0].bytes).first(n), -1);
    CHECK_FALSE(r.found());
    CHECK_FALSE(r.wanted());
  }
}

TEST_CASE("verify: what is as it should be has no problem") {
  const auto proof = judge(moved());
  CHECK(proof.problems.empty());
  CHECK(proof.stragglers == 0);
  REQUIRE(proof.segments.size() == 2);
  CHECK(proof.segments[0].native_end == 100);
  CHECK(proof.segments[0].records == 60);  // retention has eaten 40
  CHECK(proof.segments[0].crc32c == 0xaaaaU);
  CHECK(proof.segments[1].native_end == 30);
  CHECK(proof.segments[1].records == 20);
  REQUIRE(proof.seams.size() == 1);
  CHECK(proof.seams[0].at == 100);
  CHECK(proof.seams[0].old_end == 100);
  CHECK(proof.seams[0].new_start == 10);
  CHECK(proof.seams[0].last_before == 99);
  CHECK(proof.seams[0].first_after == 100);
}

TEST_CASE("verify: back on old, seams name both clusters' numbers") {
  auto said = moved();
  REQUIRE(said.log.append(30, 0, old_cluster, 100, 2) == nullptr);
  said.clusters[0].log_end = 105;
  said.edges.resize(3);
  said.edges[1].last = EdgeBatch{28, 29, 0xcccc};
  const auto proof = judge(said);
  CHECK(proof.problems.empty());
  CHECK(proof.seams[1].at == 120);
  CHECK(proof.seams[1].old_end == 100);
  CHECK(proof.seams[1].new_start == 30);
  CHECK(proof.seams[1].last_before == 119);
  CHECK(proof.seams[1].first_after == -1);
  CHECK(proof.segments[1].crc32c.has_value());
  CHECK(proof.segments[1].crc32c != 0xbbbbU);
  CHECK_FALSE(proof.segments[2].crc32c);
  CHECK(proof.segments[2].native_end == 105);
}

TEST_CASE("verify: before the first cut new has no part") {
  PartitionSaid p;
  p.shown_end = 5;
  p.clusters[0] = log_said(0, 5);
  p.clusters[1].error = "the cluster cannot be reached";
  p.edges.resize(1);
  const auto proof = judge(p);
  CHECK(proof.problems.empty());
  CHECK(proof.seams.empty());
  CHECK(proof.segments[0].records == 5);
}

TEST_CASE("verify: every problem of a partition, in a sentence") {
  struct Row {
    const char* name;
    std::function<void(PartitionSaid&)> change;
    std::string problem;
    std::int64_t stragglers = 0;
  };
  const Row rows[] = {
      {"unreachable", [](auto& p) { p.clusters[0].error = "it has no leader"; },
       "old could not be read: it has no leader"},
      {"bypassed",
       [](auto& p) {
         p.clusters[0].log_end = 104;
         p.clusters[0].producers = {41, 42};
       },
       "4 records behind the end of old's part (100; its log ends at 104): a producer goes past "
       "Shunt; producer ids there: 41, 42",
       4},
      {"bypassed, a marker among them",
       [](auto& p) {
         p.clusters[0].log_end = 102;
         p.clusters[0].control = 1;
       },
       "1 record behind the end of old's part (100; its log ends at 102): a producer goes past "
       "Shunt",
       1},
      {"bypassed, not all could be read",
       [](auto& p) {
         p.clusters[0].log_end = 9100;
         p.clusters[0].counted = false;
       },
       "9000 records or fewer behind the end of old's part (100; its log ends at 9100): a producer "
       "goes past Shunt",
       9000},
      {"only a marker",
       [](auto& p) {
         p.clusters[0].log_end = 101;
         p.clusters[0].control = 1;
       },
       ""},
      {"swept in before", [](auto& p) { p.swept = 5; }, "", 5},
      {"lost before the seam", [](auto& p) { p.clusters[0].log_end = 97; },
       "old's log ends at 97, its part of this log at 100: 3 records lost there"},
      {"lost: the open segment's cluster ends before it begins",
       [](auto& p) { p.clusters[1].log_end = 9; },
       "new's log ends at 9, its part of this log at 10: 1 record lost there"},
      {"lost: shown before", [](auto& p) { p.clusters[1].log_end = 28; },
       "new's log ends at virtual 118, clients have been shown it up to 120: 2 records lost there"},
      {"damaged", [](auto& p) { p.edges[0].last->intact = false; },
       "the batch at 95 to 99 on old does not fit its own checksum: the cluster has damaged it"},
      {"across the end", [](auto& p) { p.edges[0].last->last = 101; },
       "the batch at 95 to 101 on old lies across a seam: it is not of one segment"},
      {"across the start", [](auto& p) { p.edges[1].first->first = 8; },
       "the batch at 8 to 12 on new lies across a seam: it is not of one segment"},
      {"not read in time", [](auto& p) { p.clusters[1].unread = true; },
       "the batches at a seam could not be read from new"},
  };
  for (const auto& row : rows) {
    INFO(row.name);
    auto said = moved();
    row.change(said);
    const auto proof = judge(said);
    CHECK(proof.problems == (row.problem.empty() ? std::vector<std::string>{}
                                                 : std::vector<std::string>{row.problem}));
    CHECK(proof.stragglers == row.stragglers);
  }
}

TEST_CASE("verify: a cluster that does not answer leaves its numbers unknown") {
  auto said = moved();
  said.clusters[1].error = "no answer";
  said.edges[1] = {};
  const auto proof = judge(said);
  CHECK(proof.segments[1].native_end == -1);
  CHECK(proof.segments[1].records == -1);
  CHECK(proof.seams[0].first_after == -1);
  CHECK(proof.segments[0].records == 60);
}

TEST_CASE("verify: a topic that has changed under its migration") {
  TopicSaid t{"orders", new_cluster, "", {std::byte{1}}, {std::byte{1}}, 8, 8};
  CHECK(problems_of(t).empty());
  t.id = {std::byte{2}};
  REQUIRE(problems_of(t).size() == 1);
  CHECK(problems_of(t)[0].starts_with("topic orders on new: its topic id has changed"));
  t.id = {};  // the cluster has none
  t.partitions = 12;
  CHECK(problems_of(t) ==
        std::vector<std::string>{"topic orders on new: it has 12 partitions, the migration 8"});
  t.error = "the cluster does not have it any more";
  CHECK(problems_of(t) ==
        std::vector<std::string>{"topic orders on new: the cluster does not have it any more"});
}

TEST_CASE("verify: a group's position against what the clusters have") {
  struct Row {
    const char* name;
    std::function<void(GroupSaid&)> change;
    bool ok;
    std::string problem;
  };
  const std::string where = "group billing, orders-3: ";
  const Row rows[] = {
      {"both", [](auto&) {}, true, ""},
      {"old differs", [](auto& g) { g.committed[0] = 90; }, false,
       where + "old has 90 committed, its position 110 is 100 there"},
      {"new has lost it", [](auto& g) { g.committed[1] = -1; }, false,
       where + "new has nothing committed, its position 110 is 20 there"},
      {"both differ", [](auto& g) { g.committed[0] = g.committed[1] = 0; }, false,
       where + "old has 0 committed, its position 110 is 100 there; new has 0 committed, its "
               "position 110 is 20 there"},
      {"a copy is under way",
       [](auto& g) {
         g.committed[1] = 15;
         g.copying = true;
       },
       true, ""},
      {"that says nothing of old",
       [](auto& g) {
         g.committed[0] = 90;
         g.copying = true;
       },
       false, where + "old has 90 committed, its position 110 is 100 there"},
      {"it moved while they were asked",
       [](auto& g) {
         g.when_asked = {95, 10};
         g.committed[0] = 97;
         g.committed[1] = 10;
       },
       true, ""},
      {"no answer", [](auto& g) { g.committed[1] = std::nullopt; }, false, ""},
  };
  for (const auto& row : rows) {
    INFO(row.name);
    auto said = billing();
    row.change(said);
    std::string problem;
    const auto proof = judge(said, problem);
    CHECK(proof.ok == row.ok);
    CHECK(problem == row.problem);
    CHECK(proof.position == 110);
    CHECK(proof.old_committed == said.committed[0].value_or(-1));
    CHECK(proof.new_committed == said.committed[1].value_or(-1));
  }
}
