// `shuntctl run` against a made-up data path, and the gates it decides by.
#include <catch2/catch.hpp>

#include <filesystem>
#include <functional>
#include <thread>

#include <boost/json/parse.hpp>

#include "control/ctl_progress.h"
#include "tests/unit/fake_api.h"

using namespace shunt;
using namespace shunt::control;
using shunt::test::FakeApi;
using shunt::test::FakeOperator;
namespace json = boost::json;
namespace fs = std::filesystem;

namespace {

const json::object groups = json::parse(R"({"groups":[
  {"group":"a","state":"Stable","members":2,"fetch":"wait"},
  {"group":"b","state":"Stable","members":1,"fetch":"new"},
  {"group":"idle","state":"Empty","members":0,"fetch":"wait"}]})")
                                .as_object();
const json::object lags = json::parse(R"({"groups":[
  {"group":"a","partitions":[
    {"topic":"t","position":5,"lag":7,"drained":false,"old":{"next":5,"end":9,"lag":4},
     "new":{"next":0,"end":3,"lag":3}},
    {"topic":"other","position":99,"lag":99,"drained":false,"old":{"next":0,"end":9,"lag":9}}]},
  {"group":"b","partitions":[
    {"topic":"t","position":9,"lag":null,"drained":true,"old":{"next":9,"end":9,"lag":0},
     "new":{"next":0,"end":null,"lag":null}}]},
  {"group":"idle","partitions":[
    {"topic":"t","position":1,"lag":9,"drained":false,"old":{"next":1,"end":9,"lag":8}}]},
  {"group":"none of it","partitions":[{"topic":"other","position":1,"lag":1,"drained":true}]}]})")
                              .as_object();

json::object migration(const std::string& moves) {
  return {{"moves", json::parse('[' + moves + ']')}};
}

std::string fetch(const std::string& move, const std::string& groups_of, const char* more = "") {
  return R"({"move":")" + move + R"(","kind":"fetch","to":"new","groups":[)" + groups_of +
         R"(],"undone":false,"undoes":null,"aborted_at":null)" + more + '}';
}

}  // namespace

TEST_CASE("run: the gates") {
  const auto all = progress_of(lags, groups, {"t"});
  REQUIRE(all.size() == 3);
  CHECK(all[0].position == 5);
  CHECK(all[0].lag == 7);
  CHECK(all[0].left == 4);
  CHECK_FALSE(all[0].drained);
  CHECK(all[1].lag == std::nullopt);
  CHECK(all[1].left == 0);
  CHECK(all[1].drained);
  CHECK_FALSE(all[2].alive());
  using Words = std::vector<std::string>;
  CHECK(not_drained(all) == Words{"a has 4 records of old to read"});
  CHECK(not_crossed(all) == Words{"a reads wait"});
  CHECK(behind(all, 7) == Words{"b is an unknown number behind"});
  CHECK(behind(all, 6) == Words{"a is 7 records behind", "b is an unknown number behind"});
  CHECK(progress_of(lags, {}, {"t"})[0].alive());  // not seen yet is not gone
}

TEST_CASE("run: what stands of the moves") {
  CHECK(newest_move(migration("")) == "");
  const auto canary = fetch("m1.2", "\"g\"");
  CHECK(newest_move(migration(canary)) == "m1.2");
  CHECK(may_read_new(migration(canary), "g"));
  CHECK_FALSE(may_read_new(migration(canary), "h"));
  CHECK_FALSE(all_may_read_new(migration(canary)));
  const auto every = migration(canary + ',' + fetch("m1.3", ""));
  CHECK(all_may_read_new(every));
  CHECK(may_read_new(every, "h"));
  const auto undone = migration(
      R"({"move":"m1.1","kind":"produce","to":"new","undone":false},)"
      R"({"move":"m1.2","kind":"fetch","to":"new","groups":["g"],"undone":true,"undoes":null},)"
      R"({"move":"m1.3","kind":"fetch","to":"old","groups":["g"],"undone":false,"undoes":"m1.2"},)"
      R"({"move":"m1.4","kind":"produce","to":"old","undone":false,"aborted_at":"S3"})");
  CHECK(newest_move(undone) == "m1.1");
  CHECK_FALSE(may_read_new(undone, "g"));
}

namespace {

struct Ran {
  int code = -1;
  std::vector<json::object> events;
  std::string out, err;
  std::vector<std::string> asked;
  const json::object& last() const { return events.back(); }
  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const auto& e : events) all.emplace_back(e.at("event").as_string());
    return all;
  }
};

// `meanwhile` is called beside it.
Ran run(
    FakeOperator acting, const std::string& arguments, observe::Snapshot shown = {},
    const std::function<void(FakeApi&)>& meanwhile = [](FakeApi&) {}) {
  fs::path folder = fs::read_symlink("/proc/self/exe").parent_path();
  while (!fs::is_regular_file(folder / "shuntctl") && folder != folder.root_path())
    folder = folder.parent_path();
  FakeApi api(std::move(shown), std::move(acting));
  std::thread other([&] { meanwhile(api); });
  const auto done = api.scratch().run((folder / "shuntctl").string() + " --socket " + api.socket() +
                                      " run " + arguments + " </dev/null");
  other.join();
  Ran ran{done.code, {}, done.out, done.err, {}};
  for (std::size_t at = 0; done.out.starts_with('{') && at < done.out.size();) {
    const auto end = done.out.find('\n', at);
    ran.events.push_back(json::parse(done.out.substr(at, end - at)).as_object());
    at = end + 1;
  }
  api.with([&](FakeOperator& op, observe::Events&) { ran.asked = op.asked; });
  return ran;
}

// orders and pay at new, and every group may go there.
FakeOperator all_moved() {
  FakeOperator op;
  op.shown = test::moved_state();
  op.shown.apply(
      splice::CutIntended{"m1", "m1.2", {"pay"}, splice::Cluster::new_cluster, "", 3000});
  splice::CutSealed sealed;
  sealed.move = "m1.2";
  sealed.cut = 2;
  sealed.seams.resize(1);
  sealed.seams[0].topic = "pay";
  sealed.seams[0].partition = 0;
  sealed.seams[0].native_end = 5;
  sealed.seams[0].native_start = 0;
  op.shown.apply(sealed);
  op.shown.apply(splice::CutFlipped{"m1.2", 9, 3009});
  op.shown.apply(splice::GroupsMoved{"m1", "m1.3", splice::Cluster::new_cluster, {}, "", 4000});
  net::PartitionLag lag;
  lag.topic = "orders";
  lag.position = lag.end = 9560;
  lag.drained = true;
  op.lags = {{"billing", {lag}}};
  return op;
}

observe::Snapshot seen() {
  observe::Snapshot s;
  s.groups = {{"billing", "Stable", "range", 1, 0, 0, {"orders"}, true}};
  return s;
}

}  // namespace

TEST_CASE("run: nobody to ask, wrong words") {
  const auto alone = run({}, "--scheme 1 --topics a -o json");
  CHECK(alone.code == 2);
  CHECK(alone.asked.empty());
  REQUIRE(alone.events.size() == 1);
  CHECK(alone.last().at("result") == "blocked");
  CHECK(alone.last().at("error").at("code") == "usage");
  CHECK_THAT(alone.err, Catch::Contains("--yes is required"));
  CHECK(run({}, "--yes").code == 2);
  CHECK(run({}, "--yes --scheme 1").code == 2);
  CHECK(run({}, "--yes --scheme 1 --topics a --soak 5s").code == 2);
  CHECK(run({}, "--yes --scheme 1 --topics a --max-lag -1").code == 2);
  CHECK(run({}, "--yes --migration m7").code == 2);
  CHECK(run({}, "--yes --help").code == 0);
}

TEST_CASE("run: blockers of the plan, and a canary nobody knows, before anything is made") {
  FakeOperator op;
  op.planned.topics = {"a"};
  op.planned.steps = {{1, "production goes to new", "shuntctl move produce", ""}};
  op.planned.blockers = {{"topic.missing", "fail", "a", "new does not have it", "create it"}};
  const auto stopped = run(op, "--scheme 1 --topics a --yes -o json");
  CHECK(stopped.code == 3);
  CHECK(stopped.asked == std::vector<std::string>{"plan 1 [a]"});
  CHECK(stopped.names() == std::vector<std::string>{"planned", "summary"});
  CHECK(stopped.last().at("blockers").as_array().size() == 1);
  CHECK(stopped.last().at("result") == "blocked");
  const auto people = run(op, "--scheme 1 --topics a --yes");
  CHECK_THAT(people.out, Catch::Contains("in the way"));
  CHECK_THAT(people.err, Catch::Contains("fix: create it"));
  CHECK(people.out.find('\033') == std::string::npos);

  op.planned.blockers.clear();
  const auto nobody = run(op, "--scheme 1 --topics a --yes --canary g -o json");
  CHECK(nobody.code == 2);
  CHECK(nobody.asked == std::vector<std::string>{"plan 1 [a]"});
}

TEST_CASE("run: goes on where the migration of these topics stands") {
  FakeOperator op = all_moved();
  op.planned.topics = {"orders", "pay"};
  op.planned.steps = {{1, "production goes to new", "shuntctl move produce", ""}};
  op.planned.blockers = {{"topic.migration", "fail", "orders", "it is in migration m1", ""}};
  for (const char* which : {"--scheme 1 --topics orders,pay", "--migration m1"}) {
    const auto ran = run(op, std::string(which) + " --yes --no-finish -o json", seen());
    INFO(ran.out << ran.err);
    CHECK(ran.code == 0);
    CHECK(ran.last().at("result") == "done");
    CHECK(ran.last().at("migration") == "m1");
    CHECK(std::ranges::find(ran.asked, "fetch new all of 'm1'") != ran.asked.end());
  }
  // With some of its topics only it is not meant.
  op.planned.topics = {"orders"};
  CHECK(run(op, "--scheme 1 --topics orders --yes", seen()).code == 3);
}

TEST_CASE("run: a gate that stays shut, a cut that is rolled back") {
  FakeOperator op = all_moved();
  op.lags[0].partitions[0].end = 20'000;
  const auto shut = run(op, "--migration m1 --yes --no-finish -o json --timeout 300ms", seen());
  CHECK(shut.code == 5);
  CHECK(shut.last().at("result") == "blocked");
  CHECK_THAT(std::string(shut.last().at("reason").as_string()),
             Catch::Contains("the gate lag is shut: billing is 10440 records behind"));
  CHECK_THAT(shut.err, Catch::Contains("shuntctl run --migration m1 --no-finish --yes"));
  CHECK(run(op, "--migration m1 --yes --no-finish --max-lag 10440", seen()).code == 0);

  op.shown = test::moved_state();
  op.moved.aborted_at = "S3";
  op.moved.reason = "an answer did not come";
  const auto again = run(op, "--migration m1 --yes -o json --timeout 300ms", seen());
  CHECK(again.code == 5);
  CHECK(again.asked == std::vector<std::string>{"move new [] of 'm1'"});
  CHECK(again.events[again.events.size() - 2].at("event") == "cut_again");
  CHECK(again.events[again.events.size() - 2].at("reason") == "an answer did not come");

  op.shown.apply(splice::MigrationPaused{"m1", true});
  const auto paused = run(op, "--migration m1 --yes -o json --timeout 300ms", seen());
  CHECK(paused.code == 5);
  CHECK(paused.asked.empty());
  CHECK(paused.names()[0] == "paused");
}

TEST_CASE("run: somebody else moves the same migration") {
  FakeOperator op = all_moved();
  op.lags[0].partitions[0].end = 20'000;
  const auto ran = run(op, "--migration m1 --yes -o json --timeout 20s", seen(), [](FakeApi& api) {
    for (bool waits = false; !waits;) {  // at its last gate
      api.with([&](FakeOperator& acting, observe::Events&) {
        waits = std::ranges::count(acting.asked, "lag ''") > 1;
        if (waits)
          acting.shown.apply(
              splice::GroupsMoved{"m1", "m1.4", splice::Cluster::old_cluster, {}, "m1.3", 5000});
      });
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  });
  CHECK(ran.code == 3);
  CHECK(ran.last().at("error").at("code") == "moved_by_another");
  CHECK_THAT(ran.err, Catch::Contains("its newest move was m1.3 and is m1.2"));
}
