// The ends of a partition as clients are shown them: learnt from brokers' answers.
//
// Until the first cut they are old's own, whatever they do. From then on they belong to the view,
// not to the segment that is read, and never fall (rules B6): a client at a seam would take it for
// the end.
#pragma once

#include "proxy/splice/state.h"

namespace shunt::splice {

// Native: nothing of segment `i` at or past it is shown (rules A2). open_end: there is no limit.
std::int64_t end_of(const PartitionLog& p, std::size_t i);

// Takes what the leader of segment `i` says of its log, native and not negative. Returns what to
// show for it: of a closed segment the view's.
std::int64_t learn_high_watermark(PartitionLog& p, std::size_t i, std::int64_t native);
std::int64_t learn_last_stable(PartitionLog& p, std::size_t i, std::int64_t native);
// The log start offset of cluster `c`'s log.
std::int64_t learn_log_start(PartitionLog& p, Cluster c, std::int64_t native);

// What is known without an answer.
std::int64_t shown_high_watermark(const PartitionLog& p);
std::int64_t shown_last_stable(const PartitionLog& p);

}  // namespace shunt::splice
