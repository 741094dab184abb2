// A monitor: asks for the groups' committed offsets and changes nothing by that.
#pragma once

#include "tests/sim/client.h"

namespace shunt::sim {

class Onlooker : public Client {
 public:
  explicit Onlooker(Sim& sim) : Client(sim, "m0") {}
  void look();
};

}  // namespace shunt::sim
