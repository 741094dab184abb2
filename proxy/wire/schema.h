// Kafka's message definitions as data: the types of the generated table (table.cpp).
//
// Source: the JSON definitions inside the kafka-clients jar, joined with roles.txt (what a field
// means to Shunt) by generate.py. Nothing here knows a message by name; roles do the talking.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace shunt::wire {

// An API's key and a message version, as Kafka numbers them (int16 on the wire).
using ApiKey = std::int16_t;
using Version = std::int16_t;

// An inclusive range of versions; empty when last < first.
struct Versions {
  Version first = 0;
  Version last = -1;
  constexpr bool contains(int v) const { return first <= v && v <= last; }
  constexpr bool empty() const { return last < first; }
};

enum class Type : std::uint8_t {
  boolean,
  int8,
  int16,
  uint16,
  int32,
  uint32,
  int64,
  float64,
  uuid,
  string,
  bytes,
  records,
  structure,
};

// What a field means to Shunt. `none`: data that passes as it is.
enum class Role : std::uint8_t {
  none,
  own,  // looks like one of the kinds below, but is the application's own: passes
  // routing keys
  topic_name,
  topic_id,
  partition,
  group_id,
  transactional_id,
  resource_type,
  resource_name,  // config resources: a BROKER's name is a node id in decimal
  coordinator_key,
  coordinator_type,  // FindCoordinator: a group or a transactional id
  // the cluster's identity
  cluster_id,
  node_id,
  host,
  port,
  rack,
  nodes,      // an array of the cluster's nodes: replaced by the virtual cluster's
  endpoints,  // an array of leader endpoints (KIP-951 hints)
  // positions in a log
  offset,        // a position of a client or of a record
  log_end,       // an end as shown: high watermark
  stable_end,    // last stable offset
  log_start,     // log start offset
  leader_epoch,  // a partition's leader epoch
  timestamp,     // ListOffsets: a time, or -1 .. -6 for the log's ends
  // producers
  producer_id,
  producer_epoch,
  acks,
  // groups
  member_id,
  instance_id,
  generation,
  // answers
  error,
  throttle_ms,
  // fetch
  replica_id,
  session_id,
  session_epoch,
  max_bytes,
  max_wait_ms,
  records,
};

// Who must answer a request. `self`: Shunt answers. `internal`: broker to broker, never offered.
enum class Route : std::uint8_t {
  internal,
  self,
  any,
  coordinator,  // any broker of the cluster where that group (or transaction) has its home
  node,
  leader,
  group,
  transaction,
  controller,
  resource,
};

// One field of a message or of a struct in it. All pointers are into static storage.
struct Field {
  const char* name;
  Type type;
  bool array;
  Role role;
  Versions versions;  // versions that carry the field at all
  Versions nullable;  // versions in which it may be null
  Versions tagged;    // versions in which it is a tagged field (KIP-482)
  std::int16_t tag;   // its tag there, else -1
  bool split;         // an array on the path to the elements that are split by destination
  bool default_null;  // its default is null
  std::int64_t default_number;  // its default (numbers, booleans), else 0
  std::uint16_t child;          // first field of its struct in fields(), when type is structure
  std::uint16_t child_count;
};

// One request or response.
struct Message {
  const char* name;  // Kafka's name, e.g. "FetchRequest"
  ApiKey api;
  bool request;
  Route route;
  Versions valid;       // the versions of the definitions
  Versions flexible;    // KIP-482: compact lengths, tagged fields
  Versions offered;     // requests: the versions Shunt may offer to clients (roles.txt: max=)
  std::uint16_t field;  // first field in fields()
  std::uint16_t field_count;
};

// The generated table.
std::span<const Field> fields();
std::span<const Message> messages();

// The request or response of an API; null for a key the table does not know.
const Message* request(ApiKey api);
const Message* response(ApiKey api);

// "Fetch" for 1; "?" for a key the table does not know.
std::string_view api_name(ApiKey api);

inline std::span<const Field> fields_of(const Message& m) {
  return fields().subspan(m.field, m.field_count);
}
inline std::span<const Field> fields_of(const Field& f) {
  return fields().subspan(f.child, f.child_count);
}

}  // namespace shunt::wire
