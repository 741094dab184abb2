// How far a group has come: virtual and native numbers that fit each other.
#include <catch2/catch.hpp>

#include "proxy/splice/progress.h"
#include "tests/unit/record_sets.h"

using namespace shunt;
using namespace shunt::splice;

namespace {

constexpr auto old_cluster = Cluster::old_cluster, new_cluster = Cluster::new_cluster;

// old [0, 100), new [10, 60), old [100, ...): virtual 0, 100, 150.
PartitionLog back_again() {
  PartitionLog p;
  REQUIRE(p.log.append(100, 0, new_cluster, 10, 1) == nullptr);
  REQUIRE(p.log.append(60, 0, old_cluster, 100, 2) == nullptr);
  return p;
}

std::int64_t left(const PartitionLag::Side& s) { return s.next < 0 ? 0 : s.end - s.next; }

}  // namespace

TEST_CASE("lag: where a position is in both clusters") {
  using Side = PartitionLag::Side;
  struct Row {
    const char* name;
    std::int64_t position, high_watermark, end;
    Side in_old, in_new;
  };
  const Row rows[] = {
      {"in the first segment", 40, 120, 170, {40, 120}, {10, 60}},
      {"at the first seam", 100, 120, 170, {100, 120}, {10, 60}},
      {"in the second", 130, 120, 170, {100, 120}, {40, 60}},
      {"at the second seam", 150, 120, 170, {100, 120}, {60, 60}},
      {"in the tail", 165, 120, 170, {115, 120}, {60, 60}},
      {"at the end", 170, 120, 170, {120, 120}, {60, 60}},
      {"the end is not known", 40, -1, -1, {40, -1}, {10, 60}},
      {"the leader knows less than the seam", 40, 90, 150, {40, 100}, {10, 60}},
  };
  const auto log = back_again();
  for (const auto& row : rows) {
    INFO(row.name);
    const auto p = progress(log, {row.position}, row.high_watermark);
    CHECK(p.position == row.position);
    CHECK(p.end == row.end);
    CHECK(p.in_old == row.in_old);
    CHECK(p.in_new == row.in_new);
  }
}

TEST_CASE("lag: before the first cut it is old's alone; a cut's candidate end limits it") {
  PartitionLog p;
  auto lag = progress(p, {5}, 9);
  CHECK(lag.end == 9);
  CHECK(lag.in_old == PartitionLag::Side{5, 9});
  CHECK(lag.in_new == PartitionLag::Side{-1, -1});
  p.candidate_end = 7;
  CHECK(progress(p, {5}, 9).end == 7);
}

TEST_CASE("lag: the sum of both clusters' is the lag, wherever the cuts were") {
  for (std::uint32_t seed = 1; seed <= 200; ++seed) {
    record_sets::Random random(seed);
    PartitionLog p;
    std::int64_t ends[2] = {random.below(50), random.below(50)};
    for (int cuts = random.below(6); cuts > 0; --cuts) {
      const auto from = p.log.tail().cluster;
      const auto to = from == old_cluster ? new_cluster : old_cluster;
      const auto end = ends[static_cast<std::size_t>(from)] += random.below(20);
      REQUIRE(p.log.append(end, 0, to, ends[static_cast<std::size_t>(to)], 1) == nullptr);
    }
    const auto& tail = p.log.tail();
    const auto hw = std::max(tail.native_start, ends[static_cast<std::size_t>(tail.cluster)]) + 5;
    const auto end = tail.shown(hw).at;
    for (std::int64_t at = 0; at <= end; ++at) {
      const auto lag = progress(p, {at}, hw);
      INFO("seed " << seed << " position " << at);
      REQUIRE(lag.end == end);
      REQUIRE(left(lag.in_old) + left(lag.in_new) == end - at);
    }
  }
}

TEST_CASE("lag: of a group in a cluster; one unknown part makes it unknown") {
  GroupLag g{"billing", {progress(back_again(), {40}, 120), progress(back_again(), {130}, 120)}};
  CHECK(lag_in(g, old_cluster) == 80 + 20);
  CHECK(lag_in(g, new_cluster) == 50 + 20);
  PartitionLog uncut;
  g.partitions.push_back(progress(uncut, {3}, 4));
  CHECK(lag_in(g, old_cluster) == 101);
  CHECK(lag_in(g, new_cluster) == 70);
  g.partitions.push_back(progress(uncut, {3}, -1));
  CHECK(lag_in(g, old_cluster) == -1);
  CHECK(lag_in(g, new_cluster) == 70);
}
