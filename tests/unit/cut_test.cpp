// The cut as a script: every step, and a failure at each.
#include "tests/unit/cut_script.h"

#include <climits>

using namespace cut_script;

namespace {

using Steps = std::vector<std::string>;

constexpr int always = INT_MAX;

std::vector<std::size_t> kinds(const std::vector<Record>& journal, std::size_t from) {
  std::vector<std::size_t> out;
  for (std::size_t i = from; i < journal.size(); ++i) out.push_back(journal[i].index());
  return out;
}

const Move& last_move(const State& state) { return state.migrations().at("m1").moves.back(); }

// As text, without the moves' lines: what a cut that did not happen must leave alone.
std::string logs(const State& state) {
  const auto all = text(state);
  return all.substr(all.find("\na-0"));
}

}  // namespace

TEST_CASE("cut: step by step", "[cut]") {
  World w;
  std::vector<std::string> told;
  Cut cut(
      w.state, w.plan(), [&](const Record& r, bool) { return w.must(r), true; },
      [&](const char* step) { told.emplace_back(step); });
  const auto before = logs(w.state);
  REQUIRE(cut.begin(unix_now) == Want::prepare);
  CHECK(std::holds_alternative<CutIntended>(w.journal.back()));
  CHECK(cut.step_name() == std::string("S1"));
  CHECK(told == Steps{"S1"});
  // Answers to what was not asked change nothing.
  CHECK(cut.drained(began) == Want::none);
  CHECK(cut.ends_read(w.readings(), began, unix_now) == Want::none);
  CHECK(cut.released(began, unix_now) == Want::none);
  CHECK(cut.tick(began + 10 * hold_limit, unix_now) == Want::none);  // nobody is held yet
  CHECK_FALSE(w.held());

  REQUIRE(cut.prepared("", began, unix_now) == Want::drain);
  CHECK(told == Steps{"S1", "S2"});
  CHECK(w.state.topic("a")->held);
  CHECK(w.state.topic("b")->held);
  CHECK_FALSE(w.state.topic("stays")->held);
  CHECK(cut.prepared("", began, unix_now) == Want::none);
  CHECK(cut.ends_read(w.readings(), began, unix_now) == Want::none);
  CHECK(cut.released(began, unix_now) == Want::none);
  CHECK(cut.tick(began + hold_limit - 1, unix_now) == Want::none);

  REQUIRE(cut.drained(began + 20) == Want::ends);
  CHECK(told == Steps{"S1", "S2", "S3"});
  CHECK(cut.drained(began) == Want::none);
  CHECK(cut.step_name() == std::string("S4"));
  CHECK(w.journal.size() == 2);
  CHECK(logs(w.state) == before);

  REQUIRE(cut.ends_read(w.readings(), began + 35, unix_now) == Want::release);
  CHECK(told == Steps{"S1", "S2", "S3", "S4", "S5", "S6"});
  CHECK(kinds(w.journal, 1) == std::vector{Record(CutIntended{}).index(),
                                           Record(CutSealed{}).index(),
                                           Record(CutFlipped{}).index()});
  CHECK_FALSE(w.held());
  CHECK(w.home() == new_one);
  CHECK(w.state.topic("stays")->produce_to() == old_one);
  CHECK(cut.held_ms() == 35);
  CHECK(cut.released(began + 36, unix_now) == Want::none);
  CHECK(told.back() == "S7");
  CHECK(cut.over());
  CHECK_FALSE(cut.aborted());
  REQUIRE(cut.seams().size() == 3);
  for (int i = 0; i < 3; ++i) {
    const Seam& s = cut.seams()[static_cast<std::size_t>(i)];
    CHECK(s.native_end == w.end(old_one, i));
    CHECK(s.native_start == w.end(new_one, i));
    CHECK(s.epoch_last == 5);
    CHECK(w.at(i).shown_end.at == w.end(old_one, i));  // all below the seam is there to be read
    CHECK(w.at(i).high_watermark.at == w.end(old_one, i));
  }
  const Move& m = last_move(w.state);
  CHECK(m.sealed);
  CHECK(m.flipped);
  CHECK(m.held_ms_max == 35);
  CHECK(m.cut == 1);
}

TEST_CASE("cut: a failure at each step before the seam leaves everything as it was", "[cut]") {
  const auto at_b0 = [](std::int64_t EndReading::*field, std::int64_t by, bool to = false) {
    return [=](PartitionReading& r) { (to ? r.to : r.from).*field += by; };
  };
  using R = EndReading;
  // `once`: it passes when the next reading is good.
  const struct Row {
    const char* name;
    Fault fault;
    const char* step;
    const char* reason;
    bool once = true;
  } rows[] = {
      {"not prepared", {.problem = "no ids"}, "S1", "no ids", false},
      {"paused in S1", {.pause = Step::intent}, "S1", "paused", false},
      {"paused in S3", {.pause = Step::drain}, "S3", "paused", false},
      {"paused in S4", {.pause = Step::ends}, "S4", "paused", false},
      {"not drained",
       {.drains = false},
       "S3",
       "not done within move.hold_limit: waiting for answers of requests in flight",
       false},
      {"the seam cannot be written", {.write = 1}, "S4", "the journal cannot be written", false},
      {"nor that it was aborted", {.write = 1, .abort_too = true}, "S4", "the journal", false},
      {"high watermark behind",
       {.reading = at_b0(&R::high_watermark, -1)},
       "S4",
       "b-0 on old: high watermark -1 behind its log end 0"},
      {"new's high watermark behind",
       {.reading = at_b0(&R::high_watermark, -1, true)},
       "S4",
       "b-0 on new: high watermark 2 behind its log end 3"},
      {"a transaction is open",
       {.reading = at_b0(&R::last_stable, -2)},
       "S4",
       "b-0 on old: an open transaction keeps the last stable offset at -2 of 0"},
      {"one is open on new",
       {.reading = at_b0(&R::last_stable, -2, true)},
       "S4",
       "b-0 on new: an open transaction keeps the last stable offset at 1 of 3"},
      {"the leader epoch has changed",
       {.reading = [](PartitionReading& r) { r.from.leader_epoch = -1; }},
       "S4",
       "b-0 on old: its leader is changing"},
      {"new's has",
       {.reading = [](PartitionReading& r) { r.to.leader_epoch = -1; }},
       "S4",
       "b-0 on new: its leader is changing"},
      {"too few replicas in sync",
       {.reading = [](PartitionReading& r) { r.from.in_sync = 1; }},
       "S4",
       "b-0 on old: in-sync replicas 1 below min.insync.replicas 2"},
      {"too few on new",
       {.reading = [](PartitionReading& r) { r.to.in_sync = 1; }},
       "S4",
       "b-0 on new: in-sync replicas 1 below min.insync.replicas 2"},
      {"it could not be read",
       {.reading = [](PartitionReading& r) { r.from.error = "ListOffsets: error 6"; }},
       "S4",
       "b-0 on old: ListOffsets: error 6"},
      {"new could not be",
       {.reading = [](PartitionReading& r) { r.to.error = "it is gone"; }},
       "S4",
       "b-0 on new: it is gone"},
      {"the epoch ends elsewhere",
       {.reading = at_b0(&R::epoch_end, 4)},
       "S4",
       "b-0 on old: log end 0, by epoch 4"},
      {"new's does",
       {.reading = at_b0(&R::epoch_end, -1, true)},
       "S4",
       "b-0 on new: log end 3, by epoch 2"},
      {"a partition of no migration",
       {.reading = [](PartitionReading& r) { r.partition = 9; }},
       "S4",
       "b-9 is in no migration",
       false},
  };
  for (const auto& row : rows) {
    INFO(row.name);
    World w;
    const auto before = logs(w.state);
    Fault fault = row.fault;
    fault.readings = fault.reading ? always : 0;
    const Cut cut = w.run(fault);
    CHECK(cut.aborted());
    CHECK(cut.aborted_at() == row.step);
    CHECK(cut.reason().find(row.reason) != std::string::npos);
    CHECK(cut.seams().empty());
    CHECK(logs(w.state) == before);
    CHECK(w.told.back() == "aborted");
    CHECK(std::ranges::count(w.told, "S5") == 0);
    const Move& m = last_move(w.state);
    CHECK_FALSE(m.sealed);
    CHECK(m.aborted_step == (fault.abort_too ? "" : row.step));
    CHECK(text(read_back(w.journal, w.journal.size())) == text(w.state));
    const bool waited = row.once || !row.fault.drains;
    if (waited) CHECK(cut.held_ms() >= hold_limit);
    if (waited) CHECK(cut.held_ms() < hold_limit + 20);
    if (!waited) CHECK(cut.held_ms() < 100);
    // The next one is another move, and goes through.
    CHECK_FALSE(w.run().aborted());
    CHECK(w.home() == new_one);
    CHECK(w.state.move("m1.2")->sealed);
    if (!row.once) continue;
    World again;
    fault.readings = 3;
    const Cut passed = again.run(fault);
    CHECK_FALSE(passed.aborted());
    CHECK(passed.held_ms() == 50);  // drained, then four readings
    CHECK(again.home() == new_one);
  }
}

TEST_CASE("cut: readings that are good enough", "[cut]") {
  World w;
  Fault fault;
  fault.readings = always;
  fault.reading = [](PartitionReading& r) {
    r.from.epoch_end = r.to.epoch_end = -1;  // message format before 0.11: not told (rules C1)
    r.from.in_sync = r.from.in_sync_min;
  };
  CHECK_FALSE(w.run(fault).aborted());
}

TEST_CASE("cut: the hold limit names what is waited for", "[cut]") {
  World w;
  const auto started = [&] {
    auto cut = std::make_unique<Cut>(
        w.state, w.plan(), [&](const Record& r, bool) { return w.must(r), true; },
        [](const char*) {});
    cut->begin(unix_now);
    cut->prepared("", began, unix_now);
    return cut;
  };
  const auto draining = started();
  draining->waits_for("app at 10.0.0.7: a Produce that is not answered yet");
  CHECK(draining->tick(began + hold_limit, unix_now) == Want::release);
  CHECK(draining->aborted_at() == "S3");
  CHECK(draining->reason() ==
        "not done within move.hold_limit: waiting for app at 10.0.0.7: a "
        "Produce that is not answered yet");
  // Drained: whoever that was is not to blame any more.
  const auto reading = started();
  reading->waits_for("app at 10.0.0.7: a Produce that is not answered yet");
  reading->drained(began + 5);
  CHECK(reading->tick(began + hold_limit, unix_now) == Want::release);
  CHECK(reading->aborted_at() == "S4");
  CHECK(reading->reason() ==
        "not done within move.hold_limit: waiting for the ends of both clusters' logs");
  const auto read = started();
  read->drained(began + 5);
  auto bad = w.readings();
  bad[1].to.in_sync = 0;
  CHECK(read->ends_read(bad, began + 10, unix_now) == Want::ends);
  CHECK(read->tick(began + hold_limit, unix_now) == Want::release);
  CHECK(read->reason() ==
        "not done within move.hold_limit: waiting for a-1 on new: in-sync "
        "replicas 0 below min.insync.replicas 2");
}

TEST_CASE("cut: a cluster that has lost records is found out", "[cut]") {
  // Shown to somebody, in any way, and not there: by waiting it may turn up (it was being read).
  World w;
  w.at(2).show({1});
  const Cut lost = w.run();
  CHECK(lost.aborted_at() == "S4");
  CHECK(lost.reason().find("b-0: its log ends at 0, but offsets up to 1 have been shown") == 0);
  w.write(2, 1);
  CHECK_FALSE(w.run().aborted());
  // Back: old's log is shorter than where its segment ended. No waiting mends that.
  w.ends[0][2] = 0;
  const Cut never = w.run();
  CHECK(never.aborted_at() == "S4");
  CHECK(never.reason() ==
        "b-0: the log on old ends at 0, its last segment at 1: records were lost");
  CHECK(never.held_ms() < 100);
  CHECK(w.home() == new_one);
  // Longer: somebody wrote there past us. The next segment begins where the last one ended.
  w.ends[0][2] = 5;
  CHECK_FALSE(w.run().aborted());
  CHECK(w.at(2).log.tail().native_start == 1);
}

TEST_CASE("cut: an unclear batch is waited for, and named", "[cut]") {
  const Unclear of_seven{{7, 0, 10, 5}, {}, 5, unix_now, "app at 10.0.0.7:5"};
  World w;
  w.at(0).unclear = {of_seven};
  const Cut cut = w.run();
  CHECK(cut.aborted_at() == "S4");
  CHECK(cut.reason() ==
        "a-0: a batch of app at 10.0.0.7:5 was sent and never answered (producer id 7); the broker "
        "may still append it");
  CHECK(w.at(0).unclear.size() == 1);
  w.tails[7] = {0, {{10, 14, 95}}};  // it has turned up
  CHECK_FALSE(w.run().aborted());
  CHECK(w.at(0).unclear.empty());
}

TEST_CASE("cut: after the seam nothing takes it back", "[cut]") {
  World w;
  const Cut cut = w.run({.write = 2});  // CutFlipped
  CHECK_FALSE(cut.aborted());
  CHECK(cut.seams().size() == 3);
  CHECK(w.home() == new_one);
  CHECK(w.told == Steps{"S1", "S2", "S3", "S4", "S5", "S6", "S7"});
  CHECK(last_move(w.state).sealed);
  CHECK_FALSE(last_move(w.state).flipped);
  // Not even its intent could be written: it was never there.
  World none;
  const auto before = text(none.state);
  const Cut refused = none.run({.write = 0});
  CHECK(refused.aborted_at() == "S1");
  CHECK(text(none.state) == before);
  CHECK(none.told.empty());
}

TEST_CASE("cut: an unclear batch passes with time when it has no id, or with its leader", "[cut]") {
  World w;
  w.at(0).unclear = {{{-1, -1, -1, 3}, {}, 5, unix_now - 30'000, "a"},
                     {{7, 0, 10, 5}, {}, 4, unix_now, "b"}};
  CHECK_FALSE(w.run().aborted());
  CHECK(w.at(0).unclear.empty());
  CHECK(w.at(0).seam_unclear.empty());
}
