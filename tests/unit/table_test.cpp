// The generated table hangs together: what the walker, split and translation take for granted.
#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/wire/schema.h"

using namespace shunt::wire;

namespace {

struct Place {
  const Message* message;
  std::string path;
  const Field* field;
  const Field* parent;  // null: the message itself
};

void collect(const Message& m, std::span<const Field> fields, const std::string& path,
             const Field* parent, std::vector<Place>& out) {
  for (const Field& f : fields) {
    const std::string own = path + "." + f.name;
    out.push_back({&m, own, &f, parent});
    collect(m, fields_of(f), own, &f, out);
  }
}

const std::vector<Place>& places() {
  static const std::vector<Place> all = [] {
    std::vector<Place> found;
    for (const Message& m : messages()) collect(m, fields_of(m), m.name, nullptr, found);
    return found;
  }();
  return all;
}

const Field* field(std::string_view path) {
  for (const Place& p : places()) {
    if (p.path == path) return p.field;
  }
  return nullptr;
}

bool within(Versions inner, Versions outer) {
  return inner.empty() || (outer.contains(inner.first) && outer.contains(inner.last));
}

std::vector<std::string> split_path(const Message& m) {
  std::vector<std::string> found;
  for (const Place& p : places()) {
    if (p.message == &m && p.field->split) found.push_back(p.path);
  }
  return found;
}

}  // namespace

TEST_CASE("table: every API is found by its key, and nothing else is") {
  int apis = 0;
  for (const Message& m : messages()) {
    CHECK((m.request ? request(m.api) : response(m.api)) == &m);
    CHECK(std::string_view(m.name) ==
          std::string(api_name(m.api)) + (m.request ? "Request" : "Response"));
    apis += m.request;
  }
  CHECK(apis * 2 == static_cast<int>(messages().size()));
  for (const int key : {-32768, -1, 95, 128, 32767}) {
    CHECK(request(static_cast<ApiKey>(key)) == nullptr);
    CHECK(response(static_cast<ApiKey>(key)) == nullptr);
    CHECK(api_name(static_cast<ApiKey>(key)) == "?");
  }
  CHECK(api_name(1) == "Fetch");
}

TEST_CASE("table: request and answer belong together") {
  for (const Message& m : messages()) {
    if (!m.request) continue;
    const Message& answer = *response(m.api);
    INFO(m.name);
    CHECK(m.route == answer.route);
    CHECK((m.valid.first == answer.valid.first && m.valid.last == answer.valid.last));
    CHECK((m.flexible.first == answer.flexible.first && m.flexible.last == answer.flexible.last));
  }
}

TEST_CASE("table: versions lie in one another") {
  for (const Message& m : messages()) {
    INFO(m.name);
    CHECK(within(m.flexible, m.valid));
    CHECK(m.offered.empty() == (m.route == Route::internal));
    constexpr ApiKey produce = 0;  // v0 to v2 are listed and not served: roles.txt
    if (m.api != produce)
      CHECK(within(m.offered, m.valid));
    else
      CHECK((m.offered.first == 0 && m.valid.first == 3 && m.offered.last == m.valid.last));
  }
  for (const Place& p : places()) {
    const Field& f = *p.field;
    INFO(p.path);
    CHECK_FALSE(f.versions.empty());
    CHECK(within(f.versions, p.message->valid));
    CHECK(within(f.nullable, f.versions));
    CHECK(within(f.tagged, f.versions));
    CHECK(within(f.tagged, p.message->flexible));
    CHECK((f.tag >= 0) == !f.tagged.empty());
  }
}

TEST_CASE("table: every field has one place in one message") {
  std::vector<int> met(fields().size());
  for (const Place& p : places()) ++met[static_cast<std::size_t>(p.field - fields().data())];
  CHECK(std::all_of(met.begin(), met.end(), [](int n) { return n == 1; }));
  for (const Field& f : fields()) {
    INFO(f.name);
    CHECK((f.type == Type::structure) == (f.child_count > 0));
    if (f.child_count > 0) CHECK(fields().data() + f.child > &f);
  }
}

TEST_CASE("table: tags of one struct differ") {
  for (const Place& a : places()) {
    for (const Place& b : places()) {
      if (&a == &b || a.message != b.message || a.parent != b.parent || a.field->tag < 0) continue;
      INFO(a.path << " and " << b.path);
      REQUIRE(a.field->tag != b.field->tag);
    }
  }
}

TEST_CASE("table: what is split is merged, on two levels at most") {
  int split = 0;
  for (const Message& m : messages()) {
    const auto path = split_path(m);
    INFO(m.name);
    CHECK(path.size() <= 2);
    if (path.size() == 2) CHECK(path[1].starts_with(path[0] + "."));
    for (const auto& p : path) CHECK(field(p)->array);
    const auto other = split_path(m.request ? *response(m.api) : *request(m.api));
    CHECK(path.empty() == other.empty());
    if (m.route == Route::leader || m.route == Route::resource) CHECK_FALSE(path.empty());
    if (m.route == Route::leader) CHECK(path.size() == 2);
    if (m.route == Route::any || m.route == Route::internal) CHECK(path.empty());
    split += m.request && !path.empty();
  }
  CHECK(split > 10);
}

TEST_CASE("table: a role fits its field's type") {
  struct Rule {
    Role role;
    std::vector<Type> types;
  };
  const std::vector<Rule> rules = {
      {Role::topic_name, {Type::string}},
      {Role::topic_id, {Type::uuid}},
      {Role::partition, {Type::int32}},
      {Role::group_id, {Type::string}},
      {Role::transactional_id, {Type::string}},
      {Role::resource_type, {Type::int8}},
      {Role::resource_name, {Type::string}},
      {Role::coordinator_key, {Type::string}},
      {Role::coordinator_type, {Type::int8}},
      {Role::cluster_id, {Type::string}},
      {Role::node_id, {Type::int32}},
      {Role::host, {Type::string}},
      {Role::port, {Type::int32, Type::uint16}},
      {Role::rack, {Type::string}},
      {Role::nodes, {Type::structure}},
      {Role::endpoints, {Type::structure}},
      {Role::offset, {Type::int64}},
      {Role::log_end, {Type::int64}},
      {Role::stable_end, {Type::int64}},
      {Role::log_start, {Type::int64}},
      {Role::leader_epoch, {Type::int32}},
      {Role::timestamp, {Type::int64}},
      {Role::producer_id, {Type::int64}},
      {Role::producer_epoch, {Type::int16, Type::int32}},  // int32 in DescribeProducers
      {Role::acks, {Type::int16}},
      {Role::member_id, {Type::string}},
      {Role::instance_id, {Type::string}},
      {Role::generation, {Type::int32}},
      {Role::error, {Type::int16}},
      {Role::throttle_ms, {Type::int32}},
      {Role::replica_id, {Type::int32}},
      {Role::session_id, {Type::int32}},
      {Role::session_epoch, {Type::int32}},
      {Role::max_bytes, {Type::int32}},
      {Role::max_wait_ms, {Type::int32}},
      {Role::records, {Type::records}},
  };
  for (const Rule& rule : rules) {
    int met = 0;
    for (const Place& p : places()) {
      if (p.field->role != rule.role) continue;
      ++met;
      INFO(p.path);
      CHECK(std::count(rule.types.begin(), rule.types.end(), p.field->type) == 1);
      if (rule.role == Role::nodes || rule.role == Role::endpoints) CHECK(p.field->array);
    }
    INFO("role " << static_cast<int>(rule.role));
    CHECK(met > 0);
  }
}

// Translation knows the node when it comes to its host, and the host when it comes to its port.
TEST_CASE("table: a node's id stands before its host, the host before its port") {
  for (const Place& p : places()) {
    if (p.field->role != Role::host || p.message->route == Route::internal) continue;
    const auto siblings = p.parent ? fields_of(*p.parent) : fields_of(*p.message);
    const Field *id = nullptr, *port = nullptr;
    for (const Field& f : siblings) {
      if (f.role == Role::node_id) id = &f;
      if (f.role == Role::port) port = &f;
    }
    INFO(p.path);
    // DescribeQuorum v2 has the id a level higher: not offered.
    if (std::string_view(p.message->name) != "DescribeQuorumResponse") CHECK(id != nullptr);
    if (id != nullptr) CHECK(id < p.field);
    REQUIRE(port != nullptr);
    CHECK(p.field < port);
  }
}

TEST_CASE("table: the fields that matter most mean what they should") {
  const std::vector<std::pair<const char*, Role>> expected = {
      {"ProduceRequest.Acks", Role::acks},
      {"ProduceRequest.TopicData.PartitionData.Records", Role::records},
      {"ProduceResponse.Responses.PartitionResponses.BaseOffset", Role::offset},
      {"ProduceResponse.NodeEndpoints", Role::endpoints},
      {"FetchRequest.Topics.Partitions.FetchOffset", Role::offset},
      {"FetchRequest.Topics.Partitions.CurrentLeaderEpoch", Role::leader_epoch},
      {"FetchResponse.Responses.Partitions.HighWatermark", Role::log_end},
      {"FetchResponse.Responses.Partitions.LastStableOffset", Role::stable_end},
      {"FetchResponse.Responses.Partitions.DivergingEpoch.EndOffset", Role::offset},
      {"FetchResponse.Responses.Partitions.AbortedTransactions.ProducerId", Role::producer_id},
      {"FetchResponse.Responses.Partitions.PreferredReadReplica", Role::node_id},
      {"ListOffsetsResponse.Topics.Partitions.Offset", Role::offset},
      {"MetadataResponse.Brokers", Role::nodes},
      {"MetadataResponse.ControllerId", Role::node_id},
      {"MetadataResponse.Topics.Partitions.IsrNodes", Role::node_id},
      {"OffsetCommitRequest.Topics.Partitions.CommittedOffset", Role::offset},
      {"OffsetFetchResponse.Groups.Topics.Partitions.CommittedLeaderEpoch", Role::leader_epoch},
      {"OffsetForLeaderEpochResponse.Topics.Partitions.EndOffset", Role::offset},
      {"InitProducerIdResponse.ProducerId", Role::producer_id},
      {"DeleteRecordsResponse.Topics.Partitions.LowWatermark", Role::log_start},
      {"DescribeClusterResponse.ClusterId", Role::cluster_id},
      // The application's own, not the cluster's
      {"StreamsGroupHeartbeatRequest.UserEndpoint.Host", Role::own},
      {"DescribeAclsResponse.Resources.Acls.Host", Role::own},
  };
  for (const auto& [path, role] : expected) {
    INFO(path);
    REQUIRE(field(path) != nullptr);
    CHECK(field(path)->role == role);
  }
}

TEST_CASE("table: routes that a mistake would make dangerous") {
  for (const int key : {4, 5, 6, 7, 52, 53, 54, 56, 58, 59, 62, 63, 67, 70, 73, 80, 81, 82}) {
    const auto internal = static_cast<ApiKey>(key);
    INFO(api_name(internal));
    REQUIRE(request(internal) != nullptr);
    CHECK(request(internal)->offered.empty());
  }
  CHECK(request(18)->route == Route::self);
  CHECK(request(71)->route == Route::self);
  CHECK(request(72)->route == Route::self);
}
