// What clients are offered: intersections, what is known of an absent cluster, our own versions.
#include "proxy/route/versions.h"

#include <catch2/catch.hpp>
#include <limits>

using namespace shunt;
using namespace shunt::route;

namespace {

constexpr wire::ApiKey produce = 0, fetch = 1, metadata = 3, leader_and_isr = 4, api_versions = 18,
                       consumer_heartbeat = 68, telemetry = 71, push = 72, later_than_us = 120;

struct Range {
  int api, first, last;
};

wire::Value answer(const std::vector<Range>& ranges, int error = 0) {
  wire::Array apis;
  for (const auto& r : ranges) {
    apis.emplace_back(
        wire::Struct{{"ApiKey", r.api}, {"MinVersion", r.first}, {"MaxVersion", r.last}});
  }
  return wire::Struct{{"ErrorCode", error}, {"ApiKeys", std::move(apis)}};
}

NodeKey old_node(int id) { return {Cluster::old_cluster, NativeNodeId{id}}; }
NodeKey new_node(int id) { return {Cluster::new_cluster, NativeNodeId{id}}; }

void check_range(const ApiRanges& r, wire::ApiKey api, int first, int last) {
  INFO("api " << api << ": " << r.of(api).first << "-" << r.of(api).last);
  CHECK(r.of(api).first == first);
  CHECK(r.of(api).last == last);
}

// What 2.8.2 and 4.3.1 say (probes P8), some of it.
const std::vector<Range> kafka_2_8 = {{0, 0, 9}, {1, 0, 12}, {2, 0, 6},  {3, 0, 11}, {4, 0, 5},
                                      {8, 0, 8}, {9, 0, 7},  {10, 0, 3}, {11, 0, 7}, {18, 0, 3}};
const std::vector<Range> kafka_4_3 = {{0, 0, 13}, {1, 4, 18}, {2, 1, 11}, {3, 0, 13},
                                      {8, 2, 10}, {9, 1, 10}, {10, 0, 6}, {11, 0, 9},
                                      {18, 0, 4}, {68, 0, 1}, {71, 0, 0}, {72, 0, 0}};

}  // namespace

TEST_CASE("two clusters: what both serve and the table has", "[versions]") {
  Versions v;
  v.take(old_node(0), answer(kafka_2_8));
  v.take(new_node(0), answer(kafka_4_3));
  check_range(v.offered(), produce, 0, 9);  // never a higher minimum: librdkafka and compression
  check_range(v.offered(), fetch, 4, 12);
  check_range(v.offered(), 2, 1, 6);
  check_range(v.offered(), metadata, 0, 11);
  check_range(v.offered(), 8, 2, 8);
  check_range(v.offered(), 9, 1, 7);
  check_range(v.offered(), 10, 0, 3);
  check_range(v.offered(), 11, wire::request(11)->offered.first, 7);
  CHECK(v.offered().of(leader_and_isr).empty());
  CHECK(v.offered().of(consumer_heartbeat).empty());
  CHECK(v.offered().of(telemetry).empty());
  CHECK(v.offered().of(push).empty());
}

TEST_CASE("only old is known: old as the table has it", "[versions]") {
  Versions v;
  CHECK(v.offered().of(metadata).empty());
  CHECK(v.take(old_node(0), answer({{3, 0, 11}, {4, 0, 5}, {68, 0, 1}, {120, 0, 3}})));
  check_range(v.offered(), metadata, 0, 11);
  check_range(v.offered(), consumer_heartbeat, 0, 1);  // C12: applications may be using it
  CHECK(v.offered().of(leader_and_isr).empty());       // broker to broker
  CHECK(v.offered().of(later_than_us).empty());        // not in our table: cannot be translated
}

TEST_CASE("a cap of the table holds", "[versions]") {
  Versions v;
  v.take(old_node(0), answer({{1, 0, 99}, {3, 0, 99}}));
  check_range(v.offered(), fetch, 4, wire::request(fetch)->offered.last);
  check_range(v.offered(), metadata, 0, wire::request(metadata)->offered.last);
}

TEST_CASE("ApiVersions is ours whatever brokers speak", "[versions]") {
  const auto& table = *wire::request(api_versions);
  Versions v;
  check_range(v.offered(), api_versions, table.offered.first, table.offered.last);
  v.take(old_node(0), answer({{3, 0, 1}, {18, 0, 0}}));
  check_range(v.offered(), api_versions, table.offered.first, table.offered.last);
}

TEST_CASE("telemetry only if both have it", "[versions]") {
  struct Row {
    bool in_old, in_new;
  };
  for (const auto& row : {Row{false, true}, Row{true, false}, Row{true, true}}) {
    Versions v;
    const auto with = answer({{3, 0, 12}, {71, 0, 0}, {72, 0, 0}}), without = answer({{3, 0, 12}});
    v.take(old_node(0), row.in_old ? with : without);
    v.take(new_node(0), row.in_new ? with : without);
    CHECK(!v.offered().of(telemetry).empty() == (row.in_old && row.in_new));
    CHECK(!v.offered().of(push).empty() == (row.in_old && row.in_new));
  }
}

TEST_CASE("in the midst of a rolling upgrade: what all brokers serve", "[versions]") {
  Versions v;
  CHECK(v.take(old_node(1), answer({{3, 0, 12}})));
  CHECK(v.take(old_node(2), answer({{3, 0, 9}, {1, 0, 11}})));
  check_range(v.offered(), metadata, 0, 9);
  CHECK(v.offered().of(fetch).empty());
  CHECK_FALSE(v.take(old_node(3), answer({{3, 0, 10}})));  // changes nothing that is offered
  CHECK(v.take(old_node(2), answer({{3, 0, 12}})));        // upgraded: replaces its former answer
  check_range(v.offered(), metadata, 0, 10);
  v.remove(old_node(3));
  check_range(v.offered(), metadata, 0, 12);
}

TEST_CASE("ranges that do not meet are not offered", "[versions]") {
  Versions v;
  v.take(old_node(0), answer({{1, 4, 6}, {3, 0, 12}}));
  v.take(new_node(0), answer({{1, 7, 12}, {3, 0, 12}}));
  CHECK(v.offered().of(fetch).empty());
  check_range(v.offered(), metadata, 0, 12);
}

TEST_CASE("an answer that says nothing changes nothing", "[versions]") {
  Versions v;
  v.take(old_node(0), answer({{3, 0, 12}}));
  CHECK_FALSE(v.take(old_node(0), answer({{18, 0, 3}}, 35)));  // KIP-511
  CHECK_FALSE(v.take(old_node(1), answer({})));
  CHECK_FALSE(v.take(old_node(1), wire::Value()));
  check_range(v.offered(), metadata, 0, 12);
}

TEST_CASE("a cluster that is gone for now still counts", "[versions]") {
  Versions v;
  v.take(old_node(0), answer({{3, 0, 12}, {1, 4, 12}}));
  v.take(new_node(0), answer({{3, 0, 8}}));
  v.take(new_node(1), answer({{3, 1, 10}}));
  v.remove(new_node(0));
  check_range(v.offered(), metadata, 1, 10);
  v.remove(new_node(1));
  check_range(v.offered(), metadata, 1, 10);
  CHECK(v.offered().of(fetch).empty());
  v.remove(new_node(1));                                         // twice: nothing
  CHECK(v.take(new_node(7), answer({{3, 0, 12}, {1, 4, 11}})));  // back, upgraded
  check_range(v.offered(), metadata, 0, 12);
  check_range(v.offered(), fetch, 4, 11);
}

TEST_CASE("new from the journal counts until one of its brokers answers", "[versions]") {
  Versions v;
  v.take(old_node(0), answer({{3, 0, 12}}));
  CHECK_FALSE(v.cluster(Cluster::new_cluster).has_value());
  v.restore(Cluster::new_cluster, ApiRanges::parse("3:0-9").value());
  check_range(v.offered(), metadata, 0, 9);
  CHECK(v.cluster(Cluster::new_cluster) == ApiRanges::parse("3:0-9"));
  v.take(new_node(0), answer({{3, 0, 11}}));
  check_range(v.offered(), metadata, 0, 11);
  v.restore(Cluster::old_cluster, ApiRanges{});  // nothing remembered
  check_range(v.offered(), metadata, 0, 11);
}

TEST_CASE("our own requests: the broker's range, the table's, the cap", "[versions]") {
  Versions v;
  v.take(old_node(0), answer({{3, 0, 5}, {0, 0, 2}, {1, 0, 99}, {120, 0, 1}}));
  constexpr auto no_cap = std::numeric_limits<wire::Version>::max();
  CHECK(v.own(old_node(0), metadata, no_cap) == 5);
  CHECK(v.own(old_node(0), metadata, 4) == 4);
  CHECK(v.own(old_node(0), fetch, no_cap) == wire::request(fetch)->valid.last);
  CHECK_FALSE(v.own(old_node(0), fetch, 3).has_value());               // table begins at 4
  CHECK_FALSE(v.own(old_node(0), produce, no_cap).has_value());        // listed, cannot be laid out
  CHECK_FALSE(v.own(old_node(0), 2, no_cap).has_value());              // not served
  CHECK_FALSE(v.own(old_node(0), later_than_us, no_cap).has_value());  // not in the table
  CHECK_FALSE(v.own(old_node(1), metadata, no_cap).has_value());       // never answered
  CHECK_FALSE(v.own(new_node(0), metadata, no_cap).has_value());
}

TEST_CASE("answers to clients, in every version", "[versions]") {
  Versions v;
  v.take(old_node(0), answer(kafka_2_8));
  v.take(new_node(0), answer(kafka_4_3));
  const auto& message = *wire::response(api_versions);
  for (int version = message.valid.first; version <= message.valid.last; ++version) {
    for (const int error : {0, 35}) {
      const auto layout = static_cast<wire::Version>(error == 35 ? 0 : version);
      std::vector<std::byte> bytes;
      const char* problem = wire::encode(message, layout, v.answer(error), bytes);
      REQUIRE(problem == nullptr);
      const auto body = wire::decode(message, layout, bytes, problem);
      REQUIRE(problem == nullptr);
      CHECK(body["ErrorCode"].number() == error);
      CHECK(body["ThrottleTimeMs"].number() == 0);
      CHECK(body["FinalizedFeatures"].array().empty());
      CHECK(body["SupportedFeatures"].array().empty());
      CHECK(body["ZkMigrationReady"].number() == 0);
      const auto told = ApiRanges::from(body);
      if (error == 0) {
        CHECK(told == v.offered());
      } else {  // KIP-511: only what the client needs to ask again
        CHECK(told.text() == "18:" + std::to_string(wire::request(18)->offered.first) + "-" +
                                 std::to_string(wire::request(18)->offered.last));
      }
    }
  }
}

TEST_CASE("ranges as text and back", "[versions]") {
  for (const char* good : {"", "3:0-9", "0:0-13,1:4-17,127:2-2", "18:0-32767"}) {
    const auto r = ApiRanges::parse(good);
    INFO(good);
    REQUIRE(r.has_value());
    CHECK(r->text() == good);
  }
  for (const char* bad : {"3", "3:", "3:0", "3:0-", "3:0-9,", ",3:0-9", "3:9-0", "-1:0-1", "3:-1-2",
                          "128:0-1", "3:0-9x", "x:0-1", "3:0-32768", "3:0-9 ", "3:0-9,,1:0-1"}) {
    INFO(bad);
    CHECK_FALSE(ApiRanges::parse(bad).has_value());
  }
}

TEST_CASE("ranges: odd keys and odd versions are nothing", "[versions]") {
  ApiRanges r =
      ApiRanges::from(answer({{-1, 0, 3}, {128, 0, 3}, {5, 3, 1}, {6, -2, 1}, {7, 0, 0}}));
  CHECK(r.text() == "7:0-0");
  CHECK(r.of(-1).empty());
  CHECK(r.of(api_key_max).empty());
  r.set(7, {5, 2});
  CHECK(r == ApiRanges{});
}
