#include "proxy/splice/delete_records.h"

#include <algorithm>

#include "proxy/splice/partitions_task.h"

namespace shunt::splice {
namespace {

using wire::Struct;
using wire::Value;

constexpr int offset_out_of_range = 1;
constexpr std::int64_t to_high_watermark = -1;

Cluster other(Cluster c) {
  return c == Cluster::old_cluster ? Cluster::new_cluster : Cluster::old_cluster;
}

// Whether any record that `c` shows lies below `v`.
bool has_below(const VirtualLog& log, Cluster c, VirtualOffset v) {
  return std::ranges::any_of(log.segments(), [&](const Segment& s) {
    return s.cluster == c && s.native_start < s.native_end && s.start < v;
  });
}

class DeleteRecords : public PartitionsTask {
 public:
  DeleteRecords(State& state, const route::View& view, const Value& request)
      : PartitionsTask(state, view, {"Name", "PartitionIndex"}, request) {}

 private:
  Step next(const Item& item, PartitionLog& log) override {
    for (const Value& told : item.told) {
      if (told["ErrorCode"].number() != 0) return done(failed(item, told["ErrorCode"].number()));
    }
    const auto wanted = item.asked["Offset"].number();
    const bool all = wanted < 0;  // below -1: the leader refuses it
    const VirtualOffset up_to = all ? log.log.tail().start : VirtualOffset{wanted};
    const Cluster first =
        all || log.finished ? log.log.tail().cluster : holder(log.log, up_to);
    const auto below = log.log.pair(up_to);
    if (past_candidate(log, below)) return done(failed(item, offset_out_of_range));
    if (item.told_by(first).null()) {
      return ask(first, question(item, all ? end(log, wanted) : below.of(first)));
    }
    const Cluster second = other(first);
    const bool gone = log.finished && second == Cluster::old_cluster;
    if (item.told_by(second).null() && !gone && has_below(log.log, second, up_to)) {
      return ask(second, question(item, below.of(second)));
    }
    return done(kept(item, log));
  }

  // The cluster whose records end at the offset, or hold it.
  static Cluster holder(const VirtualLog& log, VirtualOffset v) {
    const Cluster at = log.segments()[log.at(v)].cluster;
    return has_below(log, at, v) ? at : has_below(log, other(at), v) ? other(at) : at;
  }

  static bool past_candidate(const PartitionLog& log, const Pair& below) {
    return log.candidate_end && below.of(log.log.tail().cluster) > *log.candidate_end;
  }

  // To the high watermark of the tail; not past an end that a cut has read (rules A2).
  static std::int64_t end(const PartitionLog& log, std::int64_t wanted) {
    return wanted == to_high_watermark ? log.candidate_end.value_or(wanted) : wanted;
  }

  // A cluster that was not asked has all it had.
  Value kept(const Item& item, PartitionLog& log) const {
    const auto low = [&](Cluster c) -> std::int64_t {
      if (log.finished && c == Cluster::old_cluster) return *log.log.next_native(c);
      return item.told_by(c).null() ? 0 : item.told_by(c)["LowWatermark"].number();
    };
    const auto at = log.log.position({low(Cluster::old_cluster), low(Cluster::new_cluster)});
    log.log_start = std::max(log.log_start, at);
    return failed(item, 0).set("LowWatermark", at.at);
  }

  Value passing(const Item&, PartitionLog*, const Value& told) override { return told; }

  Struct failed(const Item& item, std::int64_t error) const override {
    return Struct{{"PartitionIndex", item.index}, {"LowWatermark", -1}, {"ErrorCode", error}};
  }

  static Value question(const Item& item, std::int64_t native) {
    return item.asked.fields().set("Offset", native);
  }
};

}  // namespace

std::unique_ptr<Task> delete_records(State& state, const route::View& view, wire::Version,
                                     const Value& request) {
  return std::make_unique<DeleteRecords>(state, view, request);
}

}  // namespace shunt::splice
