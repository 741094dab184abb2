// ListOffsets over a virtual log: who is asked, which answer counts, what is never shown.
#include "proxy/splice/offsets.h"

#include "tests/unit/spliced.h"

using namespace spliced;

namespace {

constexpr wire::ApiKey list_api = 2;
constexpr std::int64_t latest = -1, earliest = -2, max_time = -3;

struct Want {
  const char* topic;
  int partition;
  std::int64_t timestamp;
};

Value request(std::vector<Want> wanted, int isolation = 0) {
  Array topics;
  for (const Want& w : wanted) {  // each its own topic entry: order and repeats are kept
    topics.push_back(Struct{{"Name", w.topic},
                            {"Partitions", Array{Struct{{"PartitionIndex", w.partition},
                                                        {"CurrentLeaderEpoch", 7},
                                                        {"Timestamp", w.timestamp}}}}});
  }
  return Struct{{"ReplicaId", -1}, {"IsolationLevel", isolation}, {"Topics", std::move(topics)}};
}

Value told(std::int64_t offset, std::int64_t timestamp = -1, int epoch = 2, int error = 0) {
  return Struct{
      {"ErrorCode", error}, {"Timestamp", timestamp}, {"Offset", offset}, {"LeaderEpoch", epoch}};
}

Run list(World& w, const Value& body, const Broker& broker, int version = 11,
         std::optional<route::NodeKey> dead = std::nullopt) {
  const auto task =
      splice::list_offsets(w.state, w.view(), static_cast<wire::Version>(version), body);
  return run(*task, list_api, version, broker, dead);
}

// Both clusters' answers, whatever the partition.
Broker both(Value of_old, Value of_new) {
  return [=](const Question& q) { return q.to.cluster == old_one ? of_old : of_new; };
}

// "moved": old [0, 100), new from native 5 on, virtual 100; epochs of new from 8 on.
World cut_once() {
  World w;
  w.cut("moved", new_one, 100, 5, 7);
  return w;
}
// And back: new [5, 55) is virtual [100, 150), old from native 100 on, virtual 150.
World cut_twice() {
  World w = cut_once();
  w.cut("moved", old_one, 55, 100, 12);
  return w;
}

}  // namespace

TEST_CASE("ListOffsets: the end is the tail's, in every version", "[splice]") {
  for (int v = 1; v <= 11; ++v) {
    INFO("v" << v);
    World w = cut_once();
    const auto got = list(w, request({{"moved", 1, latest}}), both(told(103), told(25)), v);
    const Value p = got.entry("moved", 1);
    CHECK(p["ErrorCode"].number() == 0);
    CHECK(p["Offset"].number() == 120);
    CHECK(p["Timestamp"].number() == -1);
    if (v >= 4) CHECK(p["LeaderEpoch"].number() == 8 + 2);
    REQUIRE(got.asked.size() == 1);
    CHECK(got.asked[0].to == route::NodeKey{new_one, route::NativeNodeId{4}});
    if (v >= 4) CHECK(got.asked[0].entry["CurrentLeaderEpoch"].number() == -1);
    CHECK(w.log("moved", 1).high_watermark.at == 120);
    CHECK(w.log("moved", 1).shown_end.at == 120);
  }
}

TEST_CASE("ListOffsets: the end never falls, and a cut's candidate clips it", "[splice]") {
  World w = cut_once();
  const auto end = [&](std::int64_t native, int isolation = 0) {
    return list(w, request({{"moved", 0, latest}}, isolation), both({}, told(native)))
        .entry("moved", 0)["Offset"]
        .number();
  };
  CHECK(end(0) == 100);  // below the segment: the seam
  CHECK(end(25) == 120);
  CHECK(end(20) == 120);
  CHECK(end(15, 1) == 110);  // the last stable offset is another number ...
  CHECK(w.log("moved").last_stable.at == 110);
  CHECK(end(10, 1) == 110);  // ... and does not fall either
  w.log("moved").candidate_end = 30;
  CHECK(end(40) == 125);
  w.log("moved").candidate_end.reset();
  CHECK(end(40) == 135);
}

TEST_CASE("ListOffsets: the start is the first record that is left", "[splice]") {
  struct Row {
    const char* why;
    std::int64_t old_start, new_start, shown;
    int epoch;
    std::size_t questions;
  };
  const Row once[] = {
      {"all is there", 0, 0, 0, 2, 1},
      {"old in part", 40, 0, 40, 2, 1},
      {"old is gone, new has foreign records before", 100, 0, 100, -1, 2},
      {"old is gone past its end", 120, 5, 100, 8 + 2, 2},
      {"both in part", 100, 15, 110, 8 + 2, 2},
  };
  for (const Row& row : once) {
    INFO(row.why);
    World w = cut_once();
    const auto got =
        list(w, request({{"moved", 0, earliest}}), both(told(row.old_start), told(row.new_start)));
    CHECK(got.entry("moved", 0)["Offset"].number() == row.shown);
    CHECK(got.entry("moved", 0)["LeaderEpoch"].number() == row.epoch);
    CHECK(got.asked.size() == row.questions);
    CHECK(w.log("moved").log_start.at == row.shown);
  }
  const Row twice[] = {
      {"all is there", 0, 5, 0, 2, 1},
      {"the first is gone", 100, 5, 100, 8 + 2, 2},
      {"the first two are gone", 100, 55, 150, 13 + 2, 2},
      {"the last in part", 130, 55, 180, 13 + 2, 2},
  };
  for (const Row& row : twice) {
    INFO(row.why);
    World w = cut_twice();
    const auto got =
        list(w, request({{"moved", 0, earliest}}), both(told(row.old_start), told(row.new_start)));
    CHECK(got.entry("moved", 0)["Offset"].number() == row.shown);
    CHECK(got.entry("moved", 0)["LeaderEpoch"].number() == row.epoch);
    CHECK(got.asked.size() == row.questions);
  }
}

TEST_CASE("ListOffsets: empty segments are stepped over", "[splice]") {
  World w;
  w.cut("moved", new_one, 0, 5, -1);
  const auto got = list(w, request({{"moved", 0, earliest}}), both(told(0), told(7)));
  CHECK(got.entry("moved", 0)["Offset"].number() == 2);
  REQUIRE(got.asked.size() == 1);
  CHECK(got.asked[0].to.cluster == new_one);
}

TEST_CASE("ListOffsets: by time and the latest time", "[splice]") {
  struct Row {
    const char* why;
    std::int64_t wanted;
    std::int64_t old_offset, old_time, new_offset, new_time;
    std::int64_t shown, time;
    int epoch;
    std::int64_t shown_end;  // at least; -1: any
  };
  const Row rows[] = {
      {"both have it: the lower", 50, 40, 50, 10, 55, 40, 50, 2, -1},
      {"new alone", 50, -1, -1, 10, 55, 105, 55, 10, 106},
      {"nobody", 50, -1, -1, -1, -1, -1, -1, -1, -1},
      {"old's is past its end", 50, 100, 50, 10, 55, 105, 55, 10, 106},
      {"only past old's end", 50, 120, 50, -1, -1, -1, -1, -1, -1},
      {"before new's start: clamped", 50, -1, -1, 2, 50, 100, 50, -1, 100},
      {"the latest is on new", max_time, 40, 50, 10, 55, 105, 55, 10, 106},
      {"the latest is on old", max_time, 40, 90, 10, 55, 40, 90, 2, -1},
      {"the latest twice: the lower", max_time, 40, 50, 10, 50, 40, 50, 2, -1},
      {"the latest is no record of ours", max_time, 40, 50, 2, 90, 40, 50, 2, -1},
      {"the latest past old's end", max_time, 100, 90, 10, 50, 105, 50, 10, -1},
      {"nobody has any", max_time, -1, -1, -1, -1, -1, -1, -1, -1},
  };
  for (const Row& row : rows) {
    INFO(row.why);
    World w = cut_once();
    const auto got =
        list(w, request({{"moved", 0, row.wanted}}),
             both(told(row.old_offset, row.old_time), told(row.new_offset, row.new_time)));
    const Value p = got.entry("moved", 0);
    CHECK(p["ErrorCode"].number() == 0);
    CHECK(p["Offset"].number() == row.shown);
    CHECK(p["Timestamp"].number() == row.time);
    CHECK(p["LeaderEpoch"].number() == row.epoch);
    CHECK(got.asked.size() == 2);
    CHECK(got.rounds == 1);
    if (row.shown_end >= 0) CHECK(w.log("moved").shown_end.at == row.shown_end);
  }
}

TEST_CASE("ListOffsets: by time past a cut's candidate end there is nothing", "[splice]") {
  World w = cut_once();
  w.log("moved").candidate_end = 30;
  for (const auto wanted : {std::int64_t{50}, max_time}) {
    const auto got = list(w, request({{"moved", 0, wanted}}), both(told(-1), told(30, 55)));
    CHECK(got.entry("moved", 0)["Offset"].number() == -1);
  }
  CHECK(w.log("moved").shown_end.at == 100);
}

TEST_CASE("ListOffsets: timestamps of tiered storage, and those nobody knows", "[splice]") {
  struct Row {
    std::int64_t wanted;
    int version;
    bool one_cluster;
    std::int64_t error, shown;
  };
  const Row rows[] = {
      {-3, 6, false, 35, -1},  {-4, 11, false, 35, -1}, {-5, 11, false, 35, -1},
      {-6, 11, false, 35, -1}, {-7, 11, false, 35, -1}, {-7, 11, true, 35, -1},
      {-4, 11, true, 0, 15},   {-4, 7, true, 35, -1},   {-5, 9, true, 0, 15},
      {-5, 8, true, 35, -1},   {-6, 11, true, 0, 15},   {-6, 10, true, 35, -1},
  };
  for (const Row& row : rows) {
    INFO(row.wanted << " in v" << row.version << (row.one_cluster ? ", one cluster" : ""));
    World w;
    w.cut("moved", new_one, row.one_cluster ? 0 : 100, 5, 7);
    const auto got =
        list(w, request({{"moved", 0, row.wanted}}), both(told(20), told(20)), row.version);
    CHECK(got.entry("moved", 0)["ErrorCode"].number() == row.error);
    CHECK(got.entry("moved", 0)["Offset"].number() == row.shown);
    if (row.error != 0) CHECK(got.asked.empty());
  }
}

TEST_CASE("ListOffsets: other topics pass as they are, in the same request", "[splice]") {
  World w = cut_once();
  const Value odd =
      Struct{{"ErrorCode", 0}, {"Timestamp", 77}, {"Offset", 4711}, {"LeaderEpoch", 6}};
  const auto got = list(
      w, request({{"other", 1, latest}, {"moved", 0, latest}, {"other", 0, 50}, {"gone", 0, 1}}),
      [&](const Question& q) {
        if (q.topic == "gone") return told(-1, -1, -1, 3);
        return q.topic == "other" ? odd : told(25);
      });
  const auto topics = got.answer["Topics"].array();
  REQUIRE(topics.size() == 4);
  CHECK(topics[0]["Name"].text() == "other");
  CHECK(topics[1]["Name"].text() == "moved");
  CHECK(topics[0]["Partitions"].array()[0] == odd.fields().set("PartitionIndex", 1));
  CHECK(topics[2]["Partitions"].array()[0] == odd.fields().set("PartitionIndex", 0));
  CHECK(topics[1]["Partitions"].array()[0]["Offset"].number() == 120);
  CHECK(topics[3]["Partitions"].array()[0]["ErrorCode"].number() == 3);  // a broker's own word
  CHECK(got.answer["ThrottleTimeMs"].number() == 3);
  for (const Question& q : got.asked) {
    if (q.topic != "other") continue;
    CHECK(q.entry["CurrentLeaderEpoch"].number() == 7);  // the client's
    CHECK(q.to == route::NodeKey{old_one, route::NativeNodeId{1 + q.partition}});
  }
}

TEST_CASE("ListOffsets: before its first cut a partition passes, clipped from S4 on", "[splice]") {
  struct Row {
    const char* why;
    std::int64_t wanted, offset, candidate, shown;
  };
  const Row rows[] = {
      {"no cut", latest, 90, -1, 90},
      {"clipped", latest, 90, 80, 80},
      {"by time, before", 50, 70, 80, 70},
      {"by time, past it", 50, 80, 80, -1},
      {"the latest, past it", -3, 85, 80, -1},
      {"the start", earliest, 80, 80, 80},
      {"nothing", 50, -1, 80, -1},
  };
  for (const Row& row : rows) {
    INFO(row.why);
    World w;
    if (row.candidate >= 0) w.log("moved").candidate_end = row.candidate;
    const auto got =
        list(w, request({{"moved", 0, row.wanted}}), both(told(row.offset, 5, 6), told(1)));
    CHECK(got.entry("moved", 0)["Offset"].number() == row.shown);
    if (row.shown == row.offset && row.offset >= 0) {
      CHECK(got.entry("moved", 0)["LeaderEpoch"].number() == 6);
    }
    REQUIRE(got.asked.size() == 1);
    CHECK(got.asked[0].to.cluster == old_one);
    CHECK(got.asked[0].entry["CurrentLeaderEpoch"].number() == 7);
    CHECK(w.log("moved").shown_end.at <= std::max<std::int64_t>(row.shown + 1, 0));
  }
}

TEST_CASE("ListOffsets: a cut sealed while the question was out", "[splice]") {
  World w;
  const auto got = list(w, request({{"moved", 0, latest}}), [&](const Question&) {
    if (!w.state.topic("moved")->spliced()) w.cut("moved", new_one, 100, 5, 7);
    return told(103);  // a straggler is behind the seam already
  });
  CHECK(got.entry("moved", 0)["Offset"].number() == 100);
  const auto again = list(w, request({{"moved", 0, latest}}), [&](const Question& q) {
    if (q.to.cluster == new_one && w.log("moved").log.segments().size() == 2) {
      w.cut("moved", old_one, 55, 100, 12);
    }
    return told(q.to.cluster == old_one ? 110 : 60);
  });
  CHECK(again.entry("moved", 0)["Offset"].number() == 160);  // asked again, of the tail
}

TEST_CASE("ListOffsets: errors, missing entries, dead links, no leaders", "[splice]") {
  World w = cut_once();
  const auto code = [&](const Broker& b, std::int64_t wanted,
                        std::optional<route::NodeKey> dead = std::nullopt) {
    const auto got = list(w, request({{"moved", 0, wanted}, {"other", 0, latest}}), b, 11, dead);
    CHECK(got.entry("other", 0)["ErrorCode"].number() == (dead ? 0 : 0));
    CHECK(got.entry("moved", 0)["Offset"].number() == -1);
    return got.entry("moved", 0)["ErrorCode"].number();
  };
  const auto only_other = [](const Question& q) { return q.topic == "other" ? told(1) : Value(); };
  const auto refusing = [](int error, Cluster in) {
    return [=](const Question& q) {
      return q.topic != "other" && q.to.cluster == in ? told(-1, -1, -1, error) : told(1);
    };
  };
  const route::NodeKey on_new{new_one, route::NativeNodeId{3}};
  CHECK(code(refusing(78, new_one), latest) == 78);
  CHECK(code(refusing(6, new_one), 50) == 6);
  CHECK(code(refusing(56, old_one), 50) == 56);
  CHECK(code(refusing(29, old_one), earliest) == 29);
  CHECK(code(only_other, latest) == 6);
  CHECK(code(both(told(1), told(9)), latest, on_new) == 6);
  CHECK(code(both(told(1), told(9)), 50, on_new) == 6);
  w.topology(new_one, {"moved", "other"}, 2, -1, 3);
  CHECK(code(both(told(1), told(9)), latest) == 6);
  w.new_known = false;
  CHECK(code(both(told(1), told(9)), latest) == 6);
}
