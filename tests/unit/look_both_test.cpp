// verify and lag over two clusters that answer, are away, or take a question and say nothing.
#include <boost/asio/post.hpp>

#include "proxy/net/lag.h"
#include "proxy/net/verify.h"
#include "tests/unit/proxy_under_test.h"
#include "tests/unit/record_sets.h"

using namespace shunt;
using namespace std::chrono_literals;
using route::Cluster;
using wire::Array;
using wire::Struct;
using wire::Value;

namespace {

constexpr auto old_cluster = Cluster::old_cluster, new_cluster = Cluster::new_cluster;
const net::PartitionKey key{"t", 0};

// One broker with topic "t" of one partition, in batches of 5, and commits of one group.
struct OneBroker : net::ClusterAccess {
  enum class Mood { answers, away, hangs };
  net::World* world = nullptr;
  Cluster cluster = old_cluster;
  Mood mood = Mood::answers;
  std::int64_t start = 0, end = 0, committed = -1;
  int leader = 1;
  std::map<wire::ApiKey, int> asked;
  std::function<void()> on_call;

  void refresh_soon() override {}
  void groups_changed() override {}
  const std::map<std::string, observe::GroupView>& groups() const override {
    static const std::map<std::string, observe::GroupView> none;
    return none;
  }
  const std::map<std::string, std::vector<net::GroupMember>>& members() const override {
    return group_members;
  }
  std::map<std::string, std::vector<net::GroupMember>> group_members;
  bool classic(const std::string&) const override { return true; }
  bool reachable() const override { return mood != Mood::away; }
  const std::string& error() const override { return nothing; }
  std::string nothing;
  std::optional<route::NativeNodeId> any_node() override { return route::NativeNodeId{1}; }
  void find_coordinator(route::CoordinatorKind kind, const std::string& group,
                        std::function<void()> done) override {
    world->topology(cluster).set_coordinator(kind, group, route::NativeNodeId{1});
    boost::asio::post(world->io, std::move(done));
  }
  void call(route::NativeNodeId, wire::ApiKey api, wire::Version, const Value& body,
            Answered done) override {
    ++asked[api];
    if (on_call) on_call();
    if (mood == Mood::hangs) return;
    boost::asio::post(world->io, [done = std::move(done), v = answer(api, body)] { done("", v); });
  }
  Value metadata() const {
    return Struct{{"Brokers", Array{Struct{{"NodeId", 1}, {"Host", "b"}, {"Port", 9092}}}},
                  {"ClusterId", std::string(route::name(cluster))},
                  {"Topics", Array{Struct{{"Name", "t"},
                                          {"Partitions", Array{Struct{{"PartitionIndex", 0},
                                                                      {"LeaderId", leader}}}}}}}};
  }
  Value answer(wire::ApiKey api, const Value& body) {
    constexpr wire::ApiKey fetch = 1, list_offsets = 2, metadata_key = 3, offset_fetch = 9;
    switch (api) {
      case metadata_key:
        return metadata();
      case list_offsets: {
        const auto asked_for =
            body["Topics"].array()[0]["Partitions"].array()[0]["Timestamp"].number();
        return topics("Topics", "Name",
                      Struct{{"PartitionIndex", 0}, {"Offset", asked_for == -2 ? start : end}});
      }
      case fetch:
        return topics(
            "Responses", "Topic",
            Struct{
                {"PartitionIndex", 0},
                {"LogStartOffset", start},
                {"Records",
                 records(
                     body["Topics"].array()[0]["Partitions"].array()[0]["FetchOffset"].number())}});
      case offset_fetch:
        return topics("Topics", "Name",
                      Struct{{"PartitionIndex", 0}, {"CommittedOffset", committed}});
      default:
        return Struct{};
    }
  }
  static Value topics(const char* list, const char* name, Struct partition) {
    return Struct{{list, Array{Struct{{name, "t"}, {"Partitions", Array{Value(partition)}}}}}};
  }
  record_sets::Buffer records(std::int64_t from) const {
    record_sets::Random random(1);
    if (from >= end) return {};
    const auto base = from - from % 5;
    return record_sets::batch(random, base, static_cast<int>(std::min<std::int64_t>(5, end - base)),
                              0, 9, 10);
  }
};

struct Both {
  Both() : world(io, {}, {}, memory) {
    started.migration = "m1";
    started.topics.push_back({"t", {}, {}, 1});
    REQUIRE(world.splice.apply(started) == nullptr);
    for (const auto c : {old_cluster, new_cluster}) {
      auto& b = brokers[static_cast<std::size_t>(c)];
      b.world = &world;
      b.cluster = c;
      world.access[static_cast<std::size_t>(c)] = &b;
      world.topology(c).take_metadata(b.metadata(), true);
    }
    brokers[0].end = 40;
    brokers[0].committed = 30;
  }
  // old [0, 40), new [10, ...): virtual 40.
  void cut() {
    REQUIRE(world.splice.apply(splice::CutIntended{"m1", "m1.1", {"t"}, new_cluster, "", 0}) ==
            nullptr);
    splice::CutSealed sealed{"m1.1", 1, {}, 0};
    sealed.seams.push_back({"t", 0, 40, 10, 0, {}, {}});
    REQUIRE(world.splice.apply(sealed) == nullptr);
    brokers[1].end = 25;
    REQUIRE(world.splice.apply(splice::CommitAccepted{"g", "t", 0, {52}, "", 0}) == nullptr);
    brokers[0].committed = 40;
    brokers[1].committed = 22;
  }
  template <class T>
  T run(std::function<void(std::function<void(const T&)>)> begin) {
    std::optional<T> out;
    begin([&](const T& t) { out = t; });
    const auto until = net::Clock::now() + 5s;
    while (!out && net::Clock::now() < until) io.run_one_for(10ms);
    REQUIRE(out);
    return *out;
  }
  splice::Proof verify() {
    return run<splice::Proof>([&](auto done) {
      std::make_shared<net::Verify>(world, net::VerifyLimits{30ms, 30ms, 30ms, 90ms})->start(done);
    });
  }
  std::vector<splice::GroupLag> lag(const std::set<std::string>& groups) {
    return run<std::vector<splice::GroupLag>>([&](auto done) {
      std::make_shared<net::Lag>(world, net::LagLimits{30ms, 30ms})->start(groups, done);
    });
  }

  boost::asio::io_context io;
  fake::NoMemory memory;
  net::World world;
  OneBroker brokers[2];
  splice::MigrationStarted started;
};

using Sentences = std::vector<std::string>;

}  // namespace

TEST_CASE("verify: both answer") {
  Both b;
  b.cut();
  const auto proof = b.verify();
  CHECK(proof.problems.empty());
  REQUIRE(proof.partitions.size() == 1);
  CHECK(proof.partitions[0].problems.empty());
  REQUIRE(proof.partitions[0].seams.size() == 1);
  CHECK(proof.partitions[0].seams[0].last_before == 39);
  CHECK(proof.partitions[0].seams[0].first_after == 40);
  CHECK(proof.partitions[0].segments[0].crc32c);
  REQUIRE(proof.groups.size() == 1);
  CHECK(proof.groups[0].ok);
  CHECK(proof.groups[0].old_committed == 40);
  CHECK(proof.groups[0].new_committed == 22);
}

TEST_CASE("verify: one that is away, or hangs, is a problem and never a wait") {
  for (const auto mood : {OneBroker::Mood::away, OneBroker::Mood::hangs}) {
    Both b;
    b.cut();
    b.brokers[1].mood = mood;
    const auto proof = b.verify();
    const bool away = mood == OneBroker::Mood::away;
    CHECK(proof.problems == (away ? Sentences{"new: the cluster cannot be reached"} : Sentences{}));
    CHECK(proof.partitions[0].problems ==
          Sentences{away ? "new could not be read: the cluster cannot be reached"
                         : "new could not be read: Metadata: no answer within 30 ms"});
    CHECK(proof.partitions[0].segments[0].records == 40);
    CHECK(proof.partitions[0].seams[0].last_before == 39);
    CHECK_FALSE(proof.groups[0].ok);
    CHECK(proof.groups[0].old_committed == 40);
    CHECK(proof.groups[0].new_committed == -1);
  }
}

TEST_CASE("verify: no leader, records past a closed end, a commit that differs") {
  Both b;
  b.cut();
  b.brokers[0].end = 43;
  b.brokers[0].committed = 39;
  b.brokers[1].leader = -1;
  const auto proof = b.verify();
  CHECK(proof.partitions[0].stragglers == 3);
  CHECK(
      proof.partitions[0].problems ==
      Sentences{"3 records behind the end of old's part (40; its log ends at 43): a producer goes "
                "past Shunt; producer ids there: 9",
                "new could not be read: it has no leader"});
  CHECK(proof.problems ==
        Sentences{"group g, t-0: old has 39 committed, its position 52 is 40 there"});
}

TEST_CASE("verify: a group that commits while it is asked agrees in the end") {
  Both b;
  b.cut();
  b.brokers[0].committed = 39;  // the home's answer, older than the journal by now
  b.brokers[0].on_call = [&] {
    if (b.brokers[0].asked[9] == 2) b.brokers[0].committed = 40;
  };
  const auto proof = b.run<splice::Proof>([&](auto done) {
    std::make_shared<net::Verify>(b.world, net::VerifyLimits{30ms, 30ms, 30ms, 3s})->start(done);
  });
  CHECK(proof.problems.empty());
  CHECK(proof.groups[0].ok);
}

TEST_CASE("verify: a seam that is written meanwhile begins it anew") {
  Both b;
  b.brokers[0].on_call = [&] {
    if (b.brokers[0].asked[2] == 1 && !b.world.splice.topic("t")->spliced()) b.cut();
  };
  const auto proof = b.verify();
  CHECK(proof.partitions[0].segments.size() == 2);
  CHECK(proof.partitions[0].problems.empty());
}

TEST_CASE("lag: a position of the home before the cut, of the journal after it") {
  Both b;
  auto all = b.lag({"g", "other"});
  REQUIRE(all.size() == 2);  // the fake broker answers the same for each
  CHECK(all[0].partitions[0].position == 30);
  CHECK(all[0].partitions[0].end == 40);
  b.cut();
  b.brokers[0].group_members["g"].push_back({"m-1", "app", "h", {{"t", {0}}}});
  all = b.lag({"g"});
  REQUIRE(all.size() == 1);
  const auto& p = all[0].partitions[0];
  CHECK(p.position == 52);
  CHECK(p.end == 55);
  CHECK(p.in_old == splice::PartitionLag::Side{40, 40});
  CHECK(p.in_new == splice::PartitionLag::Side{22, 25});
  CHECK(p.member_id == "m-1");
  CHECK(p.client_id == "app");
}

TEST_CASE("lag: what does not answer is not known") {
  for (const auto mood : {OneBroker::Mood::away, OneBroker::Mood::hangs}) {
    Both b;
    b.cut();
    b.brokers[0].mood = b.brokers[1].mood = mood;
    const auto all = b.lag({"g"});
    REQUIRE(all.size() == 1);
    const auto& p = all[0].partitions[0];
    CHECK(p.position == 52);  // the journal knows
    CHECK(p.end == -1);
    CHECK(p.in_old == splice::PartitionLag::Side{40, 40});
    CHECK(p.in_new == splice::PartitionLag::Side{22, -1});
  }
}
