// ListOffsets and OffsetForLeaderEpoch over a virtual log: both clusters are asked, one answers.
//
// Sources: ListOffsets (2, v1+: KIP-79, v2: isolation, v4: epochs, v7: -3 KIP-734, v8: -4 KIP-405,
// v9: -5 KIP-1005, v11: -6 KIP-1023), OffsetForLeaderEpoch (23, v2+: KIP-320). Offsets and epochs
// of the answers are virtual; upstream current leader epochs are -1. Partitions that are not
// spliced pass unchanged, but clipped while a cut has read their end (rules A2). A partition
// without a leader, or whose leader did not answer, has NOT_LEADER_OR_FOLLOWER (6): clients ask
// again. A broker's error passes.
#pragma once

#include <memory>

#include "proxy/route/dispatch.h"
#include "proxy/splice/state.h"
#include "proxy/splice/task.h"

namespace shunt::splice {

// Timestamp of the request:
//   -1 latest     the tail's high watermark, or last stable offset with isolation_level 1; never
//                 below what was shown of it before, never past a cut's candidate end. Told to the
//                 partition's log.
//   -2 earliest   the first retained record of the first segment that has any left
//   -3 max time   the greater of both clusters'; records that no segment shows do not count
//   >= 0 by time  the lower virtual offset of both; one before a segment is clamped to its start
//                 (rules C5), one that no segment shows does not exist
//   -4, -5, -6    tiered storage: while one cluster alone is shown, else UNSUPPORTED_VERSION (35),
//                 as is any other negative one
std::unique_ptr<Task> list_offsets(State& state, const route::View& view, wire::Version version,
                                   const wire::Value& request);

// An epoch of a closed segment ends with it; one of the tail is asked of its leader. One that
// nobody knows is answered with the tail's end and epoch: -1 would make clients reset (rules C6).
std::unique_ptr<Task> leader_epochs(State& state, const route::View& view, wire::Version version,
                                    const wire::Value& request);

}  // namespace shunt::splice
