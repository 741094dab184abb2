// What an operator may ask of the running data path. Implemented by net, rendered by control.
//
// Every call is answered once through `done`, from the loop, perhaps within the call. A step that
// runs belongs to the daemon, not to who asked: when nobody waits any more it goes on.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "proxy/splice/progress.h"
#include "proxy/splice/proof.h"
#include "proxy/splice/state.h"

namespace shunt::net {

// One finding of a check; also what blocks a move (contract.md, CHECK).
struct Check {
  std::string id;       // "producer.foreign"
  std::string verdict;  // pass warn fail skip
  std::string target;   // a topic, group, broker ...
  std::string reason, fix;
};

// Why something was refused. status: as HTTP: 400 usage, 409 blocked, 500 failed.
struct Refused {
  unsigned status = 500;
  std::string code, message, where, next;
  std::vector<Check> blockers;  // 409 only
};

struct PlanStep {
  int n = 0;
  std::string action, command, gate;
};
struct HistoryLeft {
  std::string topic;
  std::int64_t records = 0;  // that only old will have, as of now
};
struct Plan {
  int scheme = 1;
  std::vector<std::string> topics;
  std::string order_promised;
  std::vector<HistoryLeft> history_left_on_old;
  std::int64_t hold_ms_expected = 0;
  std::vector<PlanStep> steps;
  std::vector<Check> blockers;
};

struct PartitionMoved {
  std::string topic;
  std::int32_t partition = -1;
  std::int64_t old_end = -1, new_start = -1;  // native; -1: not known
  std::int64_t virtual_start = -1;            // where the new segment begins
  std::int64_t held_ms = 0;
  std::int64_t producers = 0;  // idempotent ones known at the seam
  std::int64_t unclear = 0;    // batches without an answer when a cluster was left
};
struct ProduceMoved {
  std::string move;  // empty when nothing had to be done
  splice::Cluster to = splice::Cluster::new_cluster;
  bool changed = false;
  std::string aborted_at, reason;  // "S1".."S4"; empty: it was not
  std::int64_t held_ms_max = 0;
  std::vector<PartitionMoved> partitions;
};

// What a group's reading follows: old's tail, the seam (wait), or new's tail.
enum class Fetching : std::uint8_t { old, wait, both, fresh };
constexpr std::string_view name(Fetching f) {
  constexpr std::string_view names[] = {"old", "wait", "both", "new"};
  return names[static_cast<std::size_t>(f)];
}
struct GroupPlace {
  std::string topic;
  std::int32_t partition = -1;
  splice::VirtualOffset position;  // committed
  bool crossed = false;            // it has read what lies before the seam, and may go on
};
struct GroupMoved {
  std::string group;
  Fetching from = Fetching::old, to = Fetching::old;
  std::vector<GroupPlace> partitions;  // those in which it has a position
};
struct GroupsMoved {
  std::string move;  // empty when nothing had to be done
  splice::Cluster to = splice::Cluster::new_cluster;
  bool changed = false;
  std::vector<GroupMoved> groups;
};
using Moved = std::variant<ProduceMoved, GroupsMoved>;

struct FetchRequest {
  splice::Cluster to = splice::Cluster::new_cluster;
  std::string group;      // empty: all, and consumers without a group
  bool wait = false;      // answered when they have crossed everywhere
  std::string migration;  // empty: the only one that is open
  bool accept_stragglers = false;
};
struct ProduceRequest {
  splice::Cluster to = splice::Cluster::new_cluster;
  std::vector<std::string> topics;  // names or globs; empty: all of the migration
  std::string migration;            // empty: the only one that is open
  bool accept_stragglers = false;
};
struct UndoRequest {
  std::string migration;
  std::string move;  // the one to take back, should it not have been yet; empty: the newest
  bool without_new = false, skip_unreachable = false;
  bool accept_stragglers = false;
};
struct FinishRequest {
  std::string migration;
  bool accept_history = false;
};
struct Finished {
  std::string migration;
  struct Group {
    std::string group;
    std::int64_t handover_ms = -1;  // from the first member's call to the group's being stable
    std::int64_t members = 0;
  };
  std::vector<Group> groups;       // that this time were handed over
  bool left = false;               // nothing here needs old any more
  std::vector<std::string> stays;  // what does, in words
};
struct StartRequest {
  int scheme = 1;
  std::vector<std::string> topics;
  bool accept_history = false, accept_stragglers = false;
};

// `verify`: what the two clusters say themselves.
using splice::GroupProof;
using splice::PartitionProof;
using splice::Proof;
using splice::SeamProof;
using splice::SegmentProof;

// `lag`: a group's progress.
using splice::GroupLag;
using splice::PartitionLag;

// What the group's reading of the migration's topics follows now.
Fetching fetching(const splice::State& state, const splice::Migration& m, const std::string& group);

class Operator {
 public:
  virtual ~Operator() = default;
  template <class T>
  using Done = std::function<void(const Refused* refused, const T& result)>;

  virtual const splice::State& state() const = 0;
  // The step that runs now: "S1".."S8", "handover"; empty: none.
  virtual std::string step() const = 0;

  virtual void plan(const StartRequest& request, Done<Plan> done) = 0;
  // The new migration's id.
  virtual void start(const StartRequest& request, Done<std::string> done) = 0;
  virtual void move_produce(const ProduceRequest& request, Done<ProduceMoved> done) = 0;
  virtual void move_fetch(const FetchRequest& request, Done<GroupsMoved> done) = 0;
  virtual void undo(const UndoRequest& request, Done<Moved> done) = 0;
  virtual void pause(const std::string& migration, bool paused, Done<std::string> done) = 0;
  // Also what an earlier one could not end.
  virtual void finish(const FinishRequest& request, Done<Finished> done) = 0;
  virtual void verify(Done<Proof> done) = 0;
  virtual void lag(const std::string& group, Done<std::vector<GroupLag>> done) = 0;
};

}  // namespace shunt::net
