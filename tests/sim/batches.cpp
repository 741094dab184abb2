#include "tests/sim/batches.h"

#include "proxy/wire/bytes.h"
#include "proxy/wire/crc32c.h"

namespace shunt::sim {

namespace {
constexpr std::size_t record_bytes = 8, crc_at = 17, checked_from = 21;
}

std::string text(const RecordName& r) {
  return "w" + std::to_string(r.writer) + "/" + std::to_string(r.partition) + "#" +
         std::to_string(r.index);
}

Buffer make_batch(std::int64_t producer_id, std::int16_t epoch, std::int32_t sequence,
                  std::span<const RecordName> records, std::int16_t attributes) {
  Buffer b(wire::batch_header_bytes + record_bytes * records.size());
  auto* at = b.data();
  wire::store(at + 8, static_cast<std::int32_t>(b.size() - wire::batch_log_overhead));
  wire::store(at + 12, std::int32_t{-1});
  wire::store(at + 16, std::int8_t{2});
  wire::store(at + 21, attributes);
  wire::store(at + 23, static_cast<std::int32_t>(records.size()) - 1);
  wire::store(at + 43, producer_id);
  wire::store(at + 51, epoch);
  wire::store(at + 53, sequence);
  wire::store(at + 57, static_cast<std::int32_t>(records.size()));
  at += wire::batch_header_bytes;
  for (const auto& r : records) {
    wire::store(at, r.writer);
    wire::store(at + 2, r.partition);
    wire::store(at + 4, r.index);
    at += record_bytes;
  }
  wire::store(b.data() + crc_at, wire::crc32c(0, wire::Bytes(b).subspan(checked_from)));
  return b;
}

void stamp(Buffer& batch, std::int64_t base_offset, std::int32_t leader_epoch) {
  wire::store(batch.data(), base_offset);
  wire::store(batch.data() + 12, leader_epoch);
}

std::vector<ReadBatch> read_batches(wire::Bytes set) {
  std::vector<ReadBatch> out;
  wire::BatchHeader h;
  while (wire::parse(set, h) == wire::BatchParse::ok && h.size() <= set.size()) {
    const auto batch = set.first(static_cast<std::size_t>(h.size()));
    set = set.subspan(batch.size());
    ReadBatch& b = out.emplace_back();
    b.header = h;
    b.intact = wire::load<std::uint32_t>(batch.data() + crc_at) ==
               wire::crc32c(0, batch.subspan(checked_from));
    for (auto at = wire::batch_header_bytes; at + record_bytes <= batch.size();
         at += record_bytes) {
      b.records.push_back({wire::load<std::uint16_t>(batch.data() + at),
                           wire::load<std::uint16_t>(batch.data() + at + 2),
                           wire::load<std::uint32_t>(batch.data() + at + 4)});
    }
  }
  return out;
}

}  // namespace shunt::sim
