// A partition's batches keep one road while its leader moves (rules A4).
#include "proxy/route/produce_order.h"

#include <catch2/catch.hpp>

#include "proxy/route/dispatch.h"
#include "proxy/wire/batch.h"

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
  CHECK(order.bound("t", no_id, 0, 1, first, 0) == std::nullopt);
  auto* road = order.sent("t", no_id, 0, first);
  order.release(road, false, 1, 0);
  CHECK(order.bound("t", no_id, 0, 2, first, 0) == std::nullopt);
  CHECK(order.empty());
}

TEST_CASE("produce order: an unanswered batch binds its partition alone", "[produce_order]") {
  ProduceOrder order;
  auto* road = order.sent("t", no_id, 0, first);
  CHECK(order.bound("t", no_id, 0, 2, first, 0) == first);
  CHECK(order.bound("t", no_id, 1, 2, first, 0) == std::nullopt);
  CHECK(order.bound("t2", no_id, 0, 2, first, 0) == std::nullopt);
  auto* again = order.sent("t", no_id, 0, first);
  CHECK(again == road);
  order.release(road, false, 1, 0);
  CHECK(order.bound("t", no_id, 0, 3, first, 0) == first);  // the second one is still out
  order.release(again, false, 2, 0);
  CHECK(order.empty());
}

TEST_CASE("produce order: a refusal binds until that batch comes again", "[produce_order]") {
  ProduceOrder order;
  auto* road = order.sent("t", no_id, 0, first);
  order.sent("t", no_id, 0, first);
  order.release(road, true, 11, 0);
  CHECK(order.bound("t", no_id, 0, 11, first, 0) == first);  // the second one is still out
  order.release(road, true, 12, 0);
  CHECK(order.bound("t", no_id, 0, 13, first, 0) == first);  // sent before the client knew
  CHECK(order.bound("t", no_id, 0, 12, first, 0) ==
        first);  // again, but not the first that was refused
  CHECK(order.bound("t", no_id, 0, 11, first, 0) == std::nullopt);
  SECTION("what goes elsewhere then is bound there") {
    road = order.sent("t", no_id, 0, second);
    CHECK(order.bound("t", no_id, 0, 12, first, 0) == second);
    order.release(road, false, 11, 0);
    CHECK(order.empty());
  }
  SECTION("a second refusal binds anew") {
    order.release(order.sent("t", no_id, 0, second), true, 11, 0);
    CHECK(order.bound("t", no_id, 0, 12, first, 0) == second);
    CHECK(order.bound("t", no_id, 0, 11, first, 0) == std::nullopt);
  }
  SECTION("a node that takes one again leads again") {
    order.release(order.sent("t", no_id, 0, first), false, 13, 0);
    CHECK(order.empty());
  }
}

TEST_CASE("produce order: a node that was not dialled binds until Metadata is asked for",
          "[produce_order]") {
  ProduceOrder order;
  order.release(order.sent("t", no_id, 0, first), true, 11, 3);
  CHECK(order.bound("t", no_id, 0, 12, second, 3) == first);
  CHECK(order.bound("t", no_id, 0, 12, std::nullopt, 3) == first);
  CHECK(order.bound("t", no_id, 0, 12, second, 4) == std::nullopt);  // its records, rearranged
  CHECK(order.bound("t", no_id, 0, 12, first, 4) == first);  // what the node says is its own word
  SECTION("a second refusal binds anew") {
    order.release(order.sent("t", no_id, 0, first), true, 12, 4);
    CHECK(order.bound("t", no_id, 0, 13, second, 4) == first);
    CHECK(order.bound("t", no_id, 0, 11, second, 4) == std::nullopt);
    CHECK(order.bound("t", no_id, 0, 13, second, 5) == std::nullopt);
  }
}

TEST_CASE("produce order: a batch and its resend have one mark", "[produce_order]") {
  std::vector<std::byte> batch(wire::batch_header_bytes);
  batch[11] = std::byte{wire::batch_header_bytes - wire::batch_log_overhead};
  batch[16] = std::byte{2};   // magic
  batch[20] = std::byte{77};  // CRC
  CHECK(ProduceOrder::mark_of(batch) == 77);
  batch[15] = std::byte{9};  // the leader epoch is not its client's word
  CHECK(ProduceOrder::mark_of(batch) == 77);
  CHECK(ProduceOrder::mark_of({}) == 0);
}

TEST_CASE("produce order: topics by id are told apart", "[produce_order]") {
  ProduceOrder order;
  wire::Uuid a{}, b{};
  a[0] = std::byte{1};
  b[0] = std::byte{2};
  order.sent("", a, 0, first);
  CHECK(order.bound("", a, 0, 0, first, 0) == first);
  CHECK(order.bound("", b, 0, 0, first, 0) == std::nullopt);
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
  order.release(road, false, 0, 0);
  CHECK(route::leader_of(view, "t", no_id, 0, origin) == second);
}
