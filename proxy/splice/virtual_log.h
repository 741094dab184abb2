// One partition's virtual log: the segments of two clusters' logs that clients see as one.
//
//     virtual    0 ............ 9041 ................ 9560 ......▶
//     segments   old [0, 9041)  new [0, 519)          old [9041, ...
//
// Moving, going back and sweeping are the same act: close a segment, append a segment. Segments are
// never changed otherwise, so what was shown stays true.
#pragma once

#include <compare>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "proxy/route/node.h"

namespace shunt::splice {

using route::Cluster;

// An offset as clients see it, and one as a cluster's own log has it. Never negative: Kafka's
// special values (-1: none) are the callers' business.
struct VirtualOffset {
  std::int64_t at = 0;
  auto operator<=>(const VirtualOffset&) const = default;
};
struct NativeOffset {
  Cluster in = Cluster::old_cluster;
  std::int64_t at = 0;
  bool operator==(const NativeOffset&) const = default;
};

// How far both clusters' logs have been read: the next native offset in each. What a group's
// position is when it is committed to both.
struct Pair {
  std::int64_t in_old = 0, in_new = 0;
  std::int64_t of(Cluster c) const { return c == Cluster::old_cluster ? in_old : in_new; }
  bool operator==(const Pair&) const = default;
};

struct Segment {
  static constexpr std::int64_t open_end = std::numeric_limits<std::int64_t>::max();

  VirtualOffset start;
  Cluster cluster = Cluster::old_cluster;
  std::int64_t native_start = 0;
  std::int64_t native_end = open_end;  // open_end: the tail, still written to
  // Leader epochs (rules C6): shown = epoch_base + native, never above epoch_last once closed.
  std::int32_t epoch_base = 0;
  std::int32_t epoch_last = std::numeric_limits<std::int32_t>::max();
  std::uint32_t cut = 0;  // the number of the cut that began it; 0: there from the first

  bool open() const { return native_end == open_end; }
  // The virtual offset behind its last record; of the open one the greatest number.
  VirtualOffset end() const { return {open() ? open_end : start.at + (native_end - native_start)}; }
  NativeOffset native(VirtualOffset v) const { return {cluster, v.at - start.at + native_start}; }
  VirtualOffset shown(std::int64_t native_at) const {
    return {native_at - native_start + start.at};
  }
  std::int32_t shown_epoch(std::int32_t native_epoch) const;
  std::int32_t native_epoch(std::int32_t shown_epoch) const;  // -1: none of its own
  // Of its leader: one that is not known (-1) is the segment's first, never less than shown before.
  std::int32_t leader_epoch(std::int32_t native_epoch) const {
    return native_epoch < 0 ? epoch_base : shown_epoch(native_epoch);
  }
  bool operator==(const Segment&) const = default;
};

class VirtualLog {
 public:
  // Old's log as it is: virtual = native.
  VirtualLog() : segments_(1) {}

  const std::vector<Segment>& segments() const { return segments_; }
  const Segment& tail() const { return segments_.back(); }
  // Where the newest cut's part begins: the tail, but for what has been swept in since.
  const Segment& run_start() const;
  // False: all offsets and epochs are old's own.
  bool spliced() const { return segments_.size() > 1; }
  // Index of the segment that holds `v`: at a seam the later one; past the end the tail.
  std::size_t at(VirtualOffset v) const;
  // The virtual offset of a record; nullopt: no segment shows it.
  std::optional<VirtualOffset> shown(NativeOffset n) const;
  // The first virtual offset that shows what its cluster has at or behind `n`; nullopt: none does.
  // Exact for offsets that are shown; others are clamped to the next segment (rules C5).
  std::optional<VirtualOffset> at_or_after(NativeOffset n) const;

  // The pair of a position: everything below `v` has been read. A cluster without a segment below
  // is at the start of its first one; one without any at 0.
  Pair pair(VirtualOffset v) const;
  // The position of a committed pair: the greatest virtual offset whose own pair is at or below it
  // in both components; what sweeps pass over is read. A torn pair repeats, never skips (rules A3).
  VirtualOffset position(const Pair& p) const;
  // Where `c`'s next segment would begin: the end of its last one; nullopt: it has none, any start
  // will do (rules A9).
  std::optional<std::int64_t> next_native(Cluster c) const;

  // Closes the tail at `native_end`, its greatest shown leader epoch being `epoch_last`, and
  // appends an open segment of `to` from `native_start` on. Null, or why that cannot be: the tail's
  // end lies before its start, or `native_start` is not where `to`'s last segment ended.
  const char* append(std::int64_t native_end, std::int32_t epoch_last, Cluster to,
                     std::int64_t native_start, std::uint32_t cut);

  // Makes records that `from` took past us part of the log (rules A9): the tail is closed at
  // `native_end`, `from`'s records in [from_start, from_end) follow, then the tail's cluster goes
  // on. What lies between `from`'s last segment and `from_start` is shown nowhere: repeats. Shown
  // leader epochs stay: `epoch_last` is the tail's greatest one so far.
  const char* sweep(std::int64_t native_end, std::int32_t epoch_last, Cluster from,
                    std::int64_t from_start, std::int64_t from_end);

  // Read back from the journal. Null, or what is wrong with them.
  const char* restore(std::vector<Segment> segments);

 private:
  void go_on(std::int64_t native_end, std::int32_t epoch_last, Cluster to,
             std::int64_t native_start, std::uint32_t cut);

  std::vector<Segment> segments_;  // by start; never empty; all but the last closed
};

}  // namespace shunt::splice
