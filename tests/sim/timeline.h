// The virtual clock: what happens when, in microseconds. Events at one time run in their order.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

namespace shunt::sim {

using Time = std::int64_t;  // microseconds since the run began
constexpr Time ms = 1000;

class Timeline {
 public:
  using Action = std::function<void()>;
  Time now() const { return now_; }
  std::int64_t now_ms() const { return now_ / ms; }
  void at(Time when, Action action) {
    events_.push_back({std::max(when, now_), ++count_, std::move(action)});
    std::push_heap(events_.begin(), events_.end(), later);
  }
  void after(Time pause, Action action) { at(now_ + pause, std::move(action)); }
  // Takes the next event, the clock moved to it; empty: there is none.
  Action next() {
    if (events_.empty()) return {};
    std::pop_heap(events_.begin(), events_.end(), later);
    Event e = std::move(events_.back());
    events_.pop_back();
    now_ = e.when;
    ++done_;
    return std::move(e.action);
  }
  std::uint64_t done() const { return done_; }
  void clear() { events_.clear(); }

 private:
  struct Event {
    Time when;
    std::uint64_t order;
    Action action;
  };
  static bool later(const Event& a, const Event& b) {
    return a.when != b.when ? a.when > b.when : a.order > b.order;
  }
  std::vector<Event> events_;  // a heap
  Time now_ = 0;
  std::uint64_t count_ = 0, done_ = 0;
};

}  // namespace shunt::sim
