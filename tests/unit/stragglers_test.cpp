// What a cluster that was left took past its part: which of it is a repeat of what its clients have
// sent again (rules A1), and what is swept in (A9).
#include <catch2/catch.hpp>

#include "proxy/splice/stragglers.h"

using namespace shunt;
using namespace shunt::splice;

namespace {

constexpr auto old_one = Cluster::old_cluster, new_one = Cluster::new_cluster;
const BatchId first{1000, 0, 4, 3}, second{1000, 0, 7, 2};  // as their client knows them

// Written to new under the id 77, and left there at its end 5 with these two unanswered.
struct Left {
  Left() {
    must(MigrationStarted{"m1", 1, {{"t", {}, {}, 1}}, 0});
    move("m1.1", new_one, {"t", 0, 10, 3, 0, {}, {}});
    must(ProducerMapped{1000, 1, 77});
    move("m1.2", old_one, {"t", 0, 5, 10, 1, {}, {first, second}});
  }
  void must(const Record& r) {
    const char* why = state.apply(r);
    INFO((why ? why : ""));
    REQUIRE(why == nullptr);
  }
  void move(const std::string& id, Cluster to, const Seam& seam) {
    must(CutIntended{"m1", id, {"t"}, to, "", 0});
    must(CutSealed{id, state.next_cut(), {seam}, 0});
  }
  PartitionLog& log() { return *state.partition("t", {}, 0); }
  // "5..8 swept 3; 8..10 passed over"
  std::string runs(const std::vector<Straggler>& all, std::int64_t begin = 5) {
    std::string out;
    for (const auto& r : straggler_runs(state, log(), new_one, begin, all)) {
      out += (out.empty() ? "" : "; ") + std::to_string(r.native_start) + ".." +
             std::to_string(r.native_end) +
             (r.repeat ? " passed over" : " swept " + std::to_string(r.records));
      for (const auto& [id, tail] : r.producers) {
        for (const auto& b : tail.last)
          out += ", " + std::to_string(id) + ':' + std::to_string(b.first_sequence) + " at " +
                 std::to_string(b.offset);
      }
    }
    return out;
  }
  bool waits(const std::vector<Straggler>& all) { return undecided(state, log(), new_one, all); }

  State state;
};

Straggler at(std::int64_t offset, BatchId batch, std::int64_t as) {
  batch.producer_id = as;
  return {offset, offset + batch.records, batch.records, batch};
}
const Straggler one = at(5, first, 77), two = at(8, second, 77), marker{10, 11, 0, {}},
                foreign = at(11, {0, 0, 0, 4}, 900);

}  // namespace

TEST_CASE("stragglers: swept in until they are sent again, then passed over", "[leave]") {
  Left w;
  CHECK(w.runs({one, two}) == "5..10 swept 5, 1000:4 at 5, 1000:7 at 8");
  CHECK(rewrites(w.log(), first));
  w.must(Rewritten{"t", 0, first});
  CHECK_FALSE(rewrites(w.log(), first));
  CHECK(w.runs({one, two}) == "5..8 passed over; 8..10 swept 2, 1000:7 at 8");
  CHECK(w.runs({one, two, marker, foreign}) == "5..8 passed over; 8..15 swept 6, 1000:7 at 8");
  w.must(Rewritten{"t", 0, second});
  CHECK(w.runs({one, two, marker, foreign}) == "5..11 passed over; 11..15 swept 4");
  CHECK(w.runs({}).empty());
}

TEST_CASE("stragglers: only the batch itself is a repeat", "[leave]") {
  Left w;
  w.must(Rewritten{"t", 0, first});
  CHECK(w.runs({at(5, first, 78)}) == "5..8 swept 3");  // another's id
  CHECK(w.runs({at(5, {0, 1, 4, 3}, 77)}) == "5..8 swept 3");
  CHECK(w.runs({at(5, {0, 0, 5, 3}, 77)}) == "5..8 swept 3");
  CHECK(w.runs({at(5, {0, 0, 4, 2}, 77)}) == "5..7 swept 2");
  CHECK_FALSE(rewrites(w.log(), {-1, -1, -1, 3}));
}

TEST_CASE("stragglers: what is being sent again waits", "[leave]") {
  Left w;
  CHECK_FALSE(w.waits({one}));
  w.log().rewriting = 1;
  CHECK(w.waits({foreign, one}));
  CHECK_FALSE(w.waits({foreign}));
  w.must(Rewritten{"t", 0, first});
  CHECK_FALSE(w.waits({one}));
  CHECK(w.waits({one, two}));
  w.log().rewriting = 0;
  CHECK_FALSE(w.waits({one, two}));
  w.log().unclear.push_back({.batch = second, .node = {}, .client = {}});  // sent, its link ended
  CHECK(w.waits({one, two}));
}

TEST_CASE("stragglers: a resend of what was swept in is known, and later ones keep their ids",
          "[leave]") {
  Left w;
  ProducerTails known;
  known[1000] = {0, {{4, 6, 12}}};
  w.must(Swept{"t", 0, 10, new_one, 8, 3, 0, 1, 5, known});
  CHECK(w.log().producers == known);
  w.must(Rewritten{"t", 0, second});
  CHECK(w.runs({two}, 8) == "8..10 passed over");
  w.must(Swept{"t", 0, 10, new_one, 10, 0, 0, 1, 10, {}});
  CHECK(w.log().log.next_native(new_one) == 10);
  CHECK(w.log().stragglers == 3);
  CHECK(w.log().log.tail().start.at == 15);
}
