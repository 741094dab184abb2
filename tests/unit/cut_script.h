// A cut driven as a script over two clusters' log ends, with a failure where a test wants one.
#pragma once

#include <catch2/catch.hpp>
#include <functional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "proxy/splice/cut.h"

namespace cut_script {

using namespace shunt;
using namespace shunt::splice;
using Want = Cut::Want;
using Step = Cut::Step;

constexpr auto old_one = Cluster::old_cluster, new_one = Cluster::new_cluster;
inline Cluster other(Cluster c) { return c == old_one ? new_one : old_one; }
constexpr std::int64_t unix_now = 1'700'000'000'000, hold_limit = 2000, began = 50'000;

// Everything of a state that its records make, as text.
inline std::string text(const State& state) {
  std::ostringstream out;
  const auto say = [&](const BatchId& b) {
    out << " [" << b.producer_id << '/' << b.epoch << ' ' << b.first_sequence << '+' << b.records
        << ']';
  };
  for (const auto& [id, m] : state.migrations()) {
    out << id << " scheme " << m.scheme << (m.paused ? " paused" : "") << '\n';
    for (const auto& v : m.moves) {
      out << ' ' << v.id << " to " << route::name(v.to) << " undoes '" << v.undoes << "' cut "
          << v.cut << (v.sealed ? " sealed" : "") << (v.flipped ? " flipped" : "")
          << (v.undone ? " undone" : "") << " aborted '" << v.aborted_step << ' '
          << v.aborted_reason << "' held " << v.held_ms_max << " topics";
      for (const auto& t : v.topics) out << ' ' << t;
      out << '\n';
    }
  }
  for (const auto& [name, t] : state.topics()) {
    for (std::size_t i = 0; i < t.partitions.size(); ++i) {
      const auto& p = t.partitions[i];
      out << name << '-' << i << " shown " << p.shown_end.at;
      for (const auto& s : p.log.segments()) {
        out << "\n  " << route::name(s.cluster) << ' ' << s.start.at << " = " << s.native_start
            << ".." << (s.open() ? -1 : s.native_end) << " epochs " << s.epoch_base << ".."
            << s.epoch_last << " cut " << s.cut;
      }
      for (const auto& [id, tail] : p.producers) {
        out << "\n  producer " << id << '/' << tail.epoch;
        for (const auto& b : tail.last)
          out << " [" << b.first_sequence << ".." << b.last_sequence << " at " << b.offset << ']';
      }
      for (const auto& u : p.seam_unclear) say(u);
      for (const auto& [id, first] : p.firsts) {
        if (first == PartitionLog::First::answered) out << "\n  first of " << id;
      }
      out << '\n';
    }
  }
  for (std::int64_t id = 0; id < 10; ++id) {
    for (std::uint32_t cut = 1; cut < state.next_cut() + 1; ++cut) {
      if (const auto drawn = state.producer(id, cut))
        out << id << " in cut " << cut << ": " << *drawn << '\n';
    }
  }
  return out.str();
}

// What goes otherwise than it should.
struct Fault {
  int write = -1;            // this record of the cut cannot be written; counted from 0
  bool abort_too = false;    // nor its CutAborted
  std::string problem = {};  // of preparing
  bool drains = true;
  Step pause = Step::done;                              // the operator's, before this step ends
  std::function<void(PartitionReading&)> reading = {};  // what is read of b-0
  int readings = 0;                                     // so many times; then it is good
};

// Topics "a" (2 partitions) and "b" (1) are cut together, "stays" is in the migration too.
struct World {
  State state;
  std::vector<Record> journal;
  std::vector<std::string> told;  // of the last cut
  ProducerTails tails;            // of a-0, by the ids of its cluster, offsets native
  std::int64_t ends[2][3] = {{100, 50, 0}, {7, 0, 3}};
  std::int32_t epochs[2] = {5, 2};

  World() { must({MigrationStarted{"m1", 1, {{"a", {}, {}, 2}, {"b", {}, {}, 1}, stays}, 1}}); }
  static inline const MigratedTopic stays{"stays", {}, {}, 1};

  void must(const Record& r) {
    const char* why = state.apply(r);
    REQUIRE(std::string(why != nullptr ? why : "") == "");
    journal.push_back(r);
  }
  Cluster home() const { return state.topic("a")->produce_to(); }
  const PartitionLog& at(int i) const {
    return *state.partition(i < 2 ? "a" : "b", {}, i < 2 ? i : 0);
  }
  PartitionLog& at(int i) { return const_cast<PartitionLog&>(std::as_const(*this).at(i)); }
  bool held() const {
    bool any = false;
    for (const auto& [name, t] : state.topics()) any |= t.held;
    return any;
  }
  bool clipped() const { return at(0).candidate_end || at(1).candidate_end || at(2).candidate_end; }
  std::int64_t end(Cluster c, int i) const { return ends[static_cast<int>(c)][i]; }
  void write(int i, std::int64_t records) { ends[static_cast<int>(home())][i] += records; }

  std::vector<PartitionReading> readings() const {
    std::vector<PartitionReading> out(3);
    for (int i = 0; i < 3; ++i) {
      auto& r = out[static_cast<std::size_t>(i)];
      r.topic = i < 2 ? "a" : "b";
      r.partition = i < 2 ? i : 0;
      const auto side = [&](Cluster c) {
        const auto e = end(c, i);
        return EndReading{epochs[static_cast<int>(c)], e, e, e, e, 3, 2, ""};
      };
      r.from = side(home());
      r.to = side(other(home()));
    }
    out[0].producers = tails;
    return out;
  }
  CutPlan plan(const std::string& undoes = "") const {
    return {"m1", state.next_move_id(*state.migration("m1")), undoes, {"a", "b"}, other(home())};
  }

  // From S1 to the end, 10 ms a reading. What is left: the cut as it ended.
  Cut run(const Fault& fault = {}, const std::string& undoes = "") {
    told.clear();
    int written = 0;
    Cut cut(
        state, plan(undoes),
        [this, fault, n = &written](const Record& r, bool durable) {
          REQUIRE(durable);
          const bool abort = std::holds_alternative<CutAborted>(r);
          if ((*n)++ == fault.write || (abort && fault.abort_too)) return false;
          must(r);
          return true;
        },
        [this](const char* step) { told.emplace_back(step); });
    auto now = began;
    auto want = cut.begin(unix_now);
    if (fault.pause == Step::intent) want = cut.cancel("paused", now, unix_now);
    int left = fault.readings;
    for (int rounds = 0; want != Want::none; ++rounds) {
      REQUIRE(rounds < 1000);
      now += 10;
      switch (want) {
        case Want::prepare:
          REQUIRE_FALSE(held());
          want = cut.prepared(fault.problem, now, unix_now);
          break;
        case Want::drain:
          REQUIRE(held());
          REQUIRE_FALSE(state.topic("stays")->held);
          if (fault.pause == Step::drain)
            want = cut.cancel("paused", now, unix_now);
          else if (fault.drains)
            want = cut.drained(now);
          else if ((want = cut.tick(now, unix_now)) == Want::none)
            want = Want::drain;
          break;
        case Want::ends: {
          REQUIRE(held());
          if (fault.pause == Step::ends) {
            want = cut.cancel("paused", now, unix_now);
            break;
          }
          auto read = readings();
          if (left-- > 0) fault.reading(read[2]);
          want = cut.ends_read(read, now, unix_now);
          break;
        }
        case Want::release:
          REQUIRE_FALSE(held());
          REQUIRE_FALSE(clipped());
          REQUIRE(cut.cancel("too late", now, unix_now) == Want::none);
          REQUIRE(cut.tick(now + 10 * hold_limit, unix_now) == Want::none);
          want = cut.released(now, unix_now);
          break;
        case Want::none:
          break;
      }
    }
    REQUIRE(cut.over());
    REQUIRE_FALSE(held());
    REQUIRE_FALSE(clipped());
    return cut;
  }
};

inline State read_back(const std::vector<Record>& journal, std::size_t count) {
  State state;
  for (std::size_t i = 0; i < count; ++i) {
    const char* why = state.apply(journal[i]);
    REQUIRE(std::string(why != nullptr ? why : "") == "");
  }
  return state;
}

}  // namespace cut_script
