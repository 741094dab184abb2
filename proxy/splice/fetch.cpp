#include "proxy/splice/fetch.h"

#include <algorithm>
#include <set>

#include "proxy/splice/ends.h"
#include "proxy/splice/fetch_task.h"

namespace shunt::splice {

using wire::Array;
using wire::Struct;
using wire::Value;
using Is = FetchItem::Is;

namespace {
constexpr std::int64_t round_wait_ms_max = 100;  // no side waits longer for an idle one
constexpr int quick_rounds_max = 8;
constexpr std::int64_t pause_ms_max = 500;
constexpr std::int64_t not_leader = 6;
}  // namespace

Fetch::Fetch(State& state, const route::View& view, const route::Origin& origin,
             const Value& request, WaitsAtSeam waits_at_seam)
    : state_(state),
      waits_at_seam_(std::move(waits_at_seam)),
      view_(view),
      addressed_(origin.addressed) {
  max_wait_ms_ = request["MaxWaitMs"].number();
  min_bytes_ = request["MinBytes"].number();
  max_bytes_ = std::max<std::int64_t>(request["MaxBytes"].number(), 1);
  isolation_ = request["IsolationLevel"].number();
  rack_ = request["RackId"].text();
  std::set<Asked::Key> seen;
  for (const Value& t : request["Topics"].array()) {
    topics_.push_back({std::string(t["Topic"].text()), t["TopicId"].uuid()});
    for (const Value& p : t["Partitions"].array()) {
      const auto index = p["Partition"].number();
      if (!seen.emplace(topics_.back().name, topics_.back().id, index).second) continue;
      Item it;
      it.topic = topics_.size() - 1;
      it.partition = static_cast<std::int32_t>(index);
      it.offset = it.at = p["FetchOffset"].number();
      it.epoch = p["CurrentLeaderEpoch"];
      it.fetched_epoch = p["LastFetchedEpoch"];
      it.max_bytes = p["PartitionMaxBytes"];
      items_.push_back(std::move(it));
    }
  }
}

const TopicLog* Fetch::topic_log(const Item& it) const {
  const FetchTopic& t = topics_[it.topic];
  return t.name.empty() ? state_.topic(t.id) : state_.topic(t.name);
}

PartitionLog* Fetch::log(const Item& it) const {
  return state_.partition(topics_[it.topic].name, topics_[it.topic].id, it.partition);
}

bool Fetch::spliced(const Item& it) const {
  const PartitionLog* p = log(it);
  return p != nullptr && p->log.spliced();
}

void Fetch::set_error(Item& it, std::int64_t error) {
  it.is = Is::done;
  it.error = error;
  it.passed = {};
}

// Once more against what is known by then, and then the client's turn to look.
void Fetch::fail(Item& it, Cluster c) {
  stale_[static_cast<std::size_t>(c)] = true;
  if (++it.failures > 1) return set_error(it, not_leader);
  it.is = Is::stale;
}

std::vector<Task::Ask> Fetch::round(std::int64_t now_ms) {
  pause_ms_ = 0;
  if (!begun_) {
    begun_ = true;
    until_ms_ = now_ms + max_wait_ms_;
    if (auto out = ask({Is::idle}, 0); !out.empty()) return out;
  }
  while (!items_.empty()) {
    const auto some = [&](Is is) {
      return std::ranges::any_of(items_, [&](const Item& it) { return it.is == is; });
    };
    const auto left_ms = until_ms_ - now_ms;
    const bool may_wait = !some(Is::done) && left_ms > 0 && min_bytes_ > 0 &&
                          waits_ <= max_wait_ms_ / round_wait_ms_max;
    std::vector<Ask> out;
    if ((some(Is::moved) || (some(Is::stale) && !may_wait)) && quick_rounds_ < quick_rounds_max) {
      ++quick_rounds_;
      out = ask({Is::moved, Is::stale}, 0);
    } else if (may_wait) {
      ++waits_;
      out = ask({Is::idle, Is::moved, Is::stale, Is::waits}, std::min(left_ms, round_wait_ms_max));
    } else {
      break;
    }
    if (!out.empty()) return out;
    if (std::ranges::all_of(items_, [](const Item& it) { return it.is == Is::waits; })) {
      if (std::exchange(paused_, true)) break;
      pause_ms_ = std::min(left_ms, pause_ms_max);
      return {};
    }
  }
  return {};
}

Value Fetch::answer() {
  for (Item& it : items_) {
    if (it.is == Is::stale) set_error(it, not_leader);
  }
  fit();
  Array out, partitions;
  for (std::size_t i = 0; i < items_.size(); ++i) {
    partitions.push_back(entry(items_[i]));
    const auto topic = items_[i].topic;
    if (i + 1 < items_.size() && items_[i + 1].topic == topic) continue;
    out.push_back(Struct{{"Topic", topics_[topic].name},
                         {"TopicId", topics_[topic].id},
                         {"Partitions", std::exchange(partitions, {})}});
  }
  return Struct{{"ThrottleTimeMs", throttle_ms_}, {"Responses", std::move(out)}};
}

// Keeps what fits into the client's MaxBytes. Whose turn is first changes with the offsets, so
// that nobody stands behind a busy one for ever.
void Fetch::fit() {
  std::uint64_t turn = 0;
  for (const Item& it : items_)
    turn = (turn + static_cast<std::uint64_t>(it.offset)) * 0x9e3779b97f4a7c15U;
  std::int64_t room = max_bytes_;
  bool first = true;
  for (std::size_t i = 0; i < items_.size(); ++i) {
    Item& it = items_[((turn >> 32) + i) % items_.size()];
    if (it.bytes == 0) continue;
    const auto bytes = static_cast<std::int64_t>(it.bytes);
    if (first || bytes <= room) {
      room -= bytes;
      first = false;
      if (it.gap) jumps_.push_back({topic_log(it)->name, it.partition, *it.gap, {it.at}, it.skips});
    } else {
      it.records = it.aborted = {};
      it.bytes = 0;
      if (it.passed.size() > 0) it.passed.set("AbortedTransactions", {});
    }
  }
}

Value Fetch::entry(const Item& it) const {
  Struct out = it.passed;
  out.set("PartitionIndex", it.partition);
  out.set("Records", it.records.null() ? Value(wire::Bytes{}) : it.records);
  if (it.passed.size() > 0) return out;
  const PartitionLog* p = log(it);
  const bool known = it.error == 0 && p != nullptr && p->log.spliced();
  out.set("ErrorCode", it.error);
  out.set("HighWatermark", known ? shown_high_watermark(*p) : -1);
  out.set("LastStableOffset", known && !it.no_last_stable ? shown_last_stable(*p) : -1);
  out.set("LogStartOffset", known ? p->log_start.at : -1);
  out.set("AbortedTransactions", it.aborted);
  return out;
}

std::unique_ptr<FetchTask> fetch(State& state, const route::View& view, const route::Origin& origin,
                                 const Value& request, WaitsAtSeam waits_at_seam) {
  return std::make_unique<Fetch>(state, view, origin, request, std::move(waits_at_seam));
}

}  // namespace shunt::splice
