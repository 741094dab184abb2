// Answers put together: elements by topic in the order met, the worst of what stands outside.
#include "proxy/wire/merge.h"

#include <catch2/catch.hpp>

#include "proxy/wire/split.h"
#include "tests/unit/golden.h"
#include "tests/unit/messages.h"
#include "tests/unit/random_value.h"

using namespace shunt::wire;
using messages::decoded;
using messages::encoded;
using messages::split_array;
using messages::with;
using messages::with_role;

namespace {

struct Shape {
  const Field* outer;
  const Field* inner;  // null: one level
  bool two() const { return inner != nullptr; }
};

Shape shape(const Message& m, int v) {
  const Field* outer = split_array(fields_of(m), v);
  const bool structs = outer != nullptr && outer->type == Type::structure;
  return {outer, structs ? split_array(fields_of(*outer), v) : nullptr};
}

Array to_array(const Elements& e) {
  Array a;
  for (const Value& v : e) a.push_back(v);
  return a;
}

std::pair<std::string, Uuid> topic_of(const Field& outer, int v, const Value& o) {
  const Field* name = with_role(fields_of(outer), Role::topic_name, v);
  const Field* id = with_role(fields_of(outer), Role::topic_id, v);
  return {name != nullptr ? std::string(o[name->name].text()) : "",
          id != nullptr ? o[id->name].uuid() : Uuid{}};
}

// What merge() promises, on trees. The first answer's, but for lists, throttle, error and session.
Value model(const Message& m, int v, const std::vector<Value>& answers) {
  const Shape s = shape(m, v);
  Array list;
  std::vector<std::pair<std::string, Uuid>> met;
  for (const Value& a : answers) {
    for (const Value& o : a[s.outer->name].array()) {
      if (!s.two()) {
        list.push_back(o);
        continue;
      }
      if (o[s.inner->name].array().empty()) continue;
      const auto key = topic_of(*s.outer, v, o);
      const auto at = static_cast<std::size_t>(std::ranges::find(met, key) - met.begin());
      if (at == met.size()) {
        met.push_back(key);
        list.push_back(o);
        continue;
      }
      Array leaves = to_array(list[at][s.inner->name].array());
      for (const Value& leaf : o[s.inner->name].array()) leaves.push_back(leaf);
      list[at] = with(list[at], s.inner->name, std::move(leaves));
    }
  }
  Value expected = with(answers.front(), s.outer->name, std::move(list));
  const auto all = fields_of(m);
  if (const Field* t = with_role(all, Role::throttle_ms, v)) {
    std::int64_t most = answers.front()[t->name].number();
    for (const Value& a : answers) most = std::max(most, a[t->name].number());
    expected = with(expected, t->name, most);
  }
  if (const Field* e = with_role(all, Role::error, v)) {
    const auto bad =
        std::ranges::find_if(answers, [&](const Value& a) { return a[e->name].number() != 0; });
    if (bad != answers.end()) expected = with(expected, e->name, (*bad)[e->name]);
  }
  if (const Field* id = with_role(all, Role::session_id, v)) expected = with(expected, id->name, 0);
  return expected;
}

void check_merge(const Message& m, int v, const std::vector<std::vector<std::byte>>& bodies) {
  std::vector<Value> answers;
  for (const auto& b : bodies) answers.push_back(decoded(m, v, b));
  const std::vector<Bytes> views(bodies.begin(), bodies.end());
  std::vector<std::byte> out(5, std::byte{0xaa});
  const char* why = merge(m, static_cast<Version>(v), views, out);
  REQUIRE(std::string(why != nullptr ? why : "") == "");
  CHECK(
      std::all_of(out.begin(), out.begin() + 5, [](std::byte b) { return b == std::byte{0xaa}; }));
  const Value merged = decoded(m, v, Bytes(out).subspan(5));
  if (!(merged == model(m, v, answers))) FAIL_CHECK("another answer than promised");
}

// Topics that several answers share, so that there is something to bring together: names from a
// few.
Value few_topics(const Message& m, int v, const Value& body, RandomValue& random) {
  const Shape s = shape(m, v);
  if (!s.two()) return body;
  Array list;
  for (Value o : body[s.outer->name].array()) {
    const int n = random.below(3);
    if (const Field* f = with_role(fields_of(*s.outer), Role::topic_name, v)) {
      o = with(o, f->name, "t" + std::to_string(n));
    }
    if (const Field* f = with_role(fields_of(*s.outer), Role::topic_id, v)) {
      Uuid id{};
      id[15] = static_cast<std::byte>(n + 1);
      o = with(o, f->name, id);
    }
    list.push_back(o);
  }
  return with(body, s.outer->name, std::move(list));
}

template <class F>
void each_answer(F&& f) {
  int n = 0;
  for (const Message& m : shunt::wire::messages()) {
    if (m.request) continue;
    for (int v = m.valid.first; v <= m.valid.last; ++v) {
      if (shape(m, v).outer == nullptr) continue;
      ++n;
      INFO(m.name << " v" << v);
      f(m, v);
    }
  }
  CHECK(n > 40);
}

}  // namespace

TEST_CASE("merge: answers of every message and version, many at once", "[merge]") {
  each_answer([](const Message& m, int v) {
    for (std::uint32_t seed = 1; seed <= 12; ++seed) {
      INFO("seed " << seed);
      RandomValue random(seed * 77 + static_cast<std::uint32_t>(v));
      std::vector<std::vector<std::byte>> bodies;
      for (std::uint32_t i = 0; i < 1 + seed % 4; ++i) {
        Value body = random.fields(fields_of(m), static_cast<Version>(v), m.flexible.contains(v));
        if (body[shape(m, v).outer->name].null())
          body = with(body, shape(m, v).outer->name, Array{});
        if (const Field* e = with_role(fields_of(m), Role::error, v);
            e != nullptr && random.below(2) == 0) {
          body = with(body, e->name, 0);
        }
        bodies.push_back(encoded(m, v, few_topics(m, v, body, random)));
      }
      check_merge(m, v, bodies);
    }
  });
}

TEST_CASE("merge: golden answers split at random come together again", "[merge]") {
  std::uint32_t seed = 0;
  for (const auto& f : golden::frames()) {
    if (f.message->request) continue;
    for (int v = f.versions.first; v <= f.versions.last; ++v) {
      const Shape s = shape(*f.message, v);
      if (s.outer == nullptr) continue;
      INFO(f.what() << " as v" << v);
      Parts whole;
      REQUIRE(whole.parse(*f.message, static_cast<Version>(v), f.body) == nullptr);
      if (whole.array().count < 0) continue;
      RandomValue dice(++seed);
      const int k = 1 + dice.below(4);
      std::vector<Choice> chosen(whole.leaf_count());
      for (auto& c : chosen) c = static_cast<Choice>(dice.below(k));
      std::vector<std::vector<std::byte>> bodies(static_cast<std::size_t>(k));
      for (int d = 0; d < k; ++d) {
        whole.append_selected(chosen, static_cast<std::uint32_t>(d),
                              bodies[static_cast<std::size_t>(d)]);
      }
      check_merge(*f.message, v, bodies);
    }
  }
}

TEST_CASE("merge: counts that grow past one byte", "[merge]") {
  const Message& m = *response(0);
  for (int v = m.valid.first; v <= 12; ++v) {
    INFO("v" << v);
    const auto answer = [&](int topics, int partitions, int first) {
      Array list;
      for (int t = 0; t < topics; ++t) {
        Array leaves;
        for (int p = 0; p < partitions; ++p) {
          leaves.push_back(Struct{{"Index", first + p}, {"BaseOffset", t}});
        }
        list.push_back(
            Struct{{"Name", "t" + std::to_string(t)}, {"PartitionResponses", std::move(leaves)}});
      }
      return encoded(m, v, Struct{{"Responses", std::move(list)}, {"ThrottleTimeMs", first}});
    };
    check_merge(m, v, {answer(1, 100, 0), answer(1, 27, 100)});  // 127: a count of two bytes
    check_merge(m, v, {answer(100, 1, 0), answer(130, 2, 50), answer(0, 0, 900)});
    check_merge(m, v, {answer(0, 0, 0), answer(3, 0, 0), answer(2, 2, 7)});
    check_merge(m, v, {answer(0, 0, 0)});
  }
}

TEST_CASE("merge: one topic in three answers keeps its place and its fields", "[merge]") {
  const Message& m = *response(1);
  const auto topic = [](const char* name, Array partitions) {
    return Struct{{"Topic", name}, {"Partitions", std::move(partitions)}};
  };
  const auto part = [](int index) {
    return Struct{
        {"PartitionIndex", index}, {"HighWatermark", index * 10}, {"AbortedTransactions", nullptr}};
  };
  const auto answer = [&](int throttle, int error, int session, Array topics) {
    return encoded(m, 11,
                   Struct{{"ThrottleTimeMs", throttle},
                          {"ErrorCode", error},
                          {"SessionId", session},
                          {"Responses", std::move(topics)}});
  };
  const std::vector<std::vector<std::byte>> bodies = {
      answer(5, 0, 11, {topic("b", {part(0)}), topic("a", {part(1)})}),
      answer(9, 6, 12, {topic("a", {part(3), part(2)}), topic("c", {part(0)})}),
      answer(7, 3, 13, {topic("b", {part(4)}), topic("b", {part(5)})})};
  std::vector<std::byte> out;
  const std::vector<Bytes> views(bodies.begin(), bodies.end());
  REQUIRE(merge(m, 11, views, out) == nullptr);
  const Value v = decoded(m, 11, out);
  CHECK(v["ThrottleTimeMs"].number() == 9);
  CHECK(v["ErrorCode"].number() == 6);
  CHECK(v["SessionId"].number() == 0);
  std::string order;
  for (const Value& t : v["Responses"].array()) {
    order += t["Topic"].text();
    for (const Value& p : t["Partitions"].array())
      order += std::to_string(p["PartitionIndex"].number());
  }
  CHECK(order == "b045a132c0");
}

TEST_CASE("merge: what cannot be merged says so and writes nothing", "[merge]") {
  const Message& produce = *response(0);
  const auto good = encoded(produce, 7, Struct{{"Responses", Array{}}});
  auto cut = good;
  cut.pop_back();
  const Message& heartbeat = *response(12);
  const auto beat = encoded(heartbeat, 1, Struct{});
  const struct {
    const char* why;
    const Message& m;
    Version v;
    std::vector<Bytes> bodies;
  } rows[] = {{"the second is cut short", produce, 7, {good, cut}},
              {"the first is cut short", produce, 7, {cut, good}},
              {"nothing to merge in it", heartbeat, 1, {beat, beat}}};
  for (const auto& row : rows) {
    INFO(row.why);
    std::vector<std::byte> out(4, std::byte{1});
    CHECK(merge(row.m, row.v, row.bodies, out) != nullptr);
    CHECK(out == std::vector<std::byte>(4, std::byte{1}));
  }
  each_answer([](const Message& m, int v) {
    const Shape s = shape(m, v);
    if (!s.outer->nullable.contains(v)) return;
    const auto null = encoded(m, v, Struct{{s.outer->name, nullptr}});
    std::vector<std::byte> out;
    CHECK(merge(m, static_cast<Version>(v), std::vector<Bytes>{null}, out) != nullptr);
    CHECK(out.empty());
  });
}
