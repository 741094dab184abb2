// Carries out what the operator asks: plans, starts, cuts, undoes.
#pragma once

#include <memory>
#include <set>
#include <string>

#include "proxy/net/cut_run.h"
#include "proxy/net/finish.h"
#include "proxy/net/operator.h"
#include "proxy/net/poller.h"
#include "proxy/net/straggler_watch.h"

namespace shunt::net {

// status: as HTTP's.
Refused refuse(unsigned status, std::string code, std::string message, std::string next);
Refused blocked(std::vector<Check> found);  // not empty
Refused no_such_group(const std::string& group, const std::set<std::string>& known);

class Mover : public Operator {
 public:
  explicit Mover(World& world) : world_(world), watch_(std::make_shared<StragglerWatch>(world)) {}
  // Once both are there; null: no new cluster is configured.
  void know(Poller* old_poller, Poller* new_poller);

  void tick();  // once a second
  void drain();  // the daemon stops: what can go back goes back
  std::function<void()> on_left;  // nothing needs old any more

  const splice::State& state() const override { return world_.splice; }
  std::string step() const override;
  void plan(const StartRequest& request, Done<Plan> done) override;
  void start(const StartRequest& request, Done<std::string> done) override;
  void move_produce(const ProduceRequest& request, Done<ProduceMoved> done) override;
  void move_fetch(const FetchRequest& request, Done<GroupsMoved> done) override;
  void undo(const UndoRequest& request, Done<Moved> done) override;
  void pause(const std::string& migration, bool paused, Done<std::string> done) override;
  void finish(const FinishRequest& request, Done<Finished> done) override;
  void verify(Done<Proof> done) override;
  void lag(const std::string& group, Done<std::vector<GroupLag>> done) override;

 private:
  void plan_with(const StartRequest& request, bool looked_again, Done<Plan> done);
  const splice::Migration* find(const std::string& id, Refused& why) const;
  bool may_begin(const splice::Migration& m, Refused& why) const;
  Refused refuse_running() const;
  Refused refuse_paused(const std::string& migration) const;
  bool may_go_back(const splice::Migration& m, Refused& why) const;
  using CutDone = std::function<void(const Refused* refused, const ProduceMoved& moved)>;
  void cut(const splice::Migration& m, std::vector<std::string> topics, route::Cluster to,
           const std::string& undoes, bool accept_stragglers, CutDone done);
  splice::CutPlan plan_of(const splice::Migration& m, std::vector<std::string> topics,
                          route::Cluster to, const std::string& undoes) const;
  void let_run_go();
  std::function<void(const ProduceMoved&)> when_ended(CutDone done);
  // mover_groups.cpp
  std::optional<Refused> unmovable(const splice::Migration& m, const FetchRequest& request) const;
  void move_groups(const splice::GroupsMoved& record, bool wait, Done<GroupsMoved> done);
  void show_groups(GroupsMoved moved, const splice::GroupsMoved& record, bool wait,
                   Done<GroupsMoved> done);
  // mover_leave.cpp
  void leave_new(const splice::Migration& m, bool skip, CutDone done);
  bool skip_new(const std::vector<std::string>& topics);

  World& world_;
  Poller* old_ = nullptr;
  Poller* new_ = nullptr;
  std::shared_ptr<CutRun> running_;
  std::shared_ptr<Finish> finishing_;
  std::shared_ptr<StragglerWatch> watch_;
};

}  // namespace shunt::net
