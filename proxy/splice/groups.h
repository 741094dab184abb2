// Groups that have been handed over: what differs between the group as clients know it and as new
// does.
//
// Source: JoinGroup (11), Heartbeat (12), LeaveGroup (13), SyncGroup (14), OffsetCommit (8),
// TxnOffsetCommit (28), all versions; KIP-394 (MEMBER_ID_REQUIRED). Generations are shown above
// old's last one, because assignors compare them and a lower one loses ownership; member ids that
// old issued mean nothing to new (rules B4, probes P4).
#pragma once

#include <memory>
#include <optional>

#include "proxy/splice/state.h"
#include "proxy/splice/task.h"

namespace shunt::splice {

constexpr int rebalance_in_progress = 27, member_id_required = 79;

// Does old, not new, know this member?
bool of_old(const Handed& group, std::string_view member);

// The request's body for new: its generation is new's own. nullopt: it goes as it is.
std::optional<wire::Value> for_new_home(const Handed& group, wire::ApiKey api,
                                        const wire::Value& request);

// A JoinGroup at `coordinator`, a node of new: an id that new did not issue is left out, and the
// one that new issues first is used at once, so that no client sees MEMBER_ID_REQUIRED. The answer
// has the generation as clients are shown it.
class JoinTask : public Task {
 public:
  JoinTask(const Handed& group, route::NodeKey coordinator, const wire::Value& request);
  std::vector<Ask> round(std::int64_t now_ms) override;
  void take(std::size_t i, const wire::Value& body) override;
  wire::Value answer() override;
  bool stale_coordinator() const;

 private:
  std::int32_t generation_;
  route::NodeKey coordinator_;
  wire::Value request_;
  std::optional<wire::Value> told_;
  int asked_ = 0;
};

}  // namespace shunt::splice
