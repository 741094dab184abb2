// A Fetch that no single streamed answer can serve: its partitions live in several clusters or
// nodes, in a closed segment, or before a candidate end.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "proxy/route/dispatch.h"
#include "proxy/splice/state.h"
#include "proxy/splice/task.h"

namespace shunt::splice {

// A reader goes on behind what stood between two virtual offsets: retention, or an unclean
// election, took it (rules C3), or it is out of reach and the operator has said so (rules B1).
struct Jump {
  std::string topic;
  std::int32_t partition = -1;
  VirtualOffset from, to;
  bool unreachable = false;
};

// Whether the one who asks waits at a topic's seam (State::waits); asked anew in every round.
// Empty: never.
using WaitsAtSeam = std::function<bool(const TopicLog& topic, std::int32_t partition)>;

class FetchTask : public Task {
 public:
  // Of the records in answer(), once that was called: each is an event.
  virtual const std::vector<Jump>& jumps() const = 0;
  // A broker of `c` is not the leader it was taken for, or none is known: look at `c` again.
  virtual bool stale(Cluster c) const = 0;
};

// `request`: a full Fetch (no incremental one of a session: it does not say all it wants).
// `origin`: only `addressed` is looked at, for followers (KIP-392). The view's topologies are
// looked at anew in every round, as are the logs of `state`.
//
//  - A round has at most two Fetches for a node: what a closed segment holds is asked apart, so
//  that
//    an empty answer for it means that nothing is there. And ListOffsets (Ask::api): of the log's
//    start, where a broker said OFFSET_OUT_OF_RANGE; of its end, where a closed segment's log ends
//    before the segment.
//  - The first round does not wait. While nobody has data or an error for the client, rounds of at
//    most 100 ms follow until its MaxWaitMs is over. What moves on inside the log (over a seam,
//    over a hole) is asked again at once, at most 8 times.
//  - The answer has an entry for every partition, in the request's order, and at most MaxBytes of
//    records; the first set with records always stands (KIP-74).
std::unique_ptr<FetchTask> fetch(State& state, const route::View& view, const route::Origin& origin,
                                 const wire::Value& request, WaitsAtSeam waits = {});

}  // namespace shunt::splice
