#include "tests/sim/model_log.h"

#include <algorithm>

namespace shunt::sim {

namespace {
constexpr std::size_t batches_known = 5;
constexpr std::int16_t corrupt_message = 2, out_of_order = 45, invalid_epoch = 47;
std::int32_t after(std::int32_t sequence) { return sequence == 0x7fffffff ? 0 : sequence + 1; }
std::int32_t last_of(const wire::BatchHeader& h) {
  return static_cast<std::int32_t>((std::int64_t{h.base_sequence} + h.last_offset_delta) &
                                   0x7fffffff);
}
}  // namespace

std::int16_t ModelLog::check(Producer& p, bool known, const wire::BatchHeader& h,
                             std::int64_t& repeat) {
  if (!known) return 0;
  if (h.producer_epoch < p.epoch) return invalid_epoch;
  if (h.producer_epoch > p.epoch) return h.base_sequence == 0 ? 0 : out_of_order;
  for (const auto& b : p.last) {
    if (b.first == h.base_sequence && b.last == last_of(h)) repeat = b.base;
  }
  if (repeat >= 0 || p.last.empty()) return 0;
  return h.base_sequence == after(p.last.back().last) ? 0 : out_of_order;
}

void ModelLog::note(const wire::BatchHeader& h) {
  if (h.producer_id < 0) return;
  Producer& p = producers_[h.producer_id];
  if (p.epoch != h.producer_epoch) p.last.clear();
  p.epoch = h.producer_epoch;
  if (p.last.size() == batches_known) p.last.pop_front();
  p.last.push_back({h.base_sequence, last_of(h), h.base_offset});
}

void ModelLog::note_transaction(const wire::BatchHeader& h) {
  if (h.control()) {
    open_.reset();
  } else if (h.transactional() && !open_) {
    open_ = h.base_offset;
  }
}

ModelLog::Appended ModelLog::append(wire::Bytes bytes) {
  const auto read = read_batches(bytes);
  if (read.size() != 1 || !read[0].intact) return {corrupt_message, -1, false};
  wire::BatchHeader h = read[0].header;
  const bool ends = h.control();  // the coordinator's, not the producer's
  if (h.producer_id >= 0 && !ends) {
    const auto it = producers_.find(h.producer_id);
    std::int64_t repeat = -1;
    Producer none;
    const bool known = it != producers_.end();
    if (const auto error = check(known ? it->second : none, known, h, repeat)) {
      return {error, -1, false};
    }
    if (repeat >= 0) return {0, repeat, true};
  }
  Batch& b = batches_.emplace_back();
  b.base = end_;
  b.records = h.last_offset_delta + 1;
  b.bytes.assign(bytes.begin(), bytes.end());
  stamp(b.bytes, b.base, epoch_);
  if (epochs_.empty() || epochs_.back().first != epoch_) epochs_.emplace_back(epoch_, end_);
  end_ += b.records;
  h.base_offset = b.base;
  if (!ends) note(h);
  note_transaction(h);
  return {0, b.base, false};
}

Buffer ModelLog::read(std::int64_t from, std::int64_t end, std::size_t bytes_max,
                      bool at_least_one) const {
  Buffer out;
  auto b = std::upper_bound(batches_.begin(), batches_.end(), from,
                            [](std::int64_t v, const Batch& x) { return v < x.base + x.records; });
  for (; b != batches_.end() && b->base + b->records <= end; ++b) {
    const bool first = out.empty() && at_least_one;
    if (out.size() >= bytes_max && !first) break;
    const auto room = first ? b->bytes.size() : std::min(b->bytes.size(), bytes_max - out.size());
    out.insert(out.end(), b->bytes.begin(), b->bytes.begin() + static_cast<std::ptrdiff_t>(room));
    if (out.size() >= bytes_max) break;
  }
  return out;
}

void ModelLog::elect(bool keep, std::int64_t to) {
  if (!keep) {
    while (!batches_.empty() && batches_.back().base + batches_.back().records > to) {
      end_ = batches_.back().base;
      batches_.pop_back();
    }
    high_watermark_ = std::min(high_watermark_, end_);
    std::erase_if(epochs_, [&](const auto& e) { return e.second >= end_; });
    producers_.clear();
    open_.reset();
    for (const Batch& b : batches_) {
      wire::BatchHeader h;
      if (wire::parse(b.bytes, h) != wire::BatchParse::ok) continue;
      if (!h.control()) note(h);
      note_transaction(h);
    }
  }
  ++epoch_;
}

std::pair<std::int32_t, std::int64_t> ModelLog::epoch_end(std::int32_t epoch) const {
  if (epoch == epoch_) return {epoch_, end_};
  if (epoch > epoch_ || epochs_.empty()) return {-1, -1};
  const auto higher = std::ranges::find_if(epochs_, [&](const auto& e) { return e.first > epoch; });
  const auto end = higher == epochs_.end() ? end_ : higher->second;
  if (higher == epochs_.begin()) return {epoch, end};
  return {std::prev(higher)->first, end};
}

}  // namespace shunt::sim
