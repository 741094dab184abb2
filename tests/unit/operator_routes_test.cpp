// The routes that change something: what is asked of the data path, what its answers become.
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

TEST_CASE("routes: a body's keys are the command's long options") {
  struct Case {
    const char *path, *body, *asked;
  };
  const Case cases[] = {
      {"/plan", R"({"scheme":1,"topics":["a","b*"]})", "plan 1 [a,b*]"},
      {"/migrations", R"({"scheme":2,"topics":"a,b","accept_history":true})",
       "start 2 [a,b] accept_history"},
      {"/migrations", R"({"scheme":3,"topics":["a,b","c"],"accept-stragglers":true})",
       "start 3 [a,b,c] accept_stragglers"},
      {"/move", R"({"kind":"produce"})", "move new [] of ''"},
      {"/move",
       R"({"kind":"produce","to":"old","topics":["x"],"migration":"m2",)"
       R"("accept_stragglers":true,"wait_ms":5})",
       "move old [x] of 'm2' accept_stragglers"},
      {"/undo", "", "undo of ''"},
      {"/undo", R"({"without_new":true,"skip_unreachable":true,"migration":"m1"})",
       "undo of 'm1' without_new skip_unreachable"},
      {"/undo", R"({"without_new":false,"accept_stragglers":true})",
       "undo of '' accept_stragglers"},
      {"/pause", "{}", "pause ''"},
      {"/resume", R"({"migration":"m1"})", "resume 'm1'"},
  };
  for (const auto& c : cases) {
    INFO(c.path << ' ' << c.body);
    Api api;
    CHECK(api.post(c.path, c.body).status == 200);
    CHECK(api.op.asked == std::vector<std::string>{c.asked});
    CHECK(api.answers.size() == 1);
  }
}

TEST_CASE("routes: what a body may not be is usage, and nothing is asked") {
  struct Case {
    const char *path, *body, *message;
  };
  const Case cases[] = {
      {"/plan", "{}", "scheme: missing"},
      {"/plan", R"({"scheme":1})", "topics: missing"},
      {"/plan", R"({"scheme":4,"topics":["a"]})", "scheme: expected a number from 1 to 3"},
      {"/plan", R"({"scheme":"1","topics":["a"]})", "scheme: expected a number from 1 to 3"},
      {"/plan", R"({"scheme":1,"topics":[]})", "topics: no names in it"},
      {"/plan", R"({"scheme":1,"topics":[1]})", "topics: expected names or globs"},
      {"/plan", R"({"scheme":1,"topics":["a"],"topcis":1})", "topcis: unknown key"},
      {"/migrations", "[]", "the body is not a JSON object"},
      {"/migrations", "{", "the body is not a JSON object"},
      {"/move", "{}", "kind: missing"},
      {"/move", R"({"kind":"all"})", "kind: expected produce or fetch"},
      {"/move", R"({"kind":"produce","to":"both"})", "to: expected old or new"},
      {"/move", R"({"kind":"produce","group":"g"})", "group: unknown key"},
      {"/move", R"({"kind":"produce","wait_ms":-1})", "wait_ms: expected a number"},
      {"/move", R"({"kind":"produce","accept_stragglers":1})",
       "accept_stragglers: expected true or false"},
      {"/undo", R"({"skip_unreachable":true})", "skip_unreachable: goes with without_new only"},
      {"/undo", R"({"migration":""})", "migration: expected a text"},
      {"/pause", R"({"without_new":true})", "without_new: unknown key"},
  };
  for (const auto& c : cases) {
    INFO(c.path << ' ' << c.body);
    Api api;
    const ApiAnswer a = api.post(c.path, c.body);
    CHECK(a.status == 400);
    const json::value body = json::parse(a.body);
    CHECK(body.at("error").at("code") == "usage");
    CHECK_THAT(body.at("error").at("message").as_string().c_str(), Catch::StartsWith(c.message));
    CHECK(api.op.asked.empty());
  }
  Api api;
  const json::value near =
      json::parse(api.post("/plan", R"({"scheme":1,"topics":["a"],"accept_histroy":true})").body);
  CHECK(near.at("error").at("next") == "did you mean accept_history?");
}

TEST_CASE("routes: what the data path refuses keeps its status, and its blockers") {
  for (const unsigned status : {400U, 409U, 500U, 501U}) {
    for (const char* path : {"/undo", "/pause", "/resume"}) {
      Api api;
      api.op.refuse = net::Refused{status, "step_running", "a step runs", "m1.1", "wait", {}};
      const ApiAnswer a = api.post(path, "");
      CHECK(a.status == status);
      CHECK(a.body ==
            R"({"api":1,"error":{"code":"step_running","message":"a step runs","where":"m1.1",)"
            "\"next\":\"wait\"}}\n");
    }
  }
  Api api;
  api.op.refuse = net::Refused{409, "blocked", "a producer is elsewhere", "orders", "", {}};
  api.op.refuse->blockers = {
      {"producer.foreign", "fail", "orders", "10.0.0.7 writes to old", "--accept-stragglers"}};
  const json::value body = json::parse(api.post("/move", R"({"kind":"produce"})").body);
  CHECK(keys(body) == "api blockers error");
  CHECK(json::serialize(body.at("blockers")) ==
        R"([{"id":"producer.foreign","verdict":"fail","target":"orders",)"
        R"("reason":"10.0.0.7 writes to old","fix":"--accept-stragglers"}])");
  for (const char* target : {"/verify", "/lag"}) CHECK(api.get(target).status == 409);
}

TEST_CASE("routes: groups move, and back") {
  Api api;
  api.op.shown = moved_state();
  auto& moved = api.op.groups_moved;
  moved.move = "m1.2";
  moved.changed = true;
  moved.groups = {{"billing",
                   net::Fetching::wait,
                   net::Fetching::fresh,
                   {{"orders", 0, {9000}, false}, {"orders", 1, {9050}, true}}}};
  const auto answer = api.post("/move", R"({"kind":"fetch","group":"billing","wait":true})");
  CHECK(answer.status == 200);
  CHECK(answer.body ==
        R"({"api":1,"move":"m1.2","kind":"fetch","to":"new","changed":true,"groups":[)"
        R"({"group":"billing","from":"wait","to":"new","partitions":[)"
        R"({"topic":"orders","partition":0,"position":{"virtual":9000,"cluster":"old",)"
        R"("native":9000},"crossed":false},)"
        R"({"topic":"orders","partition":1,"position":{"virtual":9050,"cluster":"new",)"
        "\"native\":15},\"crossed\":true}]}]}\n");
  api.op.undoes_groups = true;
  CHECK(api.post("/undo", "").body == answer.body);
  CHECK(api.post("/move", R"({"kind":"fetch","all":true,"to":"old","migration":"m1"})").status ==
        200);
  CHECK(api.op.asked == std::vector<std::string>{"fetch new 'billing' of '' wait", "undo of ''",
                                                 "fetch old all of 'm1'"});
  api.op.asked.clear();
  for (const char* body : {R"({"kind":"fetch"})", R"({"kind":"fetch","all":true,"group":"g"})",
                           R"({"kind":"fetch","all":true,"to":"elsewhere"})"}) {
    const json::value refused = json::parse(api.post("/move", body).body);
    CHECK(refused.at("error").at("code") == "usage");
  }
  CHECK(api.op.asked.empty());
}

TEST_CASE("routes: scheme 2 and finish are not there yet") {
  Api api;
  CHECK(api.post("/move", R"({"kind":"fetch","group":"g","to":"both"})").status == 501);
  for (const char* path : {"/finish", "/check", "/prepare"})
    CHECK(api.post(path, "").status == 501);
  CHECK(api.post("/move", R"({"kind":"fetch","everyone":true})").status == 400);
  CHECK(api.op.asked.empty());
}

TEST_CASE("routes: a plan, and one with something in its way") {
  Api api;
  api.op.planned.topics = {"orders"};
  api.op.planned.order_promised = "as written";
  api.op.planned.history_left_on_old = {{"orders", 9041}};
  api.op.planned.hold_ms_expected = 40;
  api.op.planned.steps = {{1, "move production", "shuntctl move produce", ""}};
  const std::string body = R"({"scheme":1,"topics":["orders"]})";
  ApiAnswer a = api.post("/plan", body);
  CHECK(a.status == 200);
  CHECK(a.body ==
        R"({"api":1,"scheme":1,"topics":["orders"],"order_promised":"as written",)"
        R"("history_left_on_old":[{"topic":"orders","records":9041}],"hold_ms_expected":40,)"
        R"("steps":[{"n":1,"action":"move production","command":"shuntctl move produce",)"
        R"("gate":null}],"blockers":[]})"
        "\n");
  api.op.planned.blockers = {{"topic.missing", "fail", "orders", "not on new", "create it"}};
  a = api.post("/plan", body);
  CHECK(a.status == 409);
  const json::value blocked = json::parse(a.body);
  CHECK(blocked.at("blockers").as_array().size() == 1);
  CHECK(blocked.at("steps").as_array().size() == 1);
  CHECK(blocked.at("error").at("code") == "blocked");
  CHECK(blocked.at("error").at("message") == "1 check is in the way");
}

TEST_CASE("routes: a move that was made, that was not needed, that was rolled back") {
  Api api;
  api.op.moved.move = "m1.1";
  api.op.moved.changed = true;
  api.op.moved.held_ms_max = 38;
  api.op.moved.partitions = {{"orders", 0, 9041, 7, 9041, 38, 2, 3},
                             {"orders", 1, -1, -1, -1, 0, 0}};
  const ApiAnswer made = api.post("/move", R"({"kind":"produce"})");
  CHECK(made.status == 200);
  CHECK(made.body ==
        R"({"api":1,"move":"m1.1","kind":"produce","to":"new","changed":true,"aborted_at":null,)"
        R"("reason":null,"held_ms_max":38,"partitions":[{"topic":"orders","partition":0,)"
        R"("old_end":9041,"new_start":7,"virtual_start":9041,"held_ms":38,"producers":2,)"
        R"("unclear":3},)"
        R"({"topic":"orders","partition":1,"old_end":null,"new_start":null,"virtual_start":null,)"
        R"("held_ms":0,"producers":0,"unclear":0}]})"
        "\n");
  CHECK(api.post("/undo", "").body == made.body);
  api.op.moved = {};
  const ApiAnswer again = api.post("/move", R"({"kind":"produce"})");
  CHECK(again.status == 200);
  CHECK(json::parse(again.body).at("changed") == false);
  CHECK(json::parse(again.body).at("move").is_null());
  api.op.moved.move = "m1.2";
  api.op.moved.aborted_at = "S3";
  api.op.moved.reason = "hold_limit";
  const ApiAnswer back = api.post("/move", R"({"kind":"produce"})");
  CHECK(back.status == 500);
  CHECK(json::parse(back.body).at("aborted_at") == "S3");
  CHECK(json::parse(back.body).at("error").at("code") == "aborted");
}

TEST_CASE("routes: a step that outlasts wait_ms is answered with its move, once") {
  Api api;
  api.op.late = true;
  splice::MigrationStarted m;
  m.migration = "m1";
  m.topics = {{"orders", {}, {}, 1}};
  api.op.shown.apply(m);
  api.op.shown.apply(splice::CutIntended{"m1", "m1.1", {}, splice::Cluster::new_cluster, "", 1});
  api.ask("POST", "/move", R"({"kind":"produce","wait_ms":250})");
  CHECK(api.answers.empty());
  CHECK(api.waits == std::chrono::milliseconds(250));
  api.op.shown.apply(splice::CutIntended{"m1", "m1.2", {}, splice::Cluster::new_cluster, "", 2});
  api.timer();
  REQUIRE(api.answers.size() == 1);
  CHECK(api.answers[0].status == 202);
  CHECK(api.answers[0].body == "{\"api\":1,\"move\":\"m1.2\"}\n");
  api.op.let_go();
  CHECK(api.answers.size() == 1);
  // The answer was first: the timer says nothing any more.
  api.ask("POST", "/undo", R"({"wait_ms":1})");
  api.op.let_go();
  CHECK(api.answers.size() == 2);
  CHECK(api.answers[1].status == 200);
  api.timer();
  CHECK(api.answers.size() == 2);
  // Not begun yet.
  api.ask("POST", "/pause", R"({"wait_ms":0})");
  api.timer();
  CHECK(api.answers[2].body == "{\"api\":1,\"move\":null}\n");
}

TEST_CASE("routes: start, pause and status show the migration") {
  Api api;
  api.op.shown = moved_state();
  const std::string expected =
      R"({"id":"m1","scheme":1,"topics":["orders","pay"],"state":"moving","step":null,)"
      R"("since":"1970-01-01T00:00:01.000Z","moves":[{"move":"m1.1","kind":"produce","to":"new",)"
      R"("at":"1970-01-01T00:00:02.000Z","undone":false,"undoes":null,"aborted_at":null,)"
      R"("reason":null}],"next":"shuntctl move produce --to new"})";
  CHECK(api.post("/migrations", R"({"scheme":1,"topics":["orders","pay"]})").body ==
        R"({"api":1,"migration":)" + expected + "}\n");
  CHECK(json::serialize(api.got("/status").at("migration")) == expected);
  CHECK(json::serialize(api.got("/status?migration=m1").at("migration")) == expected);
  CHECK(api.get("/status?migration=m9").status == 400);
  api.op.running = "S3";
  CHECK(api.got("/status").at("migration").at("step") == "S3");
  CHECK(api.got("/status").at("migration").at("next").is_null());
  api.op.running = "";
  api.op.shown.apply(splice::MigrationPaused{"m1", true});
  const json::value paused = json::parse(api.post("/pause", "").body);
  CHECK(paused.at("migration").at("state") == "paused");
  CHECK(paused.at("migration").at("next") == "shuntctl resume");
}

TEST_CASE("routes: a second migration is named in what to do next") {
  Api api;
  api.op.shown = moved_state();
  splice::MigrationStarted m;
  m.migration = "m2";
  m.topics = {{"other", {}, {}, 3}};
  m.at = 5000;
  api.op.shown.apply(m);
  const json::value seen = api.got("/status");
  CHECK(seen.at("migration").at("id") == "m2");
  CHECK(seen.at("migration").at("state") == "started");
  CHECK(seen.at("migration").at("next") == "shuntctl move produce --to new --migration m2");
}
