// What Shunt answers itself: ApiVersions, telemetry, a foreign node's groups.
#include "proxy/route/self.h"

#include <catch2/catch.hpp>

#include "tests/unit/messages.h"

using namespace shunt;
using namespace shunt::route;
using messages::decoded;
using messages::encoded;
using wire::Array;
using wire::Struct;
using wire::Value;

namespace {

constexpr wire::ApiKey api_versions = 18;

Versions known() {
  Versions v;
  v.take({Cluster::old_cluster, NativeNodeId{1}},
         Struct{{"ErrorCode", 0},
                {"ApiKeys", Array{Struct{{"ApiKey", 3}, {"MinVersion", 0}, {"MaxVersion", 9}}}}});
  return v;
}

// Sent and received: as a client would read it.
Value through(wire::ApiKey api, int version, const Value& answer) {
  const auto& m = *wire::response(api);
  return decoded(m, version, encoded(m, version, answer));
}

wire::Uuid uuid(int n) {
  wire::Uuid id{};
  id[15] = static_cast<std::byte>(n);
  return id;
}

}  // namespace

TEST_CASE("ApiVersions: every version lists what is offered", "[self]") {
  const auto& m = *wire::request(api_versions);
  const Versions versions = known();
  for (int v = m.valid.first; v <= m.valid.last; ++v) {
    INFO("v" << v);
    const Value request = decoded(m, v, encoded(m, v, Struct{}));
    const Value a = through(
        api_versions, v,
        answer_api_versions(request, static_cast<wire::Version>(v), versions, "id", std::nullopt));
    CHECK(a["ErrorCode"].number() == error_none);
    const Value apis = a["ApiKeys"];
    REQUIRE(apis.array().size() == 2);
    CHECK(apis.array()[0]["ApiKey"].number() == 3);
    CHECK(apis.array()[0]["MinVersion"].number() == 0);
    CHECK(apis.array()[0]["MaxVersion"].number() == 9);
    CHECK(apis.array()[1]["ApiKey"].number() == api_versions);
    CHECK(apis.array()[1]["MaxVersion"].number() == m.offered.last);
    CHECK(a["SupportedFeatures"].array().empty());
    CHECK(a["FinalizedFeatures"].array().empty());
  }
}

TEST_CASE("ApiVersions v5: a client that means another cluster or node (KIP-1242)", "[self]") {
  const NodeKey old_1{Cluster::old_cluster, NativeNodeId{1}},
      new_1{Cluster::new_cluster, NativeNodeId{1}};
  constexpr int new_1_shown = (1 << 28) + 1;
  const struct {
    const char* why;
    int version;
    const char* cluster;  // as the client names it; null: does not
    int node;
    const char* ours;
    std::optional<NodeKey> addressed;
    int error;
  } rows[] = {
      {"names nothing", 5, nullptr, -1, "id", old_1, 0},
      {"all is as it thinks", 5, "id", 1, "id", old_1, 0},
      {"another node", 5, "id", 2, "id", old_1, 129},
      {"another cluster", 5, "other", 1, "id", old_1, 129},
      {"both", 5, "other", 2, "id", old_1, 129},
      {"new's node by its shown id", 5, "id", new_1_shown, "id", new_1, 0},
      {"new's node by its native id", 5, "id", 1, "id", new_1, 129},
      {"over the bootstrap: any node", 5, "id", 7, "id", std::nullopt, 0},
      {"over the bootstrap: another cluster", 5, "other", 7, "id", std::nullopt, 129},
      {"ours is not known yet", 5, "other", 1, "", old_1, 0},
      {"a cluster alone", 5, "other", -1, "id", old_1, 0},
      {"a node alone", 5, nullptr, 2, "id", old_1, 0},
      {"before v5 it cannot say", 4, nullptr, -1, "id", old_1, 0},
  };
  const auto& m = *wire::request(api_versions);
  const Versions versions = known();
  for (const auto& row : rows) {
    INFO(row.why);
    Struct body;
    if (row.version >= 5) {
      body = {{"ClusterId", row.cluster != nullptr ? Value(row.cluster) : Value()},
              {"NodeId", row.node}};
    }
    const auto v = static_cast<wire::Version>(row.version);
    const Value request = decoded(m, v, encoded(m, v, body));
    const Value a = through(api_versions, v,
                            answer_api_versions(request, v, versions, row.ours, row.addressed));
    CHECK(a["ErrorCode"].number() == row.error);
    CHECK(a["ApiKeys"].array().size() == 2);
  }
}

TEST_CASE("telemetry: no subscription", "[self]") {
  constexpr wire::ApiKey get = 71, push = 72;
  const struct { wire::Uuid asked, answered; } rows[] = {{uuid(0), uuid(9)}, {uuid(3), uuid(3)}};
  for (const auto& row : rows) {
    const auto& m = *wire::request(get);
    const Value request = decoded(m, 0, encoded(m, 0, Struct{{"ClientInstanceId", row.asked}}));
    const Value a = through(get, 0, answer_telemetry(get, request, uuid(9)));
    CHECK(a["ErrorCode"].number() == 0);
    CHECK(a["ClientInstanceId"].uuid() == row.answered);
    CHECK(a["RequestedMetrics"].array().empty());
    CHECK(a["PushIntervalMs"].number() >= 60000);  // not asked again every moment
    CHECK(a["SubscriptionId"].number() == 0);
  }
  CHECK(through(push, 0, answer_telemetry(push, Struct{}, uuid(9)))["ErrorCode"].number() == 0);
}

TEST_CASE("a node of the other cluster has no groups and no transactions", "[self]") {
  const struct {
    wire::ApiKey api;
    const char* list;
  } rows[] = {{16, "Groups"}, {66, "TransactionStates"}};
  for (const auto& row : rows) {
    const auto answer = answer_for_foreign_node(row.api);
    REQUIRE(answer);
    const auto& m = *wire::response(row.api);
    for (int v = m.valid.first; v <= m.valid.last; ++v) {
      INFO(m.name << " v" << v);
      const Value a = through(row.api, v, *answer);
      CHECK(a["ErrorCode"].number() == 0);
      CHECK(a[row.list].is_array());
      CHECK(a[row.list].array().empty());
    }
  }
  for (const wire::ApiKey api : {wire::ApiKey{35}, wire::ApiKey{32}, wire::ApiKey{3}}) {
    CHECK_FALSE(answer_for_foreign_node(api));
  }
}
