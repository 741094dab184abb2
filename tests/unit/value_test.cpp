// Own requests and answers: written by the table, read back, and what is refused.
#include "proxy/wire/value.h"

#include <catch2/catch.hpp>

#include "tests/unit/random_value.h"

using namespace shunt::wire;

namespace {

std::vector<std::byte> raw(std::initializer_list<int> bytes) {
  std::vector<std::byte> v;
  for (int b : bytes) v.push_back(static_cast<std::byte>(b));
  return v;
}

std::vector<std::byte> encoded(const Message& m, int version, const Value& v) {
  std::vector<std::byte> out;
  const char* problem = encode(m, static_cast<Version>(version), v, out);
  INFO(m.name << " v" << version << ": " << (problem ? problem : "fine"));
  REQUIRE(problem == nullptr);
  return out;
}

Value decoded(const Message& m, int version, Bytes body) {
  const char* problem = nullptr;
  const Value v = decode(m, static_cast<Version>(version), body, problem);
  INFO(m.name << " v" << version << ": " << (problem ? problem : "fine"));
  REQUIRE(problem == nullptr);
  return v;
}

constexpr ApiKey produce = 0, fetch = 1, metadata = 3, api_versions = 18, consumer_heartbeat = 68;

}  // namespace

TEST_CASE("an ApiVersions request is laid out as the protocol guide says", "[value]") {
  const Value v = Struct{{"ClientSoftwareName", "ab"}, {"ClientSoftwareVersion", "1"}};
  CHECK(encoded(*request(api_versions), 0, v).empty());
  CHECK(encoded(*request(api_versions), 3, v) == raw({3, 'a', 'b', 2, '1', 0}));
}

TEST_CASE("null, empty and full lists in old and compact form", "[value]") {
  const Message& m = *request(metadata);
  CHECK(encoded(m, 1, Struct{{"Topics", nullptr}}) == raw({0xff, 0xff, 0xff, 0xff}));
  CHECK(encoded(m, 1, Struct{}) == raw({0, 0, 0, 0}));
  CHECK(encoded(m, 1, Struct{{"Topics", Array{Struct{{"Name", "t"}}}}}) ==
        raw({0, 0, 0, 1, 0, 1, 't'}));
  // v9: compact, AllowAutoTopicCreation is true by default, two authorized-operations flags.
  CHECK(encoded(m, 9, Struct{{"Topics", nullptr}}) == raw({0, 1, 0, 0, 0}));
  CHECK(encoded(m, 9, Struct{{"Topics", Array{Struct{{"Name", "t"}}}}}) ==
        raw({2, 2, 't', 0, 1, 0, 0, 0}));
}

TEST_CASE("a nullable struct has a mark", "[value]") {
  const Message& m = *response(consumer_heartbeat);
  const auto with = encoded(m, 0, Struct{{"Assignment", Struct{}}});
  const auto without = encoded(m, 0, Struct{});
  REQUIRE(with.size() == without.size() + 2);
  CHECK(without[without.size() - 2] == std::byte{0xff});
  CHECK(decoded(m, 0, without)["Assignment"].null());
  CHECK(decoded(m, 0, with)["Assignment"]["TopicPartitions"].is_array());
}

TEST_CASE("a tagged field is written only where it differs from its default", "[value]") {
  const Message& m = *response(api_versions);
  // ErrorCode, ApiKeys, ThrottleTimeMs, no tags.
  const auto plain = raw({0, 0, 1, 0, 0, 0, 0, 0});
  CHECK(encoded(m, 3, Struct{}) == plain);
  CHECK(encoded(m, 3,
                Struct{{"FinalizedFeaturesEpoch", -1},
                       {"SupportedFeatures", Array{}},
                       {"ZkMigrationReady", false}}) == plain);
  const auto epoch = encoded(
      m, 3, Struct{{"ZkMigrationReady", true}, {"FinalizedFeaturesEpoch", std::int64_t{5}}});
  CHECK(epoch == raw({0, 0, 1, 0, 0, 0, 0, 2, 1, 8, 0, 0, 0, 0, 0, 0, 0, 5, 3, 1, 1}));
  SECTION("and has its default when it was not sent") {
    CHECK(decoded(m, 3, plain)["FinalizedFeaturesEpoch"].number() == -1);
    CHECK(decoded(m, 0, raw({0, 0, 0, 0, 0, 0}))["FinalizedFeaturesEpoch"].null());
  }
}

TEST_CASE("a tagged struct is its default when all its fields are", "[value]") {
  const Message& m = *response(produce);
  const auto answer = [](Value leader) {
    return Struct{
        {"Responses",
         Array{Struct{{"Name", "t"},
                      {"PartitionResponses",
                       Array{Struct{{"Index", 1}, {"CurrentLeader", std::move(leader)}}}}}}}};
  };
  const auto plain = encoded(m, 10, answer(Struct{}));
  CHECK(encoded(m, 10, answer(Struct{{"LeaderId", -1}})) == plain);
  const auto other = encoded(m, 10, answer(Struct{{"LeaderId", 7}}));
  CHECK(other.size() == plain.size() + 11);  // tag, size, two numbers, tags
  const Value p = decoded(m, 10, other)["Responses"].array()[0]["PartitionResponses"].array()[0];
  CHECK(p["CurrentLeader"]["LeaderId"].number() == 7);
  CHECK(p["CurrentLeader"]["LeaderEpoch"].number() == -1);
  const Value q = decoded(m, 10, plain)["Responses"].array()[0]["PartitionResponses"].array()[0];
  CHECK(q["CurrentLeader"]["LeaderId"].number() == -1);
}

TEST_CASE("unknown tags are kept, in order, the last of two", "[value]") {
  const Message& m = *request(api_versions);
  const auto body = raw({1, 1, 3, 9, 1, 'a', 7, 2, 'b', 'c', 9, 1, 'd'});
  const Value v = decoded(m, 3, body);
  const Elements tags = v["_unknown"].array();
  REQUIRE(tags.size() == 2);
  CHECK(tags[0]["tag"].number() == 7);
  CHECK(encoded(m, 3, v) == raw({1, 1, 2, 7, 2, 'b', 'c', 9, 1, 'd'}));
}

TEST_CASE("a read struct can be changed and sent", "[value]") {
  const Message& m = *request(metadata);
  const auto body =
      encoded(m, 9, Struct{{"Topics", Array{Struct{{"Name", "a"}}, Struct{{"Name", "b"}}}}});
  Struct s = decoded(m, 9, body).fields();
  s.set("AllowAutoTopicCreation", false);
  const Value back = decoded(m, 9, encoded(m, 9, s));
  CHECK(back["AllowAutoTopicCreation"].number() == 0);
  CHECK(back["Topics"].array()[1]["Name"].text() == "b");
  std::string names;
  for (const Value& t : back["Topics"].array()) names += t["Name"].text();
  CHECK(names == "ab");
}

TEST_CASE("views outlive the values they came from, as long as the tree lives", "[value]") {
  const auto body =
      encoded(*request(metadata), 1, Struct{{"Topics", Array{Struct{{"Name", "long enough"}}}}});
  const Value read = decoded(*request(metadata), 1, body);
  const std::string_view name = read["Topics"].array()[0]["Name"].text();
  const Value built = Struct{{"A", Array{Struct{{"Name", "long enough as well"}}}}};
  const std::string_view other = built["A"].array()[0]["Name"].text();
  CHECK(name == "long enough");
  CHECK(other == "long enough as well");
}

TEST_CASE("what does not fit is refused and named, the output left as it was", "[value]") {
  struct Case {
    ApiKey api;
    int version;
    Value body;
    const char* field;
  };
  const Case cases[] = {
      {metadata, 0, Struct{{"Topics", nullptr}}, "Topics"},
      {metadata, 1, Struct{{"Topic", Array{}}}, nullptr},
      {metadata, 1, Struct{{"Topics", "t"}}, "Topics"},
      {metadata, 1, Struct{{"Topics", Array{"t"}}}, "Topics"},
      {metadata, 1, Struct{{"Topics", Array{Struct{{"Name", 5}}}}}, "Name"},
      {metadata, 1, Struct{{"Topics", Array{Struct{{"Name", std::string(40000, 'x')}}}}}, "Name"},
      {metadata, 9, Struct{{"AllowAutoTopicCreation", 2}}, "AllowAutoTopicCreation"},
      {metadata, 99, Struct{}, nullptr},
      {metadata, 1, Value{}, nullptr},
      {fetch, 4, Struct{{"IsolationLevel", 128}}, "IsolationLevel"},
      {fetch, 12, Struct{{"_unknown", Array{Struct{{"tag", 0}}}}, {"ClusterId", "c"}}, nullptr},
  };
  for (const Case& c : cases) {
    auto out = raw({1, 2, 3});
    const Field* where = nullptr;
    CHECK(encode(*request(c.api), static_cast<Version>(c.version), c.body, out, &where) != nullptr);
    CHECK(out == raw({1, 2, 3}));
    if (c.field != nullptr) {
      REQUIRE(where != nullptr);
      CHECK(where->name == std::string_view(c.field));
    }
  }
}

TEST_CASE("claims beyond the body are refused", "[value]") {
  const char* problem = nullptr;
  CHECK(decode(*request(metadata), 1, raw({0x7f, 0xff, 0xff, 0xff}), problem).null());
  CHECK(problem != nullptr);
  CHECK(decode(*request(metadata), 1, raw({0, 0, 0, 1, 0}), problem).null());
  CHECK(problem != nullptr);
  CHECK(decode(*request(metadata), 99, raw({}), problem).null());
  CHECK(problem != nullptr);
}

TEST_CASE("every message in every version: written, read, written again", "[value]") {
  RandomValue random(20261123);
  for (const Message& m : messages()) {
    for (int v = m.valid.first; v <= m.valid.last; ++v) {
      const auto version = static_cast<Version>(v);
      for (int round = 0; round < 3; ++round) {
        const Value built = random.fields(fields_of(m), version, m.flexible.contains(v));
        const auto bytes = encoded(m, v, built);
        const Value read = decoded(m, v, bytes);
        INFO(m.name << " v" << v);
        REQUIRE(encoded(m, v, read) == bytes);
        REQUIRE(decoded(m, v, encoded(m, v, read)) == read);
        for (const auto& [name, value] : built.fields()) {
          if (!value.is_struct() && !value.is_array() && name != "_unknown") {
            REQUIRE(read[name] == value);
          }
        }
        if (!bytes.empty()) {
          const char* problem = nullptr;
          const auto cut = static_cast<std::size_t>(random.below(static_cast<int>(bytes.size())));
          REQUIRE(decode(m, version, Bytes(bytes).first(cut), problem).null());
        }
      }
    }
  }
}

TEST_CASE("an array by itself, as merged answers need it", "[value]") {
  const Field* brokers = nullptr;
  for (const Field& f : fields_of(*response(metadata))) {
    if (f.name == std::string_view("Brokers")) brokers = &f;
  }
  REQUIRE(brokers != nullptr);
  std::vector<std::byte> out;
  const Array one{Struct{{"NodeId", 1}, {"Host", "h"}, {"Port", 9}}};
  CHECK(encode_array(*brokers, 0, false, one, out) == nullptr);
  CHECK(out == raw({0, 0, 0, 1, 0, 0, 0, 1, 0, 1, 'h', 0, 0, 0, 9}));
  out.clear();
  CHECK(encode_array(*brokers, 9, true, one, out) == nullptr);
  CHECK(out == raw({2, 0, 0, 0, 1, 2, 'h', 0, 0, 0, 9, 0, 0}));
}
