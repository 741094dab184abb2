// The cut, S1 to S7, as a state machine: events in, what to do next out.
//
//     S1 intent ─▶ S2 hold ─▶ S3 drain ─▶ S4 ends ─▶ S5 seam ─▶ S6 flip ─▶ S7 release
//         └──────────┴───────────┴───────────┴─ any failure: abort, release to where it was
//
// The records it writes drive the state: before S5 a cut that is not read to its end has been
// aborted, from S5 on its seams stand. Time is an argument, in ms of a clock that only rises.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "proxy/splice/state.h"

namespace shunt::splice {

// What one cluster says of one partition's end, all read within one reading (rules A8, A10, C1).
struct EndReading {
  std::int32_t leader_epoch = -1;    // native, before and after the others; -1: changed or none
  std::int64_t log_end = -1;         // ListOffsets with ReplicaId -2
  std::int64_t epoch_end = -1;       // OffsetForLeaderEpoch of that epoch; -1: not told
  std::int64_t high_watermark = -1;  // ListOffsets, read_uncommitted
  std::int64_t last_stable = -1;     // ListOffsets, read_committed
  int in_sync = 0, in_sync_min = 1;  // replicas; min.insync.replicas
  std::string error;                 // why it could not be read; empty: it could
  std::int64_t log_start = 0;        // ListOffsets, earliest: records before it are gone
};

struct PartitionReading {
  std::string topic;
  std::int32_t partition = -1;
  EndReading from, to;
  ProducerTails producers;  // of the tail, by the id in its cluster, offsets native
};

struct CutPlan {
  std::string migration, move;
  std::string undoes;               // the move that it takes back; empty: none
  std::vector<std::string> topics;  // whole topics, all with the tail in one cluster
  Cluster to = Cluster::new_cluster;
  std::int64_t hold_limit_ms = 2000;  // S2 to S5
  std::int64_t unclear_ms = 30000;    // rules A1 c
};

class Cut {
 public:
  enum class Step : std::uint8_t { intent = 1, hold, drain, ends, seam, flip, release, done };
  // What the driver does next, answered by the event of that name. `none`: nothing any more.
  enum class Want : std::uint8_t {
    prepare,  // draw producer ids, read the tails' last batches: prepared()
    drain,    // hold has begun: wait until nothing is in flight to these topics: drained()
    ends,     // read all ends once: ends_read()
    release,  // the topics are held no more: released()
    none,
  };
  // Writes a record; false: it could not be written.
  using Write = std::function<bool(const Record&, bool durable)>;
  // A transition, for log and events: "S1".."S7", "aborted".
  using Tell = std::function<void(const char* step)>;

  Cut(State& state, CutPlan plan, Write write, Tell tell);

  Want begin(UnixMillis unix_now);
  // `problem` not empty: it could not be prepared.
  Want prepared(const std::string& problem, std::int64_t now, UnixMillis unix_now);
  Want drained(std::int64_t now);
  Want ends_read(const std::vector<PartitionReading>& readings, std::int64_t now,
                 UnixMillis unix_now);
  // Instead of ends_read(): the cluster that is left cannot be asked. Each of its segments ends at
  // the greatest offset shown or acknowledged; what it holds past that is swept in when it is back.
  // What its producers wrote last is not known: the other cluster takes what they send next (rules
  // B1).
  Want leave(std::int64_t now, UnixMillis unix_now);
  // Time passes: past the hold limit it aborts.
  Want tick(std::int64_t now, UnixMillis unix_now);
  Want cancel(const std::string& reason, std::int64_t now, UnixMillis unix_now);
  Want released(std::int64_t now, UnixMillis unix_now);

  // What S3 waits for just now: for the reason, should the limit end it.
  void waits_for(const std::string& what) { waiting_for_ = what; }

  const CutPlan& plan() const { return plan_; }
  Step step() const { return step_; }
  const char* step_name() const;
  bool over() const { return step_ == Step::done; }
  bool aborted() const { return !aborted_at_.empty(); }
  const std::string& aborted_at() const { return aborted_at_; }  // "S1".."S4"
  const std::string& reason() const { return reason_; }
  std::int64_t held_ms() const { return held_ms_; }
  const std::vector<Seam>& seams() const { return seams_; }

 private:
  Want abort(const std::string& reason, std::int64_t now, UnixMillis unix_now);
  std::string not_yet(const PartitionReading& r, const PartitionLog& p, std::int64_t now) const;
  std::string never(const PartitionReading& r, const PartitionLog& p) const;
  Seam seam(const PartitionReading& r, const PartitionLog& p) const;
  bool seal(std::vector<Seam> seams, UnixMillis unix_now);
  Want flip(std::vector<Seam> seams, std::int64_t now, UnixMillis unix_now);
  void hold(bool held);
  std::optional<std::uint64_t> resent() const;

  State& state_;
  CutPlan plan_;
  Write write_;
  Tell tell_;
  Step step_ = Step::intent;
  std::int64_t held_since_ = 0, held_ms_ = 0;
  std::string aborted_at_, reason_, waiting_for_;
  std::optional<std::uint64_t> resent_;  // when the ends were last asked for
  std::vector<Seam> seams_;
};

// Drops what has become clear (rules A1): `epoch` is the partition's leader epoch now (native),
// `tails` its producers' last batches, by the id in the tail's cluster.
void clear_unclear(const State& state, PartitionLog& p, std::int32_t epoch,
                   const ProducerTails* tails, UnixMillis unix_now, std::int64_t unclear_ms);

}  // namespace shunt::splice
