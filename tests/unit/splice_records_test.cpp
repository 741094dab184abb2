// The migration in the journal: every record comes back as it was, or is refused by name.
#include <catch2/catch.hpp>

#include <algorithm>
#include <csignal>
#include <set>

#include <sys/resource.h>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "control/journal.h"
#include "control/splice_records.h"
#include "proxy/observe/log.h"
#include "tests/unit/scratch.h"

using namespace shunt;
using namespace shunt::control;
using shunt::test::Scratch;
namespace json = boost::json;

namespace {

constexpr auto to_new = splice::Cluster::new_cluster;
constexpr auto from_old = splice::Cluster::old_cluster;
const std::string log_1 = "00000001.log";

struct Quiet {
  Quiet() { observe::log::setup(observe::log::Level::error, observe::log::Format::text); }
  ~Quiet() { observe::log::setup(observe::log::Level::info, observe::log::Format::text); }
};

wire::Uuid uuid(int first) {
  wire::Uuid out{};
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] = static_cast<std::byte>(first + static_cast<int>(i));
  return out;
}

splice::Seam seam(const std::string& topic, std::int32_t partition) {
  splice::Seam s;
  s.topic = topic;
  s.partition = partition;
  s.native_end = 9041 + partition;
  s.native_start = 7;
  s.epoch_last = 5;
  s.producers[4000] = {3, {{0, 9, 100}, {2147483640, 3, -1}}};
  s.unclear = {{4001, 0, 17, 5}, {-1, -1, -1, 1}};
  return s;
}

// A migration's life: each kind of record, in an order that State takes.
std::vector<splice::Record> life() {
  splice::MigrationStarted m;
  m.migration = "m1";
  m.topics = {{"orders", uuid(1), uuid(100), 2}, {"pay", {}, {}, 1}};
  m.at = 1769850902007;
  splice::CutSealed sealed;
  sealed.move = "m1.2";
  sealed.cut = 1;
  sealed.seams = {seam("orders", 0), seam("orders", 1)};
  sealed.at = 12;
  std::vector<splice::Record> out = {
      m,
      splice::CutIntended{"m1", "m1.1", {"orders"}, to_new, "", 10},
      splice::CutAborted{"m1.1", "S3", "an answer that never came: \xff\x01", 11},
      splice::CutIntended{"m1", "m1.2", {"orders"}, to_new, "", 11},
      splice::ProducerMapped{4000, 1, 77},
      sealed,
      splice::CutFlipped{"m1.2", 38, 13},
      splice::Swept{"orders", 0, 20, from_old, 9050, 9, 14, 6},
      splice::FirstAccepted{"orders", 1, 4000},
      splice::CommitAccepted{"billing", "orders", 1, {9042}, "meta\xfe", 15},
      splice::CommitAccepted{"gr\xc3\xbcn", "orders", 0, {3}, "", 15},
      splice::CommitAccepted{"billing", "orders", 0, {5}, "", 16},
      splice::CommitForgotten{"billing", "orders", 1},
      splice::MigrationPaused{"m1", true},
      splice::JournalNamed{"k7q2"},
      splice::Swept{"orders", 0, 21, from_old, 9060, 2, 17, 6, 9058, seam("", 0).producers},
      splice::Rewritten{"orders", 1, {4000, 1, 17, 3}},
      splice::NewSkipped{"orders", 1, true},
      splice::GroupsMoved{"m1", "m1.3", to_new, {"billing", "gr\xc3\xbcn"}, "", 18},
      splice::GroupsMoved{"m1", "m1.4", from_old, {"billing"}, "m1.3", 19},
      splice::GroupsMoved{"m1", "m1.5", to_new, {}, "", 20},
      splice::GroupHanded{"billing", 7, {"c-1", "c-\xfe"}, 21},
      splice::GroupHanded{"simple", 0, {}, 22},
      splice::MigrationFinished{"m1", true, 23}};
  return out;
}

std::string text(const splice::Record& r) { return json::serialize(to_json(r)); }

std::string told(const splice::State& s) {
  std::string out;
  for (const auto& r : s.snapshot()) out += text(r) + '\n';
  return out;
}

std::unique_ptr<Journal> opened(const Scratch& s, splice::State* state = nullptr,
                                Journal::Limits limits = {}) {
  auto out = Journal::open(s.path("j"), limits);
  INFO(out.failure.message);
  REQUIRE(out.journal);
  if (state) *state = out.remembered.splice;
  return std::move(out.journal);
}

std::optional<splice::Record> back(const std::string& json_text, std::string& problem) {
  const auto value = json::parse(json_text);
  Reader keys{value.as_object(), problem};
  return read_splice_record(keys.text("type"), keys);
}

}  // namespace

TEST_CASE("splice records: each kind is read back as it was written") {
  auto all = life();
  splice::PartitionKept kept;
  kept.topic = "orders";
  kept.partition = 1;
  splice::Segment closed, open;
  closed.native_end = 100;
  closed.epoch_last = 4;
  open.start = {100};
  open.cluster = to_new;
  open.native_start = 7;
  open.epoch_base = 5;
  open.cut = 3;
  kept.segments = {closed, open};
  kept.producers = seam("", 0).producers;
  kept.unclear = seam("", 0).unclear;
  kept.accepted = {4000, 4001};
  kept.stragglers = 9;
  kept.rewritten = seam("", 0).unclear;
  all.emplace_back(kept);
  std::set<std::size_t> kinds;
  for (const auto& r : all) {
    INFO(text(r));
    kinds.insert(r.index());
    std::string problem;
    const auto again = back(text(r), problem);
    CHECK(problem == "");
    REQUIRE(again);
    CHECK(again->index() == r.index());
    CHECK(text(*again) == text(r));
  }
  CHECK(kinds.size() == std::variant_size_v<splice::Record>);

  std::string problem;
  const auto again = back(text(kept), problem);
  const auto& p = std::get<splice::PartitionKept>(*again);
  CHECK(p.segments == kept.segments);
  CHECK(p.producers == kept.producers);
  CHECK(p.unclear == kept.unclear);
  CHECK(std::get<splice::MigrationStarted>(*back(text(all[0]), problem)).topics ==
        std::get<splice::MigrationStarted>(all[0]).topics);
  CHECK(std::get<splice::CutSealed>(*back(text(all[5]), problem)).seams ==
        std::get<splice::CutSealed>(all[5]).seams);
  CHECK(std::get<splice::CutAborted>(*back(text(all[2]), problem)).reason ==
        "an answer that never came: \xff\x01");
}

TEST_CASE("splice records: a key that is missing or cannot be is named") {
  for (const auto& r : life()) {
    const json::object whole = to_json(r);
    for (const auto& [key, value] : whole) {
      if (key == "type") continue;
      std::string name(key);
      if (name.ends_with("_hex")) name.resize(name.size() - 4);
      for (const json::value& wrong : {json::value(1.5), json::value()}) {
        json::object changed = whole;
        if (wrong.is_null())
          changed.erase(key);
        else
          changed[key] = wrong;
        INFO(json::serialize(changed));
        std::string problem;
        back(json::serialize(changed), problem);
        CHECK(problem == "key " + name + " is missing or cannot be");
      }
    }
  }
  std::string problem;
  back(R"({"type":"migration","migration":"m1","scheme":1,"at_ms":0,"topics":[)"
       R"({"topic":"t","old_id":"00","new_id":"zz","partitions":1}]})",
       problem);
  CHECK(problem == "key old_id is missing or cannot be");
}

TEST_CASE("journal: a migration is there after a restart, and after a rotation") {
  const Scratch s;
  splice::State expected;
  {
    const auto j = opened(s);
    bool durable = false;
    for (const auto& r : life()) {
      CHECK(expected.apply(r) == nullptr);
      CHECK(j->keep(r, durable = !durable));
    }
  }
  splice::State again;
  opened(s, &again);
  CHECK(told(again) == told(expected));
  {
    auto j = opened(s, nullptr, {.file_bytes_max = 10});
    j->tend(false);
    CHECK(list_logs(s.path("j")) == std::vector<std::uint32_t>{1});
    j->tend();
    CHECK(list_logs(s.path("j")) == std::vector<std::uint32_t>{2});
  }
  opened(s, &again);
  CHECK(told(again) == told(expected));
  CHECK(again.next_cut() == 2);
  CHECK(again.migration("m1")->moves.size() == 5);
}

TEST_CASE("journal: records above the limit of one are written in parts, all or nothing") {
  const Quiet quiet;
  const Scratch s;
  splice::MigrationStarted m;
  m.migration = "m1";
  m.topics = {{"orders", {}, {}, 3000}};
  splice::CutSealed sealed;
  sealed.move = "m1.1";
  sealed.cut = 1;
  for (int i = 0; i < 3000; ++i) {
    sealed.seams.push_back(seam("orders", i));
    for (int p = 0; p < 8; ++p) sealed.seams.back().producers[p].last.resize(5);
  }
  splice::State expected;
  const std::vector<splice::Record> all = {
      m, splice::CutIntended{"m1", "m1.1", {"orders"}, to_new, "", 10}, sealed};
  std::size_t before = 0;
  {
    const auto j = opened(s);
    for (const auto& r : all) {
      before = j->bytes();
      CHECK(expected.apply(r) == nullptr);
      REQUIRE(j->keep(r, true));
    }
    CHECK(j->bytes() > before + record_bytes_max);
  }
  splice::State again;
  opened(s, &again);
  CHECK(told(again) == told(expected));

  // Torn within the last part: the seam never was. The next record does not mind the pieces.
  const std::string whole = s.read("j/" + log_1);
  s.write("j/" + log_1, whole.substr(0, whole.size() - 1));
  {
    const auto j = opened(s, &again);
    CHECK(again.move("m1.1")->sealed == false);
    CHECK(j->bytes() > before);
    CHECK(j->keep(splice::CutAborted{"m1.1", "S4", "restart", 1}, true));
  }
  opened(s, &again);
  CHECK(again.move("m1.1")->aborted_step == "S4");
  CHECK(!again.topic("orders")->spliced());
  // A piece missing in the middle.
  std::vector<std::string> records;
  scan(whole, [&](std::string_view json_text) {
    records.emplace_back(json_text);
    return std::string();
  });
  std::string holed;
  for (std::size_t i = 0; i < records.size(); ++i)
    if (i != 4) holed += frame(records[i]);
  s.write("j/" + log_1, holed);
  const auto j = Journal::open(s.path("j"));
  CHECK(!j.journal);
  CHECK_THAT(j.failure.message, Catch::Contains("a part that does not follow the one before"));
}

TEST_CASE("journal: a migration torn at every byte is what its whole records say") {
  const Quiet quiet;
  const Scratch s;
  {
    const auto j = opened(s);
    for (const auto& r : life()) j->keep(r, true);
  }
  const std::string whole = s.read("j/" + log_1);
  std::vector<std::string> states;  // after so many records
  std::vector<std::size_t> ends;
  splice::State state;
  std::size_t at = 0;
  scan(whole, [&](std::string_view json_text) {
    std::string problem;
    const auto r = from_json(json_text, problem);
    if (const auto* moved = std::get_if<splice::Record>(&*r)) state.apply(*moved);
    states.push_back(told(state));
    ends.push_back(at += record_head_bytes + json_text.size());
    return std::string();
  });
  for (std::size_t n = ends[0]; n <= whole.size(); n += 3) {
    INFO("cut at " << n);
    s.write("j/" + log_1, whole.substr(0, n));
    const auto kept = std::upper_bound(ends.begin(), ends.end(), n) - ends.begin() - 1;
    splice::State again;
    opened(s, &again);
    CHECK(told(again) == states[static_cast<std::size_t>(kept)]);
  }
}

TEST_CASE("journal: a record that cannot follow the others is refused, naming the byte") {
  const Quiet quiet;
  const Scratch s;
  {
    const auto j = opened(s);
    CHECK(j->keep(life()[0], true));
  }
  const std::string good = s.read("j/" + log_1);
  const std::string bad = R"({"v":1,"time":"",)" + text(life()[6]).substr(1);
  const std::string later = R"({"v":1,"time":"",)" + text(life()[12]).substr(1);
  s.write("j/" + log_1, good + frame(bad) + frame(later));
  const auto j = Journal::open(s.path("j"));
  REQUIRE(!j.journal);
  CHECK(j.failure.code == "journal_untrusted");
  CHECK(j.failure.message == "journal: " + s.path("j/" + log_1) + ": byte " +
                                 std::to_string(good.size()) + ": a flip without a seam");
}

TEST_CASE("journal: what the state refuses is not written") {
  const Quiet quiet;
  const Scratch s;
  {
    const auto j = opened(s);
    const auto before = j->bytes();
    const std::string said = test::stderr_of([&] {
      CHECK(!j->keep(life()[6], true));
      CHECK(!j->keep(life()[6], false));
    });
    CHECK_THAT(said, Catch::Contains("journal.refused"));
    CHECK(j->bytes() == before);
    CHECK(j->keep(life()[0], true));
  }
  splice::State again;
  opened(s, &again);
  CHECK(again.migration("m1"));
}

TEST_CASE(
    "journal: full disk: a durable record is refused and nothing applied, others come later") {
  std::signal(SIGXFSZ, SIG_IGN);
  const Scratch s;
  splice::State expected;
  {
    const auto j = opened(s);
    const auto all = life();
    for (std::size_t i = 0; i < 4; ++i) {
      expected.apply(all[i]);
      j->keep(all[i], true);
    }
    rlimit limit{};
    ::getrlimit(RLIMIT_FSIZE, &limit);
    bool sealed = true, commit = true;
    test::stderr_of([&] {
      rlimit full = limit;
      full.rlim_cur = j->bytes() + 20;
      ::setrlimit(RLIMIT_FSIZE, &full);
      sealed = j->keep(all[5], true);
      commit = j->keep(all[8], false);
      ::setrlimit(RLIMIT_FSIZE, &limit);
      j->tend();
    });
    CHECK(!sealed);
    CHECK(!commit);
    expected.apply(all[8]);  // not written then, but by tend()
    const splice::CutAborted aborted{"m1.2", "S5", "journal", 1};
    expected.apply(aborted);
    CHECK(j->keep(aborted, true));
  }
  splice::State again;
  opened(s, &again);
  CHECK(told(again) == told(expected));
}

TEST_CASE("journal: many commits are cheap, and a new file holds only the last of each") {
  const Scratch s;
  auto j = opened(s, nullptr, {.file_bytes_max = 200'000});
  j->keep(life()[0], true);
  for (int i = 0; i < 3000; ++i)
    j->keep(splice::CommitAccepted{"billing", "orders", i % 2, {i}, "", 1769850902007}, false);
  const auto before = j->bytes();
  CHECK(before / 3000 < 200);
  j->tend();
  CHECK(j->bytes() < 2000);
  j.reset();
  splice::State again;
  opened(s, &again);
  CHECK(again.commit("billing", "orders", 1)->at.at == 2999);
}

TEST_CASE("journal: rebuilt from records it holds them all, and what it knew of the clients") {
  const Scratch s;
  splice::State wanted;
  for (const auto& r : life()) REQUIRE(wanted.apply(r) == nullptr);
  {
    const auto journal = opened(s);
    route::Identities live;
    live.begin("app", "java 4.4", 1);
    for (const auto& r : live.take_records()) journal->remember(r);
    std::string why;
    auto wrong = life();
    wrong.emplace_back(splice::CutAborted{"m7.1", "S1", "", 0});
    CHECK_FALSE(journal->rebuild(wrong, why));
    CHECK(why == "a cut is aborted that cannot be");
    CHECK(journal->rebuild(life(), why));
    CHECK(journal->keep(splice::MigrationPaused{"m1", true}, true));
  }
  splice::State back_again;
  opened(s, &back_again);
  CHECK(told(back_again) == told(wanted));
  CHECK(Journal::open(s.path("j")).remembered.identities.all().size() == 1);
}
