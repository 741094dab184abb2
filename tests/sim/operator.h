// The operator, who cuts, undoes and pauses at random, and the world's misfortunes.
#pragma once

#include "tests/sim/sim.h"

namespace shunt::sim {

class Operator {
 public:
  explicit Operator(Sim& sim) : sim_(sim), random_(sim.random.fork()) {}
  void start();
  void reached(const char* step);  // of a cut: misfortunes like to come then
  void committed();                // at old, which has not answered yet
  void bypass(int partition);      // a record that does not pass through the proxy
  static constexpr std::uint16_t bypassing_writer = 100, transactional_writer = 101;

 private:
  void act();
  void move_groups();
  void open_gates();
  void fault();
  void cut_a_link();
  void stop_a_broker();
  void move_a_leader();
  void reset_a_group();
  void begin_transaction();
  void end_transaction(int partition);
  Sim& sim_;
  Random random_;
  std::vector<std::uint32_t> bypassed_;
  std::uint32_t transactions_ = 0;
};

}  // namespace shunt::sim
