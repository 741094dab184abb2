// Client instances and their addresses: what is given, what it means, what a restart remembers.
#include "proxy/route/identity.h"

#include <algorithm>
#include <catch2/catch.hpp>

using namespace shunt::route;

namespace {

constexpr Seconds day = 86400, start = 1'700'000'000;
NodeKey old_node(int id) { return {Cluster::old_cluster, NativeNodeId{id}}; }
NodeKey new_node(int id) { return {Cluster::new_cluster, NativeNodeId{id}}; }

std::string given(Identities& ids, Instance i, NodeKey node, Seconds now = start) {
  const auto a = ids.address(i, node, now);
  return a ? a->text() : "none";
}

Identities replayed(const std::vector<IdentityRecord>& records) {
  Identities ids;
  for (const auto& r : records) ids.apply(r);
  return ids;
}

template <class Record>
std::size_t count(const std::vector<IdentityRecord>& records) {
  return static_cast<std::size_t>(std::ranges::count_if(
      records, [](const auto& r) { return std::holds_alternative<Record>(r); }));
}

}  // namespace

TEST_CASE("addresses as text and back", "[identity]") {
  for (const char* good : {"127.0.0.0", "127.0.0.1", "127.16.0.3", "127.255.255.255"}) {
    const auto a = Address::parse(good);
    INFO(good);
    REQUIRE(a.has_value());
    CHECK(a->text() == good);
  }
  CHECK(Address::parse("127.1.2.3")->value == 0x7f010203);
  for (const char* bad : {"",           "127",           "127.0.0",     "127.0.0.",
                          "127.0.0.1.", "127.0.0.1.2",   "127.0.0.256", "127.0.0.01",
                          "127.00.0.1", " 127.0.0.1",    "127.0.0.1 ",  "127..0.1",
                          "127.0.0.-1", "127.0.0.+1",    "127.0.0x1.1", "126.0.0.1",
                          "128.0.0.1",  "10.0.0.1",      "0.0.0.0",     "localhost",
                          "::1",        "127.0.0.1:9092"}) {
    INFO(bad);
    CHECK_FALSE(Address::parse(bad).has_value());
  }
}

TEST_CASE("one address per instance and node, in blocks of 16", "[identity]") {
  Identities ids;
  const auto a = ids.begin("a", "", start), b = ids.begin("b", "", start);
  for (int n = 0; n < 20; ++n) ids.slot(n % 2 == 0 ? old_node(n) : new_node(n));
  struct Row {
    Instance instance;
    NodeKey node;
    const char* address;
  };
  const Row rows[] = {
      {a, old_node(0), "127.1.0.0"},   {a, new_node(15), "127.1.0.15"},
      {b, old_node(0), "127.1.0.16"},  {b, new_node(1), "127.1.0.17"},
      {a, old_node(16), "127.1.0.32"},  // a's second block
      {a, new_node(17), "127.1.0.33"}, {b, old_node(18), "127.1.0.50"},
      {a, old_node(20), "127.1.0.36"},  // a node not seen before: slot 20
  };
  for (int round = 0; round < 2; ++round) {  // and they stay
    for (const auto& row : rows) {
      CHECK(given(ids, row.instance, row.node) == row.address);
      const auto m = ids.meaning(Address::parse(row.address).value());
      REQUIRE(m.has_value());
      CHECK(m->instance == row.instance);
      CHECK(m->node == row.node);
    }
  }
  for (const char* nobody :
       {"127.0.0.1", "127.0.255.255", "127.1.0.37", "127.1.0.64", "127.255.255.255"}) {
    INFO(nobody);
    CHECK_FALSE(ids.meaning(Address::parse(nobody).value()).has_value());
  }
  CHECK(given(ids, Instance{0}, old_node(0)) == "none");
  CHECK(given(ids, Instance{77}, old_node(0)) == "none");
  CHECK(given(ids, a, old_node(-1)) == "none");  // "no leader" has no address
}

TEST_CASE("slots: the place of a node for ever", "[identity]") {
  Identities ids;
  CHECK(ids.slot(old_node(5)) == 0);
  CHECK(ids.slot(new_node(5)) == 1);
  CHECK(ids.slot(old_node(5)) == 0);
  CHECK(ids.node_of_slot(1) == new_node(5));
  CHECK_FALSE(ids.node_of_slot(2).has_value());
  const auto again = replayed(ids.take_records());
  CHECK(again.node_of_slot(0) == old_node(5));
  CHECK_FALSE(again.node_of_slot(2).has_value());
}

TEST_CASE("every change is told once", "[identity]") {
  Identities ids;
  const auto i = ids.begin("c", "", start);
  CHECK(ids.take_records() == std::vector<IdentityRecord>{InstanceSeen{i, "c", "", start}});
  ids.address(i, old_node(1), start);
  CHECK(ids.take_records() ==
        std::vector<IdentityRecord>{SlotGiven{old_node(1), 0}, BlockGiven{i, 0, 0, start}});
  ids.address(i, old_node(1), start);
  CHECK(ids.take_records().empty());
  ids.describe(i, "", "", start);
  ids.describe(i, "c", "", start);
  CHECK(ids.take_records().empty());
  ids.describe(i, "other", "librdkafka", start + 5);
  CHECK(ids.take_records() ==
        std::vector<IdentityRecord>{InstanceSeen{i, "c", "librdkafka", start + 5}});
  CHECK(ids.link(i, "g", "m", start));
  CHECK_FALSE(ids.link(i, "g", "m", start));
  CHECK(ids.take_records() == std::vector<IdentityRecord>{GroupLinked{i, "g", "m", start}});
  ids.unlink("g", "m");
  ids.unlink("g", "m");
  ids.unlink("h", "m");
  CHECK(ids.take_records() == std::vector<IdentityRecord>{GroupUnlinked{i, "g"}});
}

TEST_CASE("use is told at most once a day", "[identity]") {
  Identities ids;
  const auto i = ids.begin("c", "", start);
  ids.take_records();
  for (Seconds t = start; t <= start + 10 * day; t += 60) ids.touch(i, t);
  const auto records = ids.take_records();
  CHECK(records.size() == 10);
  CHECK(count<InstanceTouched>(records) == 10);
  ids.touch(i, start);  // the clock was put back
  ids.describe(i, "", "librdkafka", start);
  CHECK(count<InstanceSeen>(ids.take_records()) == 1);
  CHECK(ids.info(i)->seen == start + 10 * day);
  ids.touch(Instance{99}, start + 20 * day);
  CHECK(ids.take_records().empty());
}

TEST_CASE("blocks are given again after 30 days unused, not before", "[identity]") {
  struct Row {
    Seconds last_use, then;
    bool again;
  };
  const Row rows[] = {
      {0, 29 * day, false},
      {0, 30 * day, false},  // `seen` is to the day: it may have been in use since
      {0, 31 * day - 1, false},
      {0, 31 * day, true},
      {day - 1, 31 * day, true},  // not told, and still 30 days ago
      {day, 31 * day, false},
      {20 * day, 45 * day, false},
      {20 * day, 51 * day, true},
  };
  for (const auto& row : rows) {
    INFO("last use " << row.last_use << ", now " << row.then);
    Identities ids;
    const auto a = ids.begin("a", "", start);
    const auto address = ids.address(a, old_node(1), start).value();
    ids.link(a, "g", "m", start);
    ids.touch(a, start + row.last_use);
    const auto b = ids.begin("b", "", start + row.then);
    // Nobody needed it: known, however long ago that was.
    CHECK(ids.meaning(address)->instance == a);
    const auto got = ids.address(b, old_node(1), start + row.then).value();
    CHECK((got == address) == row.again);
    CHECK(ids.meaning(address)->instance == (row.again ? b : a));
    CHECK((ids.info(a) == nullptr) == row.again);  // forgotten as a whole
    CHECK((ids.of_member("g", "m") == Instance{0}) == row.again);
  }
}

TEST_CASE("the longest unused goes first, with all its blocks", "[identity]") {
  Identities ids;
  for (int n = 0; n < 17; ++n) ids.slot(old_node(n));
  const auto a = ids.begin("a", "", start), b = ids.begin("b", "", start);
  ids.address(a, old_node(0), start);   // block 0
  ids.address(b, old_node(0), start);   // block 1
  ids.address(b, old_node(16), start);  // block 2
  ids.touch(a, start + 2 * day);
  const Seconds now = start + 40 * day;
  const auto c = ids.begin("c", "", now), d = ids.begin("d", "", now);
  CHECK(given(ids, c, old_node(0), now) == "127.1.0.16");  // b's first
  CHECK(given(ids, d, old_node(0), now) == "127.1.0.32");  // b's second, free by then
  CHECK(ids.info(b) == nullptr);
  CHECK(ids.info(a) != nullptr);
  CHECK(given(ids, d, old_node(16), now) == "127.1.0.0");  // a's
  CHECK(ids.info(a) == nullptr);
  CHECK(given(ids, c, old_node(16), now) == "127.1.0.48");  // nothing unused: a fresh one
}

TEST_CASE("a snapshot leaves out what is gone, and it can be given again", "[identity]") {
  Identities ids;
  for (int n = 0; n < 17; ++n) ids.slot(old_node(n));
  const auto a = ids.begin("a", "", start), b = ids.begin("b", "", start);
  ids.address(a, old_node(0), start);   // block 0
  ids.address(a, old_node(16), start);  // block 1
  ids.address(b, old_node(0), start);   // block 2
  const Seconds now = start + 40 * day;
  ids.touch(b, now);
  const auto c = ids.begin("c", "", now);
  ids.address(c, old_node(0), now);  // block 0, of a; block 1 is free
  auto again = replayed(ids.snapshot());
  CHECK(again.info(a) == nullptr);
  const auto d = again.begin("d", "", now);
  CHECK((d != b && d != c));
  CHECK(given(again, d, old_node(0), now) == "127.1.0.16");
  CHECK(given(again, d, old_node(16), now) == "127.1.0.48");
}

TEST_CASE("asking for an address is use: an instance never takes its own block", "[identity]") {
  Identities ids;
  for (int n = 0; n < 17; ++n) ids.slot(old_node(n));
  const auto a = ids.begin("a", "", start);
  ids.address(a, old_node(0), start);
  CHECK(given(ids, a, old_node(16), start + 99 * day) == "127.1.0.16");
  CHECK(given(ids, a, old_node(0), start + 99 * day) == "127.1.0.0");
}

TEST_CASE("the address space ends, and goes on after 30 days", "[identity]") {
  Identities ids;  // as if every block but the last two had been given
  const auto a = ids.begin("a", "", start);
  ids.slot(old_node(1));
  ids.apply(BlockGiven{a, 0, 0, start});
  for (std::uint32_t b = 1; b < Identities::block_count - 1; ++b) {
    const Instance owner{2 + (b - 1) / 4096};
    if (b % 4096 == 1) ids.apply(InstanceSeen{owner, "x", "", start});
    ids.apply(BlockGiven{owner, (b - 1) % 4096, b, start});
  }
  CHECK(given(ids, ids.begin("b", "", start), old_node(1)) == "127.255.255.224");
  const auto c = ids.begin("c", "", start);
  CHECK(given(ids, c, old_node(1)) == "none");  // 127.255.255.255 is a broadcast address
  CHECK(given(ids, c, old_node(1), start + 31 * day) == "127.1.0.0");
}

TEST_CASE("instances without addresses do not pile up", "[identity]") {
  Identities ids;
  for (int i = 0; i < 1000; ++i) ids.begin("probe", "", start + i);
  CHECK(ids.all().size() == 1000);
  for (int i = 0; i < 600; ++i) ids.begin("probe", "", start + 32 * day);
  CHECK(ids.all().size() == 600);
}

TEST_CASE("groups: a member that is known moves its link", "[identity]") {
  Identities ids;
  const auto a = ids.begin("a", "", start), b = ids.begin("b", "", start);
  CHECK(ids.link(a, "g", "m1", start));
  CHECK(ids.link(b, "g", "m1", start));  // came back through the bootstrap (P9)
  CHECK(ids.info(a)->groups.empty());
  CHECK(ids.info(b)->groups.at("g") == "m1");
  CHECK(ids.of_member("g", "m1") == b);
  CHECK(ids.link(b, "g", "m2", start));  // joined anew with another id
  CHECK(ids.of_member("g", "m1") == Instance{0});
  CHECK(ids.of_member("g", "m2") == b);
  CHECK(ids.link(a, "h", "m2", start));  // the same member id in another group is another member
  CHECK(ids.of_member("g", "m2") == b);
  CHECK(ids.link(b, "h", "m3", start));  // a client may be in two groups
  CHECK(ids.info(b)->groups.size() == 2);
  ids.unlink("g", "m1");  // not its member any more
  CHECK(ids.info(b)->groups.size() == 2);
  ids.unlink("g", "m2");
  CHECK(ids.info(b)->groups.size() == 1);
  CHECK_FALSE(ids.link(Instance{99}, "g", "m", start));
}

TEST_CASE("groups: an OffsetFetch before the join tells the group, not the member", "[identity]") {
  Identities ids;
  const auto a = ids.begin("a", "", start), b = ids.begin("b", "", start);
  CHECK(ids.link(a, "g", "", start));
  CHECK(ids.link(b, "g", "", start));  // nobody's member: both stay
  CHECK(ids.info(a)->groups.at("g").empty());
  CHECK(ids.info(b)->groups.at("g").empty());
  CHECK(ids.link(a, "g", "m", start));
  CHECK_FALSE(ids.link(a, "g", "", start));
  CHECK(ids.info(a)->groups.at("g") == "m");
}

TEST_CASE("groups: not without end", "[identity]") {
  Identities ids;
  const auto a = ids.begin("a", "", start);
  for (std::size_t n = 0; n < Identities::groups_max; ++n) {
    CHECK(ids.link(a, std::to_string(n), "m", start));
  }
  CHECK_FALSE(ids.link(a, "one more", "m", start));
  CHECK(ids.link(a, "0", "m2", start));
}

TEST_CASE("who an address belongs to: certain, never guessed", "[identity]") {
  Identities ids;
  const auto i = ids.begin("app", "", start);
  struct Row {
    const char *client_id, *software;
    bool same;
  };
  for (const auto& row : {Row{"app", "", true}, Row{"app", "java", true}, Row{"", "", true},
                          Row{"other", "", false}, Row{"ap", "", false}}) {
    CHECK(ids.matches(i, row.client_id, row.software) == row.same);
  }
  ids.describe(i, "app", "java", start);
  CHECK(ids.matches(i, "app", "java"));
  CHECK(ids.matches(i, "app", ""));
  CHECK_FALSE(ids.matches(i, "app", "librdkafka"));
  CHECK_FALSE(ids.matches(Instance{99}, "", ""));
}

TEST_CASE("long client ids are cut between characters", "[identity]") {
  Identities ids;
  const std::string name = std::string(254, 'x') + "\xc3\xa4" + std::string(1000, 'y');
  const auto i = ids.begin(name, name, start);
  CHECK(ids.info(i)->client_id == std::string(254, 'x'));
  CHECK(ids.info(i)->software.size() == 254);
  CHECK(ids.matches(i, name, name));
  ids.take_records();
  ids.describe(i, name, name, start);
  CHECK(ids.take_records().empty());
}

TEST_CASE("a wrong journal does not make us allocate or crash", "[identity]") {
  const auto ids = replayed({
      BlockGiven{Instance{5}, 0, 3, start},
      InstanceSeen{Instance{0}, "", "", start},
      InstanceSeen{Instance{1}, "a", "", start},
      BlockGiven{Instance{1}, 0xffffffff, 0, start},
      BlockGiven{Instance{1}, 0, 0xffffffff, start},
      BlockGiven{Instance{1}, 0, 0, start},
      BlockGiven{Instance{1}, 1, 0, start},
      BlockGiven{Instance{1}, 0, 1, start},
      SlotGiven{old_node(1), 0xffffffff},
      GroupLinked{Instance{9}, "g", "m", start},
      GroupUnlinked{Instance{1}, "g"},
      InstanceTouched{Instance{9}, start},
      InstanceForgotten{Instance{9}},
  });
  CHECK(ids.all().size() == 1);
  CHECK(ids.info(Instance{1})->blocks == std::vector<std::uint32_t>{0});
}
