#include "proxy/wire/batch.h"

#include <algorithm>
#include <array>

#include "proxy/wire/bytes.h"

namespace shunt::wire {
namespace {

// Where the fields of a v2 header stand, and those of v0 and v1 (KIP-98, KIP-32).
enum At : std::size_t {
  base_offset = 0,
  length = 8,
  leader_epoch = 12,
  magic = 16,
  crc = 17,
  attributes = 21,
  last_offset_delta = 23,
  base_timestamp = 27,
  max_timestamp = 35,
  producer_id = 43,
  producer_epoch = 51,
  base_sequence = 53,
  record_count = 57,
  message_crc = 12,
  message_attributes = 17,
};
constexpr std::size_t producer_bytes = base_sequence - producer_id;

// The least length such a batch announces: its header, or a message without key and value.
constexpr std::int32_t length_min(std::int8_t m) {
  constexpr std::int32_t header = batch_header_bytes - batch_log_overhead;
  return m >= 2 ? header : m == 1 ? 22 : 14;
}

std::int64_t sum(std::int64_t a, std::int64_t b) {  // of a peer's numbers: may wrap around
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}

void set_producer(const BatchEdit& edit, const BatchHeader& h, std::span<std::byte> batch) {
  std::array<std::byte, producer_bytes> delta;
  const auto field = batch.subspan(producer_id, producer_bytes);
  std::copy(field.begin(), field.end(), delta.begin());
  store(field.data(), edit.producer_id);
  store(field.data() + (producer_epoch - producer_id), edit.producer_epoch);
  for (std::size_t i = 0; i < delta.size(); ++i) delta[i] ^= field[i];
  store(batch.data() + crc, crc32c_changed(h.crc, delta, h.size() - base_sequence));
}

}  // namespace

BatchParse parse(Bytes bytes, BatchHeader& h) {
  if (bytes.size() < batch_prefix_bytes) return BatchParse::need_more;
  const std::byte* b = bytes.data();
  h = {};
  h.base_offset = load<std::int64_t>(b + base_offset);
  h.length = load<std::int32_t>(b + length);
  h.magic = load<std::int8_t>(b + magic);
  if (h.magic < 0 || h.magic > 2 || h.length < length_min(h.magic)) return BatchParse::bad;
  if (bytes.size() < h.header_size()) return BatchParse::need_more;
  if (h.magic < 2) {
    h.crc = load<std::uint32_t>(b + message_crc);
    h.attributes = load<std::int8_t>(b + message_attributes);
    return BatchParse::ok;
  }
  h.crc = load<std::uint32_t>(b + crc);
  h.attributes = load<std::int16_t>(b + attributes);
  h.leader_epoch = load<std::int32_t>(b + leader_epoch);
  h.last_offset_delta = load<std::int32_t>(b + last_offset_delta);
  h.base_timestamp = load<std::int64_t>(b + base_timestamp);
  h.max_timestamp = load<std::int64_t>(b + max_timestamp);
  h.producer_id = load<std::int64_t>(b + producer_id);
  h.producer_epoch = load<std::int16_t>(b + producer_epoch);
  h.base_sequence = load<std::int32_t>(b + base_sequence);
  h.record_count = load<std::int32_t>(b + record_count);
  return BatchParse::ok;
}

bool rewrite(const BatchEdit& edit, std::span<std::byte> batch) {
  BatchHeader h;
  if (parse(batch, h) != BatchParse::ok) return false;
  if (h.magic == 0 && h.compressed() && edit.offset_shift != 0) return false;
  store(batch.data() + base_offset, sum(h.base_offset, edit.offset_shift));
  if (h.magic < 2) return true;
  if (edit.set_leader_epoch) store(batch.data() + leader_epoch, edit.leader_epoch);
  if (edit.set_producer && h.producer_id >= 0) set_producer(edit, h, batch);
  return true;
}

bool BatchCursor::step_over(Bytes& rest, std::size_t& advance) {
  const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(skip_, rest.size()));
  rest = rest.subspan(n);
  advance += n;
  position_ += n;
  left_ -= n;
  skip_ -= n;
  return skip_ == 0;
}

BatchCursor::Step BatchCursor::next(Bytes rest, BatchHeader& header, std::size_t& advance) {
  advance = 0;
  if (bad_) return Step::bad;
  if (!step_over(rest, advance)) return Step::need_more;
  if (left_ == 0) return Step::done;
  const auto here =
      rest.first(static_cast<std::size_t>(std::min<std::uint64_t>(rest.size(), left_)));
  const auto found = parse(here, header);
  if (found == BatchParse::bad) {
    bad_ = true;
    return Step::bad;
  }
  const bool whole_set_here = here.size() == left_;
  if (found == BatchParse::need_more && !whole_set_here) return Step::need_more;
  if (found == BatchParse::ok && header.size() <= left_) {
    skip_ = header.size();
    return Step::batch;
  }
  skip_ = left_;  // a partial batch
  return step_over(rest, advance) ? Step::done : Step::need_more;
}

}  // namespace shunt::wire
