// The pure parts of a group's hand-over: the barrier, and the group in new's terms.
#include <catch2/catch.hpp>

#include "proxy/splice/barrier.h"
#include "proxy/splice/groups.h"

namespace shunt::splice {
namespace {

using wire::Struct;
using wire::Value;
using Names = std::set<std::string>;

constexpr route::NodeKey node{Cluster::new_cluster, route::NativeNodeId{7}};

Handed handed() { return {5, {"old-1", "old-2"}, 0}; }

}  // namespace

TEST_CASE("barrier: complete only with every member that old lists") {
  Barrier b;
  b.expect({"a", "b", "c"});
  CHECK(b.missing() == Names{"a", "b", "c"});
  const auto a = b.hold("a");
  b.hold("b");
  b.hold("");  // one that old does not know yet
  CHECK(b.missing() == Names{"c"});
  CHECK_FALSE(b.complete());
  b.hold("c");
  CHECK(b.complete());
  CHECK(b.held() == 4);
  b.gone(a);  // its client has gone: it is waited for again
  CHECK(b.missing() == Names{"a"});
  b.expect({"b", "c"});  // until old lists it no more
  CHECK(b.complete());
  CHECK(b.members() == Names{"b", "c"});
}

TEST_CASE("barrier: a member that joins again takes its own place") {
  Barrier b;
  b.expect({"a"});
  const auto first = b.hold("a");
  const auto second = b.hold("a");
  CHECK(first != second);
  CHECK(b.held() == 1);
  b.gone(first);
  CHECK(b.complete());
  b.hold("");
  b.hold("");
  CHECK(b.held() == 3);
}

TEST_CASE("barrier: the leader goes back last") {
  Barrier b;
  const auto leader = b.hold("l");
  const auto f1 = b.hold("f1");
  const auto pending = b.hold("");
  const auto f2 = b.hold("f2");
  CHECK(b.back("l") == std::vector<Barrier::Ticket>{f1, pending, f2, leader});
  CHECK(b.back("nobody").size() == 4);
  CHECK(b.back("").size() == 4);
}

TEST_CASE("groups: generations are new's own on the way there, and above old's for clients") {
  const auto group = handed();
  constexpr wire::ApiKey heartbeat = 12, commit = 8, leave = 13;
  const auto beat = for_new_home(group, heartbeat, Struct{{"GenerationId", 7}, {"MemberId", "m"}});
  REQUIRE(beat);
  CHECK((*beat)["GenerationId"].number() == 2);
  CHECK((*beat)["MemberId"].text() == "m");
  const auto of_old = for_new_home(group, heartbeat, Struct{{"GenerationId", 5}});
  REQUIRE(of_old);
  CHECK((*of_old)["GenerationId"].number() == 0);
  CHECK_FALSE(for_new_home(group, commit, Struct{{"GenerationIdOrMemberEpoch", -1}}));  // simple
  CHECK_FALSE(for_new_home(group, leave, Struct{{"GroupId", "g"}}));
  CHECK_FALSE(for_new_home({0, {}, 0}, heartbeat, Struct{{"GenerationId", 7}}));
}

TEST_CASE("groups: a join at new leaves out the id that old issued, and uses new's at once") {
  JoinTask task(handed(), node, Struct{{"GroupId", "g"}, {"MemberId", "old-1"}});
  auto asks = task.round(0);
  REQUIRE(asks.size() == 1);
  CHECK(asks[0].to == node);
  CHECK(asks[0].body["MemberId"].text().empty());
  task.take(0, Struct{{"ErrorCode", 79}, {"GenerationId", -1}, {"MemberId", "new-1"}});
  asks = task.round(0);
  REQUIRE(asks.size() == 1);
  CHECK(asks[0].body["MemberId"].text() == "new-1");
  task.take(0, Struct{{"ErrorCode", 0}, {"GenerationId", 3}, {"MemberId", "new-1"}});
  CHECK(task.round(0).empty());
  CHECK(task.answer()["GenerationId"].number() == 8);
  CHECK_FALSE(task.stale_coordinator());
}

TEST_CASE("groups: an id that new issued stays, errors pass, silence ends the connection") {
  JoinTask known(handed(), node, Struct{{"GroupId", "g"}, {"MemberId", "new-1"}});
  CHECK(known.round(0)[0].body["MemberId"].text() == "new-1");
  known.take(0, Struct{{"ErrorCode", 16}, {"GenerationId", -1}});
  CHECK(known.round(0).empty());
  CHECK(known.answer()["ErrorCode"].number() == 16);
  CHECK(known.answer()["GenerationId"].number() == -1);
  CHECK(known.stale_coordinator());

  JoinTask silent(handed(), node, Struct{{"MemberId", ""}});
  silent.round(0);
  silent.take(0, {});
  CHECK(silent.round(0).empty());
  CHECK(silent.answer().null());
  CHECK(silent.stale_coordinator());
}

}  // namespace shunt::splice
