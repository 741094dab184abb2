// Before the first client: do the clusters keep seams that this journal does not know of (rules
// B2)? As net's SeamGuard.
#pragma once

#include "tests/sim/offset_reader.h"

namespace shunt::sim {

class SeamGuard : public std::enable_shared_from_this<SeamGuard> {
 public:
  explicit SeamGuard(Proxy& proxy) : proxy_(proxy) {}
  // `done`: why it must not start; empty: it may.
  void start(std::function<void(const std::string& refused)> done);

 private:
  void ask(route::Cluster c);
  Proxy& proxy_;
  std::vector<splice::FoundGroup> found_;
  std::function<void(const std::string&)> done_;
};

}  // namespace shunt::sim
