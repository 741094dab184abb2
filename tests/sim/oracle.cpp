#include "tests/sim/oracle.h"

#include <algorithm>

namespace shunt::sim {

void violated(const std::string& what) { throw Violation(what); }

void Oracle::sent(const RecordName& r) { ++sent_[r]; }

void Oracle::place(int partition, std::int64_t offset, const RecordName& r, const char* how) {
  if (lost_.contains(r)) return;  // told before it was lost, heard later
  if (r.partition != partition) {
    violated(text(r) + " is " + how + " in partition " + std::to_string(partition));
  }
  auto& log = logs_[static_cast<std::size_t>(partition)];
  log.shown_to = std::max(log.shown_to, offset + 1);
  const auto [it, fresh] = log.at.emplace(offset, r);
  if (!fresh && it->second != r) {
    violated("two records at offset " + std::to_string(offset) + " of partition " +
             std::to_string(partition) + ": " + text(it->second) + ", and " + text(r) + " is " +
             how);
  }
}

void Oracle::acknowledged(const RecordName& r, std::int64_t offset) {
  acknowledged_.insert(r);
  if (offset >= 0) place(r.partition, offset, r, "acknowledged");
}

void Oracle::read(int partition, std::int64_t offset, const RecordName& r) {
  place(partition, offset, r, "read");
}

void Oracle::lost_natively(const RecordName& r) {
  lost_.insert(r);
  std::erase_if(logs_[r.partition].at, [&](const auto& told) { return told.second == r; });
}

void Oracle::may_repeat(const std::vector<RecordName>& records) {
  for (const auto& r : records) {
    if (!acknowledged_.contains(r)) may_repeat_.insert(r);
  }
}

void Oracle::may_repeat_unacknowledged() {
  for (const auto& [r, times] : sent_) {
    if (!acknowledged_.contains(r)) may_repeat_.insert(r);
  }
}

void Oracle::forget_from(int partition, std::int64_t offset) {
  auto& at = logs_[static_cast<std::size_t>(partition)].at;
  at.erase(at.lower_bound(offset), at.end());
}

std::int64_t Oracle::shown_to(int partition) const {
  return logs_[static_cast<std::size_t>(partition)].shown_to;
}

void Oracle::check_log(int partition, const std::vector<std::pair<std::int64_t, RecordName>>& log,
                       bool acks_0_may_be_lost) const {
  const auto in = " in partition " + std::to_string(partition);
  std::map<RecordName, int> seen;
  std::map<std::uint16_t, std::int64_t> last;  // by writer: the greatest index so far
  std::int64_t next = -1;
  for (const auto& [offset, r] : log) {
    if (next >= 0 && offset != next) {
      violated("offsets " + std::to_string(next) + " to " + std::to_string(offset) + in +
               " hold nothing");
    }
    next = offset + 1;
    const bool again = ++seen[r] > 1;
    const auto kind = writers_.at(r.writer);
    if (again && kind != WriterKind::plain && !may_repeat_.contains(r))
      violated(text(r) + " stands twice" + in);
    if (again && seen[r] > sent_.at(r)) violated(text(r) + " stands more often than sent" + in);
    if (again) continue;
    auto& before = last.emplace(r.writer, -1).first->second;
    const bool ordered = kind != WriterKind::acks_0 || !acks_0_may_be_lost;
    if (r.index < before && ordered)
      violated(text(r) + " stands behind #" + std::to_string(before) + in);
    before = r.index;
  }
  for (const auto& [offset, r] : logs_[static_cast<std::size_t>(partition)].at) {
    if (lost_.contains(r)) continue;
    if (!seen.contains(r)) {
      violated(text(r) + " was shown at " + std::to_string(offset) + in + " and is not there");
    }
  }
  for (const auto& r : acknowledged_) {
    if (r.partition == partition && !seen.contains(r) && !lost_.contains(r)) {
      violated(text(r) + " was acknowledged and is lost" + in);
    }
  }
  if (acks_0_may_be_lost) return;
  for (const auto& [r, times] : sent_) {
    if (r.partition == partition && writers_.at(r.writer) == WriterKind::acks_0 &&
        !seen.contains(r)) {
      violated(text(r) + " (acks=0) was lost without any fault" + in);
    }
  }
}

}  // namespace shunt::sim
