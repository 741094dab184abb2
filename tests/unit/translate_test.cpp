// Answers of every kind and version as clients are shown them, against a model on trees of values.
#include "proxy/route/translate.h"

#include <catch2/catch.hpp>
#include <functional>
#include <random>

#include "tests/unit/golden.h"
#include "tests/unit/random_value.h"
#include "tests/unit/shown_tree.h"

using namespace shunt;
using namespace shunt::route;
using messages::decoded;
using messages::encoded;
using shown_tree::FakeNaming;
using wire::Field;
using wire::Role;
using wire::Value;

namespace {

constexpr Cluster clusters[] = {Cluster::old_cluster, Cluster::new_cluster};
constexpr std::string_view native_host = "broker.native.example";
using Buffer = std::vector<std::byte>;

// Golden values are arbitrary bits: numbers and names that brokers would send instead. Hosts become
// native_host, so that one that gets through is found in the bytes.
Value plausible(std::span<const Field> fields, const Value& body, wire::RandomValue& random) {
  wire::Struct s = body.fields();
  const auto one = [&](const Field& f, const Value& v) -> Value {
    if (v.null()) return v;
    if (f.type == wire::Type::structure) return plausible(fields_of(f), v, random);
    switch (f.role) {
      case Role::node_id:
        return random.below(12) - 1;
      case Role::host:
        return native_host;
      case Role::port:
        return 9092 + random.below(3);
      case Role::resource_type:
        return 1 << random.below(4);
      case Role::resource_name:
        return std::to_string(random.below(12) - 1);
      default:
        return v;
    }
  };
  for (const Field& f : fields) {
    const Value* found = s.find(f.name);
    if (found == nullptr) continue;
    const Value v = *found;
    if (!f.array || v.null()) {
      s.set(f.name, one(f, v));
      continue;
    }
    wire::Array list;
    for (const Value& e : v.array()) list.push_back(one(f, e));
    s.set(f.name, std::move(list));
  }
  return s;
}

struct Case {
  const wire::Message& m;
  int v;
  const Buffer& body;
  Cluster from;
};

// Every golden answer in every version and from both clusters, as it is and made plausible.
void each_answer(const std::function<void(const Case&)>& f) {
  wire::RandomValue random(5);
  int n = 0;
  for (const auto& g : golden::frames()) {
    const wire::Message& m = *g.message;
    if (m.request || wire::request(m.api)->route == wire::Route::internal) continue;
    for (int v = g.versions.first; v <= g.versions.last; ++v) {
      const Value tree = plausible(fields_of(m), decoded(m, v, g.body), random);
      const Buffer likely = encoded(m, v, tree);
      for (const auto from : clusters) {
        INFO(g.what() << " as v" << v << " from " << name(from));
        f({m, v, g.body, from});
        f({m, v, likely, from});
        ++n;
      }
    }
  }
  CHECK(n > 1000);
}

Buffer translated(const Case& c, wire::Edits& edits) {
  FakeNaming naming;
  Noticed noticed;
  edits.clear();
  const char* why =
      translate(c.m, static_cast<wire::Version>(c.v), c.body, c.from, naming, edits, noticed);
  REQUIRE(std::string(why != nullptr ? why : "") == "");
  Buffer out;
  edits.append_to(out, c.body);
  return out;
}

// Through a StreamTranslator, its bytes arriving in pieces of up to `most`.
Buffer streamed(const Case& c, std::size_t most, std::uint32_t seed, Noticed* noticed = nullptr) {
  FakeNaming naming;
  StreamTranslator t(c.m, static_cast<wire::Version>(c.v), c.body.size(), c.from, naming);
  std::mt19937 random(seed);
  Buffer all = c.body;
  std::size_t done = 0, have = 0;
  while (!t.done()) {
    const auto n = t.take(std::span(all).subspan(done, have - done));
    REQUIRE(t.error() == nullptr);
    done += n;
    REQUIRE(t.left() == all.size() - done);
    if (t.done()) break;
    REQUIRE(have < all.size());
    have = std::min(all.size(), have + 1 + random() % most);
  }
  REQUIRE(done == all.size());
  if (noticed != nullptr) *noticed = t.noticed();
  return all;
}

// An untagged host or node list somewhere: no way to stream such an answer.
bool needs_whole(std::span<const Field> fields, int v) {
  return std::ranges::any_of(fields, [&](const Field& f) {
    if (!f.versions.contains(v) || f.tagged.contains(v)) return false;
    if (f.role == Role::host || f.role == Role::nodes) return true;
    return f.type == wire::Type::structure && needs_whole(fields_of(f), v);
  });
}

}  // namespace

TEST_CASE("translate: every answer is shown as the model says, and nothing else changes",
          "[translate]") {
  wire::Edits edits;
  each_answer([&](const Case& c) {
    FakeNaming naming;
    const Value expected =
        shown_tree::Model(c.v, c.from, naming).shown(fields_of(c.m), decoded(c.m, c.v, c.body));
    const Buffer out = translated(c, edits);
    if (!(decoded(c.m, c.v, out) == expected)) FAIL_CHECK("another tree");
    if (messages::text(out).find(native_host) != std::string::npos) FAIL_CHECK("a native host");
  });
}

TEST_CASE("translate: what streams is the same as what is held whole", "[translate]") {
  wire::Edits edits;
  std::uint32_t seed = 0;
  int same = 0, blanked = 0;
  each_answer([&](const Case& c) {
    const auto v = static_cast<wire::Version>(c.v);
    if (needs_whole(fields_of(c.m), c.v)) CHECK(passing(c.m, v, c.from) == Passing::whole);
    if (passing(c.m, v, c.from) == Passing::whole) return;
    const Buffer whole = translated(c, edits);
    const Buffer out = streamed(c, 1 + seed % 60, seed);
    ++seed;
    const Field* endpoints = messages::with_role(fields_of(c.m), Role::endpoints, c.v);
    const Value tree = decoded(c.m, c.v, c.body);
    if (endpoints == nullptr || tree[endpoints->name].array().empty()) {
      ++same;
      if (out != whole) FAIL_CHECK("other bytes than translate()");
      return;
    }
    // KIP-951 endpoints are blanked: an unknown tag of the same size stands there.
    ++blanked;
    if (out.size() != c.body.size()) FAIL_CHECK("another length");
    if (messages::text(out).find(native_host) != std::string::npos) FAIL_CHECK("a native host");
    for (const Value& e : tree[endpoints->name].array()) {
      for (const Field& f : fields_of(*endpoints)) {
        const auto text = e[f.name].text();
        if (f.role == Role::host && text.size() > 2 &&
            messages::text(out).find(text) != std::string::npos) {
          FAIL_CHECK("a native host");
        }
      }
    }
    const Value now = decoded(c.m, c.v, out);
    CHECK(now[endpoints->name].array().empty());
    wire::Struct expected = decoded(c.m, c.v, whole).fields(), shown = now.fields();
    for (auto* s : {&expected, &shown}) s->set(endpoints->name, nullptr).set("_unknown", nullptr);
    if (!(Value(expected) == Value(shown))) FAIL_CHECK("more than the endpoints differs");
  });
  CHECK(same > 500);
  CHECK(blanked > 20);
}

TEST_CASE("translate: prefixes of an answer are refused, never half translated", "[translate]") {
  std::uint32_t n = 0;
  for (const auto& g : golden::frames()) {
    if (g.message->request || ++n % 7 != 0) continue;
    INFO(g.what());
    FakeNaming naming;
    for (std::size_t size = 0; size < g.body.size(); size += 1 + g.body.size() / 40) {
      wire::Edits edits;
      Noticed noticed;
      const auto cut = wire::Bytes(g.body).first(size);
      CHECK(translate(*g.message, g.versions.last, cut, Cluster::new_cluster, naming, edits,
                      noticed) != nullptr);
      Buffer bytes(cut.begin(), cut.end());
      StreamTranslator shorter(*g.message, g.versions.last, size, Cluster::new_cluster, naming);
      shorter.take(bytes);
      CHECK(shorter.error() != nullptr);
      CHECK_FALSE(shorter.done());
      StreamTranslator waits(*g.message, g.versions.last, g.body.size(), Cluster::new_cluster,
                             naming);
      waits.take(std::span(bytes).first(0));
      CHECK_FALSE(waits.done());
      CHECK(waits.error() == nullptr);
    }
  }
}

TEST_CASE("translate: errors that say ours is stale", "[translate]") {
  const struct {
    int code;
    bool leader, coordinator, controller;
  } rows[] = {{0, false, false, false}, {3, true, false, false},   {5, true, false, false},
              {6, true, false, false},  {14, false, false, false}, {15, false, true, false},
              {16, false, true, false}, {41, false, false, true},  {72, true, false, false},
              {74, true, false, false}, {76, false, false, false}, {100, true, false, false},
              {103, true, false, false}};
  const wire::Message& m = *wire::response(1);
  for (const auto& row : rows) {
    INFO("error " << row.code);
    const auto body = encoded(
        m, 11,
        wire::Struct{
            {"SessionId", 33},
            {"Responses",
             wire::Array{wire::Struct{
                 {"Topic", "t"},
                 {"Partitions", wire::Array{wire::Struct{{"PartitionIndex", 1},
                                                         {"ErrorCode", row.code},
                                                         {"PreferredReadReplica", 3}}}}}}}});
    FakeNaming naming;
    wire::Edits edits;
    Noticed whole, stream;
    REQUIRE(translate(m, 11, body, Cluster::old_cluster, naming, edits, whole) == nullptr);
    streamed({m, 11, body, Cluster::old_cluster}, 9, 1, &stream);
    for (const Noticed& n : {whole, stream}) {
      CHECK(n.stale_leader == row.leader);
      CHECK(n.stale_coordinator == row.coordinator);
      CHECK(n.stale_controller == row.controller);
      CHECK(n.fetch_session == 33);
    }
  }
}

TEST_CASE("translate: requests to new get new's own ids", "[translate]") {
  const auto resource = [](int type, const char* name) {
    return wire::Struct{{"ResourceType", type}, {"ResourceName", name}};
  };
  const struct {
    int type;
    const char *shown, *native;
  } rows[] = {{4, "268435461", "5"}, {8, "268435456", "0"},
              {4, "5", "5"},         {2, "268435461", "268435461"},
              {4, "", ""},           {4, "268435461x", "268435461x"},
              {4, "-1", "-1"}};
  const wire::Message& m = *wire::request(32);
  for (int v = m.valid.first; v <= m.valid.last; ++v) {
    for (const auto& row : rows) {
      INFO("v" << v << " " << row.shown);
      const auto with = [&](const char* name) {
        return wire::Struct{{"Resources", wire::Array{resource(2, "t"), resource(row.type, name)}}};
      };
      const auto body = encoded(m, v, with(row.shown));
      for (const auto to : clusters) {
        wire::Edits edits;
        FakeNaming naming;
        REQUIRE(translate_request(m, static_cast<wire::Version>(v), body, to, naming, edits) ==
                nullptr);
        Buffer out;
        edits.append_to(out, body);
        CHECK(out == encoded(m, v, with(to == Cluster::new_cluster ? row.native : row.shown)));
      }
    }
  }
}
