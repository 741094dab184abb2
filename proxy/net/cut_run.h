// Runs one cut: does what splice::Cut wants, with sessions, brokers and timers.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>

#include "proxy/net/end_reader.h"
#include "proxy/net/operator.h"
#include "proxy/net/session.h"

namespace shunt::net {

class CutRun : public std::enable_shared_from_this<CutRun> {
 public:
  CutRun(World& world, splice::CutPlan plan, route::Cluster from);
  // `done`: once, when it has ended in one way or the other.
  void start(std::function<void(const ProduceMoved&)> done);
  // The same, leaving a cluster that may not answer any more: its segments end at what was shown of
  // them (rules B1).
  void leave(std::function<void(const ProduceMoved&)> done);
  // Before S5 it aborts, later it goes on; before its start it is only called off.
  void cancel(const std::string& reason);
  bool called_off() const { return called_off_; }
  const splice::Cut& cut() const { return cut_; }

 private:
  using Want = splice::Cut::Want;
  void follow(Want want);
  std::string from_before() const;
  void prepare();
  void draw();
  void drain();
  void look();
  void read_ends();
  void release();
  void tell(const char* step);
  void after(std::chrono::milliseconds pause, std::function<void()> then);
  std::int64_t now_ms() const;
  ProduceMoved result() const;

  World& world_;
  route::Cluster from_;
  splice::Cut cut_;
  std::shared_ptr<EndReader> reader_;
  Session::Topics topics_;
  boost::asio::steady_timer timer_, limit_;
  std::int64_t held_since_ = 0;
  bool leaving_ = false, called_off_ = false;
  std::string told_;  // what was said to be waited for
  std::function<void(const ProduceMoved&)> done_;
};

}  // namespace shunt::net
