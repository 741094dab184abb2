// A group's coordinator goes from one fake cluster to the other, its members held between.
#include <catch2/catch.hpp>

#include "tests/unit/moving_proxy.h"

using namespace shunt;
using fake::Moving;
using namespace std::chrono_literals;

namespace {

constexpr wire::ApiKey offset_fetch = 9, join_group = 11, heartbeat = 12, leave_group = 13,
                       sync_group = 14, describe_groups = 15, list_groups = 16;
constexpr int rebalancing = 27, id_required = 79;
using wire::Array;
using wire::Struct;
using wire::Value;

// Production is at new, all may read there. Group "g" at old, with two members.
struct Grouped : Moving {
  Grouped() {
    goes(cut());
    old.coordinators["g"] = fresh->coordinators["g"] = 1;
    old.answers[list_groups] = [](int, const Value&) -> Value {
      return Struct{{"Groups", Array{Struct{{"GroupId", "g"}, {"ProtocolType", "consumer"}}}}};
    };
    old.answers[describe_groups] = [this](int, const Value&) { return described(at_old, state); };
    old.answers[leave_group] = [this](int, const Value& asked) -> Value {
      left_old.insert(std::string(asked["MemberId"].text()));
      return Struct{};
    };
    // It has read all that old has: nothing.
    old.answers[offset_fetch] = [](int, const Value&) -> Value {
      return Struct{{"Topics", Array{Struct{{"Name", "t"},
                                            {"Partitions", Array{Struct{{"PartitionIndex", 0},
                                                                        {"CommittedOffset", 0},
                                                                        {"Metadata", "m"}}}}}}}};
    };
    old.answers[heartbeat] = [this](int, const Value& asked) -> Value {
      beaten.insert(std::string(asked["MemberId"].text()));
      return Struct{};
    };
    fresh->answers[describe_groups] = [this](int, const Value&) {
      auto members = at_new;
      if (!placeholder_left) members.insert("ours");
      return described(members, placeholder_left ? "Stable" : "PreparingRebalance");
    };
    fresh->answers[join_group] = [](int, const Value& asked) -> Value {
      const bool known = asked["MemberId"].text() == "ours";
      return Struct{{"ErrorCode", known ? 0 : id_required},
                    {"GenerationId", known ? 1 : -1},
                    {"MemberId", "ours"}};
    };
    fresh->answers[leave_group] = [this](int, const Value&) -> Value {
      placeholder_left = true;
      return Struct{};
    };
    for (auto* one : {&first, &second}) *one = client();
  }
  static Value described(const std::set<std::string>& members, const std::string& state) {
    Array list;
    for (const auto& m : members) list.push_back(Struct{{"MemberId", m}, {"ClientId", "app"}});
    return Struct{{"Groups", Array{Struct{{"GroupId", "g"},
                                          {"GroupState", state},
                                          {"ProtocolType", "consumer"},
                                          {"ProtocolData", "range"},
                                          {"Members", std::move(list)}}}}};
  }
  // A member's request; its answer's error, or whole.
  void send(const std::shared_ptr<fake::Peer>& peer, wire::ApiKey api, int correlation,
            const std::string& member, int generation = 5) {
    Struct body{{"GroupId", "g"}, {"MemberId", member}};
    if (api == join_group)
      body.set("ProtocolType", "consumer");
    else
      body.set("GenerationId", generation);
    peer->send(fake::request_frame(api, api == join_group ? 5 : 3, correlation, body, "app"));
  }
  Value told(const std::shared_ptr<fake::Peer>& peer, wire::ApiKey api, int correlation) {
    REQUIRE(until([&] { return !read(*peer, correlation, api, version(api)).null(); }));
    return read(*peer, correlation, api, version(api));
  }
  static int version(wire::ApiKey api) { return api == join_group ? 5 : 3; }
  std::int64_t beats(const std::shared_ptr<fake::Peer>& peer, int correlation,
                     const std::string& member, int generation = 5) {
    send(peer, heartbeat, correlation, member, generation);
    return told(peer, heartbeat, correlation)["ErrorCode"].number();
  }
  Call finish() {
    auto e = std::make_shared<fake::Ended>();
    daemon->operate().finish({}, [this, e](const net::Refused* why, const net::Finished& f) {
      e->over = true;
      if (why != nullptr) e->refused = *why;
      finished = f;
    });
    return e;
  }
  void reach_barrier() {
    int n = 1000;
    REQUIRE(until([&] { return beats(first, ++n, "m1") == rebalancing; }));
  }

  std::set<std::string> at_old = {"m1", "m2"}, at_new, left_old, beaten;
  std::string state = "Stable";
  bool placeholder_left = false;
  net::Finished finished;
  std::shared_ptr<fake::Peer> first, second;
};

}  // namespace

TEST_CASE("hand-over: what is parked at old is adopted, and the group is whole at new",
          "[handover]") {
  Grouped p;
  CHECK(p.beats(p.first, 1, "m1") == 0);
  CHECK(p.beats(p.second, 1, "m2") == 0);
  // A rebalance begins just then: this one waits at old for the other, who will be held here.
  p.olds.keep(join_group);
  p.send(p.second, join_group, 2, "m2");
  REQUIRE(p.until([&] { return p.olds.kept.size() == 1; }));
  const auto run = p.finish();
  p.reach_barrier();
  CHECK(p.daemon->operate().step() == "handover");
  // A sync of the former generation hears it, too.
  p.send(p.first, sync_group, 2, "m1");
  CHECK(p.told(p.first, sync_group, 2)["ErrorCode"].number() == rebalancing);
  // Who waits here is kept alive at old.
  REQUIRE(p.until([&] { return p.beaten.contains("m2"); }));
  CHECK_FALSE(run->over);
  CHECK(p.news.asked(join_group) == 0);

  p.news.keeps = [&](const fake::Asked& a) {
    return a.header.api == join_group && !p.fresh->daemons.contains(a.peer);
  };
  p.send(p.first, join_group, 3, "m1");
  REQUIRE(p.until([&] { return p.news.kept.size() == 2; }));
  for (const auto& asked : std::exchange(p.news.kept, {})) {
    CHECK(asked.value()["MemberId"].text().empty());  // new has not issued these ids
    asked.answer(Struct{{"ErrorCode", id_required},
                        {"GenerationId", -1},
                        {"MemberId", "n" + std::to_string(p.at_new.size() + 1)}});
    p.at_new.insert("n" + std::to_string(p.at_new.size() + 1));
  }
  REQUIRE(p.until([&] { return p.news.kept.size() == 2; }));
  REQUIRE(p.until([&] { return p.placeholder_left; }));  // not before all were there
  for (const auto& asked : std::exchange(p.news.kept, {})) {
    CHECK(asked.value()["MemberId"].text().starts_with("n"));
    asked.answer(
        Struct{{"ErrorCode", 0}, {"GenerationId", 2}, {"MemberId", asked.value()["MemberId"]}});
  }
  for (const auto& [peer, correlation] : {std::pair{p.first, 3}, std::pair{p.second, 2}}) {
    const auto joined = p.told(peer, join_group, correlation);
    CHECK(joined["ErrorCode"].number() == 0);
    CHECK(joined["GenerationId"].number() == 7);  // above old's last
    CHECK(joined["MemberId"].text().starts_with("n"));
  }
  REQUIRE(p.until([&] { return run->over; }));
  CHECK_FALSE(run->refused);
  REQUIRE(p.finished.groups.size() == 1);
  CHECK(p.finished.groups[0].members == 2);
  CHECK(p.finished.left);
  CHECK(p.left_old == std::set<std::string>{"m1", "m2"});
  CHECK(p.news.commits.at({"g", 0}) == 3);  // in new's own numbers: it held 3 records before

  // In new's terms from now on; one of old's ids is told to join anew, by us.
  const auto before = p.news.asked(heartbeat);
  CHECK(p.beats(p.first, 10, "m1", 5) == rebalancing);
  CHECK(p.news.asked(heartbeat) == before);
  CHECK(p.beats(p.first, 11, "n1", 7) == 0);
  REQUIRE(p.news.asked(heartbeat) == before + 1);
  for (const auto& broker : p.fresh->brokers) {
    for (const auto& asked : broker->asked) {
      if (asked.header.api == heartbeat) CHECK(asked.value()["GenerationId"].number() == 2);
    }
  }
}

TEST_CASE("hand-over: a member that does not come sends all back, the leader last", "[handover]") {
  Grouped p;
  // m1 leads, as its last join said.
  p.old.answers[join_group] = [](int, const Value& asked) -> Value {
    return Struct{
        {"ErrorCode", 0}, {"GenerationId", 5}, {"Leader", "m1"}, {"MemberId", asked["MemberId"]}};
  };
  p.at_old = {"m1", "m2", "m3"};  // who never comes
  const auto third = p.client();
  CHECK(p.beats(third, 1, "m3") == 0);
  p.send(p.first, join_group, 1, "m1");
  CHECK(p.told(p.first, join_group, 1)["GenerationId"].number() == 5);
  CHECK(p.beats(p.second, 1, "m2") == 0);
  const auto run = p.finish();
  p.reach_barrier();
  p.send(p.first, join_group, 2, "m1");
  p.send(p.second, join_group, 2, "m2");
  REQUIRE(p.until([&] { return run->over; }, 30s));
  REQUIRE(run->refused);
  CHECK(run->refused->blockers.at(0).id == "group.asleep");
  CHECK(run->refused->blockers.at(0).reason.find("m3") != std::string::npos);
  CHECK(p.told(p.second, join_group, 2)["ErrorCode"].number() == 0);
  CHECK(p.told(p.first, join_group, 2)["ErrorCode"].number() == 0);
  std::vector<std::string> order;
  for (const auto& broker : p.old.brokers) {
    for (const auto& asked : broker->asked) {
      if (asked.header.api == join_group) order.emplace_back(asked.value()["MemberId"].text());
    }
  }
  CHECK(order == std::vector<std::string>{"m1", "m2", "m1"});
  CHECK(p.news.asked(join_group) == 0);
  CHECK(p.beats(p.first, 3, "m1") == 0);  // at old, as ever
}

TEST_CASE("hand-over: one without members moves by its offsets, and nothing is asked of it",
          "[handover]") {
  Grouped p;
  p.at_old.clear();
  p.state = "Empty";
  const auto run = p.finish();
  REQUIRE(p.until([&] { return run->over; }));
  CHECK_FALSE(run->refused);
  CHECK(p.finished.left);
  CHECK_FALSE(p.placeholder_left);  // there was none
  CHECK(p.news.commits.at({"g", 0}) == 3);
}

TEST_CASE("finish: a group of KIP-848, and one that has not read all of old", "[handover]") {
  Grouped p;
  const auto blockers = [&] {
    const auto run = p.finish();
    REQUIRE(p.until([&] { return run->over; }, 20s));
    std::string out;
    for (const auto& b : run->refused ? run->refused->blockers : std::vector<net::Check>{})
      out += (out.empty() ? "" : " ") + b.id + ":" + b.target;
    return out;
  };
  const auto listed = p.old.answers[list_groups];
  p.old.answers[list_groups] = [](int, const Value&) -> Value {
    return Struct{
        {"Groups",
         Array{Struct{{"GroupId", "g"}, {"ProtocolType", "consumer"}, {"GroupType", "consumer"}}}}};
  };
  CHECK(blockers() == "group.type:g");
  p.old.answers[list_groups] = listed;

  // Production goes back and forth: old has two records more, which the group has not read.
  p.goes(p.undo());
  const auto app = p.client();
  CHECK(p.does(app, 1, {{0, 1000, 0, 2}}) == "0 at 0");
  p.goes(p.cut());
  CHECK(blockers() == "group.undrained:g");
  CHECK(p.news.asked(join_group) == 0);
  CHECK(p.daemon->operate().state().all_handed().empty());
}

TEST_CASE("finish: a consumer without a group that reads what only old has", "[handover]") {
  Grouped p;
  p.at_old.clear();
  p.state = "Empty";
  p.goes(p.undo());
  const auto app = p.client();
  CHECK(p.does(app, 1, {{0, 1000, 0, 2}}) == "0 at 0");
  p.goes(p.cut());
  p.old.answers[offset_fetch] = [](int, const Value&) -> Value {  // the group has read them
    return Struct{{"Topics", Array{Struct{{"Name", "t"},
                                          {"Partitions", Array{Struct{{"PartitionIndex", 0},
                                                                      {"CommittedOffset", 2},
                                                                      {"Metadata", "m"}}}}}}}};
  };
  const auto reader = p.client();
  int n = 0;
  const auto stands_at = [&](std::int64_t offset) {
    reader->send(Moving::fetch_frame(++n, {{0, offset}}));
    REQUIRE(p.until([&] { return !Moving::fetched(*reader, n).null(); }));
  };
  stands_at(1);
  auto run = p.finish();
  REQUIRE(p.until([&] { return run->over; }, 20s));
  REQUIRE(run->refused);
  REQUIRE(run->refused->blockers.size() == 1);
  CHECK(run->refused->blockers[0].id == "reader.undrained");
  CHECK(run->refused->blockers[0].target == "reader");
  CHECK(run->refused->blockers[0].reason.find("1 records in 1 partitions, t-0") !=
        std::string::npos);
  CHECK(p.daemon->operate().state().all_handed().empty());

  stands_at(2);  // at the seam: it has read them
  run = p.finish();
  REQUIRE(p.until([&] { return run->over; }, 20s));
  CHECK_FALSE(run->refused);
}
