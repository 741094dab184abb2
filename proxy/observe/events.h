// What happened to migrations, in order: for `events`, `run` and those who look in later.
//
// A ring in memory; the log has the same. One thread.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace shunt::observe {

struct Event {
  using Value = std::variant<std::string, std::int64_t, bool>;
  std::uint64_t seq = 0;  // from 1, rising; a new start of the daemon begins anew
  std::int64_t time_ms = 0;
  std::string event;                                // "cut.S1", "straggler.found", ...
  std::string migration;                            // empty: none
  std::string step;                                 // "S1".."S8"; empty: none
  std::vector<std::pair<std::string, Value>> keys;  // the event's own
};

class Events {
 public:
  static constexpr std::size_t kept_max = 10000;
  // Numbers, times, keeps and logs it (level info).
  void add(Event event);
  // Those kept with seq above `since`, oldest first.
  std::vector<Event> since(std::uint64_t since) const;
  std::uint64_t last() const { return next_ - 1; }

 private:
  std::deque<Event> kept_;
  std::uint64_t next_ = 1;
};

}  // namespace shunt::observe
