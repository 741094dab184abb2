// The migration's state: which topics are in one, their virtual logs, moves, producer ids, commits.
//
// Changed by records alone (apply), so what is read back from the journal is what was. The other
// members are of the running daemon: what was shown, what is held, what is unclear.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proxy/route/dispatch.h"
#include "proxy/splice/records.h"
#include "proxy/splice/shown_ends.h"

namespace shunt::splice {

// A Produce whose link ended without an answer: a broker may still append it (rules A1).
struct Unclear {
  BatchId batch;
  route::NodeKey node;
  std::int32_t leader_epoch = -1;  // native, when it was sent; -1: not known
  UnixMillis since = 0;
  std::string client;  // whom to name
};

struct PartitionLog {
  VirtualLog log;
  ProducerTails producers;            // before the last seam, by the client's id
  std::vector<BatchId> seam_unclear;  // of that seam: a straggler among them may be a repeat
  std::vector<BatchId> rewritten;     // of those: it is one
  std::int64_t stragglers = 0;        // records that were swept in
  bool skips_new = false;             // closed segments there are jumped over (rules B1)
  bool finished = false;              // so are those of old

  // Of the running daemon.
  std::uint64_t swept = 0;  // State::sweeps() when it was swept last
  // Everything shown of it so far, in any way, lies below: acknowledgements, records, ends.
  VirtualOffset shown_end{0};
  VirtualOffset high_watermark{0};  // of the tail, last known, never falling (rules B6)
  VirtualOffset last_stable{0};
  VirtualOffset log_start{0};                 // of the first segment that has records, last known
  std::optional<std::int64_t> candidate_end;  // native, of the tail: from S4 on it clips (rules A2)
  // First batches of a producer id in the tail: on their way, or answered (rules A4).
  enum class First : std::uint8_t { on_its_way, answered };
  std::map<std::int64_t, First> firsts;  // by the client's id
  std::vector<Unclear> unclear;          // of the tail's cluster
  std::size_t rewriting = 0;             // batches of seam_unclear on their way to the tail
  std::int64_t markers_to = 0;  // native, of the cluster that was left: only markers lie before
  // Resends of unclear batches that were let through a hold: all of them, those not answered yet.
  std::uint64_t resent = 0, resent_unanswered = 0;

  // Is what it holds out of the readers' reach?
  bool jumps(const Segment& s) const {
    const bool fresh = s.cluster == Cluster::new_cluster;
    return !s.open() && (fresh ? skips_new : finished);
  }
  // Where the newest cut's seam lies; 0 before the first one.
  VirtualOffset seam() const { return log.run_start().start; }
  // Between here and the seam nothing is left to read (rules C2): compaction may have taken it.
  VirtualOffset hollow{std::numeric_limits<std::int64_t>::max()};
  // Has who stands there read all that lies before the seam?
  bool drained_at(VirtualOffset position) const {
    return log.spliced() && (position >= seam() || position >= hollow);
  }

  void show(VirtualOffset end) {
    if (end <= shown_end) return;
    shown_end = end;
    if (keeper != nullptr) keeper->keep(kept, end.at);
  }
  ShownEnds* keeper = nullptr;  // null: it is forgotten with the daemon
  ShownEnds::Slot kept = 0;
};

struct TopicLog {
  std::string name;
  std::string migration;
  wire::Uuid old_id{}, new_id{};  // zero: none
  std::vector<PartitionLog> partitions;
  bool held = false;    // S2 to S7: no Produce passes
  std::string changed;  // why its migration stopped (rules C9); empty: it has not
  // All partitions write to one cluster: a cut moves whole topics.
  Cluster produce_to() const { return partitions.front().log.tail().cluster; }
  bool spliced() const { return partitions.front().log.spliced(); }
  wire::Uuid id(Cluster c) const { return c == Cluster::old_cluster ? old_id : new_id; }
};

enum class MoveKind : std::uint8_t { produce, fetch };

struct Move {
  std::string id;
  MoveKind kind = MoveKind::produce;
  Cluster to = Cluster::new_cluster;
  std::vector<std::string> topics;
  std::string undoes;
  UnixMillis at = 0;
  bool sealed = false;   // past S5
  bool flipped = false;  // past S6
  bool undone = false;
  std::string aborted_step, aborted_reason;  // empty: it was not
  std::int64_t held_ms_max = 0;
  std::uint32_t cut = 0;
  std::vector<std::string> groups;  // of kind fetch; empty: all, and consumers without a group
};

struct Migration {
  std::string id;
  int scheme = 1;
  std::vector<std::string> topics;
  UnixMillis since = 0;
  bool paused = false;
  UnixMillis finished = 0;  // when; 0: it is open
  std::vector<Move> moves;
  // The newest move that stands and can be taken back; null: none.
  const Move* newest() const;
  const Move* newest(MoveKind kind) const;

  // May a group (empty: a consumer without one) read what is written at new? Else it waits at the
  // seam. As the moves that stand have it.
  bool reads_new(std::string_view group) const;
  void count_groups();                                // the moves have changed
  bool all_read_new = false;                          // but for these
  std::map<std::string, bool, std::less<>> read_new;  // group -> may it?
};

// A group whose coordinator is at new since its hand-over.
struct Handed {
  std::int32_t generation = 0;                // added to new's where clients see it
  std::set<std::string, std::less<>> members;  // ids that old issued
  UnixMillis at = 0;
};

// A group's last accepted commit of a partition.
struct Commit {
  VirtualOffset at;
  std::string metadata;
  UnixMillis time = 0;
  std::uint64_t number = 0;  // in the order the home accepted them, in this life
};

class State : public route::Homes {
 public:
  // Takes a record. Null, or why it cannot follow what was before (a journal that was changed).
  const char* apply(const Record& record);
  // Records from which an empty State becomes this one.
  std::vector<Record> snapshot() const;

  // From now on what is shown is kept there; what was kept counts as shown. `keeper` outlives this
  // state, and copies of it.
  void keep_shown(ShownEnds& keeper);

  // True when no topic is in a migration: nothing here concerns the data path.
  bool idle() const { return topics_.empty(); }
  std::map<std::string, TopicLog, std::less<>>& topics() { return topics_; }
  const std::map<std::string, TopicLog, std::less<>>& topics() const { return topics_; }
  // Null: not in a migration.
  TopicLog* topic(std::string_view name);
  const TopicLog* topic(std::string_view name) const;
  TopicLog* topic(const wire::Uuid& shown_id);  // clients are shown old's ids
  TopicLog* topic_of(std::string_view name, const wire::Uuid& shown_id) {
    return name.empty() ? topic(shown_id) : topic(name);
  }
  // Where a partition's log stands, which must be one of ours.
  struct Place {
    const TopicLog* topic = nullptr;
    std::int32_t partition = -1;
  };
  Place place_of(const PartitionLog& log) const;
  Cluster home() const override { return left_ ? Cluster::new_cluster : Cluster::old_cluster; }
  Cluster home(std::string_view topic, const wire::Uuid& shown_id) const override;
  Cluster group_home(std::string_view group) const override {
    return left_ || handed(group) != nullptr ? Cluster::new_cluster : Cluster::old_cluster;
  }
  std::string_view topic_name(const wire::Uuid& shown_id) const override;
  // Null: its home is where it was.
  const Handed* handed(std::string_view group) const;
  const std::map<std::string, Handed, std::less<>>& all_handed() const { return handed_; }
  // Nothing goes to old any more.
  bool left() const { return left_; }
  // By name or, when that is empty, by id. Null: not in a migration, or no such partition.
  const TopicLog* topic(std::string_view name, const wire::Uuid& shown_id) const;
  PartitionLog* partition(std::string_view topic, const wire::Uuid& shown_id, std::int32_t index);
  const PartitionLog* partition(std::string_view topic, const wire::Uuid& shown_id,
                                std::int32_t index) const;

  const std::string& journal() const { return journal_; }  // its id; empty: not named yet
  // Counts sweeps, of any partition: an answer that began to stream before one must not be read by
  // the segments as they are now.
  std::uint64_t sweeps() const { return sweeps_; }

  const std::map<std::string, Migration>& migrations() const { return migrations_; }
  const Migration* migration(std::string_view id) const;
  bool finished(const TopicLog& t) const;
  // Does this reader wait at the seam of a topic that is written at new?
  bool waits(const TopicLog& t, std::string_view group) const;
  const Move* move(std::string_view id) const;
  // The id of the next migration ("m1") and of the next move ("m1.1"); the number of the next cut.
  std::string next_migration_id() const;
  std::string next_move_id(const Migration& m) const;
  std::uint32_t next_cut() const { return last_cut_ + 1; }

  // The id to write with, of a client's producer id in the segment that `cut` began; nullopt: not
  // drawn yet. Cut 0: its own.
  std::optional<std::int64_t> producer(std::int64_t client_id, std::uint32_t cut) const;
  // The client's id of one that was drawn for `cut`; nullopt: it is not ours. Cut 0: itself.
  std::optional<std::int64_t> producer_of(std::int64_t drawn, std::uint32_t cut) const;

  using CommitKey = std::pair<std::string, std::int32_t>;  // topic, partition
  const std::map<std::string, std::map<CommitKey, Commit>>& commits() const { return commits_; }
  const Commit* commit(const std::string& group, const std::string& topic,
                       std::int32_t partition) const;
  std::uint64_t last_commit() const { return last_commit_; }  // its number

 private:
  const char* take(const JournalNamed& r);
  const char* take(const MigrationStarted& r);
  const char* take(const CutIntended& r);
  const char* take(const CutAborted& r);
  const char* take(const CutSealed& r);
  const char* take(const CutFlipped& r);
  const char* take(const Swept& r);
  const char* take(const ProducerMapped& r);
  const char* take(const FirstAccepted& r);
  const char* take(const CommitAccepted& r);
  const char* take(const CommitForgotten& r);
  const char* take(const MigrationPaused& r);
  const char* take(const PartitionKept& r);
  const char* take(const Rewritten& r);
  const char* take(const NewSkipped& r);
  const char* take(const GroupsMoved& r);
  const char* take(const GroupHanded& r);
  const char* take(const MigrationFinished& r);
  Move* find_move(std::string_view id);
  void keep_shown(TopicLog& t);

  ShownEnds* keeper_ = nullptr;
  std::string journal_;
  std::map<std::string, TopicLog, std::less<>> topics_;
  std::map<wire::Uuid, std::string> names_;  // of old's topic ids
  std::map<std::string, Migration> migrations_;
  std::uint32_t last_cut_ = 0;
  std::uint64_t sweeps_ = 0;
  std::map<std::pair<std::int64_t, std::uint32_t>, std::int64_t> drawn_;
  std::map<std::pair<std::int64_t, std::uint32_t>, std::int64_t> drawn_of_;  // the reverse
  std::map<std::string, std::map<CommitKey, Commit>> commits_;
  std::uint64_t last_commit_ = 0;
  std::map<std::string, Handed, std::less<>> handed_;
  bool left_ = false;
};

}  // namespace shunt::splice
