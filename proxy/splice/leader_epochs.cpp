// OffsetForLeaderEpoch: where a shown leader epoch ends in the virtual log (rules C6).
#include <algorithm>

#include "proxy/splice/offsets.h"
#include "proxy/splice/partitions_task.h"

namespace shunt::splice {
namespace {

using wire::Struct;
using wire::Value;

// What sweeps have shown in the tail's run by a shown epoch: the last such segment; null: none.
const Segment* swept_by(const VirtualLog& log, std::int32_t epoch) {
  const Segment* out = nullptr;
  for (const Segment& s : log.segments()) {
    const Segment& tail = log.tail();
    if (s.cut == tail.cut && s.cluster != tail.cluster && s.epoch_last <= epoch) out = &s;
  }
  return out;
}

class LeaderEpochs : public PartitionsTask {
 public:
  LeaderEpochs(State& state, const route::View& view, const Value& request)
      : PartitionsTask(state, view, {"Topic", "Partition"}, request) {}

 private:
  Step next(const Item& item, PartitionLog& log) override {
    const Segment& tail = log.log.tail();
    const auto epoch = static_cast<std::int32_t>(item.asked["LeaderEpoch"].number());
    if (epoch < tail.epoch_base) return done(closed(item, log.log, epoch));

    const auto native = tail.native_epoch(epoch);
    const Value& told = item.told_by(tail.cluster);
    if (told.null()) return ask(tail.cluster, question(item, native));
    if (told["ErrorCode"].number() != 0) return done(failed(item, told["ErrorCode"].number()));
    const auto end = told["EndOffset"].number();
    if (end >= 0 && told["LeaderEpoch"].number() >= 0) {
      return done(of_tail(item, log, native, told));
    }
    // The leader knows no such epoch: it is above all of its own. Its own one ends at its end.
    const auto own = known_epoch(item, tail.cluster);
    if (item.asks < 2 && own >= 0 && own < native) return ask(tail.cluster, question(item, own));
    return done(entry(item, tail.leader_epoch(own), std::max(log.shown_end, log.high_watermark)));
  }

  // The last closed segment that has begun by then. Below all: the first one.
  Value closed(const Item& item, const VirtualLog& log, std::int32_t epoch) const {
    const Segment* in = &log.segments().front();
    for (const Segment& s : log.segments()) {
      if (!s.open() && s.epoch_base <= epoch) in = &s;
    }
    return entry(item, std::min(epoch, in->epoch_last), in->end());
  }

  // Records that were swept in are shown with the epoch that the tail had then, of which its leader
  // may have none.
  Value of_tail(const Item& item, const PartitionLog& log, std::int32_t asked,
                const Value& told) const {
    const Value by_leader = of_leader(item, log, asked, told);
    const Segment* swept = swept_by(log.log, log.log.tail().shown_epoch(asked));
    if (swept == nullptr || by_leader["EndOffset"].number() >= swept->end().at) return by_leader;
    return entry(item, swept->epoch_last, swept->end());
  }

  Value of_leader(const Item& item, const PartitionLog& log, std::int32_t asked,
                  const Value& told) const {
    const VirtualLog& v = log.log;
    const Segment& tail = v.tail();
    const Segment& first = v.run_start();
    const auto epoch = static_cast<std::int32_t>(told["LeaderEpoch"].number());
    auto end = told["EndOffset"].number();
    if (end <= first.native_start) {  // nothing of it is shown: it ends where the tail begins
      const auto below = epoch < asked ? first.epoch_base - 1 : tail.shown_epoch(epoch);
      return entry(item, below, first.start);
    }
    if (log.candidate_end) end = std::min(end, *log.candidate_end);
    const auto at = v.at_or_after({tail.cluster, end});
    return entry(item, tail.shown_epoch(epoch), at.value_or(tail.start));
  }

  Value passing(const Item&, PartitionLog* log, const Value& told) override {
    const auto clip = log == nullptr ? std::nullopt : passing_end(*log);
    if (!clip || told["EndOffset"].number() <= *clip) return told;
    return told.fields().set("EndOffset", *clip);
  }

  Struct failed(const Item& item, std::int64_t error) const override {
    return Struct{
        {"ErrorCode", error}, {"Partition", item.index}, {"LeaderEpoch", -1}, {"EndOffset", -1}};
  }

  Value entry(const Item& item, std::int32_t epoch, VirtualOffset end) const {
    return failed(item, 0).set("LeaderEpoch", std::max(epoch, 0)).set("EndOffset", end.at);
  }
  static Value question(const Item& item, std::int32_t native_epoch) {
    return item.asked.fields().set("CurrentLeaderEpoch", -1).set("LeaderEpoch", native_epoch);
  }
  std::int32_t known_epoch(const Item& item, Cluster c) const {
    const auto* known = view().of(c);
    const auto* part = known == nullptr ? nullptr : known->partition(item.topic, item.index);
    return part == nullptr ? -1 : part->epoch;
  }
};

}  // namespace

std::unique_ptr<Task> leader_epochs(State& state, const route::View& view, wire::Version,
                                    const Value& request) {
  return std::make_unique<LeaderEpochs>(state, view, request);
}

}  // namespace shunt::splice
