// Property: the journal's records, replayed, are the same identities, now and ever after.
#include <algorithm>
#include <catch2/catch.hpp>
#include <random>
#include <set>

#include "proxy/route/identity.h"

using namespace shunt::route;

namespace {

constexpr Seconds day = 86400, start = 1'700'000'000;

Identities replayed(const std::vector<IdentityRecord>& records) {
  Identities ids;
  for (const auto& r : records) ids.apply(r);
  return ids;
}

template <class Record>
auto count(const std::vector<IdentityRecord>& records) {
  return std::ranges::count_if(records,
                               [](const auto& r) { return std::holds_alternative<Record>(r); });
}

// A random walk over everything that can be done.
class Walk {
 public:
  explicit Walk(std::uint64_t seed) : random_(seed) {}
  struct Step {
    int what;
    std::uint32_t instance;
    int node;
    int group;
    int member;
    Seconds now;
  };
  Step next() {
    now_ += pick(20) == 0 ? static_cast<Seconds>(pick(20)) * day : pick(3600);
    return {static_cast<int>(pick(16)), pick(40) + (steps_++ / 60), static_cast<int>(pick(40)),
            static_cast<int>(pick(4)),  static_cast<int>(pick(12)), now_};
  }
  static void take(const Step& s, Identities& ids) {
    const Instance i{s.instance};
    const NodeKey node{s.node % 2 == 0 ? Cluster::old_cluster : Cluster::new_cluster,
                       NativeNodeId{s.node}};
    const auto group = "g" + std::to_string(s.group);
    const auto member = s.member == 0 ? std::string() : "m" + std::to_string(s.member);
    switch (s.what) {
      case 0:
      case 1:
        ids.begin(member, "", s.now);
        break;
      case 2:
        ids.describe(i, member, group, s.now);
        break;
      case 3:
      case 4:
        ids.touch(i, s.now);
        break;
      case 5:
        ids.unlink(group, member);
        break;
      case 6:
      case 7:
      case 8:
        ids.link(i, group, member, s.now);
        break;
      default:
        ids.address(i, node, s.now);
        break;
    }
  }

 private:
  std::uint32_t pick(std::uint32_t n) { return static_cast<std::uint32_t>(random_() % n); }
  std::mt19937_64 random_;
  Seconds now_ = start;
  std::uint32_t steps_ = 0;
};

// What must hold after any step.
void check_invariants(const Identities& ids) {
  std::set<std::uint32_t> blocks;
  for (const auto& [i, info] : ids.all()) {
    for (std::uint32_t index = 0; index < info.blocks.size(); ++index) {
      if (info.blocks[index] == Identities::no_block) continue;
      REQUIRE(blocks.insert(info.blocks[index]).second);  // nobody else's
      const Address a{0x7f010000 + info.blocks[index] * 16};
      if (const auto m = ids.meaning(a)) REQUIRE(m->instance == i);
    }
    for (const auto& [group, member] : info.groups) {
      if (!member.empty()) REQUIRE(ids.of_member(group, member) == i);
    }
  }
}

}  // namespace

TEST_CASE("property: replayed records are the same state, now and ever after", "[identity]") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    INFO("seed " << seed);
    Walk walk(seed);
    Identities live;
    std::vector<IdentityRecord> journal;
    for (int step = 0; step < 1500; ++step) {
      Walk::take(walk.next(), live);
      for (auto& r : live.take_records()) journal.push_back(std::move(r));
      if (step % 250 != 249) continue;
      check_invariants(live);

      // A restart from the journal: the same, and it would go on in the same way.
      Identities again = replayed(journal), same = live;
      REQUIRE(again.take_records().empty());
      REQUIRE(again.snapshot() == live.snapshot());
      Walk ahead = walk;
      for (int i = 0; i < 400; ++i) {
        const auto s = ahead.next();
        Walk::take(s, again);
        Walk::take(s, same);
        REQUIRE(again.take_records() == same.take_records());
      }
      // And from a snapshot: all that is known.
      Identities compact = replayed(live.snapshot());
      REQUIRE(compact.snapshot() == live.snapshot());
      check_invariants(compact);
    }
    CHECK(count<InstanceForgotten>(journal) > 10);  // the walk came to where blocks are given again
    CHECK(count<GroupUnlinked>(journal) > 0);
  }
}
