// A cut through the operator's interface: what blocks it, what ends it, what is seen of it.
#include <catch2/catch.hpp>

#include "tests/unit/moving_proxy.h"

using namespace shunt;
using fake::Blocker;
using fake::Moving;
using wire::Array;
using wire::Struct;
using wire::Value;
using namespace std::chrono_literals;

namespace {

constexpr auto old_one = route::Cluster::old_cluster, new_one = route::Cluster::new_cluster;

Value producer(std::int64_t id, int coordinator_epoch, std::int64_t open) {
  return Struct{{"ProducerId", id},
                {"LastTimestamp", 1'700'000'000'000},
                {"CoordinatorEpoch", coordinator_epoch},
                {"CurrentTxnStartOffset", open}};
}

// The cut is aborted there, for that; nothing is held any more, and Produce goes to old.
void aborts(Moving& p, const Moving::Call& moved, const char* step, const char* reason) {
  REQUIRE(p.until([&] { return moved->over; }));
  CHECK_FALSE(moved->refused);
  CHECK_FALSE(moved->moved.changed);
  CHECK(moved->moved.aborted_at == step);
  CHECK_THAT(moved->moved.reason, Catch::Contains(reason));
  CHECK(p.until([&] { return p.held() == 0; }));
  CHECK(p.daemon->operate().step().empty());
  CHECK(p.daemon->operate().state().topic("t")->produce_to() == old_one);
  CHECK_FALSE(p.part(0).candidate_end);
  CHECK(p.daemon->metrics().cuts[1] == 1);
}

}  // namespace

TEST_CASE("what blocks a migration is named by its check", "[cut]") {
  const struct {
    const char* why;
    std::function<void(Moving&)> make;
    const char* id;
    const char* target;
    net::StartRequest accepted;  // with this it goes
    bool cannot = false;
  } rows[] = {
      {"a transactional producer",
       [](Moving& p) { p.olds[1].transactions[9] = producer(9, 4, -1); },
       "producer.transactional",
       "t-1",
       {},
       true},
      {"an open transaction",
       [](Moving& p) { p.olds[1].transactions[9] = producer(9, -1, 0); },
       "producer.transactional",
       "t-1",
       {},
       true},
      {"a producer that is not ours",
       [](Moving& p) { p.olds[1].transactions[9] = producer(9, -1, -1); },
       "producer.foreign",
       "t-1",
       {1, {"t"}, false, true}},
      {"a compacted topic",
       [](Moving& p) { p.olds.config["cleanup.policy"] = "compact,delete"; },
       "topic.cleanup",
       "t",
       {1, {"t"}, true, false}},
  };
  for (const auto& row : rows) {
    INFO(row.why);
    Moving p(9s, false);
    row.make(p);
    const auto e = p.started();
    REQUIRE(p.until([&] { return e->over; }));
    REQUIRE(e->refused);
    CHECK(e->refused->status == 409);
    REQUIRE(e->refused->blockers.size() == 1);
    CHECK(e->refused->blockers[0].id == row.id);
    CHECK(e->refused->blockers[0].target == row.target);
    CHECK(p.daemon->operate().state().idle());
    if (row.cannot) continue;
    const auto again = p.started(row.accepted);
    REQUIRE(p.until([&] { return again->over; }));
    CHECK_FALSE(again->refused);
  }
}

TEST_CASE("members block a migration that never passed here, not those that have left", "[cut]") {
  constexpr wire::ApiKey find_coordinator = 10, heartbeat = 12, leave_group = 13,
                         describe_groups = 15, list_groups = 16;
  Moving p(9s, false);
  // ConsumerProtocolAssignment: version 0, one topic, "t", one partition, 0, no user data.
  std::vector<std::byte> assignment;
  for (const int b : {0, 0, 0, 0, 0, 1, 0, 1, int{'t'}, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0})
    assignment.push_back(std::byte(b));
  p.old.coordinators["g"] = 1;
  p.old.daemon_asks = [&, others = p.old.daemon_asks](const fake::Asked& a) {
    if (a.header.api == list_groups) {
      a.answer(Struct{{"Groups", Array{Struct{{"GroupId", "g"}, {"ProtocolType", "consumer"}}}}});
    } else if (a.header.api == describe_groups) {
      const Struct member{
          {"MemberId", "m"}, {"ClientHost", "/10.0.0.7"}, {"MemberAssignment", assignment}};
      a.answer(Struct{{"Groups", Array{Struct{{"GroupId", "g"}, {"Members", Array{member}}}}}});
    } else if (a.header.api == find_coordinator) {
      a.answer(p.old.coordinator(a.value()));
    } else {
      return others(a);
    }
    return true;
  };
  const auto outside = [&] {
    const auto seen = p.daemon->snapshot().groups;
    return seen.size() == 1 && seen[0].members_outside == 1;
  };
  REQUIRE(p.until(outside));
  const auto e = p.started();
  REQUIRE(p.until([&] { return e->over; }));
  REQUIRE(e->refused);
  CHECK(e->refused->blockers.at(0).id == "group.outside");
  const auto app = p.client();
  const Struct member{{"GroupId", "g"}, {"MemberId", "m"}};
  app->send(fake::request_frame(heartbeat, 3, 1, member, "app"));
  app->send(fake::request_frame(leave_group, 2, 2, member, "app"));
  REQUIRE(p.until([&] {
    return std::ranges::any_of(p.old[1].asked,
                               [](const auto& a) { return a.header.api == leave_group; });
  }));
  // Old's word on the group is some seconds old: the member is still in it.
  const auto again = p.started();
  REQUIRE(p.until([&] { return again->over; }));
  CHECK_FALSE(again->refused);
}

TEST_CASE("new must have as many partitions as old", "[cut]") {
  fake::Proxy p(net::MoveSettings{}, 2, 3);
  std::string id;
  p.daemon->operate().start({1, {"t"}}, [&](const net::Refused* why, const std::string&) {
    id = why != nullptr && !why->blockers.empty() ? why->blockers[0].id : "none";
  });
  CHECK(p.until([&] { return !id.empty(); }));
  CHECK(id == "topic.partitions");
}

TEST_CASE("a plan counts what only old will have", "[cut]") {
  Moving p(9s, false);
  const auto app = p.client();
  CHECK(p.does(app, 1, {{0, -1, -1, 5}, {1, -1, -1, 2}}) == "0 at 0, 1 at 0");
  p.olds[0].start = 1;
  std::vector<net::HistoryLeft> left;
  p.daemon->operate().plan({1, {"t"}}, [&](const net::Refused* why, const net::Plan& plan) {
    CHECK(why == nullptr);
    CHECK(plan.blockers.empty());
    left = plan.history_left_on_old;
  });
  REQUIRE(p.until([&] { return !left.empty(); }));
  CHECK(left.size() == 1);
  CHECK(left[0].topic == "t");
  CHECK(left[0].records == 6);
}

TEST_CASE("what has come up since blocks the cut, before anybody is held", "[cut]") {
  Moving p;
  p.olds[0].transactions[9] = producer(9, -1, -1);
  const auto moved = p.cut();
  CHECK(p.until([&] { return moved->over; }));
  REQUIRE(moved->refused);
  CHECK(moved->refused->blockers.at(0).id == "producer.foreign");
  CHECK(p.memory.kept.size() == 2);  // that it was started, and its groups may read new
  p.goes(p.cut(new_one, true));
  // There already, or nothing to take back: no cut.
  const auto again = p.cut(new_one);
  REQUIRE(p.until([&] { return again->over; }));
  CHECK_FALSE(again->refused);
  CHECK_FALSE(again->moved.changed);
  CHECK(again->moved.move.empty());
  CHECK(p.memory.kept.size() == 6);  // the journal's name, for the seams the clusters keep
}

TEST_CASE("a seam knows the last batches from before a sweep, too", "[cut]") {
  Moving p;
  CHECK(p.does(p.client(), 1, {{0, 1000, 0, 2}}) == "0 at 0");
  p.goes(p.cut());
  CHECK(p.does(p.client(), 2, {{0, 1000, 2, 2}}) == "0 at 2");
  p.olds[0].append(fake::batch_of({.partition = 0, .records = 3}));  // past us
  REQUIRE(p.until([&] { return p.part(0).stragglers == 3; }));
  p.goes(p.cut(splice::Cluster::old_cluster, true));
  CHECK(p.does(p.client(), 3, {{0, 1000, 2, 2}}) == "0 at 2");  // its answer was lost
  CHECK(p.does(p.client(), 4, {{0, 1000, 4, 1}}) == "0 at 7");
}

TEST_CASE("one step at a time", "[cut]") {
  Moving p;
  Blocker blocker(p);
  const auto moved = p.cut();
  REQUIRE(p.at("S3"));
  for (const auto& second : {p.cut(), p.undo()}) {
    REQUIRE(second->over);
    REQUIRE(second->refused);
    CHECK(second->refused->status == 409);
    CHECK(second->refused->code == "step_running");
    CHECK(second->refused->message == "a step is running: m1.2 at S3");
  }
  blocker.release();
  p.goes(moved);
  p.goes(p.undo());
}

TEST_CASE("a cut that cannot go through ends, and lets everybody go on at old", "[cut]") {
  using Fault = std::function<void(Moving&)>;
  const auto silent = [](fake::Logs& logs, wire::ApiKey api) {
    // Brokers answer in order: what comes behind on that connection waits, too.
    logs.keeps = [api, mute = std::set<fake::Peer*>{}](const fake::Asked& a) mutable {
      if (a.header.api == api) mute.insert(a.peer.get());
      return mute.contains(a.peer.get());
    };
  };
  const struct {
    const char* why;
    Fault fault;  // while S3 holds
    const char* step;
    const char* reason;
  } rows[] = {
      {"old says nothing of its ends", [&](Moving& p) { silent(p.olds, Moving::list_offsets); },
       "S4", "not done within move.hold_limit: waiting for the ends of both clusters' logs"},
      {"new says nothing of its ends", [&](Moving& p) { silent(p.news, Moving::list_offsets); },
       "S4", "not done within move.hold_limit: waiting for the ends of both clusters' logs"},
      {"a transaction is open on old", [](Moving& p) { p.olds[0].last_stable = 0; }, "S4",
       "t-0 on old: an open transaction keeps the last stable offset at 0 of 1"},
      {"and on new", [](Moving& p) { p.news[1].last_stable = 2; }, "S4",
       "t-1 on new: an open transaction keeps the last stable offset at 2 of 3"},
      {"old has lost what it had answered", [](Moving& p) { p.olds[0] = {}; }, "S4",
       "t-0: its log ends at 0, but offsets up to 1 have been shown"},
      {"the seam cannot be written",
       [](Moving& p) {
         p.memory.fails = [](const splice::Record& r) {
           return std::holds_alternative<splice::CutSealed>(r);
         };
       },
       "S4", "the journal cannot be written"},
      {"paused",
       [](Moving& p) {
         p.daemon->operate().pause("", true, [](const net::Refused*, const std::string&) {});
       },
       "S3", "paused by the operator"},
  };
  for (const auto& row : rows) {
    INFO(row.why);
    Moving p(800ms);
    const auto app = p.client();
    CHECK(p.does(app, 1, {{0, 1000, 0, 1}}) == "0 at 0");
    Blocker blocker(p);
    const auto moved = p.cut();
    REQUIRE(p.at("S3"));
    app->send(Moving::produce_frame(2, {{0, 1000, 1, 2}}));
    REQUIRE(p.until([&] { return p.held() == 1; }));
    row.fault(p);
    blocker.release();
    aborts(p, moved, row.step, row.reason);
    CHECK(p.until([&] { return !Moving::said(*app, 2).empty(); }));
    CHECK(p.news[0].end == 3);
    CHECK(p.news.asked(Moving::produce) == 0);
    const auto kept = [&](auto kind) {
      return std::ranges::count_if(p.memory.kept, [&](const splice::Record& r) {
        return std::holds_alternative<decltype(kind)>(r);
      });
    };
    CHECK(kept(splice::CutIntended{}) == 1);
    CHECK(kept(splice::CutAborted{}) == 1);
    CHECK(kept(splice::CutSealed{}) == 0);
  }
}

TEST_CASE("clients that agreed on more before new was seen are ended once", "[cut]") {
  Moving p;
  const auto early = p.client(), idle = p.client();
  CHECK(p.does(early, 1, {{0, 1000, 0, 5}}) == "0 at 0");
  early->send(Moving::fetch_frame(2, {{0, 0}}));
  REQUIRE(p.until([&] { return early->frames.size() == 2; }));
  CHECK(p.does(idle, 1, {{1, 1001, 0, 5}}) == "1 at 0");
  p.fresh->most[Moving::fetch] = 10;  // v11 has been used
  p.fresh->drop_daemon();
  const auto unserved = [&] {
    int n = 0;
    for (const auto& c : p.daemon->snapshot().clients) n += c.served_by_new == false;
    return n;
  };
  REQUIRE(p.until([&] { return unserved() == 1; }, 30s));
  CHECK_FALSE(early->closed);
  p.goes(p.cut());
  CHECK(p.until([&] { return early->closed; }));
  CHECK_FALSE(idle->closed);
  // One that comes with the same again cannot be helped by ending it.
  const auto stubborn = p.client();
  stubborn->send(Moving::fetch_frame(1, {{0, 0}}));
  REQUIRE(p.until([&] { return unserved() == 1; }));
  const auto back = p.undo();
  REQUIRE(p.until([&] { return back->over; }));
  REQUIRE(back->refused);
  REQUIRE(back->refused->blockers.size() == 1);
  CHECK(back->refused->blockers[0].id == "client.versions");
  CHECK(back->refused->blockers[0].reason == "it uses Fetch v11: both serve 4-10");
  CHECK_FALSE(stubborn->closed);
}
