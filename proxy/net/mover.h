// Carries out what the operator asks: plans, starts, cuts, undoes, verifies.
#pragma once

#include "proxy/net/operator.h"
#include "proxy/net/world.h"

namespace shunt::net {

class Mover : public Operator {
 public:
  explicit Mover(World& world) : world_(world) {}

  const splice::State& state() const override { return world_.splice; }
  std::string step() const override;
  void plan(const StartRequest& request, Done<Plan> done) override;
  void start(const StartRequest& request, Done<std::string> done) override;
  void move_produce(const ProduceRequest& request, Done<ProduceMoved> done) override;
  void undo(const UndoRequest& request, Done<ProduceMoved> done) override;
  void pause(const std::string& migration, bool paused, Done<std::string> done) override;
  void verify(Done<Proof> done) override;
  void lag(const std::string& group, Done<std::vector<GroupLag>> done) override;

 private:
  World& world_;
};

}  // namespace shunt::net
