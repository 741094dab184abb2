// Metadata as clients see it once partitions have moved: at most a leadership change.
//
// Source: Metadata (3) and DescribeTopicPartitions (75, KIP-966), all versions. Topics, their ids
// and their partition counts stay old's (rules C9, C10).
#pragma once

#include "proxy/route/dispatch.h"
#include "proxy/splice/state.h"
#include "proxy/wire/value.h"

namespace shunt::splice {

// `answer`: old's, with node ids as shown (old's are unchanged). Spliced partitions get the leader
// and replicas of the cluster that is written to, and the shown leader epoch; without a leader
// there LEADER_NOT_AVAILABLE (5), as brokers say it. Partitions of a spliced topic past those it
// had at the start are left out. In-sync replicas on new: those replicas whose broker is known.
// What is not spliced stays as it is; if all is, `answer` itself.
wire::Value show_topics(const State& state, const route::View& view, wire::ApiKey api,
                        wire::Version version, const wire::Value& answer);

}  // namespace shunt::splice
