// Groups that wait at the seam of a topic whose production has gone to new, and are moved.
#include <catch2/catch.hpp>

#include "proxy/wire/bytes.h"
#include "tests/unit/moving_proxy.h"

using namespace shunt;
using fake::Moving;
using namespace std::chrono_literals;

namespace {

constexpr wire::ApiKey heartbeat = 12, describe_groups = 15, list_groups = 16;

// Production is at new: partition 0 has 2 records of old, 2 of new. Nobody has moved a group yet.
struct Waiting : Moving {
  Waiting() : Moving(9s, true, 10s, false) {
    old.answers[list_groups] = [this](int, const wire::Value&) -> wire::Value {
      wire::Array groups;
      for (const auto& [group, client] : members)
        groups.push_back(wire::Struct{{"GroupId", group}, {"ProtocolType", "consumer"}});
      return wire::Struct{{"Groups", std::move(groups)}};
    };
    old.answers[describe_groups] = [this](int, const wire::Value& asked) -> wire::Value {
      wire::Array groups;
      for (const auto& g : asked["Groups"].array()) {
        const std::string name(g.text());
        groups.push_back(wire::Struct{
            {"GroupId", name},
            {"GroupState", "Stable"},
            {"Members", wire::Array{wire::Struct{{"MemberId", name + "-1"},
                                                 {"ClientId", members.at(name)},
                                                 {"MemberAssignment", wire::Bytes(both)}}}}});
      }
      return wire::Struct{{"Groups", std::move(groups)}};
    };
    app = client();
    CHECK(does(app, 1, {{0, 1000, 0, 2}}) == "0 at 0");
    goes(cut());
    CHECK(does(app, 2, {{0, 1000, 2, 2}}) == "0 at 2");
  }
  // ConsumerProtocolAssignment: partitions 0 and 1 of "t".
  static messages::Buffer assignment() {
    messages::Buffer out;
    const auto put = [&](auto n) {
      out.resize(out.size() + sizeof n);
      wire::store(out.data() + out.size() - sizeof n, n);
    };
    put(std::int16_t{0});
    put(std::int32_t{1});
    put(std::int16_t{1});
    out.push_back(std::byte{'t'});
    put(std::int32_t{2});
    put(std::int32_t{0});
    put(std::int32_t{1});
    put(std::int32_t{0});  // user data
    return out;
  }
  // `here`: its member has spoken through the proxy.
  void join(const std::string& group, const std::string& client_id, bool here = true) {
    members[group] = client_id;
    old.coordinators[group] = 1;
    if (here) {
      const auto member = client();
      member->send(fake::request_frame(
          heartbeat, 0, 1,
          wire::Struct{{"GroupId", group}, {"GenerationId", 1}, {"MemberId", group + "-1"}},
          client_id));
      REQUIRE(until([&] { return !member->frames.empty(); }));
    }
    REQUIRE(until([&] {
      const auto seen = daemon->snapshot().groups;
      return std::ranges::any_of(
          seen, [&](const auto& g) { return g.group == group && g.state == "Stable"; });
    }));
  }
  std::map<std::string, std::string> members;  // group -> its only member's client id
  const messages::Buffer both = assignment();
  std::shared_ptr<fake::Peer> app;
};

// What stands at `at`: the first base offset, or -1: nothing is given. `end`: what it is told is
// the end.
std::int64_t first_at(Waiting& p, std::int64_t at, std::int64_t end) {
  const auto reader = p.client();
  reader->send(Moving::fetch_frame(1, {{0, at}}));
  REQUIRE(p.until([&] { return !Moving::fetched(*reader, 1).null(); }));
  const auto entry = Moving::fetched(*reader, 1);
  CHECK(entry["ErrorCode"].number() == 0);
  CHECK(entry["HighWatermark"].number() == end);
  reader->close();
  wire::BatchHeader b;
  const bool some = wire::parse(entry["Records"].bytes(), b) == wire::BatchParse::ok;
  return some ? b.base_offset : -1;
}

}  // namespace

TEST_CASE("readers wait at the seam until they are moved, and again when that is undone",
          "[groups]") {
  Waiting p;
  CHECK(first_at(p, 0, 2) == 0);  // nobody has looked at new yet
  CHECK(first_at(p, 2, 4) == -1);
  CHECK(first_at(p, 3, 4) == -1);
  const auto moved = p.move_groups("");
  p.goes(moved);
  CHECK(moved->groups.move == "m1.2");
  CHECK(p.reads(0, 0) == "0:0 2:2");
  const auto again = p.move_groups("");
  REQUIRE(p.until([&] { return again->over; }));
  CHECK_FALSE(again->went());

  const auto back = p.undo();
  p.goes(back);
  CHECK(back->groups.move == "m1.3");
  CHECK(back->groups.to == splice::Cluster::old_cluster);
  CHECK(p.does(p.app, 3, {{0, 1000, 4, 1}}) == "0 at 4");
  CHECK(first_at(p, 4, 5) == -1);
  p.goes(p.move_groups(""));
  CHECK(first_at(p, 4, 5) == 4);
  // Production goes back: what new has is part of the log, open to all.
  p.goes(p.undo());  // of the groups' move
  p.goes(p.undo());
  CHECK(p.does(p.app, 4, {{0, 1000, 5, 1}}) == "0 at 5");
  CHECK(p.reads(0, 0) == "0:0 2:2 4:4 5:5");
}

TEST_CASE("a poll that waits at the seam is answered when its group is moved", "[groups]") {
  Waiting p;
  const auto reader = p.client();
  reader->send(Moving::fetch_frame(1, {{0, 2}, {1, 0}}, 20000));
  p.quiet();
  const auto since = std::chrono::steady_clock::now();
  p.goes(p.move_groups(""));
  REQUIRE(p.until([&] { return !Moving::fetched(*reader, 1).null(); }));
  CHECK_FALSE(Moving::fetched(*reader, 1)["Records"].bytes().empty());
  CHECK(std::chrono::steady_clock::now() - since < 5s);
}

TEST_CASE("a group is moved alone; who may be another one's member waits", "[groups]") {
  Waiting p;
  p.join("canary", "reader");
  const auto moved = p.move_groups("canary");
  p.goes(moved);
  REQUIRE(moved->groups.groups.size() == 1);
  CHECK(moved->groups.groups[0].from == net::Fetching::wait);
  CHECK(moved->groups.groups[0].to == net::Fetching::fresh);
  CHECK(first_at(p, 2, 4) == 2);  // client id "reader"
  // Another group with a member of that name: whose Fetch is it?
  p.join("other", "reader");
  CHECK(first_at(p, 2, 4) == -1);
  p.goes(p.undo());
  p.join("elsewhere", "app", false);
  const std::pair<const char*, const char*> reasons[] = {{"other", "group.attribution"},
                                                         {"elsewhere", "group.outside"}};
  for (const auto& [group, why] : reasons) {
    const auto refused = p.move_groups(group);
    REQUIRE(p.until([&] { return refused->over; }));
    REQUIRE(refused->refused);
    CHECK(refused->refused->status == 409);
    CHECK(refused->refused->blockers.at(0).id == why);
  }
  const auto nobody = p.move_groups("nobody");
  REQUIRE(p.until([&] { return nobody->over; }));
  REQUIRE(nobody->refused);
  CHECK(nobody->refused->code == "no_such_group");
  CHECK_THAT(nobody->refused->next, Catch::Contains("canary, elsewhere, other"));
}
