// The start of the daemon where clusters keep seams: before any client is let in.
#include <catch2/catch.hpp>

#include "proxy/splice/seams.h"
#include "tests/unit/proxy_under_test.h"
#include "tests/unit/spliced.h"

using namespace fake;

namespace {

constexpr wire::ApiKey offset_commit = 8, offset_fetch = 9, list_groups = 16;
const std::string seam_group = "__shunt.k7q2.m1";

// A migration of topic "t" that was cut.
splice::State migrated() {
  spliced::World w({"t"});
  w.must(splice::JournalNamed{"k7q2"});
  w.cut("t", route::Cluster::new_cluster, 100, 5, 7);
  return w.state;
}

// Two clusters of two brokers and a daemon between them that starts.
struct Start {
  Start() : old(io, 2), fresh(io, 2) {
    observe::log::setup(observe::log::Level::error, observe::log::Format::text);
    fresh.cluster_id = "the-new-cluster";
  }
  // The group, coordinated by the second broker, as `state` would have it.
  void keep(Cluster& at, const splice::State& state) {
    at.coordinators[seam_group] = 2;
    at.answers[list_groups] = [](int broker, const wire::Value&) -> wire::Value {
      wire::Array groups;
      groups.push_back(wire::Struct{{"GroupId", broker == 2 ? seam_group : "billing"}});
      return wire::Struct{{"Groups", std::move(groups)}};
    };
    auto text = splice::seams_of(state, *state.topic("t"), 0);
    text.old_cluster = old.cluster_id;
    wire::Array partitions{wire::Struct{
        {"PartitionIndex", 0}, {"CommittedOffset", 100}, {"Metadata", splice::seam_text(text)}}};
    at.answers[offset_fetch] = [partitions](int, const wire::Value& request) -> wire::Value {
      CHECK(request["GroupId"].text() == seam_group);
      CHECK(request["Topics"].null());
      return wire::Struct{
          {"Topics", wire::Array{wire::Struct{{"Name", "t"}, {"Partitions", partitions}}}}};
    };
  }
  // Runs until it is ready, or refused.
  void run(const splice::State& state = {}, bool new_there = true) {
    net::Settings s;
    s.old_cluster.bootstrap = {{"127.0.0.1", old[1].port()}};
    s.new_cluster = net::ClusterSettings{{{"127.0.0.1", new_there ? fresh[1].port() : port_()}}};
    s.plain = route::Endpoint{"127.0.0.1", port_()};
    net::Remembered remembered;
    remembered.splice = state;
    daemon = net::Daemon::make(io, s, remembered, memory);
    REQUIRE(daemon->listen().empty());
    daemon->start([this] { ready = true; }, [this](const std::string& why) { refused = why; });
    const auto end = std::chrono::steady_clock::now() + 10s;
    while (!ready && refused.empty() && std::chrono::steady_clock::now() < end)
      io.run_one_for(20ms);
  }
  std::uint16_t port_() {
    tcp::acceptor a(io, {asio::ip::address_v4::any(), 0});
    return a.local_endpoint().port();
  }

  asio::io_context io;
  Cluster old, fresh;
  NoMemory memory;
  std::unique_ptr<net::Daemon> daemon;
  bool ready = false;
  std::string refused;
};

}  // namespace

TEST_CASE("start: without seams on either cluster an empty journal is a first start") {
  Start s;
  s.run();
  CHECK(s.ready);
  CHECK(s.refused == "");
}

TEST_CASE("start: an empty journal and seams on one cluster: refused, naming them") {
  for (const bool on_old : {true, false}) {
    Start s;
    s.keep(on_old ? s.old : s.fresh, migrated());
    s.run();
    CHECK_FALSE(s.ready);
    CHECK_THAT(s.refused, Catch::Contains(seam_group) &&
                              Catch::Contains(on_old ? "on old keeps" : "on new keeps") &&
                              Catch::Contains("seams of t,"));
  }
}

TEST_CASE("start: new does not answer, old is asked alone") {
  Start s;
  s.keep(s.old, migrated());
  s.run({}, false);
  CHECK_THAT(s.refused, Catch::Contains(seam_group));
  Start first;
  first.run({}, false);
  CHECK(first.ready);
}

TEST_CASE("start: a coordinator that still loads its groups is asked again") {
  Start s;
  s.keep(s.old, migrated());
  int left = 2;
  const auto listed = s.old.answers[list_groups];
  s.old.answers[list_groups] = [&left, listed](int broker, const wire::Value& request) {
    if (broker == 2 && left-- > 0) return wire::Value(wire::Struct{{"ErrorCode", 14}});
    return listed(broker, request);
  };
  s.run();
  CHECK_THAT(s.refused, Catch::Contains(seam_group));
}

TEST_CASE("start: with the journal there, the seams are its own and are written anew") {
  Start s;
  s.keep(s.old, migrated());
  s.keep(s.fresh, migrated());
  int committed[2] = {0, 0};
  const auto take = [&committed](int i) {
    return [&committed, i](int, const wire::Value& request) -> wire::Value {
      CHECK(request["GroupId"].text() == seam_group);
      CHECK(request["GenerationIdOrMemberEpoch"].number() == -1);
      wire::Array topics;
      for (const auto& t : request["Topics"].array()) {
        wire::Array partitions;
        for (const auto& p : t["Partitions"].array()) {
          std::string problem;
          const auto text = splice::read_seam_text(p["CommittedMetadata"].text(), problem);
          CHECK(problem == "");
          REQUIRE(text);
          CHECK(text->segments.size() == 2);
          CHECK(text->old_cluster == "the-old-cluster");
          CHECK(text->new_cluster == "the-new-cluster");
          CHECK(p["CommittedOffset"].number() == (i == 0 ? 100 : 5));
          ++committed[i];
          partitions.push_back(wire::Struct{{"PartitionIndex", p["PartitionIndex"]}});
        }
        topics.push_back(wire::Struct{{"Name", t["Name"]}, {"Partitions", std::move(partitions)}});
      }
      return wire::Struct{{"Topics", std::move(topics)}};
    };
  };
  s.old.answers[offset_commit] = take(0);
  s.fresh.answers[offset_commit] = take(1);
  s.run(migrated());
  CHECK(s.ready);
  const auto end = std::chrono::steady_clock::now() + 5s;
  while ((committed[0] < 2 || committed[1] < 2) && std::chrono::steady_clock::now() < end)
    s.io.run_one_for(20ms);
  CHECK(committed[0] == 2);
  CHECK(committed[1] == 2);
}
