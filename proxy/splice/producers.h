// Whether a batch may be written to a partition's tail now, and under which producer id.
//
// The tail's cluster knows nothing of what a producer wrote before the seam: until it has accepted
// a first batch, we do its duplicate and order check from the seam's last batches (rules A4, B8).
#pragma once

#include "proxy/splice/state.h"

namespace shunt::splice {

struct Judged {
  enum class Verdict : std::uint8_t {
    pass,    // write it with producer id `id`
    hold,    // not now: the topic is held, or the id's first batch is not answered yet
    draw,    // the cluster's id for it must be drawn first
    repeat,  // it stands in the log before the seam: answer with `offset`
    refuse,  // answer with `error`, as a broker that knew would
  };
  Verdict verdict = Verdict::pass;
  std::int64_t id = -1;
  std::int64_t offset = -1;  // virtual; -1: not known (answer DUPLICATE_SEQUENCE_NUMBER, 46)
  std::int16_t error = 0;
  bool first = false;  // pass: its answer decides about the ones behind it: first_sent()
};

// Decides for one batch. `batch.producer_id` is as the client sent it.
Judged judge(const State& state, const TopicLog& topic, const PartitionLog& partition,
             const BatchId& batch);

// `later` counted from `earlier`, sequences being modulo 2^31: negative when it is before it.
std::int32_t sequence_distance(std::int32_t earlier, std::int32_t later);

// Takes a batch into the tails of the segment it stands in, `batches_kept` per producer.
constexpr std::size_t batches_kept = 5;  // as brokers keep (ProducerStateEntry)
void note_batch(ProducerTails& tails, std::int64_t producer_id, std::int16_t epoch,
                const ProducerTail::Batch& batch);

}  // namespace shunt::splice
