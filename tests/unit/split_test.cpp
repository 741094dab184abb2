// Requests and answers taken apart by destination: every element in exactly one part, as it was.
#include "proxy/wire/split.h"

#include <catch2/catch.hpp>

#include "proxy/wire/bytes.h"
#include "tests/unit/golden.h"
#include "tests/unit/messages.h"
#include "tests/unit/random_value.h"

using namespace shunt::wire;
using messages::decoded;
using messages::encoded;
using messages::split_array;
using messages::with_role;

namespace {

// An element as a test compares it: the topic it stands in, its keys, its bytes.
struct Element {
  std::string topic;
  Uuid topic_id{};
  std::int32_t partition = -1;
  std::string name, bytes;
  bool operator==(const Element&) const = default;
};

std::vector<Element> elements(const Parts& p) {
  std::vector<Element> found;
  for (const Leaf& l : p.leaves()) {
    found.push_back({std::string(l.topic), l.topic_id, l.partition, std::string(l.name),
                     messages::text(p.body().subspan(l.begin, l.end - l.begin))});
  }
  return found;
}

// The keys of every element by the decoded tree, not by the parts: what elements() must find.
std::vector<Element> keys_of(const Message& m, int v, const Value& body) {
  std::vector<Element> found;
  const Field& outer = *split_array(fields_of(m), v);
  const bool structs = outer.type == Type::structure;
  const Field* inner = structs ? split_array(fields_of(outer), v) : nullptr;
  const auto key = [&](const Field& array, const Value& e, Role role) {
    if (array.type != Type::structure) return array.role == role ? e : Value();
    const Field* f = with_role(fields_of(array), role, v);
    return f != nullptr ? e[f->name] : Value();
  };
  const auto add = [&](const Field& array, const Value& e, const Value& topic) {
    Element x;
    if (inner != nullptr) {
      x.topic = key(outer, topic, Role::topic_name).text();
      x.topic_id = key(outer, topic, Role::topic_id).uuid();
    }
    if (const Value p = key(array, e, Role::partition); !p.null()) {
      x.partition = static_cast<std::int32_t>(p.number());
    }
    for (const Role r :
         {Role::group_id, Role::transactional_id, Role::coordinator_key, Role::resource_name}) {
      if (x.name.empty()) x.name = key(array, e, r).text();
    }
    found.push_back(std::move(x));
  };
  for (const Value& o : body[outer.name].array()) {
    if (inner == nullptr)
      add(outer, o, {});
    else
      for (const Value& i : o[inner->name].array()) add(*inner, i, o);
  }
  return found;
}

// Splits at random into `k` destinations and holds the parts against the whole.
void check_split(const Message& m, int v, Bytes body, int k, std::uint32_t seed) {
  INFO(m.name << " v" << v << ", " << k << " destinations, seed " << seed);
  const Value tree = decoded(m, v, body);
  Parts whole;
  const char* why = whole.parse(m, static_cast<Version>(v), body);
  REQUIRE(std::string(why != nullptr ? why : "") == "");
  const auto all = elements(whole);
  auto keys = keys_of(m, v, tree);
  REQUIRE(all.size() == keys.size());
  REQUIRE(whole.leaf_count() == keys.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    keys[i].bytes = all[i].bytes;
    // Of a plain list (groups) nobody asks for a partition; there may be some deeper inside.
    if (whole.levels() == 1) keys[i].partition = all[i].partition;
    if (!(keys[i] == all[i])) FAIL_CHECK("element " << i << " has other keys");
  }

  RandomValue dice(seed);
  std::vector<Choice> chosen(all.size());
  for (auto& c : chosen) c = static_cast<Choice>(dice.below(k));
  const char* array = split_array(fields_of(m), v)->name;
  for (int d = 0; d < k; ++d) {
    std::vector<Element> expected;
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (chosen[i] == d) expected.push_back(all[i]);
    }
    std::vector<std::byte> out(3, std::byte{0xaa});  // appended, not overwritten
    whole.append_selected(chosen, static_cast<std::uint32_t>(d), out);
    const Bytes part_body = Bytes(out).subspan(3);
    Parts part;
    why = part.parse(m, static_cast<Version>(v), part_body);
    REQUIRE(std::string(why != nullptr ? why : "") == "");
    if (elements(part) != expected) FAIL_CHECK("part " << d << " has other elements");
    // What stands outside the elements is in every part.
    const Value outside = messages::with(decoded(m, v, part_body), array, Array{});
    if (!(outside == messages::with(tree, array, Array{}))) FAIL_CHECK("part " << d << ": outside");
  }
}

bool splits(const Message& m, int v) { return split_array(fields_of(m), v) != nullptr; }

}  // namespace

TEST_CASE("split: golden frames of every message and version", "[split]") {
  int split = 0;
  for (const auto& f : golden::frames()) {
    for (int v = f.versions.first; v <= f.versions.last; ++v) {
      Parts p;
      REQUIRE(p.parse(*f.message, static_cast<Version>(v), f.body) == nullptr);
      if ((p.levels() > 0) != splits(*f.message, v)) FAIL_CHECK(f.what() << ": levels");
      if (!splits(*f.message, v)) continue;
      ++split;
      check_split(*f.message, v, f.body, 1 + split % 4, static_cast<std::uint32_t>(split));
    }
  }
  CHECK(split > 500);
}

TEST_CASE("split: random bodies of every message and version", "[split]") {
  for (const Message& m : shunt::wire::messages()) {
    for (int v = m.valid.first; v <= m.valid.last; ++v) {
      if (!splits(m, v)) continue;
      for (std::uint32_t seed = 1; seed <= 12; ++seed) {
        RandomValue random(seed * 1000 + static_cast<std::uint32_t>(v));
        const auto body =
            random.fields(fields_of(m), static_cast<Version>(v), m.flexible.contains(v));
        check_split(m, v, encoded(m, v, body), 1 + static_cast<int>(seed % 5), seed);
      }
    }
  }
}

// Shapes of the split arrays that random bodies do not have.
TEST_CASE("split: long, empty and null lists", "[split]") {
  for (const Message& m : shunt::wire::messages()) {
    for (int v = m.valid.first; v <= m.valid.last; ++v) {
      const Field* outer = split_array(fields_of(m), v);
      // The first and last version, and the first with compact counts, stand for all.
      const bool edge = v == m.valid.first || v == m.valid.last || v == m.flexible.first;
      if (outer == nullptr || !edge) continue;
      const bool structs = outer->type == Type::structure;
      const Field* inner = structs ? split_array(fields_of(*outer), v) : nullptr;
      const auto element = [&](const Field& f, int n) -> Value {
        if (f.type == Type::string) return "key-" + std::to_string(n);
        if (f.type != Type::structure) return n;
        Struct s;
        for (const Field& x : fields_of(f)) {
          if (!x.versions.contains(v) || x.array) continue;
          if (x.role == Role::partition) s.set(x.name, n);
          if (x.type == Type::string) s.set(x.name, "key-" + std::to_string(n));
          // Kafka's default of a list of structs, that is not null, is empty.
        }
        return s;
      };
      const auto body = [&](int outers, int inners) -> Value {
        Array list;
        for (int i = 0; i < outers; ++i) {
          Value e = element(*outer, i);
          if (inner != nullptr) {
            Array leaves;
            for (int j = 0; j < inners; ++j) leaves.push_back(element(*inner, j));
            e = messages::with(e, inner->name, std::move(leaves));
          }
          list.push_back(std::move(e));
        }
        return Struct{{outer->name, std::move(list)}};
      };
      // 127 elements are the last count of one byte, 126 + 1 the first past it.
      for (const auto& [outers, inners] :
           {std::pair{0, 0}, {3, 0}, {1, 126}, {1, 127}, {1, 300}, {126, 1}, {127, 2}}) {
        check_split(m, v, encoded(m, v, body(outers, inners)), 1 + outers % 2, 9);
      }
      if (outer->nullable.contains(v)) {
        check_split(m, v, encoded(m, v, Struct{{outer->name, nullptr}}), 2, 9);
        Parts p;
        const auto bytes = encoded(m, v, Struct{{outer->name, nullptr}});
        REQUIRE(p.parse(m, static_cast<Version>(v), bytes) == nullptr);
        CHECK(p.array().count == -1);
      }
    }
  }
}

TEST_CASE("split: what is read on the way", "[split]") {
  const Message& fetch = *request(1);
  const auto partition = [](int index) {
    return Struct{{"Partition", index}, {"FetchOffset", 5}, {"PartitionMaxBytes", 1000 + index}};
  };
  const auto body = encoded(
      fetch, 11,
      Struct{{"MaxWaitMs", 500},
             {"MaxBytes", 77},
             {"SessionId", 3},
             {"SessionEpoch", 4},
             {"RackId", "r1"},
             {"Topics",
              Array{Struct{{"Topic", "a"}, {"Partitions", Array{partition(0), partition(7)}}}}}});
  Parts p;
  REQUIRE(p.parse(fetch, 11, body) == nullptr);
  const auto number_at = [&](std::uint64_t at) { return load<std::int32_t>(body.data() + at); };
  const struct {
    Role role;
    std::int64_t number;
  } rows[] = {{Role::max_wait_ms, 500},
              {Role::max_bytes, 77},
              {Role::session_id, 3},
              {Role::session_epoch, 4}};
  for (const auto& row : rows) {
    CHECK(p.top(row.role).present);
    CHECK(p.top(row.role).number == row.number);
    CHECK(number_at(p.top(row.role).at) == row.number);
  }
  CHECK(p.top(Role::rack).text == "r1");
  CHECK_FALSE(p.top(Role::group_id).present);
  std::vector<std::int32_t> limits;
  for (const Leaf& l : p.leaves()) limits.push_back(number_at(l.max_bytes_at));
  CHECK(limits == std::vector<std::int32_t>{1000, 1007});

  // The same Parts read another message: nothing of the former is left.
  const Message& heartbeat = *request(12);
  const auto other = encoded(heartbeat, 0, Struct{{"GroupId", "g"}});
  REQUIRE(p.parse(heartbeat, 0, other) == nullptr);
  CHECK(p.levels() == 0);
  CHECK(p.leaf_count() == 0);
  CHECK(p.leaves().empty());
  CHECK_FALSE(p.top(Role::max_bytes).present);
  CHECK(p.top(Role::group_id).text == "g");
}

TEST_CASE("split: records of a Produce have their size", "[split]") {
  const Message& produce = *request(0);
  const std::vector<std::byte> records(300, std::byte{9});
  const auto part = [](int index, Value r) {
    return Struct{{"Index", index}, {"Records", std::move(r)}};
  };
  for (int v = produce.valid.first; v <= 12; ++v) {
    INFO("v" << v);
    const auto body = encoded(
        produce, v,
        Struct{
            {"Acks", -1},
            {"TopicData", Array{Struct{{"Name", "t"},
                                       {"PartitionData", Array{part(0, records), part(1, nullptr),
                                                               part(2, Bytes{})}}}}}});
    Parts p;
    REQUIRE(p.parse(produce, static_cast<Version>(v), body) == nullptr);
    std::vector<std::int64_t> sizes;
    for (const Leaf& l : p.leaves()) sizes.push_back(l.records_bytes);
    CHECK(sizes == std::vector<std::int64_t>{300, -1, 0});
    CHECK(p.top(Role::acks).number == -1);
  }
}

TEST_CASE("split: counts as each encoding writes them", "[split]") {
  const struct {
    bool flexible;
    std::int64_t count;
    const char* hex;
  } rows[] = {
      {false, 0, "00000000"}, {false, 300, "0000012c"}, {false, -1, "ffffffff"}, {true, 0, "01"},
      {true, 126, "7f"},      {true, 127, "8001"},      {true, -1, "00"},
  };
  for (const auto& row : rows) {
    std::vector<std::byte> out;
    put_count(out, row.flexible, row.count);
    CHECK(out == golden::unhex(row.hex));
  }
}
