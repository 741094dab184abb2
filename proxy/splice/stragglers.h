// What a cluster that was left holds past its part of a log: records to be swept in (rules A9), and
// repeats of what its clients have sent again to the tail's cluster since (rules A1, B1).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "proxy/splice/state.h"
#include "proxy/wire/batch.h"

namespace shunt::splice {

// One batch there, as its broker tells of it.
struct Straggler {
  std::int64_t first = 0, next = 0;  // native: its first record, and what comes behind its last
  std::int64_t records = 0;          // of data; 0: a marker of a transaction
  BatchId batch;                     // the producer id is the one its cluster knows
};
Straggler straggler(const wire::BatchHeader& b);

// Neighbours that one sweep takes, or passes over.
struct StragglerRun {
  std::int64_t native_start = 0, native_end = 0;
  std::int64_t records = 0;
  bool repeat = false;
  // Of batches that were unclear at the seam and have not been sent again yet: their resends are to
  // be answered, not written. Offsets are native still.
  ProducerTails producers{};
};
// In order and without gaps, from `begin` on.
std::vector<StragglerRun> straggler_runs(const State& state, const PartitionLog& p, Cluster from,
                                         std::int64_t begin, std::span<const Straggler> all);

// The batch was unclear at the seam, and is not known to have been written again: where the tail's
// cluster accepts it, that is to be Rewritten.
bool rewrites(const PartitionLog& p, const BatchId& batch);

// One of them is being sent again just now: whether it is a repeat is not known yet.
bool undecided(const State& state, const PartitionLog& p, Cluster from,
               std::span<const Straggler> all);

}  // namespace shunt::splice
