// What must hold when a run has come to rest.
#include <algorithm>

#include "tests/sim/consumer.h"
#include "tests/sim/producer.h"
#include "tests/sim/proxy.h"
#include "tests/sim/sim.h"

namespace shunt::sim {

using route::Cluster;

bool Sim::at_rest() const {
  if (!proxy || !proxy->listening() || proxy->running || !proxy->copies_done()) return false;
  if (plan.sweeps && !swept_in()) return false;
  for (const auto& p : producers) {
    if (!p->at_rest()) return false;
  }
  for (int p = 0; p < plan.partitions; ++p) {
    const auto* log = proxy->splice.partition(topic_name, {}, p);
    const splice::Segment tail = log == nullptr ? splice::Segment{} : log->log.tail();
    const auto& native = clusters_[static_cast<std::size_t>(tail.cluster)]->log(p);
    if (native.readable(1) != native.end()) return false;
    for (const auto& c : consumers) {
      if (c->position(p) != tail.shown(native.end()).at) return false;
    }
  }
  return true;
}

bool Sim::swept_in() const {
  for (int p = 0; p < plan.partitions; ++p) {
    const auto* log = proxy->splice.partition(topic_name, {}, p);
    if (log == nullptr || !log->log.spliced()) continue;
    const auto left = other(log->log.tail().cluster);
    const auto& native = clusters_[static_cast<std::size_t>(left)]->log(p);
    if (native.end() > std::max(*log->log.next_native(left), log->markers_to)) return false;
  }
  return true;
}

void Sim::check_end() {
  if (consumers.back()->id() != "audit") {
    consumers.push_back(std::make_unique<Consumer>(*this, "audit", "", true));
    consumers.back()->start();
    const auto limit = time.now() + rest_limit;
    while (!at_rest()) {
      if (time.now() > limit) violated("the log cannot be read to its end");
      step();
    }
  }
  const bool faults =
      plan.cut_links || plan.stop_brokers || plan.move_leaders || plan.kill_proxy || plan.outage;
  for (int p = 0; p < plan.partitions; ++p) {
    oracle.check_log(p, consumers.back()->read(p), faults);
    const auto* log = proxy->splice.partition(topic_name, {}, p);
    if (log == nullptr || !log->log.spliced()) continue;
    for (const auto& c : consumers) {
      const auto* kept = proxy->splice.commit(c->group(), topic_name, p);
      if (kept == nullptr || c->committed(p) < 0) continue;
      const auto pair = log->log.pair({c->committed(p)});
      for (const auto& cluster : clusters_) {
        const auto has = cluster->committed(c->group(), p);
        if (has == pair.of(cluster->which())) continue;
        if (cluster->which() == Cluster::old_cluster && has == c->reset(p)) continue;
        // What a sweep passes over counts as read: the pair from before it leads to the same place.
        auto with = pair;
        (cluster->which() == Cluster::old_cluster ? with.in_old : with.in_new) = has;
        if (has >= 0 && log->log.position(with).at == c->committed(p)) continue;
        violated(c->group() + " has committed " + std::to_string(c->committed(p)) +
                 " of partition " + std::to_string(p) + ", " +
                 std::string(route::name(cluster->which())) + " has " + std::to_string(has) +
                 " for " + std::to_string(pair.of(cluster->which())));
      }
    }
  }
}

}  // namespace shunt::sim
