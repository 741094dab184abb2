// Record batches of the run: v2 headers as Kafka's (KIP-98), each record eight bytes that name it.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "proxy/wire/batch.h"

namespace shunt::sim {

using Buffer = std::vector<std::byte>;

// A record's name: who wrote it, where, the how manyeth of that partition.
struct RecordName {
  std::uint16_t writer = 0;
  std::uint16_t partition = 0;
  std::uint32_t index = 0;
  auto operator<=>(const RecordName&) const = default;
};
std::string text(const RecordName& r);

// Attributes of batches: of a transaction, and the marker that ends one (which has a name here
// too).
constexpr std::int16_t transactional = 0x10, marker = 0x30;
Buffer make_batch(std::int64_t producer_id, std::int16_t epoch, std::int32_t sequence,
                  std::span<const RecordName> records, std::int16_t attributes = 0);

// As a broker stores it.
void stamp(Buffer& batch, std::int64_t base_offset, std::int32_t leader_epoch);

struct ReadBatch {
  wire::BatchHeader header;
  std::vector<RecordName> records;
  bool intact = false;  // its checksum holds
};
// The whole batches of a set, in order.
std::vector<ReadBatch> read_batches(wire::Bytes set);

}  // namespace shunt::sim
