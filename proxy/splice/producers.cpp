#include "proxy/splice/producers.h"

#include <algorithm>

namespace shunt::splice {
namespace {

using Verdict = Judged::Verdict;

constexpr std::int16_t out_of_order_sequence = 45, invalid_producer_epoch = 47;

Judged refuse(std::int16_t error) {
  Judged j;
  j.verdict = Verdict::refuse;
  j.error = error;
  return j;
}

Judged only(Verdict v) {
  Judged j;
  j.verdict = v;
  return j;
}

// The batch is one of those before the seam, or comes before one of them.
std::optional<Judged> repeated(const ProducerTail& tail, const BatchId& batch) {
  if (batch.epoch != tail.epoch) return std::nullopt;
  for (const auto& b : tail.last) {
    if (b.first_sequence != batch.first_sequence || b.last_sequence != batch.last_sequence()) {
      continue;
    }
    Judged j = only(Verdict::repeat);
    j.offset = b.offset;
    return j;
  }
  return std::nullopt;
}

// What a broker that has the state from before the seam would say of a first batch (KIP-98,
// ProducerAppendInfo.checkSequence); 0: it goes on where that ended.
std::int16_t sequence_error(const ProducerTail& tail, const BatchId& batch) {
  if (batch.epoch < tail.epoch) return invalid_producer_epoch;
  if (batch.epoch > tail.epoch) return batch.first_sequence == 0 ? 0 : out_of_order_sequence;
  if (tail.last.empty()) return 0;
  const auto distance = sequence_distance(tail.last.back().last_sequence, batch.first_sequence);
  return distance == 1 ? 0 : out_of_order_sequence;
}

// A batch before it was unclear at the seam and has not come again: a broker that knew of that one
// would not take this one first.
bool overtakes(const PartitionLog& p, const BatchId& batch) {
  return std::ranges::any_of(p.seam_unclear, [&](const BatchId& u) {
    return u.producer_id == batch.producer_id && u.epoch == batch.epoch &&
           sequence_distance(u.first_sequence, batch.first_sequence) > 0 &&
           std::ranges::find(p.rewritten, u) == p.rewritten.end();
  });
}

}  // namespace

std::int32_t sequence_distance(std::int32_t earlier, std::int32_t later) {
  const auto d = static_cast<std::int32_t>((std::int64_t{later} - earlier) & 0x7fffffff);
  return d > 0x3fffffff ? static_cast<std::int32_t>(std::int64_t{d} - 0x80000000LL) : d;
}

Judged judge(const State& state, const TopicLog& topic, const PartitionLog& partition,
             const BatchId& batch) {
  const auto& tail = partition.log.tail();
  Judged pass;
  pass.id = batch.producer_id;
  if (topic.held) {
    // A resend of an unclear batch is what makes it clear (rules A1).
    const bool clears =
        batch.producer_id >= 0 && !partition.candidate_end &&
        std::ranges::any_of(partition.unclear, [&](const Unclear& u) { return u.batch == batch; });
    if (!clears) return only(Verdict::hold);
  }
  if (tail.cut == 0 || batch.producer_id < 0) return pass;

  const auto first = partition.firsts.find(batch.producer_id);
  const auto before = partition.producers.find(batch.producer_id);
  if (before != partition.producers.end()) {
    if (const auto j = repeated(before->second, batch)) return *j;
  }
  const auto id = state.producer(batch.producer_id, tail.cut);
  if (!id) return only(Verdict::draw);
  pass.id = *id;
  if (first != partition.firsts.end()) {
    return first->second == PartitionLog::First::answered ? pass : only(Verdict::hold);
  }
  if (before != partition.producers.end()) {
    if (const auto error = sequence_error(before->second, batch); error != 0) return refuse(error);
  } else if (overtakes(partition, batch)) {
    return refuse(out_of_order_sequence);
  }
  pass.first = true;
  return pass;
}

void note_batch(ProducerTails& tails, std::int64_t producer_id, std::int16_t epoch,
                const ProducerTail::Batch& batch) {
  ProducerTail& t = tails[producer_id];
  if (t.epoch != epoch) t.last.clear();
  t.epoch = epoch;
  if (t.last.size() == batches_kept) t.last.erase(t.last.begin());
  t.last.push_back(batch);
}

}  // namespace shunt::splice
