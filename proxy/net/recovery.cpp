#include "proxy/net/recovery.h"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <set>
#include <tuple>

#include "proxy/net/ask.h"
#include "proxy/net/offset_reader.h"
#include "proxy/net/poller.h"
#include "proxy/observe/text.h"

namespace shunt::net {

using route::Cluster;

namespace {

constexpr Cluster both[] = {Cluster::old_cluster, Cluster::new_cluster};
constexpr wire::ApiKey api_versions_key = 18;
constexpr wire::Version any_version = 127;
constexpr auto patience = std::chrono::seconds(30);
constexpr std::size_t groups_at_once = 50;

// Nothing is to be remembered before all is known.
struct Forgetful : Memory {
  void remember(const route::IdentityRecord&) override {}
  void remember_versions(Cluster, const route::ApiRanges&) override {}
  void remember_cluster_id(Cluster, const std::string&) override {}
  bool keep(const splice::Record&, bool) override { return false; }
};

class Recovery {
 public:
  explicit Recovery(const Settings& settings) : world_(io_, settings, {}, memory_), second_(io_) {}

  Recovered run(const std::string& journal) {
    auto& r = out_.rebuilt;
    if (connect() && read_seams(journal)) {
      splice::check_topics(r, world_.old_topology, world_.new_topology);
      if (r.problems.empty()) read_ends();
      if (r.problems.empty()) read_positions();
    }
    stop();
    return std::move(out_);
  }

 private:
  void problem(std::string what) { out_.rebuilt.problems.push_back(std::move(what)); }
  ClusterAccess& access(Cluster c) { return *pollers_[static_cast<std::size_t>(c)]; }

  // Who still waits for an answer gets an error now, while what it refers to is there.
  void stop() {
    for (auto& p : pollers_) {
      if (p) p->stop();
    }
    stopped_ = true;
  }

  // Runs the loop until it holds; false: a cluster cannot be worked with, or time is over. Then all
  // is over.
  template <class F>
  bool until(F holds) {
    constexpr auto turn = std::chrono::milliseconds(50);
    const auto end = Clock::now() + patience;
    while (!holds()) {
      if (stopped_ || !fatal_.empty() || Clock::now() > end) return stop(), false;
      io_.run_one_for(turn);
    }
    return true;
  }

  void tick() {
    second_.expires_after(std::chrono::seconds(1));
    second_.async_wait([this](boost::system::error_code e) {
      if (e) return;
      for (auto& p : pollers_) p->tick(Clock::now());
      tick();
    });
  }

  // Every broker of both clusters has said what it serves.
  bool connect() {
    const auto& s = world_.settings;
    const auto make = [&](Cluster c, const ClusterSettings& at) {
      const auto i = static_cast<std::size_t>(c);
      pollers_[i] = std::make_shared<Poller>(world_, c, at, "");
      world_.access[i] = pollers_[i].get();
      pollers_[i]->start([] {}, [this](const std::string& why) { fatal_ = why; });
    };
    if (const auto why = world_.read_tls(); !why.empty()) return problem(why), false;
    make(Cluster::old_cluster, s.old_cluster);
    make(Cluster::new_cluster, *s.new_cluster);
    tick();
    const auto greeted = [&](Cluster c) {
      const auto& topology = world_.topology(c);
      return topology.known() && std::ranges::all_of(topology.brokers(), [&](const auto& b) {
               return world_.versions.own({c, b.first}, api_versions_key, any_version).has_value();
             });
    };
    if (until([&] { return greeted(both[0]) && greeted(both[1]); })) {
      out_.old_cluster_id = world_.old_topology.cluster_id();
      out_.new_cluster_id = world_.new_topology.cluster_id();
      return true;
    }
    if (!fatal_.empty()) problem(fatal_);
    for (const auto c : both) {
      if (greeted(c) || !fatal_.empty()) continue;
      const auto& why = access(c).error();
      problem("clusters." + std::string(route::name(c)) + ": " +
              (why.empty() ? "not all of its brokers answer" : why) +
              "; recover needs both clusters");
    }
    return false;
  }

  // The names of all groups of both clusters.
  bool list() {
    std::size_t left = 0;
    std::string failed;
    for (const auto c : both) {
      for (const auto& [id, broker] : world_.topology(c).brokers()) {
        ++left;
        list_groups(world_, c, id,
                    [&, c](const std::string& why, const std::vector<std::string>& names) {
                      --left;
                      if (!why.empty()) failed = std::string(route::name(c)) + ": " + why;
                      groups_[static_cast<std::size_t>(c)].insert(names.begin(), names.end());
                    });
      }
    }
    if (!until([&] { return left == 0; })) failed = "no answer";
    if (!failed.empty()) problem("the groups cannot be listed: " + failed + "; try again");
    return failed.empty();
  }

  using Place = std::tuple<Cluster, std::string, std::int32_t>;  // topic and partition
  // A group's offsets, on one cluster.
  using Offsets = std::vector<splice::Committed>;
  template <class Take>
  void fetch(const std::vector<std::pair<Cluster, std::string>>& wanted, Take take) {
    std::size_t next = 0, under_way = 0;
    const auto more = [&] {
      while (next < wanted.size() && under_way < groups_at_once) {
        const auto [c, name] = wanted[next++];
        ++under_way;
        fetch_offsets(world_, c, name, [&, c, name](const std::string& why, const Offsets& got) {
          --under_way;
          if (!why.empty())
            problem("group " + name + " on " + std::string(route::name(c)) + ": " + why +
                    "; try again");
          take(c, name, got);
        });
      }
      return next == wanted.size() && under_way == 0;
    };
    if (!until(more)) problem("not all groups' offsets could be read in time; try again");
  }

  bool read_seams(const std::string& journal) {
    if (!list()) return false;
    std::vector<std::pair<Cluster, std::string>> wanted;
    for (const auto c : both) {
      for (const auto& name : groups_[static_cast<std::size_t>(c)]) {
        if (splice::SeamGroup::parse(name)) wanted.emplace_back(c, name);
      }
    }
    std::vector<splice::FoundGroup> found;
    fetch(wanted, [&](Cluster c, const std::string& name, const Offsets& got) {
      if (!got.empty()) found.push_back(found_group(name, c, got));
    });
    auto& r = out_.rebuilt;
    if (!r.problems.empty()) return false;
    r = splice::rebuild(found, journal, out_.old_cluster_id, out_.new_cluster_id);
    return r.problems.empty();
  }

  void read_ends() {
    std::map<Place, std::int64_t> ends;
    bool over = false;
    const auto all = join([&over] { over = true; });
    for (const auto c : both) {
      std::map<route::NativeNodeId, std::set<PartitionKey>> asked;
      for (const auto& p : out_.rebuilt.partitions) {
        const auto* there = world_.topology(c).partition(p.topic, p.partition);
        ends[{c, p.topic, p.partition}] = -1;
        if (there != nullptr) asked[there->leader].emplace(p.topic, p.partition);
      }
      for (const auto& [leader, keys] : asked) {
        list_offsets(
            world_, c, leader, keys, {}, [](const PartitionKey&) { return -1; },
            [&ends, c](const PartitionKey& key, const std::string& error, std::int64_t at) {
              if (error.empty()) ends[{c, key.first, key.second}] = at;
            },
            all);
      }
    }
    all->end();
    if (!until([&] { return over; })) problem("the logs' ends cannot be read; try again");
    std::vector<splice::LogEnd> list;
    for (const auto& [place, at] : ends) {
      const auto& [c, topic, partition] = place;
      list.push_back({c, topic, partition, at});
    }
    splice::check_ends(out_.rebuilt, list);
  }

  void read_positions() {
    std::vector<std::pair<Cluster, std::string>> wanted;
    std::set<std::string> names;
    for (const auto c : both) {
      for (const auto& name : groups_[static_cast<std::size_t>(c)]) {
        if (splice::SeamGroup::parse(name)) continue;
        wanted.emplace_back(c, name);
        names.insert(name);
      }
    }
    std::map<std::string, Offsets> got[2];
    fetch(wanted, [&](Cluster c, const std::string& name, const Offsets& offsets) {
      got[static_cast<std::size_t>(c)][name] = offsets;
    });
    for (const auto& name : names) {
      const auto before = out_.rebuilt.records.size();
      splice::add_positions(out_.rebuilt, name, got[0][name], got[1][name], observe::unix_ms_now());
      out_.groups += out_.rebuilt.records.size() > before ? 1 : 0;
    }
  }

  boost::asio::io_context io_{1};
  Forgetful memory_;
  World world_;
  boost::asio::steady_timer second_;
  std::shared_ptr<Poller> pollers_[2];
  std::string fatal_;
  bool stopped_ = false;
  std::set<std::string> groups_[2];
  Recovered out_;
};

}  // namespace

Recovered recover_from_clusters(const Settings& settings, const std::string& journal) {
  return Recovery(settings).run(journal);
}

}  // namespace shunt::net
