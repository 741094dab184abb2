// Metadata answers over a cut: leaders, epochs, partition counts.
#include "proxy/splice/metadata.h"

#include "tests/unit/spliced.h"

using namespace spliced;

namespace {

constexpr wire::ApiKey metadata = 3, describe_partitions = 75;

Value old_partition(int index, int error = 0) {
  return Struct{{"ErrorCode", error},          {"PartitionIndex", index},
                {"LeaderId", 1 + index % 2},   {"LeaderEpoch", 7},
                {"ReplicaNodes", Array{1, 2}}, {"IsrNodes", Array{1, 2}},
                {"OfflineReplicas", Array{}}};
}

// Old's answer of "moved" (id 1) and "other", `partitions` of each.
Value from_old(int partitions, int error = 0) {
  Array all;
  for (int p = 0; p < partitions; ++p) all.push_back(old_partition(p, error));
  const Struct body{{"Topics", Array{Struct{{"Name", "moved"},
                                            {"TopicId", uuid(1)},
                                            {"Partitions", all},
                                            {"TopicAuthorizedOperations", 5}},
                                     Struct{{"Name", "other"}, {"Partitions", all}}}}};
  return body;
}

Value shown(const World& w, const Value& answer, int version = 12, wire::ApiKey api = metadata) {
  const auto& m = *wire::response(api);
  const Value read = messages::decoded(m, version, messages::encoded(m, version, answer));
  const Value now =
      splice::show_topics(w.state, w.view(), api, static_cast<wire::Version>(version), read);
  return messages::decoded(m, version, messages::encoded(m, version, now));
}

Value part(const Value& answer, std::size_t topic, std::size_t index) {
  return answer["Topics"].array()[topic]["Partitions"].array()[index];
}

std::vector<std::int64_t> numbers(const Value& array) {
  std::vector<std::int64_t> out;
  for (const Value& v : array.array()) out.push_back(v.number());
  return out;
}
using Numbers = std::vector<std::int64_t>;

}  // namespace

TEST_CASE("metadata: before the first cut nothing changes", "[splice]") {
  const World none(std::vector<std::string>{});
  const World w;
  for (int v = 0; v <= 13; ++v) {
    const auto& m = *wire::response(metadata);
    const auto bytes = messages::encoded(m, v, from_old(3));
    for (const World* world : {&none, &w}) {
      const Value now =
          splice::show_topics(world->state, world->view(), metadata, static_cast<wire::Version>(v),
                              messages::decoded(m, v, bytes));
      CHECK(messages::encoded(m, v, now) == bytes);
    }
  }
}

TEST_CASE("metadata: a moved partition is led by new, in every version", "[splice]") {
  World w;
  w.cut("moved", new_one, 9041, 0, 7);
  for (int v = 0; v <= 13; ++v) {
    INFO("v" << v);
    const Value now = shown(w, from_old(2), v);
    const Value p = part(now, 0, 1);
    CHECK(p["ErrorCode"].number() == 0);
    CHECK(p["LeaderId"].number() == new_base + 4);
    CHECK(numbers(p["ReplicaNodes"]) == Numbers{new_base + 3, new_base + 4});
    CHECK(numbers(p["IsrNodes"]) == Numbers{new_base + 3, new_base + 4});
    CHECK(p["LeaderEpoch"].number() == (v >= 7 ? 8 + 2 : 0));              // above old's 7
    CHECK(part(now, 1, 1) == part(shown(World(), from_old(2), v), 1, 1));  // "other"
    if (v >= 10) CHECK(now["Topics"].array()[0]["TopicId"].uuid() == uuid(1));
    if (v >= 8) CHECK(now["Topics"].array()[0]["TopicAuthorizedOperations"].number() == 5);
  }
}

TEST_CASE("metadata: a topic asked for by id alone", "[splice]") {
  World w;
  w.cut("moved", new_one, 9041, 0, 7);
  Value topic = from_old(2)["Topics"].array()[0].fields().set("Name", nullptr);
  CHECK(part(shown(w, Struct{{"Topics", Array{topic}}}), 0, 0)["LeaderId"].number() ==
        new_base + 3);
}

TEST_CASE("metadata: leaders that are not there", "[splice]") {
  struct Row {
    const char* why;
    int leader;
    bool brokers_gone;
    std::int64_t leader_shown, error;
    Numbers in_sync, offline;
  };
  const Row rows[] = {
      {"all is well", 0, false, new_base + 4, 0, {new_base + 3, new_base + 4}, {}},
      {"none", -1, false, -1, 5, {new_base + 3, new_base + 4}, {}},
      {"its broker is gone", 4, true, -1, 5, {new_base + 3}, {new_base + 4}},
      {"another broker is gone", 3, true, new_base + 3, 0, {new_base + 3}, {new_base + 4}},
  };
  for (const auto& row : rows) {
    INFO(row.why);
    World w;
    w.cut("moved", new_one, 9041, 0, 7);
    w.topology(new_one, {"moved", "other"}, 2, row.leader, 3, row.brokers_gone);
    // What old says of its own leader does not matter.
    for (const int old_error : {0, 5}) {
      const Value p = part(shown(w, from_old(2, old_error)), 0, 1);
      CHECK(p["LeaderId"].number() == row.leader_shown);
      CHECK(p["ErrorCode"].number() == row.error);
      CHECK(numbers(p["IsrNodes"]) == row.in_sync);
      CHECK(numbers(p["OfflineReplicas"]) == row.offline);
      CHECK(p["LeaderEpoch"].number() == 8 + 3);
    }
  }
}

TEST_CASE("metadata: new is not known, or lacks the topic", "[splice]") {
  World w;
  w.cut("moved", new_one, 9041, 0, 7);
  w.new_cluster.forget_topic("moved");
  auto check = [&] {
    const Value p = part(shown(w, from_old(2)), 0, 0);
    CHECK(p["LeaderId"].number() == -1);
    CHECK(p["ErrorCode"].number() == 5);
    CHECK(p["LeaderEpoch"].number() == 8);  // still above old's
    CHECK(numbers(p["ReplicaNodes"]).empty());
  };
  check();
  w.new_known = false;
  check();
}

TEST_CASE("metadata: back on old its own answer counts, epochs go on rising", "[splice]") {
  World w;
  w.cut("moved", new_one, 9041, 0, 7);
  const auto on_new = part(shown(w, from_old(2)), 0, 0)["LeaderEpoch"].number();
  w.cut("moved", old_one, 519, 9041, static_cast<std::int32_t>(on_new));
  const Value p = part(shown(w, from_old(2)), 0, 0);
  CHECK(p["LeaderId"].number() == 1);
  CHECK(p["LeaderEpoch"].number() == on_new + 1 + 7);
  CHECK(numbers(p["ReplicaNodes"]) == Numbers{1, 2});
  const Value leaderless = part(shown(w, from_old(2, 5)), 0, 0);
  CHECK(leaderless["ErrorCode"].number() == 5);
}

TEST_CASE("metadata: partitions that appear past us are not shown once spliced", "[splice]") {
  World w;
  CHECK(shown(w, from_old(3))["Topics"].array()[0]["Partitions"].array().size() == 3);
  w.cut("moved", new_one, 9041, 0, 7);
  const Value now = shown(w, from_old(3));
  CHECK(now["Topics"].array()[0]["Partitions"].array().size() == 2);
  CHECK(now["Topics"].array()[1]["Partitions"].array().size() == 3);
}

TEST_CASE("metadata: DescribeTopicPartitions", "[splice]") {
  World w;
  w.cut("moved", new_one, 9041, 0, 7);
  Struct body = from_old(3).fields();
  body.set("NextCursor", Struct{{"TopicName", "other"}, {"PartitionIndex", 3}});
  const Value now = shown(w, body, 0, describe_partitions);
  const Value p = part(now, 0, 0);
  CHECK(p["LeaderId"].number() == new_base + 3);
  CHECK(p["LeaderEpoch"].number() == 10);
  CHECK(p["EligibleLeaderReplicas"].is_array());
  CHECK(now["Topics"].array()[0]["Partitions"].array().size() == 2);
  CHECK(now["NextCursor"]["PartitionIndex"].number() == 3);
  CHECK(part(now, 1, 0)["LeaderId"].number() == 1);
}
