// The virtual log as laws: thousands of random logs, any number of segments, empty ones, sweeps.
#include "proxy/splice/virtual_log.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>

using namespace shunt::splice;

namespace {

constexpr Cluster old_one = Cluster::old_cluster, new_one = Cluster::new_cluster;
Cluster other(Cluster c) { return c == old_one ? new_one : old_one; }

class Random {
 public:
  explicit Random(std::uint32_t seed) : random_(seed) {}
  std::int64_t below(std::int64_t n) {
    return std::uniform_int_distribution<std::int64_t>(0, n - 1)(random_);
  }

 private:
  std::mt19937 random_;
};

// The leader epoch under which a cluster wrote what it has at `native`: it rises now and then.
std::int32_t epoch_at(std::int64_t native) { return static_cast<std::int32_t>(native / 7); }

VirtualLog random_log(Random& random) {
  VirtualLog log;
  for (auto n = random.below(9); n > 0; --n) {
    const Segment tail = log.tail();
    const auto end = tail.native_start + (random.below(3) == 0 ? 0 : random.below(12));
    const auto epoch = std::max(tail.shown_epoch(epoch_at(end)), tail.epoch_base);
    const Cluster elsewhere = other(tail.cluster);
    if (const auto next = log.next_native(elsewhere); next && random.below(3) == 0) {
      const auto begin = *next + (random.below(4) == 0 ? 1 + random.below(3) : 0);  // repeats
      REQUIRE(log.sweep(end, epoch, elsewhere, begin,
                        std::max(begin, *next + 1 + random.below(5))) == nullptr);
      continue;
    }
    const Cluster to = random.below(8) == 0 ? tail.cluster : elsewhere;
    const auto next = to == tail.cluster ? end : log.next_native(to).value_or(random.below(9));
    REQUIRE(log.append(end, epoch, to, next, static_cast<std::uint32_t>(10 - n)) == nullptr);
  }
  return log;
}

std::int64_t first_of(const VirtualLog& log, Cluster c) {
  for (const Segment& s : log.segments()) {
    if (s.cluster == c) return s.native_start;
  }
  return 0;
}

NativeOffset native(const VirtualLog& log, std::int64_t v) {
  return log.segments()[log.at({v})].native({v});
}

// Where a cluster's part goes on from `native`: behind what a sweep has passed over.
std::int64_t goes_on(const VirtualLog& log, Cluster c, std::int64_t native) {
  std::int64_t at = std::max(native, first_of(log, c)), end = -1;
  for (const Segment& s : log.segments()) {
    if (s.cluster != c) continue;
    if (end >= 0 && at >= end && at < s.native_start) at = s.native_start;
    end = s.native_end;
  }
  return at;
}

// At or below in both components; before a cluster's first segment is as good as at it.
bool within(const VirtualLog& log, const Pair& a, const Pair& b) {
  return a.in_old <= goes_on(log, old_one, b.in_old) && a.in_new <= goes_on(log, new_one, b.in_new);
}

// How many records sweeps have passed over, as far as `v`.
std::int64_t repeats(const VirtualLog& log, std::int64_t v) {
  std::int64_t out = 0, next[2] = {-1, -1};
  for (const Segment& s : log.segments()) {
    if (s.start.at > v) break;
    auto& behind = next[static_cast<int>(s.cluster)];
    if (behind >= 0) out += s.native_start - behind;
    behind = s.native_end;
  }
  return out;
}

template <class F>
void each_log(F&& f) {
  Random random(20261124);
  for (int i = 0; i < 4000; ++i) {
    const VirtualLog log = random_log(random);
    INFO("log " << i << " of " << log.segments().size() << " segments");
    f(log, random, log.tail().start.at + 15);
  }
}

}  // namespace

TEST_CASE("virtual log: every virtual offset is one native one, and back", "[splice]") {
  each_log([](const VirtualLog& log, Random&, std::int64_t end) {
    std::int64_t greatest[2] = {-1, -1};
    for (std::int64_t v = 0; v < end; ++v) {
      const NativeOffset n = native(log, v);
      if (log.shown(n) != VirtualOffset{v}) FAIL("shown(native(" << v << "))");
      auto& before = greatest[static_cast<int>(n.in)];
      if (n.at <= before) FAIL("falls at " << v);
      before = n.at;
    }
    for (const Cluster c : {old_one, new_one}) {
      for (std::int64_t n = 0; n < greatest[static_cast<int>(c)]; ++n) {
        const auto v = log.shown({c, n});
        const bool has =
            n >= first_of(log, c) && greatest[static_cast<int>(c)] >= 0 && goes_on(log, c, n) == n;
        if (v.has_value() != has) FAIL(shunt::route::name(c) << " " << n << " is shown, or is not");
        if (v && !(native(log, v->at) == NativeOffset{c, n})) FAIL("native(shown(" << n << "))");
      }
    }
  });
}

TEST_CASE("virtual log: a whole pair is its position, the sum says the same", "[splice]") {
  each_log([](const VirtualLog& log, Random&, std::int64_t end) {
    const auto y0 = first_of(log, new_one);
    Pair before = log.pair({0});
    for (std::int64_t v = 0; v < end; ++v) {
      const Pair p = log.pair({v});
      if (log.position(p).at != v) FAIL("position(pair(" << v << "))");
      const auto x0 = first_of(log, old_one);
      if ((p.in_old - x0) + (p.in_new - y0) - repeats(log, v) != v) FAIL("the sum at " << v);
      if (p.in_old < before.in_old || p.in_new < before.in_new) FAIL("falls at " << v);
      before = p;
    }
  });
}

TEST_CASE("virtual log: a torn pair repeats, it never skips", "[splice]") {
  each_log([](const VirtualLog& log, Random& random, std::int64_t end) {
    const Pair most = log.pair({end});
    for (int i = 0; i < 30; ++i) {
      const Pair p{random.below(most.in_old + 3) - 1, random.below(most.in_new + 3) - 1};
      const VirtualOffset v = log.position(p);
      INFO("pair " << p.in_old << ", " << p.in_new << " at " << v.at);
      if (!within(log, log.pair(v), p)) FAIL("skips");
      if (within(log, log.pair({v.at + 1}), p)) FAIL("repeats more than it must");
    }
  });
}

TEST_CASE("virtual log: the first that shows what a cluster has from there on", "[splice]") {
  each_log([](const VirtualLog& log, Random& random, std::int64_t end) {
    for (int i = 0; i < 20; ++i) {
      const NativeOffset n{random.below(2) == 0 ? old_one : new_one, random.below(end + 5)};
      std::optional<VirtualOffset> first;
      for (std::int64_t v = 0; v < 3 * end + 30 && !first; ++v) {
        const NativeOffset at = native(log, v);
        if (at.in == n.in && at.at >= n.at) first = VirtualOffset{v};
      }
      if (log.at_or_after(n) != first) FAIL(shunt::route::name(n.in) << " " << n.at);
    }
  });
}

TEST_CASE("virtual log: shown leader epochs never fall, and a cut raises them", "[splice]") {
  each_log([](const VirtualLog& log, Random&, std::int64_t end) {
    std::int32_t before = 0;
    for (std::int64_t v = 0; v < end; ++v) {
      const auto shown = log.segments()[log.at({v})].shown_epoch(epoch_at(native(log, v).at));
      if (shown < before) FAIL("falls at " << v << " from " << before << " to " << shown);
      before = shown;
    }
    const auto& s = log.segments();
    for (std::size_t i = 1; i < s.size(); ++i) {
      if (s[i].cut == s[i - 1].cut) continue;  // a sweep
      if (s[i].leader_epoch(-1) <= s[i - 1].epoch_last) FAIL("a cut that does not raise it");
    }
  });
}

TEST_CASE("virtual log: read back as it was", "[splice]") {
  each_log([](const VirtualLog& log, Random&, std::int64_t) {
    VirtualLog again;
    REQUIRE(again.restore(log.segments()) == nullptr);
    CHECK(again.segments() == log.segments());
  });
}

TEST_CASE("virtual log: what cannot be", "[splice]") {
  VirtualLog log;
  CHECK(log.append(-1, 0, new_one, 0, 1) != nullptr);
  CHECK(log.append(Segment::open_end, 0, new_one, 0, 1) != nullptr);
  CHECK(log.append(10, 0, new_one, -1, 1) != nullptr);
  CHECK(log.append(10, 0, old_one, 11, 1) != nullptr);
  CHECK(log.sweep(10, 0, new_one, 5, 5) != nullptr);  // new was never left
  CHECK_FALSE(log.spliced());
  REQUIRE(log.append(10, 0, new_one, 5, 1) == nullptr);
  CHECK(log.append(4, 0, old_one, 10, 2) != nullptr);  // it ends before it begins
  CHECK(log.append(8, 0, old_one, 11, 2) != nullptr);  // it would skip old's record 10
  CHECK(log.sweep(8, 0, new_one, 8, 20) != nullptr);   // the tail's own cluster
  CHECK(log.sweep(8, 0, old_one, 10, 10) != nullptr);  // nothing new there
  CHECK(log.sweep(8, 0, old_one, 9, 12) != nullptr);   // it would show old's record 9 again
  CHECK(log.sweep(8, 0, old_one, 13, 12) != nullptr);
  CHECK(log.sweep(4, 0, old_one, 10, 12) != nullptr);  // the tail ends before it begins
  CHECK(log.segments().size() == 2);

  const auto good = log.segments();
  const auto refused = [&](auto&& change) {
    auto s = good;
    change(s);
    return log.restore(s) != nullptr;
  };
  CHECK(refused([](auto& s) { s.clear(); }));
  CHECK(refused([](auto& s) { s.pop_back(); }));            // no tail
  CHECK(refused([](auto& s) { s.back().start.at = 11; }));  // a gap
  CHECK(refused([](auto& s) { s.front().native_end = -1; }));
  CHECK(refused([](auto& s) { s.back().native_end = 20; }));
  CHECK(log.segments() == good);
}
