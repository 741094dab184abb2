// What the migration writes to the journal; read back, these records are the migration's state.
//
// Each is written before its effect shows. `sealed` (S5) is the point of no return of a cut: with
// it the seam stands, also when the daemon dies at once.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "proxy/splice/virtual_log.h"
#include "proxy/wire/value.h"

namespace shunt::splice {

using UnixMillis = std::int64_t;

// One batch of an idempotent producer, as the broker's duplicate check names it (KIP-98).
struct BatchId {
  std::int64_t producer_id = -1;  // as its client knows it; -1: not idempotent
  std::int16_t epoch = -1;
  std::int32_t first_sequence = -1;
  std::int32_t records = 0;
  std::int32_t last_sequence() const;  // sequences wrap around at 2^31
  bool operator==(const BatchId&) const = default;
};

// The last batches of one producer in a partition, oldest first; brokers remember five.
struct ProducerTail {
  struct Batch {
    std::int32_t first_sequence = -1, last_sequence = -1;
    std::int64_t offset = -1;  // virtual, of its first record; -1: not known
    bool operator==(const Batch&) const = default;
  };
  std::int16_t epoch = -1;
  std::vector<Batch> last;
  bool operator==(const ProducerTail&) const = default;
};
using ProducerTails = std::map<std::int64_t, ProducerTail>;  // by the client's producer id

// Where one partition's tail ends and the next segment begins.
struct Seam {
  std::string topic;
  std::int32_t partition = -1;
  std::int64_t native_end = 0;    // of the cluster that was written to
  std::int64_t native_start = 0;  // of the one that will be
  std::int32_t epoch_last = -1;   // the greatest shown leader epoch before it
  ProducerTails producers;        // of the segment that ends
  std::vector<BatchId> unclear;   // sent to it and never answered; see Unclear in state.h
  bool operator==(const Seam&) const = default;
};

struct MigratedTopic {
  std::string name;
  wire::Uuid old_id{}, new_id{};  // zero: the cluster has no topic ids
  std::int32_t partitions = 0;
  bool operator==(const MigratedTopic&) const = default;
};

// What the reserved groups with this journal's seams are named by (seams.h): made once.
struct JournalNamed {
  std::string id;
};
// A migration was created; nothing moves yet.
struct MigrationStarted {
  std::string migration;
  int scheme = 1;
  std::vector<MigratedTopic> topics;
  UnixMillis at = 0;
};
// S1: a cut is about to begin. Without a CutSealed of its move behind it, it has been aborted.
struct CutIntended {
  std::string migration, move;
  std::vector<std::string> topics;
  Cluster to = Cluster::new_cluster;
  std::string undoes;  // the move that it takes back; empty: none
  UnixMillis at = 0;
};
struct CutAborted {
  std::string move;
  std::string step;  // "S1".."S4"
  std::string reason;
  UnixMillis at = 0;
};
// S5: the seams stand. All partitions of the cut, or none.
struct CutSealed {
  std::string move;
  std::uint32_t cut = 0;  // its number, rising
  std::vector<Seam> seams;
  UnixMillis at = 0;
};
// S6: production flows to the other cluster; S7 follows.
struct CutFlipped {
  std::string move;
  std::int64_t held_ms_max = 0;
  UnixMillis at = 0;
};
// Records that came to a closed segment's cluster past us were made part of the log: its tail ends,
// a closed segment of `from` shows them, the tail's cluster goes on (rules A9). What lies before
// `from_start` is a repeat of what the tail's cluster has, and shown nowhere (rules A1).
struct Swept {
  std::string topic;
  std::int32_t partition = -1;
  std::int64_t tail_end = 0;  // native: where the tail is closed, and goes on behind
  Cluster from = Cluster::old_cluster;
  std::int64_t from_end = 0;  // native end of what is swept in
  std::int64_t records = 0;
  UnixMillis at = 0;
  std::int32_t epoch_last = -1;  // the greatest shown leader epoch of the tail so far (rules C6)
  std::int64_t from_start = -1;  // native; -1: where that cluster's part of the log ended
  ProducerTails producers{};     // whose batches were unclear, and may be sent again
};
// A batch that was unclear at the seam has been accepted by the tail's cluster: where the other one
// has it too, that is a repeat (rules A1).
struct Rewritten {
  std::string topic;
  std::int32_t partition = -1;
  BatchId batch;
};
// Groups may read what is written at new, or wait at its seam (scheme 1: production goes first).
struct GroupsMoved {
  std::string migration, move;
  Cluster to = Cluster::new_cluster;  // old: they wait where they are
  std::vector<std::string> groups;    // empty: all, and consumers without a group
  std::string undoes;                 // the move that it takes back; empty: none
  UnixMillis at = 0;
};
// Readers of a partition jump over what lies in new (on), or read it again: its cluster had been
// left unreachable (rules B1).
struct NewSkipped {
  std::string topic;
  std::int32_t partition = -1;
  bool on = false;
};
// The producer id a cluster gave us for a client's: (client's id, cut) -> id (rules B8).
struct ProducerMapped {
  std::int64_t producer_id = -1;
  std::uint32_t cut = 0;
  std::int64_t id = -1;
};
// The tail's cluster has accepted a first batch of a producer: it checks sequences itself now.
struct FirstAccepted {
  std::string topic;
  std::int32_t partition = -1;
  std::int64_t producer_id = -1;  // the client's
};
// A commit that the group's home has accepted.
struct CommitAccepted {
  std::string group, topic;
  std::int32_t partition = -1;
  VirtualOffset at;
  std::string metadata;
  UnixMillis time = 0;
  // Not journaled. Of what was shown instead of a commit: how new the home's word was; else it is
  // newer than all before.
  std::optional<std::uint64_t> as_of = {};
};
struct CommitForgotten {  // OffsetDelete, DeleteGroups
  std::string group, topic;
  std::int32_t partition = -1;  // -1: all of the topic; topic empty: all of the group
};
struct MigrationPaused {
  std::string migration;
  bool paused = false;
};
// A group's coordinator has moved to new: its home is there from now on (hand-over, rules B3, B4).
struct GroupHanded {
  std::string group;
  // Old's last one; clients are shown new's above it: assignors compare them. 0: it had none.
  std::int32_t generation = 0;
  std::vector<std::string> members;  // ids that old issued and new does not know
  UnixMillis at = 0;
};
// Old is not needed any more for the migration's topics; what only it has is shown no more.
struct MigrationFinished {
  std::string migration;
  bool left = false;  // nor for anything else that is used here: it may be switched off
  UnixMillis at = 0;
};
// For the journal's snapshots: one partition as it stands.
struct PartitionKept {
  std::string topic;
  std::int32_t partition = -1;
  std::vector<Segment> segments;
  ProducerTails producers;
  std::vector<BatchId> unclear;
  std::vector<std::int64_t> accepted;  // FirstAccepted of these producer ids
  std::int64_t stragglers = 0;
  std::vector<BatchId> rewritten{};  // of `unclear`
};

using Record =
    std::variant<JournalNamed, MigrationStarted, CutIntended, CutAborted, CutSealed, CutFlipped,
                 Swept, ProducerMapped, FirstAccepted, CommitAccepted, CommitForgotten,
                 MigrationPaused, PartitionKept, Rewritten, NewSkipped, GroupsMoved, GroupHanded,
                 MigrationFinished>;

}  // namespace shunt::splice
