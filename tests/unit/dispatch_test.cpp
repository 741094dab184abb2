// Which broker answers: a table of requests, what is known of the clusters, and who asks.
#include "proxy/route/dispatch.h"

#include <catch2/catch.hpp>

#include "tests/unit/messages.h"

using namespace shunt;
using namespace shunt::route;
using messages::encoded;
using wire::Array;
using wire::Struct;
using wire::Value;

namespace {

constexpr wire::ApiKey produce = 0, fetch = 1, metadata = 3, offset_fetch = 9, heartbeat = 12,
                       describe_groups = 15, list_groups = 16, create_topics = 19,
                       init_producer_id = 22, add_partitions = 24, txn_offset_commit = 28,
                       describe_configs = 32, describe_log_dirs = 35, delete_groups = 42,
                       describe_transactions = 65, api_versions = 18;

NodeKey old_node(int id) { return {Cluster::old_cluster, NativeNodeId{id}}; }
NodeKey new_node(int id) { return {Cluster::new_cluster, NativeNodeId{id}}; }

wire::Uuid uuid(int n) {
  wire::Uuid id{};
  id[0] = static_cast<std::byte>(n);
  return id;
}

Value metadata_of(const char* cluster, std::vector<int> brokers, int controller, Array topics) {
  Array list;
  for (const int id : brokers)
    list.push_back(Struct{{"NodeId", id}, {"Host", "h"}, {"Port", 9092}});
  return Struct{{"Brokers", std::move(list)},
                {"ClusterId", cluster},
                {"ControllerId", controller},
                {"Topics", std::move(topics)}};
}

Value partition(int index, int leader, std::vector<int> replicas) {
  Array r;
  for (const int id : replicas) r.push_back(id);
  return Struct{{"PartitionIndex", index},
                {"LeaderId", leader},
                {"LeaderEpoch", 1},
                {"ReplicaNodes", std::move(r)}};
}

// Old: brokers 1 2 3, controller 2. "t" (id 1): partition 0 led by 1, 1 by 2, 2 by none, 3 by 9
// that is gone. "u" (id 2): partition 0 led by 3. Group g1 at 1, g2 at 2; transactional id x at 3.
struct Clusters {
  Topology old_t, new_t;
  bool old_known = true, new_known = true;
  Clusters() {
    old_t.take_metadata(
        metadata_of(
            "old", {1, 2, 3}, 2,
            {Struct{{"Name", "t"},
                    {"TopicId", uuid(1)},
                    {"Partitions", Array{partition(0, 1, {1, 2, 9}), partition(1, 2, {2, 3}),
                                         partition(2, -1, {1}), partition(3, 9, {9})}}},
             Struct{{"Name", "u"},
                    {"TopicId", uuid(2)},
                    {"Partitions", Array{partition(0, 3, {3})}}}}),
        true);
    new_t.take_metadata(metadata_of("new", {1, 5}, 5, {}), true);
    old_t.set_coordinator(CoordinatorKind::group, "g1", NativeNodeId{1});
    old_t.set_coordinator(CoordinatorKind::group, "g2", NativeNodeId{2});
    old_t.set_coordinator(CoordinatorKind::transaction, "x", NativeNodeId{3});
  }
  View view() const { return {old_known ? &old_t : nullptr, new_known ? &new_t : nullptr}; }
};

Dispatch decide(wire::ApiKey api, int version, const Value& body, const Clusters& c,
                const Origin& origin) {
  const wire::Message& m = *wire::request(api);
  const auto bytes = encoded(m, version, body);
  wire::Parts parts;
  REQUIRE(parts.parse(m, static_cast<wire::Version>(version), bytes) == nullptr);
  Dispatch out;
  out.act = Act::split;  // what an earlier request left behind
  out.nodes = {new_node(77), new_node(78)};
  out.chosen = {1, 1, 1};
  out.anyone = true;
  dispatch(m, parts, c.view(), origin, out);
  return out;
}

// Topics as in "t0 t1 u0": a topic's name and partitions one by one.
Array named(const std::string& list, const char* topic, const char* partitions, const char* index) {
  Array topics;
  for (std::size_t i = 0; i + 1 < list.size(); i += 3) {
    Struct leaf{{index, list[i + 1] - '0'}};
    topics.push_back(Struct{{topic, list.substr(i, 1)}, {partitions, Array{leaf}}});
  }
  return topics;
}

Value produce_of(const std::string& list) {
  return Struct{{"Acks", -1}, {"TopicData", named(list, "Name", "PartitionData", "Index")}};
}
Value fetch_of(const std::string& list, int session = 0, const char* rack = "", int epoch = 3) {
  return Struct{{"SessionId", session},
                {"SessionEpoch", session == 0 ? 0 : epoch},
                {"RackId", rack},
                {"Topics", named(list, "Topic", "Partitions", "Partition")}};
}
Value resources(std::vector<std::pair<int, const char*>> list) {
  Array r;
  for (const auto& [type, name] : list)
    r.push_back(Struct{{"ResourceType", type}, {"ResourceName", name}});
  return Struct{{"Resources", std::move(r)}};
}
Value group(const char* id) { return Struct{{"GroupId", id}}; }
Value groups(std::vector<const char*> ids) {
  return Struct{{"Groups", Array(ids.begin(), ids.end())}};
}

const std::vector<std::string> g3_lost = {"g3"}, g3_g4_lost = {"g3", "g4"}, y_lost = {"y"};

Origin at(std::optional<NodeKey> node, int session = 0, std::optional<NodeKey> held = {}) {
  return {.addressed = node, .fetch_session = session, .fetch_session_at = held};
}
Origin lost(const std::vector<std::string>& keys) {
  return {.addressed = old_node(2), .unresolved = keys};
}

using Nodes = std::vector<NodeKey>;

}  // namespace

TEST_CASE("dispatch: one broker answers", "[dispatch]") {
  const Clusters c;
  const struct {
    const char* why;
    wire::ApiKey api;
    int version;
    Value body;
    Origin origin;
    NodeKey node;
    bool anyone = false;
  } rows[] = {
      {"any: no node dialled", metadata, 9, Struct{}, at({}), old_node(1), true},
      {"any: the node dialled", metadata, 9, Struct{}, at(old_node(3)), old_node(3), true},
      {"any: a node that is gone", metadata, 9, Struct{}, at(old_node(9)), old_node(1), true},
      {"any: a node of new, old speaks", metadata, 9, Struct{}, at(new_node(5)), old_node(1), true},
      {"node: the one dialled", describe_log_dirs, 1, Struct{}, at(old_node(2)), old_node(2)},
      {"node: of new", describe_log_dirs, 1, Struct{}, at(new_node(5)), new_node(5)},
      {"node: of new, same number as one of old", list_groups, 3, Struct{}, at(new_node(1)),
       new_node(1)},
      {"node: gone", describe_log_dirs, 1, Struct{}, at(old_node(9)), old_node(1), true},
      {"node: bootstrap", list_groups, 3, Struct{}, at({}), old_node(1), true},
      {"leader: wherever it came", produce, 7, produce_of("t1"), at(old_node(3)), old_node(2)},
      {"leader: over a new node's address", produce, 7, produce_of("t0"), at(new_node(5)),
       old_node(1)},
      {"leader: two partitions of one leader", produce, 7, produce_of("u0 u0"), at({}),
       old_node(3)},
      {"leader: unknown topic, the node dialled", produce, 7, produce_of("w0"), at(old_node(3)),
       old_node(3)},
      {"leader: unknown partition", produce, 7, produce_of("t7"), at(old_node(2)), old_node(2)},
      {"leader: none just now", produce, 7, produce_of("t2"), at(old_node(2)), old_node(2)},
      {"leader: its broker is gone", produce, 7, produce_of("t3"), at({}), old_node(1)},
      {"leader: nothing asked", produce, 7, produce_of(""), at(old_node(2)), old_node(2), true},
      {"fetch: full, by leader", fetch, 11, fetch_of("t0"), at(old_node(2)), old_node(1)},
      {"fetch: a rack, at a follower", fetch, 11, fetch_of("t0", 0, "r"), at(old_node(2)),
       old_node(2)},
      {"fetch: a rack, no replica there", fetch, 11, fetch_of("t0", 0, "r"), at(old_node(3)),
       old_node(1)},
      {"fetch: a rack, a replica that is down", fetch, 11, fetch_of("t0", 0, "r"), at(old_node(9)),
       old_node(1)},
      {"fetch: no rack, at a follower", fetch, 11, fetch_of("t0"), at(old_node(2)), old_node(1)},
      {"fetch: a session, where it is held", fetch, 11, fetch_of("", 7),
       at(old_node(1), 7, old_node(3)), old_node(3)},
      {"fetch: a session, whatever it names", fetch, 11, fetch_of("t0", 7),
       at(old_node(2), 7, old_node(3)), old_node(3)},
      {"fetch: a full one that ends a session goes by content", fetch, 11, fetch_of("t0", 7, "", 0),
       at(old_node(2), 7, old_node(3)), old_node(1)},
      {"fetch: ends a session, names nothing", fetch, 11, fetch_of("", 7, "", -1),
       at(old_node(2), 7, old_node(3)), old_node(3)},
      {"fetch: not the session we saw", fetch, 11, fetch_of("", 8), at(old_node(2), 7, old_node(3)),
       old_node(2)},
      {"fetch: a session at a node that is gone", fetch, 11, fetch_of("", 7),
       at(old_node(2), 7, old_node(9)), old_node(2)},
      {"fetch: a session nobody saw", fetch, 11, fetch_of("", 7), at(old_node(3)), old_node(3)},
      {"group", heartbeat, 3, group("g2"), at(old_node(1)), old_node(2)},
      {"group: not found, any broker says why", heartbeat, 3, group("g3"), lost(g3_lost),
       old_node(2)},
      {"groups: of one coordinator", describe_groups, 4, groups({"g1", "g1"}), at({}), old_node(1)},
      {"groups: none named", describe_groups, 4, groups({}), at(old_node(3)), old_node(3), true},
      {"groups: none of two found", describe_groups, 4, groups({"g3", "g4"}), lost(g3_g4_lost),
       old_node(2)},
      {"group: offsets of one, before batches", offset_fetch, 5, group("g2"), at({}), old_node(2)},
      {"group of a transaction", txn_offset_commit, 2,
       Struct{{"TransactionalId", "x"}, {"GroupId", "g1"}}, at({}), old_node(1)},
      {"transaction", init_producer_id, 1, Struct{{"TransactionalId", "x"}}, at(old_node(1)),
       old_node(3)},
      {"transaction: none", init_producer_id, 1, Struct{{"TransactionalId", nullptr}},
       at(old_node(2)), old_node(2), true},
      {"transaction: not found", init_producer_id, 1, Struct{{"TransactionalId", "y"}},
       lost(y_lost), old_node(2)},
      {"controller", create_topics, 4, Struct{}, at(old_node(1)), old_node(2)},
      {"resource: a topic", describe_configs, 1, resources({{2, "t"}}), at(old_node(3)),
       old_node(3)},
      {"resource: a broker of old", describe_configs, 1, resources({{4, "3"}}), at(old_node(1)),
       old_node(3)},
      {"resource: a broker of new", describe_configs, 1, resources({{4, "268435461"}}),
       at(old_node(1)), new_node(5)},
      {"resource: a logger of new's broker", describe_configs, 1, resources({{8, "268435457"}}),
       at(old_node(1)), new_node(1)},
      {"resource: a broker that is gone", describe_configs, 1, resources({{4, "9"}}),
       at(old_node(2)), old_node(2)},
      {"resource: a broker of new that is gone", describe_configs, 1, resources({{4, "268435465"}}),
       at({}), old_node(1)},
      {"resource: brokers' default", describe_configs, 1, resources({{4, ""}}), at(old_node(1)),
       old_node(2)},
      {"resource: not a number", describe_configs, 1, resources({{4, "3x"}}), at(old_node(1)),
       old_node(1)},
      {"resource: a number past 32 bits", describe_configs, 1, resources({{4, "4294967299"}}),
       at(old_node(1)), old_node(1)},
      {"resource: a topic named like a broker", describe_configs, 1, resources({{2, "3"}}),
       at(old_node(1)), old_node(1)},
      {"resource: none", describe_configs, 1, resources({}), at(old_node(2)), old_node(2), true},
  };
  for (const auto& row : rows) {
    INFO(row.why);
    const Dispatch d = decide(row.api, row.version, row.body, c, row.origin);
    CHECK(d.act == Act::forward);
    CHECK(d.nodes == Nodes{row.node});
    CHECK(d.anyone == row.anyone);
  }
}

TEST_CASE("dispatch: several brokers answer", "[dispatch]") {
  const Clusters c;
  const auto transactions = [](std::vector<const char*> ids) -> Value {
    Array list;
    for (const char* id : ids) list.push_back(Struct{{"TransactionalId", id}});
    return Struct{{"Transactions", std::move(list)}};
  };
  const auto offsets = [](std::vector<const char*> ids) -> Value {
    Array list;
    for (const char* id : ids) list.push_back(Struct{{"GroupId", id}});
    return Struct{{"Groups", std::move(list)}};
  };
  const struct {
    const char* why;
    wire::ApiKey api;
    int version;
    Value body;
    Origin origin;
    Nodes nodes;
    std::vector<wire::Choice> chosen;
  } rows[] = {
      {"two leaders",
       produce,
       7,
       produce_of("t0 t1 u0 t0"),
       at({}),
       {old_node(1), old_node(2), old_node(3)},
       {0, 1, 2, 0}},
      {"a leader, and an unknown topic",
       produce,
       7,
       produce_of("t1 w0"),
       at(old_node(3)),
       {old_node(2), old_node(3)},
       {0, 1}},
      {"fetch",
       fetch,
       11,
       fetch_of("u0 t1 u0"),
       at(old_node(1)),
       {old_node(3), old_node(2)},
       {0, 1, 0}},
      {"fetch: one partition from a follower",
       fetch,
       11,
       fetch_of("t1 u0 t0", 0, "r"),
       at(old_node(2)),
       {old_node(2), old_node(3)},
       {0, 1, 0}},
      {"groups",
       delete_groups,
       1,
       Struct{{"GroupsNames", Array{"g2", "g1", "g2"}}},
       at({}),
       {old_node(2), old_node(1)},
       {0, 1, 0}},
      {"offsets of groups",
       offset_fetch,
       8,
       offsets({"g1", "g2"}),
       at({}),
       {old_node(1), old_node(2)},
       {0, 1}},
      {"transactions, one of them not found",
       add_partitions,
       4,
       transactions({"x", "y"}),
       lost(y_lost),
       {old_node(3), old_node(2)},
       {0, 1}},
      {"brokers of both clusters",
       describe_configs,
       4,
       resources({{4, "268435461"}, {2, "t"}, {4, "1"}, {4, "268435461"}}),
       at(old_node(1)),
       {new_node(5), old_node(1)},
       {0, 1, 1, 0}},
  };
  for (const auto& row : rows) {
    INFO(row.why);
    const Dispatch d = decide(row.api, row.version, row.body, c, row.origin);
    CHECK(d.act == Act::split);
    CHECK(d.nodes == row.nodes);
    CHECK(d.chosen == row.chosen);
    CHECK_FALSE(d.anyone);
  }
}

TEST_CASE("dispatch: a coordinator must be found first", "[dispatch]") {
  Clusters c;
  const struct {
    const char* why;
    wire::ApiKey api;
    int version;
    Value body;
    Origin origin;
    CoordinatorKind kind;
    const char* key;
  } rows[] = {
      {"of a group", heartbeat, 3, group("g3"), at({}), CoordinatorKind::group, "g3"},
      {"another key was lost", heartbeat, 3, group("g4"), lost(g3_lost), CoordinatorKind::group,
       "g4"},
      {"of the second group", describe_groups, 4, groups({"g1", "g4"}), at({}),
       CoordinatorKind::group, "g4"},
      {"of the next, one being lost", describe_groups, 4, groups({"g3", "g4"}), lost(g3_lost),
       CoordinatorKind::group, "g4"},
      {"of a transaction: no group of that name", init_producer_id, 1,
       Struct{{"TransactionalId", "g1"}}, at({}), CoordinatorKind::transaction, "g1"},
      {"of the group without a name", heartbeat, 3, group(""), at(old_node(3)),
       CoordinatorKind::group, ""},
      {"of such a group in a list", describe_groups, 4, groups({""}), at(old_node(3)),
       CoordinatorKind::group, ""},
      {"of transactions", describe_transactions, 0, Struct{{"TransactionalIds", Array{"x", "z"}}},
       at({}), CoordinatorKind::transaction, "z"},
  };
  for (const auto& row : rows) {
    INFO(row.why);
    const Dispatch d = decide(row.api, row.version, row.body, c, row.origin);
    CHECK(d.act == Act::resolve);
    CHECK(d.kind == row.kind);
    CHECK(d.key == row.key);
  }
  // Its broker leaves the cluster: what was known does not count.
  c.old_t.take_metadata(metadata_of("old", {1, 3}, 2, {}), false);
  CHECK(decide(heartbeat, 3, group("g2"), c, at({})).act == Act::resolve);
  CHECK(decide(heartbeat, 3, group("g1"), c, at({})).act == Act::forward);
  // So does the controller: any broker says NOT_CONTROLLER, or forwards.
  CHECK(decide(create_topics, 4, Struct{}, c, at(old_node(3))).nodes == Nodes{old_node(3)});
}

TEST_CASE("dispatch: nobody, or Shunt itself", "[dispatch]") {
  Clusters nobody;
  nobody.old_known = false;
  Clusters empty;
  empty.old_t = {};
  const struct {
    wire::ApiKey api;
    int version;
    Value body;
  } rows[] = {{metadata, 9, Struct{}},
              {produce, 7, produce_of("t0")},
              {fetch, 11, fetch_of("t0", 0, "r")},
              {create_topics, 4, Struct{}},
              {describe_configs, 1, resources({{4, "1"}})},
              {list_groups, 3, Struct{}}};
  for (const auto& row : rows) {
    INFO(wire::api_name(row.api));
    CHECK(decide(row.api, row.version, row.body, nobody, at(old_node(1))).act == Act::no_broker);
    CHECK(decide(row.api, row.version, row.body, empty, at(old_node(1))).act == Act::no_broker);
  }
  CHECK(decide(heartbeat, 3, group("g1"), nobody, at({})).act == Act::no_broker);
  const Clusters c;
  CHECK(decide(api_versions, 3, Struct{}, c, at({})).act == Act::self);
  // New's node answers for itself while old is not known.
  CHECK(decide(list_groups, 3, Struct{}, nobody, at(new_node(5))).nodes == Nodes{new_node(5)});
}

TEST_CASE("dispatch: topics by id", "[dispatch]") {
  const Clusters c;
  const auto topic = [](int id, int index) {
    return Struct{{"TopicId", uuid(id)}, {"Partitions", Array{Struct{{"Partition", index}}}}};
  };
  const auto d = decide(fetch, 13, Struct{{"Topics", Array{topic(1, 1), topic(2, 0), topic(9, 0)}}},
                        c, at(old_node(1)));
  CHECK(d.act == Act::split);
  CHECK(d.nodes == Nodes{old_node(2), old_node(3), old_node(1)});
  CHECK(leader_of(c.view(), "t", {}, 1, at({})) == old_node(2));
  CHECK(leader_of(c.view(), "", uuid(2), 0, at({})) == old_node(3));
  CHECK(leader_of(c.view(), "", uuid(9), 0, at(old_node(2))) == old_node(2));
  CHECK(leader_of(c.view(), "", uuid(9), 0, at(new_node(5))) == old_node(1));
}
