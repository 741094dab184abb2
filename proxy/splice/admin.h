// Admin requests that name topics of a migration: refused, or done on both clusters.
//
// Source: CreateTopics (19), DeleteTopics (20), AlterConfigs (33), CreatePartitions (37),
// IncrementalAlterConfigs (44), AlterPartitionReassignments (45), all versions; rules C10.
// A request may name other topics as well: these go on to their broker, and the answers are merged.
#pragma once

#include <map>
#include <string>

#include "proxy/splice/state.h"
#include "proxy/wire/value.h"

namespace shunt::splice {

// A client's request, taken apart. Null: nothing to send there.
struct AdminRequest {
  wire::ApiKey api = -1;
  wire::Value
      forward;       // goes where the whole would have gone; the request itself if all of it does
  wire::Value both;  // goes to any broker of each cluster, in the same words
  wire::Array refused;                       // entries of the answer that no broker gives
  std::map<std::string, Cluster> answering;  // of the topics in `both`: whose answer counts
};

// Topics of a migration: DeleteTopics, CreatePartitions and AlterPartitionReassignments are refused
// with POLICY_VIOLATION (44) and a sentence; configs are altered on both clusters, the tail's
// answer counts. CreateTopics with replicas on new's nodes: INVALID_REPLICA_ASSIGNMENT (39),
// whatever the topic. Requests of other APIs go on whole.
AdminRequest admin_request(const State& state, wire::ApiKey api, const wire::Value& request);

// The client's answer, from those to `forward` (null: there was none to send; if nobody answered,
// the client's connection ends as without us) and to `both` (null as well when nobody answered). A
// resource whose cluster did not answer has REQUEST_TIMED_OUT (7): it may have been altered.
wire::Value admin_answer(const AdminRequest& request, const wire::Value& forwarded,
                         const wire::Value& of_old, const wire::Value& of_new);

}  // namespace shunt::splice
