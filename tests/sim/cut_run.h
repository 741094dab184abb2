// Runs one cut: does what splice::Cut wants, as net's CutRun.
#pragma once

#include "tests/sim/end_reader.h"

namespace shunt::sim {

class CutRun : public std::enable_shared_from_this<CutRun> {
 public:
  CutRun(Proxy& proxy, splice::CutPlan plan);
  void start();
  void leave();  // as start(); asks the cluster that is left nothing (rules B1)
  void cancel(const std::string& reason);
  const splice::Cut& cut() const { return cut_; }
  bool leaves() const { return leaving_; }

 private:
  using Want = splice::Cut::Want;
  void follow(Want want);
  void prepare();
  void draw();
  void drain();
  void look();
  void read_ends();
  void release();
  void tell(const char* step);
  std::int64_t now() const { return proxy_.sim.time.now_ms(); }

  Proxy& proxy_;
  route::Cluster from_;
  splice::Cut cut_;
  std::shared_ptr<EndReader> reader_;
  EndReader::Readings last_;
  std::int64_t held_since_ = 0;
  bool leaving_ = false;
};

}  // namespace shunt::sim
