// One life of the daemon: the state, what is known of both clusters, and its own calls to them.
//
// As proxy/net's World, poller and mover, with the same pure calls. A SIGKILL ends it between any
// two events, or around a write to the journal; the next one begins with the journal's records.
//
//     proxy.cpp   its life, its calls, producer ids      mover.cpp   the operator's orders
//     copier.cpp  its own commits
#pragma once

#include <compare>
#include <set>

#include "proxy/route/dispatch.h"
#include "proxy/route/translate.h"
#include "proxy/splice/commits.h"
#include "proxy/splice/cut.h"
#include "proxy/splice/producers.h"
#include "tests/sim/sim.h"

namespace shunt::sim {

class Session;
class CutRun;
class SeamKeeper;

struct Killed {};  // thrown where the daemon dies in the middle of what it does

class Proxy : public std::enable_shared_from_this<Proxy> {
 public:
  explicit Proxy(Sim& sim);
  ~Proxy();
  const char* restore(const std::vector<splice::Record>& journal);
  void start();
  bool listening() const { return guarded_ && topologies[0].known() && topologies[1].known(); }

  std::shared_ptr<Session> accept(const std::shared_ptr<ClientConnection>& client);

  bool record(const splice::Record& r, bool durable);
  route::View view() { return {&topologies[0], &topologies[1], splice.idle() ? nullptr : &splice}; }
  route::Topology& topology(route::Cluster c) { return topologies[static_cast<std::size_t>(c)]; }
  ModelCluster& cluster(route::Cluster c) { return sim.cluster(c); }
  // After a pause, if it still lives.
  void after(Time pause, Timeline::Action action);
  void refresh_soon(route::Cluster c);
  // A request of its own; the body is null when nobody answered.
  using Answered = std::function<void(const wire::Value& body)>;
  void call(route::Cluster c, int broker, wire::ApiKey api, wire::Version version,
            const wire::Value& body, Answered done);
  bool draw(std::int64_t producer_id, std::uint32_t cut, route::Cluster c);
  void draw_ids(route::Cluster c, std::size_t count, std::function<void()> done);
  void wake_parked();
  void unclear(int partition, splice::PartitionLog* log, splice::Unclear u);
  void adopt_unclear();
  void settled() {
    if (on_settled) on_settled();
  }

  // The operator's.
  void start_migration();
  bool cut(route::Cluster to, const std::string& undoes);  // false: one is running, or paused
  void undo();
  // Groups (none: all) may read what is written at new, or wait at its seam.
  void move_groups(route::Cluster to, const std::vector<std::string>& groups,
                   const std::string& undoes = "");
  std::int64_t groups_moved_ms = 0,
               flipped_ms = 0;  // when that was last said, and production moved
  bool leave_new();             // undo --without-new; false: not now, or there is nothing to leave
  void pause(bool paused);
  void commit_accepted(const splice::CommitAccepted& c);
  void copy(route::Cluster to, const splice::Copy& copy);  // a commit of its own
  bool copies_done() const { return copies_.empty(); }

  Sim& sim;
  splice::State splice;
  route::Topology topologies[2];
  struct ByAge {  // not by address: a run is its seed's alone
    bool operator()(const std::shared_ptr<Session>& a, const std::shared_ptr<Session>& b) const;
  };
  std::set<std::shared_ptr<Session>, ByAge> sessions, lingering;
  std::uint64_t accepted = 0;
  std::vector<std::weak_ptr<Session>> parked;
  // Who writes, as far as its order is kept: to a partition, by its producer id or as a client.
  struct Writer {
    int partition;
    std::int64_t producer_id;
    std::string client;
    auto operator<=>(const Writer&) const = default;
  };
  struct OneRoad {
    const Session* session = nullptr;
    std::uint32_t unanswered = 0;
  };
  std::map<Writer, OneRoad> under_way;
  std::function<void()> on_settled;
  std::deque<std::int64_t> drawn[2];
  std::shared_ptr<CutRun> running;

 private:
  splice::CutPlan plan_of(const splice::Migration& m, route::Cluster to,
                          const std::string& undoes) const;
  void poll(route::Cluster c);
  void copy_all();
  void copy_soon();
  std::set<std::pair<std::int64_t, std::uint32_t>> drawing_;
  std::map<int, std::vector<splice::Unclear>> unclear_before_;   // the migration, by partition
  using CopyKey = std::tuple<route::Cluster, std::string, int>;  // group, partition
  std::map<CopyKey, splice::Copy> copies_;
  std::unique_ptr<SeamKeeper> seams_;  // null: nobody keeps them
  bool waking_ = false, copying_ = false, guarded_ = false, refreshing_[2] = {};
};

}  // namespace shunt::sim
