// Reading a cluster's log beside a seam, batch by batch: which offset to fetch next, what was
// there.
//
// Headers alone: nothing is decompressed. Native offsets throughout.
#pragma once

#include <cstdint>
#include <optional>
#include <set>

#include "proxy/wire/batch.h"

namespace shunt::splice {

// A batch of records as a cluster stores it.
struct EdgeBatch {
  std::int64_t first = -1, last = -1;  // the offsets it covers; what compaction left may be fewer
  std::uint32_t crc32c = 0;            // CRC-32C of all its bytes, header included
  bool intact = true;                  // its own checksum (v2) fits its content
  bool operator==(const EdgeBatch&) const = default;
};

// Looks in [from, end) for the first batch of records, for the last one, or goes through all.
// Control batches are no records. The last one is looked for from the end backwards, in growing
// steps: the offset just below the end may hold no record (compaction, transaction markers).
class EdgeReading {
 public:
  enum class Kind : std::uint8_t { first, last, all };
  EdgeReading(Kind kind, std::int64_t from, std::int64_t end);

  // The offset to fetch at, of this partition alone; nullopt: it is over.
  std::optional<std::int64_t> wanted() const;
  // One batch will do: brokers give a whole one, however few bytes are asked for (KIP-74).
  bool one_batch() const { return kind_ != Kind::all && rounds_ == 0; }
  // The answer at wanted(). Without a batch there is none behind (KIP-74). `log_start`: as
  // answered, -1 when not told; what lies below is gone.
  void take(wire::Bytes records, std::int64_t log_start);
  void fail() { over_ = true; }  // it could not be read

  const std::optional<EdgeBatch>& found() const { return found_; }  // Kind::all: the last one
  // It came to its end: all was there to be read.
  bool complete() const { return complete_; }
  // Kind::all: how many offsets control batches take; the producers.
  std::int64_t control() const { return control_; }
  const std::set<std::int64_t>& producers() const { return producers_; }

 private:
  // Past that it ends with what it has: 64 MiB of a log that somebody fills past us.
  static constexpr int rounds_max = 256;
  bool take_batch(wire::Bytes records, const wire::BatchHeader& header);
  void end_reached();

  Kind kind_;
  std::int64_t from_, end_;
  std::int64_t at_;
  std::int64_t step_ = 1;  // how far before the end it begins; last alone
  int rounds_ = 0;
  bool over_ = false, complete_ = false;
  std::optional<EdgeBatch> found_;
  std::int64_t control_ = 0;
  std::set<std::int64_t> producers_;
};

}  // namespace shunt::splice
