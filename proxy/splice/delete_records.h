// DeleteRecords over a virtual log: each cluster deletes its own part.
//
// Source: DeleteRecords (21, KIP-107), v0+. Partitions that are not spliced pass unchanged. A
// partition without a leader, or whose leader did not answer, has NOT_LEADER_OR_FOLLOWER (6); a
// broker's error passes.
#pragma once

#include <memory>

#include "proxy/route/dispatch.h"
#include "proxy/splice/state.h"
#include "proxy/splice/task.h"

namespace shunt::splice {

// Records below the virtual offset go, on each cluster up to its part of the position's pair and
// never past its segments' end; -1: all up to the high watermark. The cluster that holds the offset
// is asked first: when it refuses (OFFSET_OUT_OF_RANGE), nothing is deleted on the other. The low
// watermark of the answer is the first retained offset, virtual.
std::unique_ptr<Task> delete_records(State& state, const route::View& view, wire::Version version,
                                     const wire::Value& request);

}  // namespace shunt::splice
