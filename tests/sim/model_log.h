// One partition in one cluster as its leader has it: batches, leader epochs, producers' state.
//
// Sequence checks as Kafka's (ProducerStateManager, ProducerAppendInfo): an id without state may
// begin anywhere; a gap is 45, an older epoch 47; one of the last five batches again is answered
// with its offset.
#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "tests/sim/batches.h"

namespace shunt::sim {

class ModelLog {
 public:
  // Begins at `start`, as if all before had been deleted.
  explicit ModelLog(std::int64_t start = 0) : start_(start), end_(start), high_watermark_(start) {}

  struct Appended {
    std::int16_t error = 0;
    std::int64_t base = -1;
    bool repeat = false;  // it stood there before
  };
  Appended append(wire::Bytes batch);
  // Whole batches from the one that holds `from` on, below `end`; what is over `bytes_max` is cut
  // off, but for the first one when `at_least_one`.
  Buffer read(std::int64_t from, std::int64_t end, std::size_t bytes_max, bool at_least_one) const;

  std::int64_t start() const { return start_; }
  std::int64_t end() const { return end_; }
  std::int64_t high_watermark() const { return high_watermark_; }
  // What readers of an isolation level get to: not an open transaction's records, with 1.
  std::int64_t readable(std::int64_t isolation) const {
    return isolation == 0 || !open_ ? high_watermark_ : std::min(high_watermark_, *open_);
  }
  std::optional<std::int64_t> open_transaction() const { return open_; }  // its first record
  void replicate() { high_watermark_ = end_; }

  // A new leader. `keep`: it has all that the former one had; else what is at and past `to` is
  // gone, whole batches only.
  void elect(bool keep, std::int64_t to);
  std::int32_t epoch() const { return epoch_; }
  // OffsetForLeaderEpoch: (epoch, its end); (-1, -1): not known.
  std::pair<std::int32_t, std::int64_t> epoch_end(std::int32_t epoch) const;

  struct Producer {
    std::int16_t epoch = -1;
    struct Batch {
      std::int32_t first, last;
      std::int64_t base;
    };
    std::deque<Batch> last;
  };
  const std::map<std::int64_t, Producer>& producers() const { return producers_; }
  struct Batch {
    std::int64_t base = 0;
    std::int32_t records = 0;
    Buffer bytes;
  };
  const std::vector<Batch>& batches() const { return batches_; }

 private:
  std::int16_t check(Producer& p, bool known, const wire::BatchHeader& h, std::int64_t& repeat);
  void note(const wire::BatchHeader& h);
  void note_transaction(const wire::BatchHeader& h);

  std::int64_t start_, end_, high_watermark_;
  std::vector<Batch> batches_;
  std::int32_t epoch_ = 0;
  std::vector<std::pair<std::int32_t, std::int64_t>> epochs_;  // epoch, where it began
  std::map<std::int64_t, Producer> producers_;
  std::optional<std::int64_t> open_;  // one at a time
};

}  // namespace shunt::sim
