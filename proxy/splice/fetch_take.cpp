// A Fetch task's answers: what brokers say, clipped and renumbered.
#include <algorithm>

#include "proxy/splice/clip.h"
#include "proxy/splice/ends.h"
#include "proxy/splice/fetch_task.h"

namespace shunt::splice {

using wire::Array;
using wire::Struct;
using wire::Value;
using Is = FetchItem::Is;

namespace {

constexpr int lookups_max = 3;  // of one partition: retention may be faster than we are
constexpr std::int64_t unknown_server_error = -1, offset_out_of_range = 1, unknown_topic = 3,
                       leader_not_available = 5, not_leader = 6, replica_not_available = 9,
                       kafka_storage_error = 56, fenced_leader_epoch = 74,
                       unknown_leader_epoch = 75, unknown_topic_id = 100,
                       inconsistent_topic_id = 103;

// Errors that say that another broker should have been asked, or this one later.
bool leader_moved(std::int64_t error) {
  constexpr std::int64_t all[] = {
      unknown_topic,         leader_not_available, not_leader,
      replica_not_available, kafka_storage_error,  fenced_leader_epoch,
      unknown_leader_epoch,  unknown_topic_id,     inconsistent_topic_id};
  return std::ranges::find(all, error) != std::end(all);
}

// The answer's partitions that were asked for.
template <class F>
void each_entry(const FetchAsk& a, const Value& body, F f) {
  for (const Value& t : body[a.asks_log() ? "Topics" : "Responses"].array()) {
    const std::string name(t[a.asks_log() ? "Name" : "Topic"].text());
    for (const Value& p : t["Partitions"].array()) {
      const auto at = a.by_key.find({name, t["TopicId"].uuid(), p["PartitionIndex"].number()});
      if (at != a.by_key.end()) f(at->second, p);
    }
  }
}

void keep(FetchItem& it, wire::Bytes records) {
  it.is = Is::done;
  it.bytes = records.size();
  it.records = Value(records);
}

// Brokers send whole batches: of one over the log start more is left than was deleted up to.
void fit_gap(FetchItem& it, VirtualOffset first) {
  if (!it.gap) return;
  it.at = std::min(it.at, std::max(first.at, it.gap->at));
  if (it.at == it.gap->at) it.gap.reset();
}

// Those of the segment; one that began before it begins with it (rules A8).
Value aborted(const Value& entry, const Segment& s, std::int64_t end) {
  const Value all = entry["AbortedTransactions"];
  if (all.null()) return {};
  Array out;
  for (const Value& t : all.array()) {
    const auto first = t["FirstOffset"].number();
    if (first >= end) continue;
    out.push_back(Struct{{"ProducerId", t["ProducerId"]},
                         {"FirstOffset", s.shown(std::max(first, s.native_start)).at}});
  }
  return out;
}

}  // namespace

void Fetch::take(std::size_t i, const Value& body) {
  const Asked& a = asked_[i];
  const auto throttle = body["ThrottleTimeMs"].number();
  throttle_ms_ = std::max(throttle_ms_, throttle);
  const bool good = !body.null() && body["ErrorCode"].number() == 0;
  std::vector<bool> answered(items_.size());
  if (good && !a.asks_log()) take_fetch(a, body, answered);
  if (good && a.asks_log()) {
    each_entry(a, body, [&](std::size_t item, const Value& entry) {
      answered[item] = true;
      if (a.look_up == LookUp::start) return take_start(items_[item], a, entry);
      if (a.look_up == LookUp::tail) return take_tail(items_[item], entry);
      take_end(items_[item], a, entry);
    });
  }
  const bool throttled = good && throttle > 0;  // brokers then answer without any partition
  for (const auto item : a.items) {
    if (!answered[item] && !throttled && a.look_up != LookUp::tail)
      fail(items_[item], a.node.cluster);
  }
}

void Fetch::take_fetch(const Asked& a, const Value& body, std::vector<bool>& answered) {
  // A broker fills an answer up to its size: only where nobody got records is "none" certain.
  bool records = false, wasted = false;
  each_entry(a, body, [&](std::size_t, const Value& entry) {
    records = records || !entry["Records"].bytes().empty();
  });
  std::vector<std::size_t> empty;
  each_entry(a, body, [&](std::size_t item, const Value& entry) {
    answered[item] = true;
    take_entry(items_[item], a, entry, !records);
    if (items_[item].is == Is::done) return;
    if (!entry["Records"].bytes().empty())
      wasted = true;
    else if (items_[item].is == Is::idle)
      empty.push_back(item);
  });
  // What was clipped took others' place, and would do so for ever.
  for (const auto item : empty) {
    if (wasted) items_[item].is = Is::moved;
  }
}

void Fetch::take_entry(Item& it, const Asked& a, const Value& entry, bool certain) {
  PartitionLog* p = log(it);
  it.passed = {};
  if (p == nullptr || !p->log.spliced()) return take_plain(it, p, entry);
  const auto error = entry["ErrorCode"].number();
  if (leader_moved(error)) return fail(it, a.node.cluster);
  it.failures = 0;
  if (error == offset_out_of_range) return look_up(it, LookUp::start);
  if (error != 0) return set_error(it, error);
  learn(it, *p, entry);
  const Segment& s = p->log.segments()[it.segment];
  const auto end = end_of(*p, it.segment);
  Clipped set = clip(s, end, entry["Records"].bytes());
  if (set.problem != nullptr) return set_error(it, unknown_server_error);
  if (!set.records.empty()) {
    p->show(s.shown(set.next));
    it.aborted = aborted(entry, s, end);
    fit_gap(it, s.shown(std::max(set.first, s.native_start)));
    return keep(it, set.records);
  }
  if (s.open()) return;
  const auto stable = entry["LastStableOffset"].number();
  auto visible = entry["HighWatermark"].number();
  if (isolation_ != 0 && stable >= 0) visible = std::min(visible, stable);
  if (set.beyond) visible = *set.beyond;
  if (!set.beyond && !certain) return;
  // It had all of it when it was closed: followers are behind, or records are lost.
  if (!set.beyond && entry["HighWatermark"].number() < s.native_end) {
    return look_up(it, LookUp::end);
  }
  if (!set.beyond && visible < s.native_end) return;
  auto& nothing = it.nothing(s.cluster);
  nothing = std::max(nothing, visible);
  it.is = Is::moved;
  if (s.end() == p->seam()) p->hollow = std::min(p->hollow, s.shown(it.native));
}

void Fetch::look_up(Item& it, LookUp what) {
  if (++it.lookups > lookups_max) return;
  it.look_up = what;
  it.is = Is::moved;
}

void Fetch::learn(Item& it, PartitionLog& p, const Value& entry) {
  const auto start = entry["LogStartOffset"].number();
  const auto mark = entry["HighWatermark"].number(), stable = entry["LastStableOffset"].number();
  const auto in = p.log.segments()[it.segment].cluster;
  if (!entry["LogStartOffset"].null() && start >= 0) learn_log_start(p, in, start);
  if (mark >= 0) learn_high_watermark(p, it.segment, mark);
  if (stable >= 0) learn_last_stable(p, it.segment, stable);
  it.no_last_stable = stable < 0;
}

// Before its first cut a partition is old's as it is, but for a candidate end.
void Fetch::take_plain(Item& it, PartitionLog* p, const Value& entry) {
  const auto error = entry["ErrorCode"].number();
  it.failures = 0;
  if (leader_moved(error)) stale_[0] = true;
  const bool clipped = p != nullptr && p->candidate_end;
  it.passed.set("AbortedTransactions", entry["AbortedTransactions"]);
  for (const char* name : {"ErrorCode", "HighWatermark", "LastStableOffset", "LogStartOffset",
                           "DivergingEpoch", "PreferredReadReplica"}) {
    if (Value v = entry[name]; !v.null()) it.passed.set(name, std::move(v));
  }
  const Value replica = entry["PreferredReadReplica"], diverged = entry["DivergingEpoch"];
  const Value set = entry["Records"];
  if (p != nullptr && error == 0) {
    learn(it, *p, entry);
    if (clipped) {
      const auto end = *p->candidate_end;
      for (const char* name : {"HighWatermark", "LastStableOffset"}) {
        it.passed.set(name, std::min(entry[name].number(), end));
      }
      it.passed.set("AbortedTransactions", aborted(entry, p->log.segments()[0], end));
    }
  }
  Clipped cut;
  if (clipped) cut = clip(p->log.segments()[0], *p->candidate_end, set.bytes());
  const wire::Bytes records = clipped ? wire::Bytes(cut.records) : set.bytes();
  if (!records.empty()) return keep(it, records);
  const bool elsewhere = (!replica.null() && replica.number() >= 0) ||
                         (!diverged.null() && diverged["EndOffset"].number() >= 0);
  if (error != 0 || elsewhere) it.is = Is::done;
}

// The log start of the cluster that said OFFSET_OUT_OF_RANGE.
void Fetch::take_start(Item& it, const Asked& a, const Value& entry) {
  PartitionLog* p = log(it);
  it.look_up = LookUp::none;
  if (p == nullptr || entry["ErrorCode"].number() != 0 || entry["Offset"].number() < 0) {
    return fail(it, a.node.cluster);
  }
  it.failures = 0;
  const auto start = entry["Offset"].number();
  learn_log_start(*p, a.node.cluster, start);
  const Segment& s = p->log.segments()[it.segment];
  if (it.offset < p->log_start.at) return set_error(it, offset_out_of_range);
  if (start <= it.native && s.open()) return set_error(it, offset_out_of_range);
  // Behind the end of a closed segment's log: it has lost what was there.
  jump(it, s, start > it.native ? start : s.native_end);
}

// The log end of the cluster whose closed segment shows nothing more (rules C3). Where its
// followers are behind, it is as long as it was, and they come. An unclean election may have cut it
// off: then nothing ever comes there, and who waits for it waits for ever.
void Fetch::take_end(Item& it, const Asked& a, const Value& entry) {
  PartitionLog* p = log(it);
  it.look_up = LookUp::none;
  const auto error = entry["ErrorCode"].number();
  if (p == nullptr || leader_moved(error)) return fail(it, a.node.cluster);
  if (error != 0 || entry["Offset"].number() < 0) return;  // it does not tell this end
  const Segment& s = p->log.segments()[it.segment];
  if (!s.open() && entry["Offset"].number() <= it.native) jump(it, s, s.native_end);
}

void Fetch::take_tail(const Item& it, const Value& entry) {
  PartitionLog* p = log(it);
  if (p == nullptr || entry["ErrorCode"].number() != 0 || entry["Offset"].number() < 0) return;
  const auto& segments = p->log.segments();
  if (it.segment + 1 == segments.size())  // no cut since it was asked
    learn_high_watermark(*p, it.segment, entry["Offset"].number());
}

void Fetch::jump(Item& it, const Segment& s, std::int64_t to) {
  auto& nothing = it.nothing(s.cluster);
  nothing = std::max(nothing, to);
  if (!it.gap) it.gap = VirtualOffset{it.at};
  it.is = Is::moved;
}

}  // namespace shunt::splice
