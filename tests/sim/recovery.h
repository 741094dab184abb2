// The operator's `shunt recover`: a lost journal rebuilt from what both clusters keep (rules B2).
// As net's Recovery.
#pragma once

#include "tests/sim/offset_reader.h"

namespace shunt::sim {

class Recovery : public std::enable_shared_from_this<Recovery> {
 public:
  explicit Recovery(Sim& sim);
  // `done`: once it has succeeded; until then it is tried again.
  using Done = std::function<void(const std::vector<splice::Record>& journal)>;
  void start(Done done);

 private:
  void again(const std::string& why);
  void read_topics(route::Cluster c);
  void read_groups(route::Cluster c);
  void rebuild();
  void read_ends(std::size_t next);
  void add_positions();

  Sim& sim_;
  std::shared_ptr<Proxy> process_;  // it has its own connections
  Offsets offsets_[2];
  splice::Rebuilt rebuilt_;
  std::vector<splice::LogEnd> ends_;
  Done done_;
};

}  // namespace shunt::sim
