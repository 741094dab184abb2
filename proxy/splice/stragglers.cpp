#include "proxy/splice/stragglers.h"

#include <algorithm>

#include "proxy/splice/producers.h"

namespace shunt::splice {
namespace {

bool among(const std::vector<BatchId>& all, const BatchId& b) {
  return std::ranges::find(all, b) != all.end();
}

// The cut that began the segment which `from` was left with; what was swept in since is of the
// tail's cut.
std::uint32_t cut_of(const VirtualLog& log, Cluster from) {
  const auto& all = log.segments();
  const auto left = std::find_if(all.rbegin(), all.rend(), [&](const Segment& s) {
    return s.cluster == from && s.cut < log.tail().cut;
  });
  return left == all.rend() ? 0 : left->cut;
}

// As its client knows it; id -1: it is of nobody who goes through here.
BatchId of_client(const State& state, std::uint32_t cut, BatchId batch) {
  if (batch.producer_id >= 0)
    batch.producer_id = state.producer_of(batch.producer_id, cut).value_or(-1);
  return batch;
}

}  // namespace

Straggler straggler(const wire::BatchHeader& b) {
  Straggler s;
  s.first = b.base_offset;
  s.next = (b.magic < 2 ? b.base_offset : b.last_offset()) + 1;
  if (b.control()) return s;
  s.records = b.magic < 2 ? 1 : b.record_count;
  if (b.magic >= 2 && b.producer_id >= 0)
    s.batch = {b.producer_id, b.producer_epoch, b.base_sequence, b.last_offset_delta + 1};
  return s;
}

std::vector<StragglerRun> straggler_runs(const State& state, const PartitionLog& p, Cluster from,
                                         std::int64_t begin, std::span<const Straggler> all) {
  const auto cut = cut_of(p.log, from);
  std::vector<StragglerRun> out;
  for (const auto& s : all) {
    const auto batch = of_client(state, cut, s.batch);
    const bool repeat = batch.producer_id >= 0 && among(p.rewritten, batch);
    if (out.empty() || (s.records > 0 && out.back().repeat != repeat)) {
      out.push_back({.native_start = out.empty() ? begin : out.back().native_end});
      out.back().repeat = repeat;
    }
    StragglerRun& run = out.back();
    run.native_end = s.next;
    run.records += s.records;
    if (rewrites(p, batch)) {
      note_batch(run.producers, batch.producer_id, batch.epoch,
                 {batch.first_sequence, batch.last_sequence(), s.first});
    }
  }
  return out;
}

bool rewrites(const PartitionLog& p, const BatchId& batch) {
  return batch.producer_id >= 0 && among(p.seam_unclear, batch) && !among(p.rewritten, batch);
}

bool undecided(const State& state, const PartitionLog& p, Cluster from,
               std::span<const Straggler> all) {
  const auto cut = cut_of(p.log, from);
  return std::ranges::any_of(all, [&](const Straggler& s) {
    const auto batch = of_client(state, cut, s.batch);
    if (!rewrites(p, batch)) return false;
    return p.rewriting > 0 ||
           std::ranges::any_of(p.unclear, [&](const Unclear& u) { return u.batch == batch; });
  });
}

}  // namespace shunt::splice
