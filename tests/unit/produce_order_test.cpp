// A partition's batches keep one road while its leader moves (rules A4).
#include "proxy/route/produce_order.h"

#include <catch2/catch.hpp>

#include "proxy/route/dispatch.h"

using namespace shunt;
using route::Cluster;
using route::NativeNodeId;
using route::NodeKey;
using route::ProduceOrder;

namespace {
const wire::Uuid no_id{};
const NodeKey first{Cluster::old_cluster, NativeNodeId{1}};
const NodeKey second{Cluster::old_cluster, NativeNodeId{2}};
}  // namespace

TEST_CASE("produce order: nothing in flight binds nothing", "[produce_order]") {
  ProduceOrder order;
  CHECK(order.bound("t", no_id, 0, 0) == std::nullopt);
  auto* road = order.sent("t", no_id, 0, first);
  order.release(road, false, 0);
  CHECK(order.bound("t", no_id, 0, 0) == std::nullopt);
  CHECK(order.empty());
}

TEST_CASE("produce order: an unanswered batch binds its partition alone", "[produce_order]") {
  ProduceOrder order;
  auto* road = order.sent("t", no_id, 0, first);
  CHECK(order.bound("t", no_id, 0, 7) == first);
  CHECK(order.bound("t", no_id, 1, 7) == std::nullopt);
  CHECK(order.bound("t2", no_id, 0, 7) == std::nullopt);
  auto* again = order.sent("t", no_id, 0, first);
  CHECK(again == road);
  order.release(road, false, 7);
  CHECK(order.bound("t", no_id, 0, 7) == first);  // the second one is still out
  order.release(again, false, 7);
  CHECK(order.empty());
}

TEST_CASE("produce order: a refusal binds until the client asks for Metadata", "[produce_order]") {
  ProduceOrder order;
  order.release(order.sent("t", no_id, 0, first), true, 3);
  CHECK(order.bound("t", no_id, 0, 3) == first);         // sent before the client knew
  CHECK(order.bound("t", no_id, 0, 4) == std::nullopt);  // it has asked
  SECTION("what goes elsewhere then is bound there") {
    auto* road = order.sent("t", no_id, 0, second);
    CHECK(order.bound("t", no_id, 0, 4) == second);
    order.release(road, false, 4);
    CHECK(order.empty());
  }
  SECTION("a second refusal binds anew") {
    order.release(order.sent("t", no_id, 0, second), true, 4);
    CHECK(order.bound("t", no_id, 0, 4) == second);
    CHECK(order.bound("t", no_id, 0, 5) == std::nullopt);
  }
}

TEST_CASE("produce order: topics by id are told apart", "[produce_order]") {
  ProduceOrder order;
  wire::Uuid a{}, b{};
  a[0] = std::byte{1};
  b[0] = std::byte{2};
  order.sent("", a, 0, first);
  CHECK(order.bound("", a, 0, 0) == first);
  CHECK(order.bound("", b, 0, 0) == std::nullopt);
}

TEST_CASE("produce order: the leader's own choice gives way to the road", "[produce_order]") {
  route::Topology topology;
  const auto broker = [](int id) {
    return wire::Value(wire::Struct{{"NodeId", id}, {"Host", "h"}, {"Port", 9}, {"Rack", nullptr}});
  };
  wire::Array brokers, partitions, topics;
  brokers.push_back(broker(1));
  brokers.push_back(broker(2));
  partitions.push_back(
      wire::Struct{{"ErrorCode", 0}, {"PartitionIndex", 0}, {"LeaderId", 2}, {"LeaderEpoch", 5}});
  topics.push_back(wire::Struct{{"ErrorCode", 0}, {"Name", "t"}, {"Partitions", partitions}});
  topology.take_metadata(
      wire::Struct{
          {"Brokers", brokers}, {"ClusterId", "x"}, {"ControllerId", 1}, {"Topics", topics}},
      true);
  const route::View view{&topology, nullptr};
  ProduceOrder order;
  route::Origin origin;
  origin.order = &order;
  CHECK(route::leader_of(view, "t", no_id, 0, origin) == second);
  auto* road = order.sent("t", no_id, 0, first);
  CHECK(route::leader_of(view, "t", no_id, 0, origin) == first);
  order.release(road, false, 0);
  CHECK(route::leader_of(view, "t", no_id, 0, origin) == second);
}
