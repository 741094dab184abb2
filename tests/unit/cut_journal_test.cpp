// What a cut's records make: three cuts in a row are one log, a crash behind each of them goes on.
#include "tests/unit/cut_script.h"

using namespace cut_script;

TEST_CASE("cut: to and fro, everything stays one log", "[cut]") {
  World w;
  const std::int64_t y0[] = {w.end(new_one, 0), w.end(new_one, 1), w.end(new_one, 2)};
  w.tails = {{7, {0, {{0, 4, 90}, {5, 9, 95}}}}, {8, {2, {{3, 3, 40}}}}, {9, {0, {{6, 6, -1}}}}};
  w.run();
  // Cut 1: producers as they were, offsets are old's own.
  CHECK(w.at(0).producers == w.tails);
  w.must(ProducerMapped{7, 1, 1007});
  w.must(ProducerMapped{6, 1, 1006});
  w.must(ProducerMapped{9, 1, 1009});
  w.must(FirstAccepted{"a", 0, 7});
  for (int i = 0; i < 3; ++i) w.write(i, 20 + i);
  // On new: 7 as 1007, 6 is new, 9999 writes past us, and 7 is somebody else's number there.
  w.tails = {{1007, {0, {{10, 14, 7}, {15, 19, 12}}}},
             {1006, {0, {{0, 0, 26}}}},
             {1009, {1, {{7, 7, -1}}}},
             {9999, {0, {{0, 0, 25}}}},
             {7, {0, {{70, 70, 24}}}}};
  w.run({}, "m1.1");
  CHECK(w.state.move("m1.1")->undone);
  CHECK(w.state.migration("m1")->newest() == nullptr);
  // Virtual offsets, the clients' ids; who has not written since is still known.
  ProducerTails then = {{7, {0, {{10, 14, 100}, {15, 19, 105}}}},
                        {6, {0, {{0, 0, 119}}}},
                        {8, {2, {{3, 3, 40}}}},
                        {9, {1, {{7, 7, -1}}}}};
  CHECK(w.at(0).producers == then);
  CHECK(w.at(0).firsts.empty());  // of the segment before
  CHECK_FALSE(w.state.producer(7, 2));
  for (int i = 0; i < 3; ++i) w.write(i, 2);
  w.must(ProducerMapped{7, 2, 77});
  w.tails = {{77, {1, {{0, 1, 100}}}}, {7, {0, {{5, 9, 95}}}}};  // old remembers 7 as it was then
  w.run();
  then[7] = {1, {{0, 1, 120}}};
  CHECK(w.at(0).producers == then);
  for (int i = 0; i < 3; ++i) w.write(i, 5);
  CHECK(w.state.migration("m1")->newest()->id == "m1.3");

  for (int i = 0; i < 3; ++i) {
    INFO("partition " << i);
    const auto& segments = w.at(i).log.segments();
    REQUIRE(segments.size() == 4);
    for (std::size_t s = 0; s < 4; ++s) {
      CHECK(segments[s].cluster == (s % 2 == 0 ? old_one : new_one));
      CHECK(segments[s].cut == s);
      if (s == 0) continue;
      CHECK(segments[s].start == segments[s - 1].end());
      CHECK(segments[s].epoch_base > segments[s - 1].epoch_last);
      const auto epoch = w.epochs[static_cast<int>(segments[s - 1].cluster)];
      CHECK(segments[s].shown_epoch(0) > segments[s - 1].shown_epoch(epoch));
      if (s >= 2) CHECK(segments[s].native_start == segments[s - 2].native_end);
    }
    const auto& tail = w.at(i).log.tail();
    CHECK(tail.shown(w.end(new_one, i)).at == w.end(old_one, i) + w.end(new_one, i) - y0[i]);
  }
}

TEST_CASE("cut: a crash behind each record", "[cut]") {
  World w;
  std::vector<std::string> lived;  // the state behind each record
  const auto note = [&] {
    while (lived.size() < w.journal.size())
      lived.push_back(text(read_back(w.journal, lived.size() + 1)));
    CHECK(lived.back() == text(w.state));
  };
  w.tails = {{7, {0, {{5, 9, 95}}}}};
  w.run({.pause = Step::drain});
  note();
  w.run();
  note();
  w.must(ProducerMapped{7, 1, 1007});
  w.must(FirstAccepted{"a", 0, 7});
  note();
  w.write(0, 5);
  w.tails = {{1007, {0, {{10, 14, 7}}}}};
  w.run({}, "m1.2");
  note();

  Cluster home = old_one;
  for (std::size_t n = 1; n <= w.journal.size(); ++n) {
    INFO("behind record " << n - 1 << ", kind " << w.journal[n - 1].index());
    if (std::holds_alternative<CutSealed>(w.journal[n - 1])) home = other(home);
    World again;
    again.journal.assign(w.journal.begin(), w.journal.begin() + static_cast<std::ptrdiff_t>(n));
    again.state = read_back(w.journal, n);
    again.tails = w.tails;
    again.ends[1][0] = 12;
    CHECK(again.home() == home);
    CHECK_FALSE(again.held());
    // Its snapshot is the same state, and so are its records together with what comes behind it.
    State kept = read_back(again.state.snapshot(), again.state.snapshot().size());
    CHECK(text(kept) == lived[n - 1]);
    for (std::size_t i = n; i < w.journal.size(); ++i) CHECK(kept.apply(w.journal[i]) == nullptr);
    CHECK(text(kept) == text(w.state));
    // It goes on from there: an intent without a seam is no cut.
    const auto& moves = again.state.migration("m1")->moves;
    if (std::holds_alternative<CutIntended>(w.journal[n - 1])) CHECK_FALSE(moves.back().sealed);
    const auto cuts = again.state.next_cut();
    CHECK_FALSE(again.run().aborted());
    CHECK(again.home() == other(home));
    CHECK(again.state.next_cut() == cuts + 1);
  }
}
