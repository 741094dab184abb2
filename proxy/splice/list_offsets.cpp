// ListOffsets: what each timestamp asks of the clusters, and which answer counts.
#include <algorithm>

#include "proxy/splice/offsets.h"
#include "proxy/splice/partitions_task.h"

namespace shunt::splice {
namespace {

using wire::Struct;
using wire::Value;

constexpr std::int64_t latest = -1, earliest = -2, max_time = -3, earliest_local = -4,
                       latest_tiered = -5, earliest_pending = -6;
constexpr int unsupported_version = 35;

// The first version that knows a timestamp (as ReplicaManager.isListOffsetsTimestampUnsupported).
bool known_since(std::int64_t timestamp, wire::Version version) {
  switch (timestamp) {
    case latest:
    case earliest:
      return true;
    case max_time:
      return version >= 7;
    case earliest_local:
      return version >= 8;
    case latest_tiered:
      return version >= 9;
    case earliest_pending:
      return version >= 11;
    default:
      return timestamp >= 0;
  }
}

// Whether its answer is the place of a record, which is thereby shown.
bool finds_record(std::int64_t timestamp) { return timestamp >= 0 || timestamp == max_time; }

bool empty(const Segment& s) { return s.native_start == s.native_end; }

// The clusters whose records are shown.
std::vector<Cluster> shown_clusters(const PartitionLog& log) {
  std::vector<Cluster> out;
  for (const Segment& s : log.log.segments()) {
    const bool shown = !empty(s) && !(log.finished && s.cluster == Cluster::old_cluster);
    if (shown && std::ranges::find(out, s.cluster) == out.end()) out.push_back(s.cluster);
  }
  return out;
}

class ListOffsets : public PartitionsTask {
 public:
  ListOffsets(State& state, const route::View& view, wire::Version version, const Value& request)
      : PartitionsTask(state, view, {"Name", "PartitionIndex"}, request),
        version_(version),
        committed_(request["IsolationLevel"].number() == 1) {}

 private:
  // A record, as one cluster named it.
  struct Found {
    VirtualOffset at;
    std::int64_t timestamp = -1;
    std::int32_t epoch = -1;  // shown; -1: not known
    bool exact = false;       // it is that record, not the first one behind it
  };

  Step next(const Item& item, PartitionLog& log) override {
    const auto timestamp = item.asked["Timestamp"].number();
    if (!known_since(timestamp, version_)) return done(failed(item, unsupported_version));
    for (const Value& told : item.told) {
      if (told["ErrorCode"].number() != 0) return done(failed(item, told["ErrorCode"].number()));
    }
    if (timestamp == latest) return end(item, log);
    if (timestamp == earliest) return start(item, log);
    const auto clusters = shown_clusters(log);
    if (timestamp < max_time && clusters.size() > 1) {
      return done(failed(item, unsupported_version));
    }
    Step wanted;
    for (const Cluster c : clusters) {
      if (item.told_by(c).null()) wanted.questions.push_back({c, question(item)});
    }
    return wanted.questions.empty() ? done(best(item, log, clusters)) : wanted;
  }

  Step end(const Item& item, PartitionLog& log) const {
    const Segment& tail = log.log.tail();
    const Value& told = item.told_by(tail.cluster);
    if (told.null()) return ask(tail.cluster, question(item));
    auto at = told["Offset"].number();
    if (log.candidate_end) at = std::min(at, *log.candidate_end);
    VirtualOffset& known = committed_ ? log.last_stable : log.high_watermark;
    known = std::max(known, tail.shown(at));
    log.show(known);
    return done(entry(item, {known, -1, shown_epoch(tail, told), true}));
  }

  Step start(const Item& item, PartitionLog& log) const {
    for (const Segment& s : log.log.segments()) {
      if (empty(s) || log.jumps(s)) continue;
      const Value& told = item.told_by(s.cluster);
      if (told.null()) return ask(s.cluster, question(item));
      const auto kept = told["Offset"].number();
      const auto at = std::max(kept, s.native_start);
      if (at >= s.native_end) continue;  // retention has eaten all of it
      log.log_start = std::max(log.log_start, s.shown(at));
      log.show(s.shown(at));
      return done(entry(item, {s.shown(at), -1, at == kept ? shown_epoch(s, told) : -1, true}));
    }
    return done(failed(item, unsupported_version));  // not reached: the tail is open
  }

  // Of all clusters' records the one that answers: by time the lowest, else the latest time.
  Value best(const Item& item, PartitionLog& log, const std::vector<Cluster>& clusters) const {
    const auto timestamp = item.asked["Timestamp"].number();
    std::optional<Found> out;
    for (const Cluster c : clusters) {
      const auto f = found(log, c, item.told_by(c), timestamp);
      if (!f) continue;
      const bool better = !out || (timestamp == max_time && f->timestamp != out->timestamp
                                       ? f->timestamp > out->timestamp
                                       : f->at < out->at);
      if (better) out = f;
    }
    if (!out) return failed(item, 0);
    log.show({out->at.at + (out->exact && finds_record(timestamp) ? 1 : 0)});
    return entry(item, *out);
  }

  static std::optional<Found> found(const PartitionLog& log, Cluster c, const Value& told,
                                    std::int64_t timestamp) {
    const NativeOffset at{c, told["Offset"].number()};
    if (at.at < 0) return std::nullopt;
    const auto exact = log.log.shown(at);
    const bool needs_record = timestamp == max_time || timestamp == latest_tiered;
    const auto v = exact || needs_record ? exact : log.log.at_or_after(at);
    if (!v) return std::nullopt;
    const Segment& s = log.log.segments()[log.log.at(*v)];
    const auto native = s.native(*v).at;
    if (s.open() && log.candidate_end && native >= *log.candidate_end) return std::nullopt;
    const auto epoch = exact ? shown_epoch(s, told) : -1;
    return Found{*v, told["Timestamp"].number(), epoch, exact.has_value()};
  }

  Value passing(const Item& item, PartitionLog* log, const Value& told) override {
    const auto at = told["Offset"].number();
    if (log == nullptr || at < 0) return told;
    const auto clip = passing_end(*log);
    const auto timestamp = item.asked["Timestamp"].number();
    const bool record = finds_record(timestamp);
    if (clip && record && at >= *clip) return failed(item, 0);
    const auto shown = clip ? std::min(at, *clip) : at;
    log->show({shown + (record ? 1 : 0)});
    if (timestamp == latest) {
      VirtualOffset& known = committed_ ? log->last_stable : log->high_watermark;
      known = std::max(known, VirtualOffset{shown});
    }
    return shown == at ? told : Value(told.fields().set("Offset", shown));
  }

  Struct failed(const Item& item, std::int64_t error) const override {
    return Struct{{"PartitionIndex", item.index},
                  {"ErrorCode", error},
                  {"Timestamp", -1},
                  {"Offset", -1},
                  {"LeaderEpoch", -1}};
  }

  static Value question(const Item& item) {
    return item.asked.fields().set("CurrentLeaderEpoch", -1);
  }
  static std::int32_t shown_epoch(const Segment& s, const Value& told) {
    const Value epoch = told["LeaderEpoch"];  // v4+
    return epoch.null() ? -1 : s.shown_epoch(static_cast<std::int32_t>(epoch.number()));
  }
  Value entry(const Item& item, const Found& f) const {
    return failed(item, 0)
        .set("Timestamp", f.timestamp)
        .set("Offset", f.at.at)
        .set("LeaderEpoch", f.epoch);
  }

  wire::Version version_;
  bool committed_;
};

}  // namespace

std::unique_ptr<Task> list_offsets(State& state, const route::View& view, wire::Version version,
                                   const Value& request) {
  return std::make_unique<ListOffsets>(state, view, version, request);
}

}  // namespace shunt::splice
