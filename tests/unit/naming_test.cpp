// Nodes at addresses of their own: one per (client instance, node), or a port per node.
#include "proxy/net/naming.h"

#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>

using namespace shunt;
using namespace shunt::net;
using route::Cluster;
using route::Endpoint;
using route::NodeId;
using wire::Array;
using wire::Struct;
using wire::Value;

namespace {

constexpr int base = 1 << 28;

struct Forgets : Memory {
  int records = 0;
  void remember(const route::IdentityRecord&) override { ++records; }
  void remember_versions(Cluster, const route::ApiRanges&) override {}
  void remember_cluster_id(Cluster, const std::string&) override {}
  bool keep(const splice::Record&, bool) override { return true; }
};

wire::Uuid uuid(int n) {
  wire::Uuid id{};
  id[15] = static_cast<std::byte>(n);
  return id;
}

Value metadata(const char* cluster, std::vector<int> brokers, const char* topic, int id) {
  Array list;
  for (const int b : brokers) {
    list.push_back(Struct{
        {"NodeId", b}, {"Host", "native"}, {"Port", 9}, {"Rack", b == 2 ? Value("r2") : Value()}});
  }
  return Struct{{"Brokers", std::move(list)},
                {"ClusterId", cluster},
                {"Topics", Array{Struct{{"Name", topic}, {"TopicId", uuid(id)}}}}};
}

struct Fixture {
  explicit Fixture(Settings s = {}) : world(io, std::move(s), {}, memory) {
    world.old_topology.take_metadata(metadata("old", {1, 2}, "t", 1), true);
    world.new_topology.take_metadata(metadata("new", {1}, "t", 7), true);
  }
  boost::asio::io_context io;
  Forgets memory;
  World world;
};

}  // namespace

TEST_CASE("naming: every node of both clusters, at an address of its own", "[naming]") {
  Fixture f;
  Who one, two;
  one.local_port = two.local_port = 19092;
  one.client_id = two.client_id = "same-name";
  SessionNaming a(f.world, one), b(f.world, two);
  const auto nodes = a.nodes();
  REQUIRE(nodes.size() == 3);
  const std::vector<NodeId> ids = {NodeId{1}, NodeId{2}, NodeId{base + 1}};
  std::set<std::string> hosts;
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(nodes[i].id == ids[i]);
    CHECK(nodes[i].at.port == 19092);
    CHECK(nodes[i].has_rack == (i == 1));
    hosts.insert(nodes[i].at.host);
    CHECK(a.at(nodes[i].id) == nodes[i].at);  // the same whenever it is asked for
  }
  for (const auto& n : b.nodes()) hosts.insert(n.at.host);  // another instance: other addresses
  CHECK(hosts.size() == 6);
  for (const auto& h : hosts) {
    CHECK(h.starts_with("127."));
    CHECK(h != "127.0.0.1");
    const auto address = route::Address::parse(h);
    REQUIRE(address);
    REQUIRE(f.world.identities.meaning(*address));
  }
  CHECK(one.instance != two.instance);
  CHECK(f.memory.records > 0);  // in the journal before a client sees them
  CHECK_FALSE(a.at(NodeId{-1}));
}

TEST_CASE("naming: a port per node where one host is advertised", "[naming]") {
  Settings s;
  s.advertise = Advertise::address;
  s.advertise_host = "proxy.example";
  s.advertise_port_first = 20000;
  s.advertise_port_last = 20001;  // one too few
  Fixture f(s);
  Who one, two;
  SessionNaming a(f.world, one), b(f.world, two);
  const auto nodes = a.nodes();
  REQUIRE(nodes.size() == 2);
  CHECK(nodes[0].at == Endpoint{"proxy.example", 20000});
  CHECK(nodes[1].at == Endpoint{"proxy.example", 20001});
  CHECK_FALSE(a.at(NodeId{base + 1}));
  CHECK(b.at(NodeId{2}) == nodes[1].at);  // the same for every client
  CHECK(f.world.identities.node_of_slot(0) ==
        route::NodeKey{Cluster::old_cluster, route::NativeNodeId{1}});
}

TEST_CASE("naming: topic ids of new are shown as old's", "[naming]") {
  Fixture f;
  Who who;
  SessionNaming naming(f.world, who);
  const struct {
    Cluster from;
    int native, shown;
  } rows[] = {{Cluster::old_cluster, 1, 1},
              {Cluster::old_cluster, 9, 9},
              {Cluster::new_cluster, 7, 1},
              {Cluster::new_cluster, 9, 0},
              {Cluster::new_cluster, 0, 0}};
  for (const auto& row : rows)
    CHECK(naming.topic_id(row.from, uuid(row.native)) == uuid(row.shown));
}
