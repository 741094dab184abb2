// All of new's brokers die while production is there; the operator leaves them, they come back.
//
// Undo must not need the cluster that has just failed (rules B1): its segment is closed at what was
// told of it, what it holds past that is swept in when it is back.
#pragma once

#include "tests/sim/sim.h"

namespace shunt::sim {

class Outage {
 public:
  explicit Outage(Sim& sim) : sim_(sim), random_(sim.random.fork()) {}
  void start();
  void end();

 private:
  void begin();
  void leave();
  ModelCluster& cluster() { return sim_.cluster(route::Cluster::new_cluster); }
  bool produced_to() const;

  Sim& sim_;
  Random random_;
};

}  // namespace shunt::sim
