// shuntctl's commands that move and look, against a made-up data path: exit codes, stdout, stderr.
#include <catch2/catch.hpp>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <thread>

#include <boost/json/parse.hpp>

#include "proxy/observe/log.h"
#include "tests/unit/fake_api.h"

using namespace shunt;
using shunt::test::FakeApi;
using shunt::test::FakeOperator;
namespace json = boost::json;
namespace fs = std::filesystem;

namespace {

std::string shuntctl() {
  const fs::path self = fs::read_symlink("/proc/self/exe");
  for (fs::path folder = self.parent_path(); folder != folder.root_path();
       folder = folder.parent_path())
    if (fs::is_regular_file(folder / "shuntctl")) return (folder / "shuntctl").string();
  FAIL("shuntctl is not built");
  return "";
}

struct Case {
  const char* arguments;
  const char* asked;  // of the data path; "": nothing
  int code;
  std::vector<const char*> out, err;  // each is in there; none: empty
};

void contains(const std::string& text, const std::vector<const char*>& all) {
  if (all.empty()) CHECK(text == "");
  for (const char* one : all) CHECK_THAT(text, Catch::Contains(one));
}

void check(FakeOperator acting, const std::vector<Case>& cases) {
  FakeApi api({}, std::move(acting));
  for (const auto& c : cases) {
    INFO("shuntctl " << c.arguments);
    const auto ran =
        api.scratch().run(shuntctl() + " --socket " + api.socket() + ' ' + c.arguments);
    CHECK(ran.code == c.code);
    contains(ran.out, c.out);
    contains(ran.err, c.err);
    std::vector<std::string> asked;
    api.with([&](FakeOperator& op, observe::Events&) { asked = std::exchange(op.asked, {}); });
    if (*c.asked)
      CHECK(asked == std::vector<std::string>{c.asked});
    else
      CHECK(asked.empty());
    if (std::string(c.arguments).find("-o json") != std::string::npos) {
      CHECK(std::count(ran.out.begin(), ran.out.end(), '\n') == 1);
      CHECK(json::parse(ran.out).at("api") == 1);
    }
  }
}

FakeOperator moved() {
  FakeOperator op;
  op.shown = test::moved_state();
  op.planned.topics = {"orders"};
  op.planned.order_promised = "as written";
  op.planned.hold_ms_expected = 40;
  op.planned.steps = {{1, "production goes to new", "shuntctl move produce", "no stragglers"}};
  op.planned.history_left_on_old = {{"orders", 9041}};
  op.moved.move = "m1.1";
  op.moved.changed = true;
  op.moved.held_ms_max = 38;
  op.moved.partitions = {{"orders", 0, 9041, 7, 9041, 38, 2, 3}};
  op.groups_moved.move = "m1.2";
  op.groups_moved.changed = true;
  op.groups_moved.groups = {
      {"billing", net::Fetching::wait, net::Fetching::fresh, {{"orders", 0, {9041}, true}}}};
  return op;
}

}  // namespace

TEST_CASE("shuntctl: what it asks and shows when all is well") {
  FakeOperator op = moved();
  net::PartitionLag lag;
  lag.topic = "orders";
  lag.partition = 0;
  lag.position = 9000;
  lag.end = 9560;
  op.lags = {{"billing", {lag}}};
  net::PartitionProof proof;
  proof.topic = "orders";
  proof.segments.resize(1);
  op.proof.partitions = {proof};
  check(
      op,
      {{"plan --scheme 1 --topics a,b --topics 'c*'",
        "plan 1 [a,b,c*]",
        0,
        {"order promised: as written", "held for about: 40 ms", "shuntctl move produce",
         "no stragglers", "9041"},
        {}},
       {"plan -o json --scheme 2 --topics a --accept-history",
        "plan 2 [a] accept_history",
        0,
        {R"("steps":[{"n":1)"},
        {}},
       {"start --scheme 1 --topics a --accept-stragglers",
        "start 1 [a] accept_stragglers",
        0,
        {"started migration m1", "Nothing has moved yet", "next: shuntctl move produce"},
        {}},
       {"start --scheme 1 --topics a -o json", "start 1 [a]", 0, {R"("migration":{"id":"m1")"}, {}},
       {"move produce",
        "move new [] of ''",
        0,
        {"production goes to new (move m1.1); producers were held for 38 ms at most",
         "TOPIC   PARTITION  OLD END  NEW START  VIRTUAL  HELD   PRODUCERS",
         "orders  0          9041     7          9041     38 ms  2"},
        {}},
       {"move produce --to old --topics x,y --migration m2 --accept-stragglers -o json",
        "move old [x,y] of 'm2' accept_stragglers",
        0,
        {R"("kind":"produce")"},
        {}},
       {"undo --without-new --skip-unreachable --timeout 10s",
        "undo of '' without_new skip_unreachable",
        0,
        {"production goes to", "3 batches had no answer yet"},
        {}},
       {"pause --migration m1", "pause 'm1'", 0, {"migration m1: moving"}, {}},
       {"resume", "resume ''", 0, {"migration m1"}, {}},
       {"verify", "verify", 0, {"orders", "ok\n"}, {}},
       {"verify -o json", "verify", 0, {R"("ok":true)"}, {}},
       {"lag", "lag ''", 0, {"billing", "560"}, {}},
       {"lag --group 'a b' -o json", "lag 'a b'", 0, {R"("lag":560)"}, {}},
       {"offsets translate orders:0:9050",
        "",
        0,
        {"orders  0          9050     9041  16   new"},
        {}},
       {"offsets translate orders:0:9040 --from old -o json", "", 0, {R"("in":"old")"}, {}},
       {"status",
        "",
        0,
        {"migration m1: moving, scheme 1, topics orders,pay", "m1.1  produce  new"},
        {}},
       {"status --migration m1 -o json", "", 0, {R"("migration":{"id":"m1")"}, {}},
       {"topics", "", 0, {"orders  2           new"}, {}}});
}

TEST_CASE("shuntctl: refused, blocked, rolled back, not there yet") {
  FakeOperator op = moved();
  op.moved.aborted_at = "S3";
  op.moved.reason = "an answer did not come within hold_limit";
  op.moved.changed = false;
  op.planned.blockers = {{"topic.missing", "fail", "orders", "not on new", "create it"}};
  op.proof.problems = {"old has grown behind the seam"};
  op.id = "m9";
  check(op, {{"plan --scheme 1 --topics a",
              "plan 1 [a]",
              3,
              {"in the way", "topic.missing", "fix: create it"},
              {"1 check is in the way"}},
             {"plan --scheme 1 --topics a -o json",
              "plan 1 [a]",
              3,
              {R"("blockers":[{)", R"("steps":[{)"},
              {"1 check is in the way"}},
             {"move produce",
              "move new [] of ''",
              4,
              {"aborted at S3, rolled back: an answer did not come"},
              {"aborted at S3 and rolled back", "next: "}},
             {"undo -o json", "undo of ''", 4, {R"("aborted_at":"S3")"}, {"rolled back"}},
             {"verify", "verify", 1, {"problem: old has grown behind the seam", "not ok"}, {}},
             {"verify -o json", "verify", 1, {R"("ok":false)"}, {}},
             {"move fetch --all",
              "fetch new all of ''",
              0,
              {"groups may read new (move m1.2)", "billing", "9041"},
              {}},
             {"move fetch --group g --to old --wait -o json",
              "fetch old 'g' of '' wait",
              0,
              {R"("crossed":true)"},
              {}},
             {"move fetch --group g --to both --wait -o json",
              "",
              1,
              {R"("code":"not_implemented")"},
              {"scheme 2 is not in this version"}},
             {"offsets translate none:0:1", "", 2, {}, {"old has no topic none: none:0:1"}},
             {"offsets translate orders:0:1 --from new -o json",
              "",
              2,
              {R"("code":"unknown_offset")"},
              {"no client is shown"}},
             {"status --migration m7", "", 2, {}, {"there is no migration m7"}}});

  FakeOperator refusing;
  refusing.refuse = net::Refused{409, "blocked", "orders cannot move", "orders", "", {}};
  refusing.refuse->blockers = {
      {"producer.foreign", "fail", "orders", "10.0.0.7 writes to old", "--accept-stragglers"}};
  check(refusing,
        {{"move produce",
          "move new [] of ''",
          3,
          {},
          {"shuntctl: orders cannot move: orders\n",
           "fail  producer.foreign  orders: 10.0.0.7 writes to old", "fix: --accept-stragglers"}},
         {"undo -o json", "undo of ''", 3, {R"("blockers":[{)"}, {"cannot move"}}});
  for (const auto& [status, code] : {std::pair(400U, 2), {409U, 3}, {500U, 1}, {501U, 1}}) {
    FakeOperator other;
    other.refuse = net::Refused{status, "no", "no", "", "", {}};
    check(other, {{"start --scheme 1 --topics a", "start 1 [a]", code, {}, {"shuntctl: no\n"}}});
  }
}

TEST_CASE("shuntctl: used wrongly") {
  check({}, {{"plan", "", 2, {}, {"--scheme is required", "next: shuntctl plan --help"}},
             {"plan --scheme 1", "", 2, {}, {"--topics is required"}},
             {"plan --scheme 4 --topics a", "", 2, {}, {"--scheme"}},
             {"plan --scheme 1 --topics a b", "", 2, {}, {"b"}},
             {"start --scheme 1 --topics ''", "", 2, {}, {"topics"}},
             {"move", "", 2, {}, {"next: shuntctl move --help"}},
             {"move all", "", 2, {}, {"no such command: move all"}},
             {"move produce --to both", "", 2, {}, {"--to"}},
             {"move fetch", "", 2, {}, {"--group", "--all"}},
             {"move fetch --all --group g", "", 2, {}, {"--group", "--all"}},
             {"undo --skip-unreachable", "", 2, {}, {"--without-new"}},
             {"offsets", "", 2, {}, {"next: shuntctl offsets --help"}},
             {"offsets translate a:b:c", "", 2, {}, {"TOPIC:PARTITION:OFFSET"}},
             {"offsets translate a:0:0 --from x", "", 2, {}, {"--from"}},
             {"events --since soon", "", 2, {}, {"--since"}},
             {"pause m1", "", 2, {}, {"m1"}},
             {"plan -o json", "", 2, {R"("code":"usage")"}, {"--scheme"}}});
}

TEST_CASE("shuntctl: a step that takes longer than one waits goes on") {
  FakeOperator op = moved();
  op.late = true;
  check(op, {{"move produce --timeout 100ms",
              "move new [] of ''",
              5,
              {},
              {"still running", "next: shuntctl status -w, or shuntctl events -f"}},
             {"undo --timeout 100ms -o json", "undo of ''", 5, {R"({"api":1,"move":)"}, {"still"}},
             {"verify --timeout 100ms", "verify", 5, {}, {"no answer within --timeout"}}});
  FakeApi api({}, op);
  const auto ran = api.scratch().run("timeout -s INT 0.2 " + shuntctl() + " --socket " +
                                     api.socket() + " move produce; echo code $?; true");
  // `timeout` says 124 for a command it ended, whatever that one said.
  CHECK_THAT(ran.out, Catch::Contains("code 124"));
  CHECK_THAT(ran.err, Catch::Contains("interrupted while waiting; the daemon goes on"));
  const auto kept = api.scratch().run("timeout --preserve-status -s INT 0.2 " + shuntctl() +
                                      " --socket " + api.socket() + " move produce");
  CHECK(kept.code == 5);
  std::size_t asked = 0;
  api.with([&](FakeOperator& acting, observe::Events&) {
    asked = acting.asked.size();
    acting.let_go();
  });
  CHECK(asked == 2);
  CHECK(api.scratch().run(shuntctl() + " --socket " + api.socket() + " status").code == 0);
}

TEST_CASE("shuntctl: events, those that were and those that come") {
  FakeApi api;
  const auto happen = [&](const std::string& what) {
    api.with([&](FakeOperator&, observe::Events& events) {
      observe::Event e;
      e.event = what;
      e.migration = "m1";
      e.step = "S1";
      e.keys = {{"partitions", std::int64_t{3}}};
      observe::log::setup(observe::log::Level::error, observe::log::Format::text);
      events.add(e);
      observe::log::setup(observe::log::Level::info, observe::log::Format::text);
    });
  };
  const auto run = [&](const std::string& arguments) {
    return api.scratch().run(shuntctl() + " --socket " + api.socket() + " events " + arguments);
  };
  CHECK(run("").code == 0);
  CHECK(run("").out == "");
  happen("cut.S1");
  happen("cut.S2");
  CHECK_THAT(run("").out, Catch::Contains(" cut.S1 migration=m1 step=S1 partitions=3\n"));
  const auto second = run("-o json --since 1");
  CHECK(std::count(second.out.begin(), second.out.end(), '\n') == 1);
  CHECK(json::parse(second.out).at("event") == "cut.S2");
  std::thread later([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(400));
    happen("cut.S5");
  });
  const auto followed = run("-f --since 1 -o json --timeout 1500ms");
  later.join();
  CHECK(followed.code == 5);
  CHECK(std::count(followed.out.begin(), followed.out.end(), '\n') == 2);
  CHECK_THAT(followed.out, Catch::Contains("cut.S5"));
}
