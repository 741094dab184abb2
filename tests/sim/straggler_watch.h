// S8: sweeps in what a cluster took past its part of the log; as net's StragglerWatch.
#pragma once

#include "proxy/splice/stragglers.h"
#include "tests/sim/proxy.h"

namespace shunt::sim {

class StragglerWatch : public std::enable_shared_from_this<StragglerWatch> {
 public:
  explicit StragglerWatch(Proxy& proxy) : proxy_(proxy) {}
  void start();

 private:
  struct Late {  // what a partition's left cluster holds past its segment's end
    route::Cluster from{};
    std::int64_t end = 0;      // native, of its log
    std::int64_t begin = 0;    // native, of what is read
    std::int64_t read_to = 0;  // native, so far
    std::vector<splice::Straggler> batches;
  };
  void tick();
  void look(route::Cluster c, int partition);
  void compare(route::Cluster c, int partition, std::int64_t log_end);
  void read(int partition, const Late& late);
  void sweep(int partition, const Late& late);
  void swept(int partition, const Late& late, std::int64_t tail_end);
  void take(int partition, const Late& late, const splice::StragglerRun& run,
            std::int64_t tail_end);
  int leader(route::Cluster c, int partition) const;
  void log_end(route::Cluster c, int partition,
               std::function<void(std::optional<std::int64_t>)> done);

  Proxy& proxy_;
  std::set<int> busy_;
};

}  // namespace shunt::sim
