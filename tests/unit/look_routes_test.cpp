// The routes that look: topics, groups, verify, lag, events, offsets of a migration.
#include <catch2/catch.hpp>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "tests/unit/api_under_test.h"

using namespace shunt;
using namespace shunt::control;
using shunt::test::Api;
using shunt::test::keys;
using shunt::test::moved_state;
namespace json = boost::json;

TEST_CASE("views: topics and groups of a migration") {
  Api api;
  api.op.shown = moved_state();
  api.snapshot.groups = {{"billing", "Stable", "range", 3, 0, 12, {}, true},
                         {"ledger", "Empty", "", 0, 0}};
  const std::string moved =
      R"({"topic":"orders","partitions":2,"migration":"m1","produce":"new","segments":2,)"
      R"("stragglers":0,"last_cut":{"at":"1970-01-01T00:00:02.000Z","held_ms_max":38}})";
  const std::string other =
      R"({"topic":"other","partitions":3,"migration":null,"produce":"old","segments":1,)"
      R"("stragglers":0,"last_cut":null})";
  const std::string unseen =
      R"({"topic":"pay","partitions":1,"migration":"m1","produce":"old","segments":1,)"
      R"("stragglers":0,"last_cut":null})";
  CHECK(json::serialize(api.got("/topics").at("topics")) ==
        '[' + moved + ',' + other + ',' + unseen + ']');
  const json::value groups = api.got("/groups").at("groups");
  CHECK(groups.at(0).at("fetch") == "wait");
  CHECK(groups.at(0).at("lag") == 12);
  CHECK(groups.at(0).at("drained") == true);
  CHECK(groups.at(1).at("fetch") == "old");
  CHECK(groups.at(1).at("lag").is_null());
  CHECK(groups.at(1).at("drained").is_null());
  const auto moves = [&](const char* move, splice::Cluster to, std::vector<std::string> who) {
    api.op.shown.apply(splice::GroupsMoved{"m1", move, to, std::move(who), "", 3000});
    return json::serialize(api.got("/groups").at("groups").at(0).at("fetch"));
  };
  CHECK(moves("m1.2", splice::Cluster::new_cluster, {"ledger"}) == R"("wait")");
  CHECK(moves("m1.3", splice::Cluster::new_cluster, {}) == R"("new")");
  CHECK(moves("m1.4", splice::Cluster::old_cluster, {"billing"}) == R"("wait")");
  api.op.shown.topic("orders")->held = true;
  api.op.shown.topic("orders")->partitions[1].stragglers = 9;
  const json::value held = api.got("/topics").at("topics").at(0);
  CHECK(held.at("produce") == "cutting");
  CHECK(held.at("stragglers") == 9);
}

TEST_CASE("routes: verify") {
  Api api;
  net::PartitionProof p;
  p.topic = "orders";
  p.partition = 0;
  net::SegmentProof closed, open;
  closed.segment.native_end = 9041;
  closed.records = 9041;
  closed.crc32c = 0xffffffff;
  open.segment.start = {9041};
  open.segment.cluster = splice::Cluster::new_cluster;
  open.segment.native_start = 7;
  open.native_end = 526;
  open.records = -1;
  p.segments = {closed, open};
  p.seams = {{9041, 9041, 7, 9040, -1}};
  api.op.proof.partitions = {p};
  api.op.proof.groups = {{"billing", "orders", 0, 9000, 9000, -1, true}};
  CHECK(api.get("/verify").body ==
        R"({"api":1,"ok":true,"partitions":[{"topic":"orders","partition":0,"segments":[)"
        R"({"cluster":"old","virtual_start":0,"native_start":0,"native_end":9041,"records":9041,)"
        R"("crc32c":4294967295},{"cluster":"new","virtual_start":9041,"native_start":7,)"
        R"("native_end":526,"records":null,"crc32c":null}],"seams":[{"virtual":9041,)"
        R"("old_end":9041,"new_start":7,"last_before":9040,"first_after":null}],"stragglers":0,)"
        R"("problems":[]}],"groups":[{"group":"billing","topic":"orders","partition":0,)"
        R"("position":9000,"old_committed":9000,"new_committed":null,"ok":true}],"problems":[]})"
        "\n");
  api.op.proof.groups[0].ok = false;
  CHECK(api.got("/verify").at("ok") == false);
  api.op.proof.groups[0].ok = true;
  api.op.proof.partitions[0].problems = {"old has grown"};
  CHECK(api.got("/verify").at("ok") == false);
  api.op.proof.partitions[0].problems = {};
  api.op.proof.problems = {"new is not reachable"};
  CHECK(api.got("/verify").at("ok") == false);
}

TEST_CASE("routes: lag, of all groups or one; a sum with an unknown part is unknown") {
  Api api;
  net::PartitionLag known, unknown;
  known.topic = unknown.topic = "orders";
  known.partition = 0;
  known.position = 9000;
  known.end = 9560;
  known.in_old = {9000, 9041};
  known.in_new = {7, 526};
  known.client_id = "app";
  unknown.partition = 1;
  unknown.end = 10;
  api.op.lags = {{"billing", {known}}, {"ledger", {known, unknown}}, {"empty", {}}};
  const json::value seen = api.got("/lag?group=a%20b%2Fc");
  CHECK(api.op.asked.back() == "lag 'a b/c'");
  CHECK(
      json::serialize(seen.at("groups").at(0)) ==
      R"({"group":"billing","lag":560,"partitions":[{"topic":"orders","partition":0,)"
      R"("position":9000,"end":9560,"lag":560,"old":{"next":9000,"end":9041,"lag":41},)"
      R"("new":{"next":7,"end":526,"lag":519},"drained":false,"commit_behind":0,"member_id":null,)"
      R"("client_id":"app"}]})");
  CHECK(seen.at("groups").at(1).at("lag").is_null());
  CHECK(seen.at("groups").at(1).at("partitions").at(1).at("position").is_null());
  CHECK(seen.at("groups").at(2).at("lag") == 0);
  CHECK(api.get("/lag?gruop=x").status == 400);
  api.get("/lag");
  CHECK(api.op.asked.back() == "lag ''");
}

TEST_CASE("routes: events, one object a line, after a number") {
  Api api;
  CHECK(api.get("/events").body == "");
  observe::Event e;
  e.event = "cut.S1";
  e.migration = "m1";
  e.step = "S1";
  e.keys = {{"move", std::string("m1.1")}, {"partitions", std::int64_t{3}}, {"undo", false}};
  api.events.add(e);
  e.event = "ready";
  e.migration = e.step = "";
  e.keys = {{"client", std::string("app\xff")}};
  api.events.add(e);
  const ApiAnswer all = api.get("/events");
  CHECK(all.type == std::string("application/x-ndjson"));
  REQUIRE(std::count(all.body.begin(), all.body.end(), '\n') == 2);
  const json::value first = json::parse(all.body.substr(0, all.body.find('\n')));
  CHECK(keys(first) == "api seq time event migration step move partitions undo");
  CHECK(first.at("seq") == 1);
  CHECK(first.at("step") == "S1");
  CHECK(first.at("undo") == false);
  const ApiAnswer second = api.get("/events?since=1");
  CHECK(second.body.find(R"("seq":2)") != std::string::npos);
  CHECK(second.body.find(R"("migration":null,"step":null,"client":"app)"
                         "\xEF\xBF\xBD") != std::string::npos);
  CHECK(std::count(second.body.begin(), second.body.end(), '\n') == 1);
  CHECK(api.get("/events?since=2").body == "");
  CHECK(api.get("/events?since=3").body == all.body);  // of a daemon before this one
  for (const char* bad : {"/events?since=-1", "/events?since=x", "/events?after=1"})
    CHECK(api.get(bad).status == 400);
}

TEST_CASE("routes: an offset in all three logs") {
  Api api;
  api.op.shown = moved_state();
  api.snapshot.groups = {{"billing", "Stable", "range", 3, 0}};
  struct Case {
    const char *query, *row;  // virtual old new in; "": unknown
  };
  const Case cases[] = {
      {"at=orders:0:9040", "9040 9040 7 old"},
      {"at=orders:0:9041", "9041 9041 7 new"},
      {"at=orders:0:9050&from=virtual", "9050 9041 16 new"},
      {"at=orders:0:9040&from=old", "9040 9040 7 old"},
      {"at=orders:0:9041&from=old", "9041 9041 7 new"},  // where a reader of old stands at its end
      {"at=orders:0:9042&from=old", ""},
      {"at=orders:1:9042&from=old&group=billing", "9042 9042 7 new"},
      {"at=orders:1:9042&group=nobody", ""},
      {"at=orders:0:7&from=new", "9041 9041 7 new"},
      {"at=orders:0:6&from=new", ""},
      {"at=pay:0:5&from=old", "5 5 null old"},
      {"at=pay:0:5&from=new", ""},
      {"at=other:2:77", "77 77 null old"},
      {"at=other:3:77", ""},
      {"at=orders:2:0", ""},
      {"at=none:0:0", ""},
      {"at=orders:0", ""},
      {"at=orders:x:0", ""},
      {"at=orders:0:-1", ""},
      {"at=orders:0:1&from=both", ""},
      {"", ""},
  };
  for (const auto& c : cases) {
    INFO(c.query);
    const ApiAnswer a = api.get(std::string("/offsets?") + c.query);
    const json::value body = json::parse(a.body);
    if (!*c.row) {
      CHECK(a.status == 400);
      CHECK(keys(body.at("error")) == "code message where next");
      continue;
    }
    CHECK(a.status == 200);
    CHECK(keys(body) == "api topic partition virtual old new in");
    CHECK(json::serialize(body.at("virtual")) + ' ' + json::serialize(body.at("old")) + ' ' +
              json::serialize(body.at("new")) + ' ' + body.at("in").as_string().c_str() ==
          c.row);
  }
}
