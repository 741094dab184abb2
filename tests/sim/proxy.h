// One life of the daemon: the state, what is known of both clusters, and its own calls to them.
//
// As proxy/net's World, poller and mover, with the same pure calls. A SIGKILL ends it between any
// two events, or around a write to the journal; the next one begins with the journal's records.
#pragma once

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

struct Killed {};  // thrown where the daemon dies in the middle of what it does

class Proxy : public std::enable_shared_from_this<Proxy> {
 public:
  explicit Proxy(Sim& sim);
  ~Proxy();
  const char* restore(const std::vector<splice::Record>& journal);
  void start();
  bool listening() const { return topologies[0].known() && topologies[1].known(); }

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
  void pause(bool paused);
  void commit_accepted(const splice::CommitAccepted& c);
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
  std::function<void()> on_settled;
  std::deque<std::int64_t> drawn[2];
  std::shared_ptr<CutRun> running;

 private:
  void poll(route::Cluster c);
  void copy_all();
  void copy_soon();
  std::set<std::pair<std::int64_t, std::uint32_t>> drawing_;
  std::map<int, std::vector<splice::Unclear>> unclear_before_;  // the migration, by partition
  std::map<std::pair<std::string, int>, splice::Copy> copies_;
  bool waking_ = false, copying_ = false, refreshing_[2] = {};
};

}  // namespace shunt::sim
