#include "proxy/splice/edge.h"

#include <algorithm>

namespace shunt::splice {
namespace {

constexpr std::size_t crc_from = 21;  // of a v2 batch: the attributes, behind the checksum
constexpr std::int64_t step_growth = 8;

bool intact(wire::Bytes batch, const wire::BatchHeader& h) {
  return h.magic < 2 || wire::crc32c(0, batch.subspan(crc_from)) == h.crc;
}

}  // namespace

EdgeReading::EdgeReading(Kind kind, std::int64_t from, std::int64_t end)
    : kind_(kind),
      from_(from),
      end_(end),
      at_(kind == Kind::last ? std::max(from, end - 1) : from) {
  over_ = complete_ = from_ >= end_;
}

std::optional<std::int64_t> EdgeReading::wanted() const {
  return over_ ? std::nullopt : std::optional(at_);
}

void EdgeReading::take(wire::Bytes records, std::int64_t log_start) {
  if (over_) return;
  if (++rounds_ >= rounds_max) over_ = true;
  const auto before = at_;
  from_ = std::max(from_, log_start);
  at_ = std::max(at_, from_);
  bool reached = at_ >= end_;
  wire::BatchHeader h;
  while (!reached && wire::parse(records, h) == wire::BatchParse::ok &&
         h.size() <= records.size()) {
    reached = !take_batch(records.first(static_cast<std::size_t>(h.size())), h) || at_ >= end_;
    records = records.subspan(static_cast<std::size_t>(h.size()));
    if (kind_ == Kind::first && found_) reached = true;
  }
  if (reached || at_ == before) end_reached();
}

// False: it lies past the end.
bool EdgeReading::take_batch(wire::Bytes batch, const wire::BatchHeader& h) {
  const bool wrapper = h.magic < 2 && h.compressed();  // named by its last record
  const auto last = h.magic < 2 ? h.base_offset : h.last_offset();
  const auto first = wrapper ? std::min(at_, last) : h.base_offset;
  if (first >= end_) return false;
  if (last < at_) return true;
  at_ = last + 1;
  if (h.control()) {
    control_ += std::min(last, end_ - 1) - std::max(first, from_) + 1;
    return true;
  }
  if (h.magic >= 2 && h.producer_id >= 0) producers_.insert(h.producer_id);
  if (kind_ != Kind::all) found_ = EdgeBatch{first, last, wire::crc32c(0, batch), intact(batch, h)};
  return true;
}

void EdgeReading::end_reached() {
  const bool further = kind_ == Kind::last && !found_ && end_ - step_ > from_;
  if (!further) {
    over_ = complete_ = true;
    return;
  }
  step_ *= step_growth;
  at_ = std::max(from_, end_ - step_);
}

}  // namespace shunt::splice
