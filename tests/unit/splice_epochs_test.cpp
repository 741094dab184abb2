// OffsetForLeaderEpoch over a virtual log: never -1, never an end below what a client has read.
#include "proxy/splice/offsets.h"

#include "tests/unit/spliced.h"

using namespace spliced;

namespace {

constexpr wire::ApiKey epoch_api = 23;

Value request(const char* topic, std::vector<std::pair<int, int>> epochs) {
  Array partitions;
  for (const auto& [partition, epoch] : epochs) {
    partitions.push_back(
        Struct{{"Partition", partition}, {"CurrentLeaderEpoch", 7}, {"LeaderEpoch", epoch}});
  }
  return Struct{{"ReplicaId", -1},
                {"Topics", Array{Struct{{"Topic", topic}, {"Partitions", partitions}}}}};
}

Value told(int epoch, std::int64_t end, int error = 0) {
  return Struct{{"ErrorCode", error}, {"LeaderEpoch", epoch}, {"EndOffset", end}};
}

// A leader whose epochs end where this says; an epoch without records ends as the one below it, and
// one above the last is not known.
struct Leader {
  std::vector<std::pair<int, std::int64_t>> ends;
  Value answer(std::int64_t asked) const {
    if (ends.empty() || asked > ends.back().first) return told(-1, -1);
    Value out = told(static_cast<int>(asked), 0);
    for (const auto& [epoch, end] : ends) {
      if (epoch <= asked) out = told(epoch, end);
    }
    return out;
  }
};

Run ask(World& w, int epoch, const Leader& of_old, const Leader& of_new, int version = 4) {
  const auto task = splice::leader_epochs(w.state, w.view(), static_cast<wire::Version>(version),
                                          request("moved", {{0, epoch}}));
  return run(*task, epoch_api, version, [&](const Question& q) {
    CHECK(q.entry["CurrentLeaderEpoch"].number() == -1);
    return (q.to.cluster == old_one ? of_old : of_new).answer(q.entry["LeaderEpoch"].number());
  });
}

}  // namespace

TEST_CASE("epochs: where each ends, in every version", "[splice]") {
  struct Row {
    const char* why;
    int epoch;
    std::int64_t epoch_shown, end;
    int rounds;
  };
  // Old [0, 100) up to epoch 7; new from native 5 on, its epochs 0 .. 3 shown as 8 .. 11.
  const Leader of_new{{{0, 3}, {1, 15}, {3, 40}}};
  const Row rows[] = {
      {"of the closed segment", 4, 4, 100, 0},
      {"its last", 7, 7, 100, 0},
      {"below everything", -1, 0, 100, 0},
      {"the tail's, before its start", 8, 8, 100, 1},
      {"the tail's", 9, 9, 110, 1},
      {"one without records", 10, 9, 110, 1},
      {"the tail's last", 11, 11, 135, 1},
  };
  for (int v = 2; v <= 4; ++v) {
    for (const Row& row : rows) {
      INFO("v" << v << ": " << row.why);
      World w;
      w.cut("moved", new_one, 100, 5, 7);
      const auto got = ask(w, row.epoch, {}, of_new, v);
      CHECK(got.entry("moved", 0)["ErrorCode"].number() == 0);
      CHECK(got.entry("moved", 0)["LeaderEpoch"].number() == row.epoch_shown);
      CHECK(got.entry("moved", 0)["EndOffset"].number() == row.end);
      CHECK(got.rounds == row.rounds);
    }
  }
}

TEST_CASE("epochs: one that no leader knows is the tail's, never -1", "[splice]") {
  World w;
  w.cut("moved", new_one, 100, 5, 7);
  SECTION("the leader's own is known") {
    const auto got = ask(w, 20, {}, {{{0, 3}, {2, 40}}});
    CHECK(got.rounds == 2);
    CHECK(got.entry("moved", 0)["LeaderEpoch"].number() == 8 + 2);
    CHECK(got.entry("moved", 0)["EndOffset"].number() == 135);
  }
  SECTION("the leader has none at all") {
    w.log("moved").show({133});
    const auto got = ask(w, 20, {}, {});
    CHECK(got.entry("moved", 0)["LeaderEpoch"].number() == 8 + 2);
    CHECK(got.entry("moved", 0)["EndOffset"].number() == 133);
    const auto low = ask(w, 8, {}, {});
    CHECK(low.entry("moved", 0)["EndOffset"].number() == 133);
  }
}

TEST_CASE("epochs: over several cuts and a sweep", "[splice]") {
  World w;
  w.cut("moved", new_one, 100, 5, 7);    // new's 0.. are 8..
  w.cut("moved", old_one, 55, 100, 12);  // virtual 150; old's 0.. are 13..
  const Leader of_old{{{7, 120}, {8, 160}}};
  struct Row {
    int epoch;
    std::int64_t epoch_shown, end;
  };
  for (const Row& row : {Row{3, 3, 100}, Row{9, 9, 150}, Row{12, 12, 150}, Row{13 + 3, 12, 150},
                         Row{13 + 7, 13 + 7, 170}, Row{13 + 8, 13 + 8, 210}}) {
    INFO(row.epoch);
    const auto got =
        ask(w, row.epoch, row.epoch == 13 + 3 ? Leader{{{2, 90}, {7, 120}}} : of_old, {});
    CHECK(got.entry("moved", 0)["LeaderEpoch"].number() == row.epoch_shown);
    CHECK(got.entry("moved", 0)["EndOffset"].number() == row.end);
  }
  // New had five stragglers: old's tail is closed at native 140, they follow, then old goes on.
  w.must(splice::Swept{"moved", 0, 140, new_one, 60, 5, 0, 13 + 8});
  const auto& s = w.log("moved").log.segments();
  REQUIRE(s.size() == 5);
  CHECK(s[3].shown_epoch(0) == 13 + 8);  // they never fall
  CHECK(s[2].shown_epoch(8) == 13 + 8);
  CHECK(s[4].shown_epoch(8) == 13 + 8);
  CHECK(w.log("moved").high_watermark.at == 195);
  for (const Row& row : {Row{13 + 7, 13 + 7, 170}, Row{13 + 8, 13 + 8, 215}}) {
    const auto got = ask(w, row.epoch, of_old, {});
    CHECK(got.entry("moved", 0)["LeaderEpoch"].number() == row.epoch_shown);
    CHECK(got.entry("moved", 0)["EndOffset"].number() == row.end);
  }
}

TEST_CASE("epochs: what was swept in before the tail has any record ends behind it", "[splice]") {
  World w;
  w.cut("moved", new_one, 100, 5, 7);
  w.must(splice::Swept{"moved", 0, 5, old_one, 103, 3, 0, 8 + 3});
  const Leader no_record_of_ours{{{0, 3}, {2, 5}}};
  for (const int epoch : {8 + 3, 8 + 5}) {
    INFO(epoch);
    const auto got = ask(w, epoch, {}, no_record_of_ours);
    CHECK(got.entry("moved", 0)["LeaderEpoch"].number() == 8 + 3);
    CHECK(got.entry("moved", 0)["EndOffset"].number() == 103);
  }
  const auto before = ask(w, 8 + 2, {}, no_record_of_ours);
  CHECK(before.entry("moved", 0)["EndOffset"].number() == 100);
}

TEST_CASE("epochs: a cut's candidate end clips, errors pass, links die", "[splice]") {
  World w;
  w.cut("moved", new_one, 100, 5, 7);
  w.log("moved").candidate_end = 30;
  CHECK(ask(w, 11, {}, {{{3, 40}}}).entry("moved", 0)["EndOffset"].number() == 125);
  w.log("moved").candidate_end.reset();
  const auto once = [&](const Value& body, const Broker& b,
                        std::optional<route::NodeKey> dead = std::nullopt) {
    const auto task = splice::leader_epochs(w.state, w.view(), 4, body);
    return run(*task, epoch_api, 4, b, dead);
  };
  const auto refused =
      once(request("moved", {{0, 9}}), [](const Question&) { return told(-1, -1, 6); });
  CHECK(refused.entry("moved", 0)["ErrorCode"].number() == 6);
  const auto dead = once(
      request("moved", {{0, 9}, {1, 9}}), [](const Question&) { return told(1, 15); },
      route::NodeKey{new_one, route::NativeNodeId{3}});
  CHECK(dead.entry("moved", 0)["ErrorCode"].number() == 6);
  CHECK(dead.entry("moved", 1)["EndOffset"].number() == 110);
}

TEST_CASE("epochs: before the first cut all passes unchanged, clipped from S4 on", "[splice]") {
  for (const char* topic : {"moved", "other"}) {
    World w;
    const auto once = [&] {
      const auto task = splice::leader_epochs(w.state, w.view(), 4, request(topic, {{1, 5}}));
      const auto got = run(*task, epoch_api, 4, [](const Question&) { return told(-1, -1); });
      REQUIRE(got.asked.size() == 1);
      CHECK(got.asked[0].to == route::NodeKey{old_one, route::NativeNodeId{2}});
      CHECK(got.asked[0].entry["LeaderEpoch"].number() == 5);
      CHECK(got.asked[0].entry["CurrentLeaderEpoch"].number() == 7);
      return got.entry(topic, 1);
    };
    CHECK(once()["EndOffset"].number() == -1);  // as old says it
    CHECK(once()["LeaderEpoch"].number() == -1);
  }
  World w;
  w.log("moved", 1).candidate_end = 80;
  const auto task = splice::leader_epochs(w.state, w.view(), 4, request("moved", {{1, 5}}));
  CHECK(run(*task, epoch_api, 4, [](const Question&) { return told(5, 90); })
            .entry("moved", 1)["EndOffset"]
            .number() == 80);
}
