// Answers from one cluster renumbered by the state: of partitions that live in their open tail.
//
// The hot path of a migrated topic. What crosses a seam, reads a closed segment or meets a
// candidate end is a task (fetch.h). A Fetch answer that was asked for before a segment was
// appended to one of its partitions must not come here: whoever drives drops it.
#pragma once

#include "proxy/route/offsets.h"
#include "proxy/splice/state.h"

namespace shunt::splice {

// One per answer. Learns what it shows: high watermark, last stable offset, log start, shown_end.
//  - A partition in no migration passes unchanged; one before its first cut too, but for its end.
//  - A Produce answer's offset of an earlier segment is shown where that one stands; one that no
//    segment holds is shown as none (-1).
//  - Numbers of a cluster that has no segment of the partition are refused, and those of a
//  partition
//    that was swept since the answer began.
class Tails : public route::Offsets {
 public:
  Tails(State& state, Cluster from)
      : state_(state), from_(from), next_cut_(state.next_cut()), began_(state.sweeps()) {}
  const route::Shift* at(std::string_view topic, const wire::Uuid& shown_id,
                         std::int32_t partition) override;
  std::optional<std::int64_t> shown(wire::Role role, std::int64_t native) override;
  // OFFSET_OUT_OF_RANGE of one segment may be a hole in the log, to be jumped over (rules C3): a
  // task finds out.
  bool hides(std::int64_t error) override;
  std::int64_t known(wire::Role role) override;
  bool out_of_range() const { return out_of_range_; }  // such an error was hidden
  // Of a Produce answer: where each accepted batch begins.
  struct Accepted {
    PartitionLog* log;
    VirtualOffset at;
  };
  const std::vector<Accepted>& accepted() const { return accepted_; }

 private:
  State& state_;
  Cluster from_;
  const std::uint32_t next_cut_;  // an answer may still stream when its cluster begins a segment
  const std::uint64_t began_;
  std::vector<Accepted> accepted_;
  PartitionLog* log_ = nullptr;
  // Brokers say where a batch stands also when it is not acknowledged (error 6, 7, 20): it may be
  // gone with their leadership, and has not been shown.
  bool failed_ = false;
  bool out_of_range_ = false;
  std::size_t segment_ = 0;  // from_'s last one when the answer began
  route::Shift shift_;
};

}  // namespace shunt::splice
