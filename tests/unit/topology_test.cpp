// Metadata answers: what replaces what is known, what is too old to, what is gone.
#include "proxy/route/topology.h"

#include <catch2/catch.hpp>

using namespace shunt;
using namespace shunt::route;
using wire::Array;
using wire::Struct;
using wire::Value;

namespace {

constexpr NativeNodeId none{-1};
NativeNodeId node(int id) { return NativeNodeId{id}; }

wire::Uuid uuid(int n) {
  wire::Uuid id{};
  id[15] = static_cast<std::byte>(n);
  return id;
}

Value broker(int id, const char* host = "b", int port = 9092) {
  return Struct{{"NodeId", id}, {"Host", host}, {"Port", port}, {"Rack", nullptr}};
}

Value part(int index, int leader, int epoch, int error = 0) {
  return Struct{{"ErrorCode", error},
                {"PartitionIndex", index},
                {"LeaderId", leader},
                {"LeaderEpoch", epoch},
                {"ReplicaNodes", Array{leader, 2}}};
}

// A partition of an answer below v7.
Value part_without_epoch(int index, int leader) {
  return Struct{{"ErrorCode", 0}, {"PartitionIndex", index}, {"LeaderId", leader}};
}

Value topic(const char* name, int id, Array partitions, int error = 0) {
  Struct t{{"ErrorCode", error},
           {"Name", name},
           {"IsInternal", false},
           {"Partitions", std::move(partitions)}};
  if (id >= 0) t.set("TopicId", uuid(id));  // below v10 there is none
  return t;
}

Value metadata(Array topics, Array brokers = {broker(1), broker(2)}, int controller = 1) {
  return Struct{{"Brokers", std::move(brokers)},
                {"ClusterId", "c"},
                {"ControllerId", controller},
                {"Topics", std::move(topics)}};
}

constexpr bool all = true, some = false;

}  // namespace

TEST_CASE("an answer of every version is understood", "[topology]") {
  const auto& message = *wire::response(3);
  const Value sent = Struct{
      {"Brokers", Array{Struct{{"NodeId", 1}, {"Host", "one"}, {"Port", 9092}, {"Rack", "r"}},
                        Struct{{"NodeId", 2}, {"Host", "two"}, {"Port", 9093}, {"Rack", nullptr}}}},
      {"ClusterId", "cluster"},
      {"ControllerId", 2},
      {"Topics", Array{Struct{{"Name", "t"},
                              {"TopicId", uuid(7)},
                              {"IsInternal", true},
                              {"Partitions", Array{part(1, 2, 5), part(0, 1, 4)}}}}}};
  for (int v = message.valid.first; v <= message.valid.last; ++v) {
    INFO("v" << v);
    std::vector<std::byte> bytes;
    Struct body = sent.fields();
    const char* problem = wire::encode(message, static_cast<wire::Version>(v), body, bytes);
    REQUIRE(problem == nullptr);
    const Value read = wire::decode(message, static_cast<wire::Version>(v), bytes, problem);
    REQUIRE(problem == nullptr);

    Topology t;
    CHECK_FALSE(t.known());
    CHECK(t.take_metadata(read, all));
    CHECK_FALSE(t.take_metadata(read, all));  // the same again: nothing changed
    CHECK(t.known());
    REQUIRE(t.brokers().size() == 2);
    CHECK(t.broker(node(2))->at == Endpoint{"two", 9093});
    CHECK(t.broker(node(1))->has_rack == (v >= 1));
    CHECK_FALSE(t.broker(node(2))->has_rack);
    CHECK(t.broker(node(3)) == nullptr);
    CHECK(t.cluster_id() == (v >= 2 ? "cluster" : ""));
    CHECK(t.controller() == (v >= 1 ? std::optional(node(2)) : std::nullopt));
    REQUIRE(t.topic("t") != nullptr);
    CHECK(t.topic("t")->internal == (v >= 1));
    CHECK(t.topic_name(uuid(7)) == (v >= 10 ? "t" : ""));
    CHECK(t.topic_name(uuid(0)).empty());
    REQUIRE(t.partition("t", 1) != nullptr);
    CHECK(t.partition("t", 0)->leader == node(1));
    CHECK(t.partition("t", 1)->leader == node(2));
    CHECK(t.partition("t", 1)->epoch == (v >= 7 ? 5 : -1));
    CHECK(t.partition("t", 1)->replicas == std::vector{node(2), node(2)});
    CHECK(t.partition("t", 2) == nullptr);
    CHECK(t.partition("t", -1) == nullptr);
    CHECK(t.partition("u", 0) == nullptr);
  }
}

TEST_CASE("leaders: what a second answer may replace", "[topology]") {
  struct Row {
    const char* why;
    int id_before, epoch_before, id_now, leader_now, epoch_now;
    int leader_after, epoch_after;
    bool changed;
  };
  // Before: leader 1. -1 as an id: an answer without ids.
  const Row rows[] = {
      {"higher epoch", 7, 5, 7, 2, 6, 2, 6, true},
      {"same epoch, same leader", 7, 5, 7, 1, 5, 1, 5, false},
      {"same epoch, leader down", 7, 5, 7, -1, 5, -1, 5, true},
      {"same leader elected again", 7, 5, 7, 1, 6, 1, 6, true},
      {"lower epoch: a broker that lags", 7, 5, 7, 2, 4, 1, 5, false},
      {"lower epoch, no ids", 0, 5, 0, 2, 4, 1, 5, false},
      {"lower epoch, id not told now", 7, 5, -1, 2, 4, 1, 5, false},
      {"lower epoch, id told for the first time", -1, 5, 7, 2, 4, 1, 5, true},
      {"higher epoch, id not told now", 7, 5, -1, 2, 6, 2, 6, true},
      {"created again: lower epochs count", 7, 5, 8, 2, 0, 2, 0, true},
  };
  for (const auto& row : rows) {
    INFO(row.why);
    Topology t;
    t.take_metadata(metadata({topic("t", row.id_before, {part(0, 1, row.epoch_before)})}), all);
    const Value now = topic("t", row.id_now, {part(0, row.leader_now, row.epoch_now)});
    CHECK(t.take_metadata(metadata({now}), all) == row.changed);
    CHECK(t.partition("t", 0)->leader == node(row.leader_after));
    CHECK(t.partition("t", 0)->epoch == row.epoch_after);
  }
}

TEST_CASE("an answer without epochs: news only where none are known", "[topology]") {
  Topology t;
  t.take_metadata(metadata({topic("t", -1, {part_without_epoch(0, 1), part(1, 1, 3)})}), all);
  CHECK(t.take_metadata(
      metadata({topic("t", -1, {part_without_epoch(0, 2), part_without_epoch(1, 2)})}), all));
  CHECK(t.partition("t", 0)->leader == node(2));
  CHECK(t.partition("t", 1)->leader == node(1));
}

TEST_CASE("a topic created again keeps nothing of the former one", "[topology]") {
  Topology t;
  t.take_metadata(metadata({topic("t", 7, {part(0, 1, 9), part(1, 1, 9), part(2, 1, 9)})}), all);
  CHECK(t.take_metadata(metadata({topic("t", 8, {part(0, 2, 0)})}), some));
  CHECK(t.topic("t")->partitions.size() == 1);
  CHECK(t.topic("t")->id == uuid(8));
  CHECK(t.topic_name(uuid(8)) == "t");
  CHECK(t.topic_name(uuid(7)).empty());
}

TEST_CASE("what an error says about a topic that is known", "[topology]") {
  struct Row {
    const char* why;
    Value now;
    bool all_topics;
    bool there;
  };
  const auto by_id = [](int id, int error) {  // v12+: asked for by id, no name to tell
    return Struct{{"ErrorCode", error}, {"Name", nullptr}, {"TopicId", uuid(id)}};
  };
  const Row rows[] = {
      {"3 by name", topic("t", 0, {}, 3), some, false},
      {"3 by name, no ids", topic("t", -1, {}, 3), some, false},
      {"100 by id", by_id(7, 100), some, false},
      {"100 by another id", by_id(8, 100), some, true},
      {"100 by a former id, with the name", topic("t", 6, {}, 100), some, true},
      {"100 without name or id", by_id(0, 100), some, true},
      {"5 leader not available", topic("t", 7, {}, 5), some, true},
      {"29 not authorized", topic("t", 0, {}, 29), some, true},
      {"29 among all topics", topic("t", 0, {}, 29), all, true},
      {"3 among all topics", topic("t", 0, {}, 3), all, false},
      {"not asked for", topic("u", 3, {part(0, 1, 0)}), some, true},
      {"not among all", topic("u", 3, {part(0, 1, 0)}), all, false},
      {"nameless and without error", topic("", 3, {part(0, 1, 0)}), some, true},
  };
  for (const auto& row : rows) {
    INFO(row.why);
    Topology t;
    t.take_metadata(metadata({topic("t", 7, {part(0, 1, 5)})}), all);
    t.take_metadata(metadata({row.now}), row.all_topics);
    CHECK((t.topic("t") != nullptr) == row.there);
    CHECK((t.topic_name(uuid(7)) == "t") == row.there);
    if (row.there) CHECK(t.partition("t", 0)->leader == node(1));
    CHECK(t.topic("") == nullptr);
  }
}

TEST_CASE("topics with an error are not made up", "[topology]") {
  Topology t;
  t.take_metadata(metadata({topic("t", 0, {}, 5), topic("u", 0, {}, 3)}), some);
  CHECK(t.topics().empty());
}

TEST_CASE("a partition without a leader is known to have none", "[topology]") {
  Topology t;
  t.take_metadata(metadata({topic("t", 7, {part(0, -1, 3, 5), part(1, 2, 3)})}), all);
  REQUIRE(t.partition("t", 0) != nullptr);
  CHECK(t.partition("t", 0)->leader == none);
  CHECK(t.partition("t", 0)->epoch == 3);
  CHECK(t.partition("t", 1)->leader == node(2));
}

TEST_CASE("partition counts grow and never shrink", "[topology]") {
  Topology t;
  t.take_metadata(metadata({topic("t", 7, {part(0, 1, 0)})}), all);
  CHECK(t.take_metadata(metadata({topic("t", 7, {part(0, 1, 0), part(1, 2, 0)})}), some));
  CHECK(t.topic("t")->partitions.size() == 2);
  const Value older = topic("t", 7, {part(0, 1, 0)});
  CHECK_FALSE(t.take_metadata(metadata({older}), some));
  CHECK(t.partition("t", 1)->leader == node(2));
}

TEST_CASE("indexes of a broken broker allocate nothing", "[topology]") {
  Topology t;
  t.take_metadata(metadata({topic("t", 7,
                                  {part(2147483647, 1, 0), part(-1, 1, 0), part(1, 2, 1),
                                   part(1, 1, 0), part(4, 1, 0), part(6, 1, 0)})}),
                  all);
  REQUIRE(t.topic("t")->partitions.size() == 6);  // as many as were sent
  CHECK(t.partition("t", 0)->leader == none);
  CHECK(t.partition("t", 1)->leader == node(2));  // twice: the higher epoch
  CHECK(t.partition("t", 4)->leader == node(1));
}

TEST_CASE("brokers come, go and move; coordinators go with them", "[topology]") {
  Topology t;
  t.take_metadata(metadata({}), all);
  t.set_coordinator(CoordinatorKind::group, "g", node(2));
  t.set_coordinator(CoordinatorKind::transaction, "g", node(1));
  CHECK(t.coordinator(CoordinatorKind::group, "g") == node(2));
  CHECK(t.coordinator(CoordinatorKind::transaction, "g") == node(1));
  CHECK(t.any(node(2)) == node(2));
  CHECK(t.any(node(9)) == node(1));
  CHECK(t.any(std::nullopt) == node(1));

  CHECK(t.take_metadata(metadata({}, {broker(1), broker(2, "moved")}), some));
  CHECK(t.broker(node(2))->at.host == "moved");
  CHECK(t.coordinator(CoordinatorKind::group, "g") == node(2));
  CHECK(t.take_metadata(metadata({}, {broker(1)}), some));
  CHECK_FALSE(t.coordinator(CoordinatorKind::group, "g").has_value());
  CHECK(t.coordinator(CoordinatorKind::transaction, "g") == node(1));
  CHECK(t.any(node(2)) == node(1));
  t.forget_coordinator(CoordinatorKind::transaction, "g");
  CHECK_FALSE(t.coordinator(CoordinatorKind::transaction, "g").has_value());
  CHECK_FALSE(Topology().any(node(1)).has_value());
}

TEST_CASE("coordinators: none, and not without end", "[topology]") {
  Topology t;
  t.set_coordinator(CoordinatorKind::group, "g", node(1));
  t.set_coordinator(CoordinatorKind::group, "g", none);  // COORDINATOR_NOT_AVAILABLE
  CHECK_FALSE(t.coordinator(CoordinatorKind::group, "g").has_value());
  std::size_t kept = 0;
  const std::size_t keys = Topology::coordinators_max + 10;
  for (std::size_t i = 0; i < keys; ++i) {
    t.set_coordinator(CoordinatorKind::group, std::to_string(i), node(1));
  }
  for (std::size_t i = 0; i < keys; ++i) {
    kept += t.coordinator(CoordinatorKind::group, std::to_string(i)).has_value() ? 1 : 0;
  }
  CHECK(kept == Topology::coordinators_max);
}

TEST_CASE("coordinators: as many keys as are not too long together", "[topology]") {
  Topology t;
  t.take_metadata(metadata({}, {broker(1), broker(2)}), true);
  constexpr std::size_t length = 32'000;
  const auto key = [](std::size_t i) {
    return std::to_string(1000 + i) + std::string(length, 'k');
  };
  const auto kept = [&](std::size_t from, std::size_t to) {
    std::size_t n = 0;
    for (; from < to; ++from) n += t.coordinator(CoordinatorKind::group, key(from)) ? 1U : 0U;
    return n;
  };
  constexpr std::size_t room = Topology::coordinator_key_bytes_max / (length + 4);
  for (std::size_t i = 0; i < room + 10; ++i)
    t.set_coordinator(CoordinatorKind::group, key(i), node(1));
  CHECK(kept(0, room + 10) == room);
  CHECK(kept(room + 9, room + 10) == 1);  // the one asked for last
  // What is forgotten makes room: by itself, with its broker.
  for (std::size_t i = 0; i < room + 10; ++i) t.forget_coordinator(CoordinatorKind::group, key(i));
  for (std::size_t i = 0; i < room; ++i)
    t.set_coordinator(CoordinatorKind::group, key(i), node(i % 2 == 0 ? 1 : 2));
  CHECK(kept(0, room) == room);
  t.take_metadata(metadata({}, {broker(1)}), true);
  for (std::size_t i = 0; i < room / 2; ++i)
    t.set_coordinator(CoordinatorKind::group, key(room + i), node(1));
  CHECK(kept(0, room) + kept(room, room + room / 2) >= room - 1);
}

TEST_CASE("the controller: told, none, or gone", "[topology]") {
  struct Row {
    Value now;
    std::optional<NativeNodeId> after;
    bool changed;
  };
  const Row rows[] = {
      {metadata({}, {broker(1), broker(2)}, 2), node(2), true},
      {metadata({}, {broker(1), broker(2)}, 1), node(1), false},
      {metadata({}, {broker(1), broker(2)}, -1), std::nullopt, true},
      {metadata({}, {broker(2)}, 1), std::nullopt, true},                  // cannot be reached
      {Struct{{"Brokers", Array{broker(1), broker(2)}}}, node(1), false},  // v0 does not say
  };
  for (const auto& row : rows) {
    Topology t;
    t.take_metadata(metadata({}), all);
    CHECK(t.take_metadata(row.now, some) == row.changed);
    CHECK(t.controller() == row.after);
  }
}

TEST_CASE("answers that say nothing about the cluster", "[topology]") {
  struct Row {
    const char* why;
    Value now;
  };
  Struct rebootstrap = metadata({}).fields();
  rebootstrap.set("ErrorCode", 129);
  Struct other = metadata({topic("t", 7, {part(0, 2, 99)})}).fields();
  other.set("ClusterId", "another");
  const Row rows[] = {
      {"a broker that is starting knows no brokers", metadata({}, {})},
      {"a top-level error", rebootstrap},
      {"another cluster", other},
      {"no body", Value()},
  };
  for (const auto& row : rows) {
    INFO(row.why);
    Topology t;
    t.take_metadata(metadata({topic("t", 7, {part(0, 1, 5)})}), all);
    CHECK_FALSE(t.take_metadata(row.now, all));
    CHECK(t.cluster_id() == "c");
    CHECK(t.brokers().size() == 2);
    REQUIRE(t.partition("t", 0) != nullptr);
    CHECK(t.partition("t", 0)->leader == node(1));
  }
}

TEST_CASE("another cluster at the same address is named until ours is back", "[topology]") {
  Topology t;
  Struct other = metadata({}).fields();
  other.set("ClusterId", "another");
  t.take_metadata(metadata({}), all);
  t.take_metadata(other, all);
  CHECK(t.stranger() == "another");
  t.take_metadata(metadata({}), all);
  CHECK(t.stranger().empty());
}

TEST_CASE("brokers that cannot be shown or reached are none", "[topology]") {
  Topology t;
  t.take_metadata(metadata({topic("t", 7, {part(0, new_node_base, 0)})},
                           {broker(new_node_base), broker(-1), broker(3, "b", 0),
                            broker(4, "b", 65536), broker(native_node_max)}),
                  all);
  CHECK(t.brokers().size() == 1);
  CHECK(t.broker(node(native_node_max)) != nullptr);
  CHECK(t.partition("t", 0)->leader == none);
}

TEST_CASE("a topic that was refuted is learned anew", "[topology]") {
  Topology t;  // no topic ids: created again, it only shows as lower epochs
  t.take_metadata(metadata({topic("t", 0, {part(0, 1, 9)})}), all);
  t.take_metadata(metadata({topic("t", 0, {part(0, 2, 0)})}), all);
  CHECK(t.partition("t", 0)->leader == node(1));
  t.forget_topic("t");
  t.forget_topic("never known");
  CHECK(t.topic("t") == nullptr);
  CHECK(t.take_metadata(metadata({topic("t", 0, {part(0, 2, 0)})}), all));
  CHECK(t.partition("t", 0)->leader == node(2));
}
