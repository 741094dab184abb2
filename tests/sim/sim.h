// One run: two model clusters, the proxy between, clients, an operator and faults, from one seed.
#pragma once

#include <optional>

#include "proxy/splice/records.h"
#include "proxy/splice/shown_ends.h"
#include "tests/sim/bugs.h"
#include "tests/sim/model_cluster.h"
#include "tests/sim/oracle.h"

namespace shunt::sim {

class Proxy;
class ClientConnection;
class Producer;
class Consumer;
class Onlooker;
class Operator;
class Outage;

constexpr route::Cluster other(route::Cluster c) {
  return c == route::Cluster::old_cluster ? route::Cluster::new_cluster
                                          : route::Cluster::old_cluster;
}

constexpr Time rest_limit = 30000 * ms;  // until everything must have come to its end

struct Options {
  std::uint64_t seed = 1;
  Bug bug = Bug::none;
  bool trace = false;
};

// What a run is made of: which faults it knows, how long they last.
struct Plan {
  int partitions = 2, brokers = 2;  // brokers of each cluster
  Time length = 2500 * ms;          // until everything must come to rest
  bool cut_links = false, stop_brokers = false, stall_links = false, move_leaders = false;
  bool kill_proxy = false, pause = false, slow_replicas = false, slow_ways = false;
  bool bypass = false, unclean = false, reset_groups = false, onlooker = false,
       transactions = false, groups = false;
  bool outage = false;        // new dies, and is left
  bool large_frames = false;  // Produce of three leaders, larger than the buffer
  bool lose_journal = false;  // with a SIGKILL, now and then
  bool sweeps = false;        // what lies behind a seam is made part of the log
  std::int64_t hold_limit_ms = 400, unclear_ms = 900;
  Time operator_every = 250 * ms;
  std::int64_t old_start = 0, new_start = 0;
};

// What clients have seen, kept through a SIGKILL: beside the journal, as a file of the daemon's.
class KeptEnds : public splice::ShownEnds {
 public:
  Slot slot(const std::string&, const std::string&, std::int32_t partition) override {
    if (ends_.size() <= static_cast<std::size_t>(partition))
      ends_.resize(static_cast<std::size_t>(partition) + 1);
    return static_cast<Slot>(partition);
  }
  std::int64_t kept(Slot slot) const override { return ends_[slot]; }
  void keep(Slot slot, std::int64_t end) override { ends_[slot] = end; }

 private:
  std::vector<std::int64_t> ends_;
};

class Sim {
 public:
  explicit Sim(const Options& options);
  ~Sim();
  // Throws Violation.
  void run();

  ModelCluster& cluster(route::Cluster c) { return *clusters_[static_cast<std::size_t>(c)]; }
  bool has(Bug b) const { return options.bug == b; }
  void trace(const std::string& what);
  bool tracing() const { return options.trace; }
  void kill();                           // the proxy, now
  void refused(const std::string& why);  // a start of it
  void reached(const char* step);        // of a cut
  // The proxy took a broker's answer for one not to be shown. `asked_before`: the migration; it may
  // come after a cut and its undo, with records of both.
  void bad_answer(const std::string& why, bool asked_before);
  bool calm() const { return calm_; }  // no more faults, the rest must come to its end

  const Options options;
  Random random;
  Plan plan;
  Timeline time;
  Oracle oracle;
  std::shared_ptr<Proxy> proxy;         // null: it is down
  std::vector<splice::Record> journal;  // as it stands on disk
  KeptEnds shown;
  std::int64_t torn_in = -1;  // the proxy dies at its so manyeth write from now
  int lives = 0;              // of the proxy so far
  std::uint64_t cuts = 0, aborted = 0, bumps = 0, sweeps = 0;
  bool left_new = false;  // without its answer: it may take what was sent before
  std::vector<std::unique_ptr<Producer>> producers;
  std::vector<std::unique_ptr<Consumer>> consumers;

 private:
  void make_plan();
  void revive();
  void lose_journal();
  bool at_rest() const;
  void step();
  void check_end();
  bool swept_in() const;
  void allow_repeats();

  std::unique_ptr<ModelCluster> clusters_[2];
  std::unique_ptr<Operator> operator_;
  std::unique_ptr<Onlooker> onlooker_;
  std::unique_ptr<Outage> outage_;
  bool calm_ = false, lost_ = false;
};

}  // namespace shunt::sim
