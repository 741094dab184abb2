#include "tests/sim/sim.h"

#include <algorithm>
#include <cstdio>

#include "tests/sim/consumer.h"
#include "tests/sim/cut_run.h"
#include "tests/sim/onlooker.h"
#include "tests/sim/operator.h"
#include "tests/sim/outage.h"
#include "tests/sim/producer.h"
#include "tests/sim/recovery.h"
#include "tests/sim/seam_keeper.h"
#include "tests/sim/session.h"

namespace shunt::sim {

using route::Cluster;

Sim::Sim(const Options& o) : options(o), random(o.seed) {
  make_plan();
  clusters_[0] = std::make_unique<ModelCluster>(time, random.fork(), Cluster::old_cluster,
                                                plan.brokers, plan.partitions, plan.old_start);
  clusters_[1] = std::make_unique<ModelCluster>(time, random.fork(), Cluster::new_cluster,
                                                plan.brokers, plan.partitions, plan.new_start);
  for (auto& c : clusters_) {
    if (plan.slow_replicas) c->lag_max = 60 * ms;
    if (plan.slow_ways) c->way_max = 25 * ms;
    c->watch.truncated = [this](int, const std::vector<RecordName>& lost) {
      for (const auto& r : lost) oracle.lost_natively(r);
    };
    c->watch.appended = [this, which = c->which()](int p, const ReadBatch& b,
                                                   const ModelLog::Appended& done) {
      if (tracing()) {
        trace(std::string(route::name(which)) + " appends " + text(b.records.front()) + " seq " +
              std::to_string(b.header.base_sequence) + " id " +
              std::to_string(b.header.producer_id) + ": error " + std::to_string(done.error) +
              " at " + std::to_string(done.base) + (done.repeat ? " (a repeat)" : ""));
      }
      const auto* log = proxy ? proxy->splice.partition(topic_name, {}, p) : nullptr;
      if (log == nullptr || done.error != 0 || done.repeat || b.header.producer_id < 0) return;
      if (log->log.tail().cluster == which) return;
      if (left_new && which == Cluster::new_cluster) return;
      violated(text(b.records.front()) + " is written to " + std::string(route::name(which)) +
               ", which is not written to any more");
    };
  }
  cluster(Cluster::old_cluster).watch.committed = [this] {
    if (operator_) operator_->committed();
  };
  oracle.partitions(plan.partitions);
}

Sim::~Sim() {
  if (proxy) proxy.reset();
  time.clear();
}

// Most runs know few misfortunes: a bug is found where little else happens.
void Sim::make_plan() {
  Random r = random.fork();
  plan.partitions = static_cast<int>(r.between(1, 3));
  plan.length = r.between(700, 1800) * ms;
  plan.cut_links = r.percent(35);
  plan.stall_links = plan.cut_links && r.percent(60);
  plan.stop_brokers = r.percent(30);
  plan.move_leaders = r.percent(35);
  plan.kill_proxy = r.percent(25);
  plan.pause = r.percent(20);
  plan.slow_replicas = r.percent(35);
  plan.slow_ways = r.percent(25);
  plan.bypass = r.percent(15);
  plan.unclean = plan.move_leaders && !plan.kill_proxy && r.percent(20);
  if (plan.kill_proxy) plan.stall_links = plan.stop_brokers = false;
  plan.operator_every = r.between(50, 250) * ms;
  plan.reset_groups = !plan.unclean && r.percent(15);
  plan.onlooker = r.percent(15);
  plan.transactions = !plan.unclean && r.percent(12);
  plan.outage = !plan.kill_proxy && !plan.unclean && !plan.transactions && r.percent(10);
  plan.lose_journal = plan.kill_proxy && !plan.move_leaders && !plan.transactions && r.percent(40);
  plan.sweeps = plan.outage || (plan.bypass && !plan.transactions && r.percent(50));
  plan.old_start = r.percent(50) ? 0 : r.between(1, 50);
  plan.new_start = r.percent(70) ? 0 : r.between(1, 50);
  plan.large_frames = !plan.unclean && r.percent(8);
  if (plan.large_frames) plan.partitions = plan.brokers = 3;
  plan.groups = r.percent(20);
}

void Sim::trace(const std::string& what) {
  if (!options.trace) return;
  std::printf("%9.3f  %s\n", static_cast<double>(time.now()) / 1000, what.c_str());
}

void Sim::bad_answer(const std::string& why, bool asked_before) {
  trace("an answer is refused: " + why);
  if (asked_before) return;
  // Others write behind a seam, too; a sweep ends an answer that is on its way.
  const bool past = plan.bypass || plan.transactions || plan.sweeps;
  if (!past && !plan.stall_links && !plan.stop_brokers && !plan.cut_links) {
    violated("a client's connection was closed because of a broker's answer: " + why);
  }
}

void Sim::reached(const char* step) {
  if (operator_) operator_->reached(step);
  if (step[1] != '5') return;
  for (int p = 0; p < plan.partitions; ++p) {
    const auto start = proxy->splice.partition(topic_name, {}, p)->log.tail().start.at;
    if (start < oracle.shown_to(p)) {
      violated("partition " + std::to_string(p) + " was shown up to " +
               std::to_string(oracle.shown_to(p)) + ", its new segment begins at " +
               std::to_string(start));
    }
  }
  if (proxy->running->leaves()) allow_repeats();
}

// What consumers were shown of a cluster that was left, its producers not yet told, is written
// again where production goes on (rules B1).
void Sim::allow_repeats() {
  left_new = true;
  for (int p = 0; p < plan.partitions; ++p) {
    const auto& log = proxy->splice.partition(topic_name, {}, p)->log;
    for (const auto& b : cluster(Cluster::new_cluster).log(p).batches()) {
      if (!log.shown({Cluster::new_cluster, b.base})) continue;
      for (const auto& read : read_batches(b.bytes)) oracle.may_repeat(read.records);
    }
  }
}

void Sim::kill() {
  if (!proxy) return;
  trace("the proxy is killed");
  torn_in = -1;
  const bool lost = plan.lose_journal && random.percent(50) && proxy->copies_done();
  proxy.reset();
  if (lost && seams_kept(*this)) lose_journal();
  time.after(random.between(1, 150) * ms, [this] { revive(); });
}

// With it goes which batches had been accepted: what its client has not been told of yet may be
// written again.
void Sim::lose_journal() {
  trace("the journal is lost");
  lost_ = true;
  journal.clear();
  shown = {};
  oracle.may_repeat_unacknowledged();
}

void Sim::refused(const std::string& why) {
  trace("the proxy does not start: " + why);
  if (!lost_) violated("the proxy does not start: " + why);
  time.after(0, [this] { proxy.reset(); });
  time.after(random.between(1, 100) * ms, [this] {
    std::make_shared<Recovery>(*this)->start([this](const std::vector<splice::Record>& rebuilt) {
      trace("shunt recover has rebuilt the journal");
      lost_ = false;
      journal = rebuilt;
      revive();
    });
  });
}

void Sim::revive() {
  if (proxy) return;
  trace("the proxy starts");
  ++lives;
  proxy = std::make_shared<Proxy>(*this);
  if (const char* why = proxy->restore(journal)) violated(std::string("the journal: ") + why);
  if (random.percent(30) && options.bug != Bug::journal_after_flip) {
    journal = proxy->splice.snapshot();  // compacted, as the journal is now and then
    proxy = std::make_shared<Proxy>(*this);
    if (const char* why = proxy->restore(journal)) violated(std::string("a snapshot: ") + why);
  }
  proxy->start();
}

void Sim::run() {
  if (tracing()) {
    const auto say = [&](bool on, const char* what) {
      if (on) trace(std::string("with ") + what);
    };
    trace(std::to_string(plan.partitions) + " partitions");
    say(plan.cut_links, "links cut");
    say(plan.stall_links, "links stalled");
    say(plan.stop_brokers, "brokers stopped");
    say(plan.move_leaders, "leaders moved");
    say(plan.kill_proxy, "SIGKILL");
    say(plan.unclean, "unclean elections");
    say(plan.bypass, "a producer past the proxy");
    say(plan.transactions, "transactions past the proxy");
    say(plan.large_frames, "large frames");
    say(plan.lose_journal, "a journal that gets lost");
    say(plan.outage, "an outage of new");
    say(plan.sweeps, "sweeps");
    say(plan.reset_groups, "groups reset past the proxy");
    say(plan.slow_replicas, "slow replicas");
    say(plan.slow_ways, "slow ways");
  }
  revive();
  operator_ = std::make_unique<Operator>(*this);
  operator_->start();
  std::uint16_t writer = 0;
  const auto add = [&](WriterKind kind) {
    producers.push_back(std::make_unique<Producer>(*this, writer++, kind));
  };
  const auto idempotent = plan.unclean ? 0 : random.between(1, 2);
  for (std::int64_t i = 0; i < idempotent; ++i) add(WriterKind::idempotent);
  if (plan.unclean || random.percent(40)) add(WriterKind::plain);
  if (random.percent(30)) add(WriterKind::acks_0);
  consumers.push_back(std::make_unique<Consumer>(*this, "c0", "g0"));
  if (random.percent(40)) consumers.push_back(std::make_unique<Consumer>(*this, "c1", "g1"));
  if (random.percent(30)) consumers.push_back(std::make_unique<Consumer>(*this, "r0", ""));
  if (plan.outage) {
    outage_ = std::make_unique<Outage>(*this);
    outage_->start();
  }
  if (plan.onlooker) {
    onlooker_ = std::make_unique<Onlooker>(*this);
    onlooker_->look();
  }
  for (auto& p : producers) time.after(random.between(0, 30) * ms, [&p] { p->start(); });
  for (auto& c : consumers) time.after(random.between(0, 60) * ms, [&c] { c->start(); });

  while (time.now() < plan.length) step();
  calm_ = true;
  torn_in = -1;
  trace("calm");
  if (outage_) outage_->end();
  for (auto& c : clusters_) c->lag_max = c->way_max = 2 * ms;
  bool resumed = false;
  while (!at_rest()) {
    if (!resumed && proxy && proxy->listening()) {
      proxy->pause(false);
      resumed = true;
    }
    if (time.now() > plan.length + rest_limit) {
      std::string what = "it does not come to rest:";
      for (const auto& p : producers) what += " " + p->state();
      for (const auto& c : consumers) {
        what += " " + c->id() + ":";
        for (int p = 0; p < plan.partitions; ++p) what += " " + std::to_string(c->position(p));
      }
      if (proxy && proxy->running) what += std::string(" cut ") + proxy->running->cut().step_name();
      violated(what);
    }
    step();
  }
  check_end();
}

void Sim::step() {
  const auto action = time.next();
  if (!action) violated("nothing happens any more");
  try {
    action();
  } catch (const Killed&) {
    kill();
  }
}

}  // namespace shunt::sim
