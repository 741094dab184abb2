// Record batches (magic 2) and message sets (magic 0 and 1), walked and renumbered as they stream.
//
// Source: KIP-98 (v2), KIP-31/32 (v0, v1); DefaultRecordBatch.java, AbstractLegacyRecordBatch.java.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "proxy/wire/crc32c.h"
#include "proxy/wire/walker.h"

namespace shunt::wire {

constexpr std::size_t batch_header_bytes = 61;    // of a v2 batch, up to its records
constexpr std::size_t message_header_bytes = 18;  // of a v0 or v1 message, up to its attributes
constexpr std::size_t batch_prefix_bytes = 17;  // base offset, length, epoch/crc, magic: any magic
constexpr std::size_t batch_log_overhead = 12;  // base offset and length: not in the length

// The header of one batch (v2), or of one wrapper/plain message (v0, v1: only the first five).
struct BatchHeader {
  std::int64_t base_offset = 0;  // v0, v1 compressed: the offset of the *last* inner message
  std::int32_t length = 0;       // of the batch after base_offset and length (12 bytes)
  std::int8_t magic = 0;
  std::int16_t attributes = 0;  // bits 0-2 codec, 3 timestamp type, 4 transactional, 5 control
  std::uint32_t crc = 0;        // v2: CRC-32C from the attributes on; v0, v1: CRC-32 from the magic
  std::int32_t leader_epoch = -1;  // v2 only from here on
  std::int32_t last_offset_delta = 0;
  std::int64_t base_timestamp = -1, max_timestamp = -1;
  std::int64_t producer_id = -1;
  std::int16_t producer_epoch = -1;
  std::int32_t base_sequence = -1;
  std::int32_t record_count = 0;
  bool compressed() const { return (attributes & 7) != 0; }
  bool transactional() const { return magic >= 2 && (attributes & 0x10) != 0; }
  bool control() const { return magic >= 2 && (attributes & 0x20) != 0; }
  // The bytes of the whole batch, and of its header: what rewrite() needs.
  std::uint64_t size() const { return batch_log_overhead + static_cast<std::uint32_t>(length); }
  std::size_t header_size() const { return magic >= 2 ? batch_header_bytes : message_header_bytes; }
  // Wraps around where a peer claims offsets near the end of the numbers.
  std::int64_t last_offset() const {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(base_offset) +
                                     static_cast<std::uint64_t>(last_offset_delta));
  }
};

// What to change in a batch. Offsets: `offset_shift` is added to the base offset (virtual minus
// native, or the reverse).
struct BatchEdit {
  std::int64_t offset_shift = 0;
  bool set_leader_epoch = false;  // v2: v0 and v1 have none
  std::int32_t leader_epoch = 0;
  bool set_producer = false;  // only where the batch has a producer id (>= 0)
  std::int64_t producer_id = -1;
  std::int16_t producer_epoch = -1;
};

// Reads the header at the start of `bytes`. bad: the magic is unknown, or the length less than what
// such a batch has. Nothing is said about the checksum, or about what the length announces.
enum class BatchParse : std::uint8_t { ok, need_more, bad };
BatchParse parse(Bytes bytes, BatchHeader& header);

// Rewrites the header at the start of `batch` (at least header_size() bytes) in place. The CRC-32C
// of a v2 batch follows from the old one, the batch's length and the changed bytes; the payload is
// not read. v1: only the offset, which no checksum covers; inside a compressed message offsets are
// relative to it. v0: as v1 when not compressed.
// Returns false, and nothing is changed, when no header is there or the edit cannot be made without
// reading the payload: a compressed v0 set, whose inner offsets are absolute, that would have to be
// renumbered (rules C13).
bool rewrite(const BatchEdit& edit, std::span<std::byte> batch);

// Finds batch after batch in a record set that arrives in pieces; never needs more than one header
// at a time. A partial batch at the end of a set (brokers send them) is data, not an error: it is
// stepped over.
class BatchCursor {
 public:
  explicit BatchCursor(std::uint64_t set_bytes) : left_(set_bytes) {}
  // Looks at `rest` = the bytes of the set from position() on (it may hold bytes behind the set).
  // `advance` = how many of them were stepped over; position() moved by as many. Returns:
  //  batch: a whole header stands at rest[advance]; the next call steps over its batch, so it wants
  //         `rest` from there, the header included (renumbered or not);
  //  need_more: more bytes are wanted; those from rest[advance] on again (a cut header: less than
  //         batch_header_bytes) and behind;
  //  done: the set has ended;  bad: not a record set; final.
  enum class Step : std::uint8_t { batch, need_more, done, bad };
  Step next(Bytes rest, BatchHeader& header, std::size_t& advance);
  std::uint64_t position() const { return position_; }

 private:
  bool step_over(Bytes& rest, std::size_t& advance);  // false: `rest` ended before
  std::uint64_t left_;                                // of the set, from position_ on
  std::uint64_t position_ = 0;
  std::uint64_t skip_ = 0;  // of the batch found last, or of the partial one
  bool bad_ = false;
};

}  // namespace shunt::wire
