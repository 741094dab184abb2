#include "tests/sim/operator.h"

#include "tests/sim/consumer.h"
#include "tests/sim/cut_run.h"
#include "tests/sim/session.h"

namespace shunt::sim {

using route::Cluster;

void Operator::start() {
  bypassed_.resize(static_cast<std::size_t>(sim_.plan.partitions));
  if (sim_.plan.bypass) sim_.oracle.writer(bypassing_writer, WriterKind::past);
  if (sim_.plan.transactions) sim_.oracle.writer(transactional_writer, WriterKind::past);
  sim_.time.after(random_.between(5, 200) * ms, [this] { act(); });
  sim_.time.after(random_.between(20, 200) * ms, [this] { fault(); });
}

void Operator::act() {
  if (sim_.calm()) return open_gates();
  sim_.time.after(random_.between(sim_.plan.operator_every / 2, sim_.plan.operator_every * 3 / 2),
                  [this] { act(); });
  const auto proxy = sim_.proxy;
  if (!proxy || !proxy->listening()) return;
  if (proxy->splice.idle()) return proxy->start_migration();
  const auto* m = proxy->splice.migration("m1");
  if (m->paused) return proxy->pause(false);
  if (sim_.plan.groups && random_.percent(40)) return move_groups();
  const auto chance = random_.below(100);
  if (sim_.plan.pause && chance < 10) return proxy->pause(true);
  const bool on_new = proxy->splice.topic(topic_name)->produce_to() == Cluster::new_cluster;
  if (on_new && chance < 60) return proxy->undo();
  proxy->cut(on_new ? Cluster::old_cluster : Cluster::new_cluster, "");
}

void Operator::move_groups() {
  std::vector<std::string> groups;
  for (auto& c : sim_.consumers) {
    if (!c->group().empty() && random_.percent(40)) groups.push_back(c->group());
  }
  const auto to = random_.percent(60) ? Cluster::new_cluster : Cluster::old_cluster;
  sim_.proxy->move_groups(to, groups);
}

// So that everything can be read in the end.
void Operator::open_gates() {
  if (!sim_.plan.groups) return;
  const auto proxy = sim_.proxy;
  const bool up = proxy && proxy->listening();
  const auto* m = up ? proxy->splice.migration("m1") : nullptr;
  if (up && (m == nullptr || (m->all_read_new && m->read_new.empty()))) return;
  if (up) proxy->pause(false);
  if (up) proxy->move_groups(Cluster::new_cluster, {});
  sim_.time.after(50 * ms, [this] { open_gates(); });
}

void Operator::fault() {
  if (sim_.calm()) return;
  sim_.time.after(random_.between(30, 300) * ms, [this] { fault(); });
  const Plan& plan = sim_.plan;
  if (plan.cut_links && random_.percent(50)) cut_a_link();
  if (plan.stop_brokers && random_.percent(25)) stop_a_broker();
  if (plan.move_leaders && random_.percent(30)) move_a_leader();
  if (plan.bypass && random_.percent(20)) {
    bypass(static_cast<int>(random_.below(plan.partitions)));
  }
  if (plan.transactions && random_.percent(50)) begin_transaction();
  if (plan.reset_groups && random_.percent(30)) reset_a_group();
  if (plan.kill_proxy && sim_.proxy && random_.percent(15)) {
    if (random_.percent(50))
      sim_.kill();
    else
      sim_.torn_in = random_.below(6);
  }
}

void Operator::cut_a_link() {
  auto& cluster = sim_.cluster(random_.percent(50) ? Cluster::old_cluster : Cluster::new_cluster);
  const auto peers = cluster.peers();
  if (peers.empty()) return;
  const auto& peer =
      peers[static_cast<std::size_t>(random_.below(static_cast<std::int64_t>(peers.size())))];
  const bool stalls = sim_.plan.stall_links && random_.percent(60);
  if (sim_.tracing()) {
    sim_.trace("a link to " + std::string(route::name(cluster.which())) + " broker " +
               std::to_string(peer->broker) + (stalls ? " stalls" : " is cut"));
  }
  if (!stalls) return cluster.cut(peer, random_.percent(50));
  cluster.stall(peer, random_.between(20, 700) * ms);
  sim_.time.after(random_.between(5, 300) * ms, [this, &cluster, peer] {
    if (random_.percent(60)) cluster.cut(peer, true);
  });
}

void Operator::stop_a_broker() {
  auto& cluster = sim_.cluster(random_.percent(60) ? Cluster::old_cluster : Cluster::new_cluster);
  const int broker = cluster.a_broker(random_);
  const auto until = sim_.time.now() + random_.between(10, 600) * ms;
  if (sim_.tracing()) {
    sim_.trace(std::string(route::name(cluster.which())) + " broker " + std::to_string(broker) +
               " stands still until " + std::to_string(until / ms));
  }
  cluster.stop(broker, until);
}

void Operator::move_a_leader() {
  auto& cluster = sim_.cluster(random_.percent(50) ? Cluster::old_cluster : Cluster::new_cluster);
  if (cluster.dead()) return;
  const int p = static_cast<int>(random_.below(sim_.plan.partitions));
  const auto* log = sim_.proxy ? sim_.proxy->splice.partition(topic_name, {}, p) : nullptr;
  const bool first = sim_.journal.empty() || (log != nullptr && !log->log.spliced());
  const bool unclean = sim_.plan.unclean && first && cluster.which() == Cluster::old_cluster &&
                       log != nullptr && !sim_.proxy->running &&
                       log->shown_end.at >= sim_.oracle.shown_to(p) && random_.percent(70);
  cluster.elect(p, unclean);
  if (sim_.tracing()) {
    sim_.trace(std::string(route::name(cluster.which())) + " partition " + std::to_string(p) +
               (unclean ? " elects uncleanly: ends at " : " elects: ends at ") +
               std::to_string(cluster.log(p).end()));
  }
  if (!unclean) return;
  const auto end = cluster.log(p).end();
  sim_.oracle.forget_from(p, end);
  for (const Time later : {0 * ms, 50 * ms, 150 * ms}) {  // what is on its way comes yet
    sim_.time.after(later, [this, p, end] {
      for (auto& c : sim_.consumers) c->truncated(p, end);
    });
  }
}

void Operator::reset_a_group() {
  std::vector<Consumer*> members;
  for (auto& c : sim_.consumers) {
    if (!c->group().empty()) members.push_back(c.get());
  }
  if (members.empty()) return;
  members[static_cast<std::size_t>(random_.below(static_cast<std::int64_t>(members.size())))]
      ->reset_past_proxy();
}

// A proxy that dies now has a commit at home that its journal does not know (rules A3).
void Operator::committed() {
  if (!sim_.plan.kill_proxy || sim_.calm() || !random_.percent(5)) return;
  sim_.time.after(0, [this] { sim_.kill(); });
}

void Operator::bypass(int partition) {
  const RecordName r{bypassing_writer, static_cast<std::uint16_t>(partition),
                     bypassed_[static_cast<std::size_t>(partition)]++};
  sim_.oracle.sent(r);
  const RecordName records[] = {r};
  if (sim_.tracing()) sim_.trace(text(r) + " goes past the proxy");
  sim_.cluster(Cluster::old_cluster).append_past(partition, make_batch(-1, -1, -1, records));
}

// One of a producer that does not pass through the proxy and hangs for a while (rules A8).
void Operator::begin_transaction() {
  const int p = static_cast<int>(random_.below(sim_.plan.partitions));
  auto& old = sim_.cluster(Cluster::old_cluster);
  const auto* log = sim_.proxy ? sim_.proxy->splice.partition(topic_name, {}, p) : nullptr;
  if (old.log(p).open_transaction()) return;
  if (log == nullptr || log->log.tail().cluster != Cluster::old_cluster) return;
  const RecordName records[] = {
      {transactional_writer, static_cast<std::uint16_t>(p), transactions_++}};
  sim_.oracle.sent(records[0]);
  constexpr std::int64_t first_id = 1 << 20;
  if (sim_.tracing()) sim_.trace(text(records[0]) + " begins a transaction past the proxy");
  old.append_past(p, make_batch(first_id + transactions_, 0, 0, records, transactional));
  sim_.time.after(random_.between(5, 500) * ms, [this, p] { end_transaction(p); });
}

// Its marker must stand in the segment that it began in: behind a seam it is not shown, and who
// reads committed records alone would wait at its first one for ever.
void Operator::end_transaction(int p) {
  auto& old = sim_.cluster(Cluster::old_cluster);
  const auto first = old.log(p).open_transaction();
  if (!first) return;
  const RecordName records[] = {
      {transactional_writer, static_cast<std::uint16_t>(p), transactions_++}};
  sim_.oracle.sent(records[0]);
  const auto at = old.log(p).end();
  old.append_past(p, make_batch((1 << 20) + transactions_, 0, -1, records, marker));
  if (sim_.tracing()) sim_.trace(text(records[0]) + " ends a transaction at " + std::to_string(at));
  // Lost with its leader, it comes again from the new one.
  sim_.time.after(100 * ms, [this, p] { end_transaction(p); });
  const auto* log = sim_.proxy ? sim_.proxy->splice.partition(topic_name, {}, p) : nullptr;
  if (log == nullptr) return;
  for (const auto& s : log->log.segments()) {
    if (s.cluster != Cluster::old_cluster || *first < s.native_start || *first >= s.native_end)
      continue;
    if (at < s.native_end) continue;
    violated("a transaction of partition " + std::to_string(p) + " that began at old's " +
             std::to_string(*first) + " ends at " + std::to_string(at) + ", behind the seam");
  }
}

void Operator::reached(const char* step) {
  if (!sim_.plan.bypass || sim_.calm() || (step[1] != '3' && step[1] != '6')) return;
  for (int p = 0; p < sim_.plan.partitions; ++p) {
    if (random_.percent(60)) continue;
    sim_.time.after(random_.between(0, 15) * ms, [this, p] {
      if (!sim_.calm()) bypass(p);
    });
  }
}

}  // namespace shunt::sim
