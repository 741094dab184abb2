// How far clients have seen each partition, kept beside the journal.
#include "control/shown_file.h"

#include <catch2/catch.hpp>

#include "control/journal.h"
#include "tests/unit/scratch.h"

using namespace shunt;
using control::ShownFile;
using test::Scratch;

TEST_CASE("shown: what was kept is there for the next daemon, by partition", "[log]") {
  Scratch folder;
  {
    ShownFile f;
    f.open(folder.path(), true);
    CHECK_FALSE(f.died());
    const auto a = f.slot("m1", "t", 0), b = f.slot("m1", "t", 1);
    f.keep(a, 7);
    f.keep(b, 9'000'000'000);
    f.keep(a, 8);
  }
  ShownFile f;
  f.open(folder.path(), false);
  CHECK(f.died());  // it did not drain
  CHECK(f.kept(f.slot("m1", "t", 1)) == 9'000'000'000);
  CHECK(f.kept(f.slot("m1", "t", 0)) == 8);
  CHECK(f.kept(f.slot("m2", "t", 0)) == 0);  // another migration of it counts anew
  f.drained();
  ShownFile next;
  next.open(folder.path(), false);
  CHECK_FALSE(next.died());
}

TEST_CASE("shown: a new journal, a file of others', a disk that refuses", "[log]") {
  Scratch folder;
  {
    ShownFile f;
    f.open(folder.path(), true);
    f.keep(f.slot("m1", "t", 0), 7);
  }
  {
    ShownFile f;
    f.open(folder.path(), true);  // the journal was begun anew
    CHECK(f.kept(f.slot("m1", "t", 0)) == 0);
  }
  folder.write("shown", "something else altogether");
  {
    ShownFile f;
    f.open(folder.path(), false);
    CHECK(f.died());
    const auto a = f.slot("m1", "t", 0);
    CHECK(f.kept(a) == 0);
    f.keep(a, 3);
  }
  ShownFile nowhere;
  nowhere.open(folder.path("missing"), false);
  const auto a = nowhere.slot("m1", "t", 0);
  nowhere.keep(a, 5);
  CHECK(nowhere.kept(a) == 5);
}

TEST_CASE("shown: a state goes on where clients have seen it to", "[log]") {
  Scratch folder;
  const splice::MigrationStarted started{"m1", 1, {{"t", {}, {}, 2}}, 0};
  const splice::CutIntended intended{"m1", "m1.1", {"t"}, splice::Cluster::new_cluster, "", 0};
  const splice::CutSealed sealed{
      "m1.1", 1, {{"t", 0, 10, 3, -1, {}, {}}, {"t", 1, 20, 5, -1, {}, {}}}, 0};
  {
    auto opened = control::Journal::open(folder.path());
    REQUIRE(opened.journal);
    CHECK_FALSE(opened.remembered.died);
    auto& state = opened.remembered.splice;
    state.keep_shown(*opened.journal->shown_ends());
    for (const splice::Record& r : {splice::Record(started), {intended}, {sealed}}) {
      REQUIRE(opened.journal->keep(r, true));
      REQUIRE(state.apply(r) == nullptr);
    }
    state.partition("t", {}, 1)->show({27});
  }
  {
    auto opened = control::Journal::open(folder.path());
    REQUIRE(opened.journal);
    CHECK(opened.remembered.died);
    auto& state = opened.remembered.splice;
    CHECK(state.partition("t", {}, 1)->shown_end.at == 20);  // by its records alone
    state.keep_shown(*opened.journal->shown_ends());
    CHECK(state.partition("t", {}, 1)->shown_end.at == 27);
    CHECK(state.partition("t", {}, 0)->shown_end.at == 10);
    opened.journal->drained();
  }
  auto opened = control::Journal::open(folder.path());
  REQUIRE(opened.journal);
  CHECK_FALSE(opened.remembered.died);
}
