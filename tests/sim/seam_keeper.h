// Keeps the seams on both clusters as well, as offsets of a reserved group (rules B2); as net's
// SeamKeeper.
#pragma once

#include "proxy/splice/seams.h"
#include "tests/sim/proxy.h"

namespace shunt::sim {

class SeamKeeper {
 public:
  explicit SeamKeeper(Proxy& proxy) : proxy_(proxy) {}
  void changed();  // a record has changed segments
  void write();

 private:
  Proxy& proxy_;
  bool posted_ = false;
};

// Whether a journal with these records could be rebuilt from what the clusters have just now: of
// each partition one has the newest seam.
bool seams_kept(Sim& sim);

}  // namespace shunt::sim
