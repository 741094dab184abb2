// A migration's state over the model of two clusters' logs: cut to and fro, swept, retained.
#pragma once

#include "proxy/splice/state.h"
#include "tests/unit/log_model.h"

namespace splice_world {

using namespace shunt;
using namespace shunt::splice;
using log_model::Log;
using log_model::Model;
using log_model::read;
using log_model::Seen;
using record_sets::Buffer;
using record_sets::Random;

constexpr int partitions = 3;
inline const std::string moved = "moved", plain = "plain", waiting = "waiting";
constexpr auto old_cluster = Cluster::old_cluster, new_cluster = Cluster::new_cluster;
inline Cluster other(Cluster c) { return c == old_cluster ? new_cluster : old_cluster; }

// A migration over both clusters: "moved" is cut to and fro, "waiting" is in it and not cut yet,
// "plain" is in none.
struct World {
  explicit World(std::uint32_t seed) : model(seed), random(seed + 1) {
    for (int p = 0; p < partitions; ++p) {
      for (const auto& topic : {moved, plain, waiting}) {
        model.log(old_cluster, topic, p).append(random, old_cluster, random.below(6));
        model.log(new_cluster, topic, p).append(random, new_cluster, random.below(3));
        for (const auto c : {old_cluster, new_cluster}) {
          model.log(c, topic, p).leader = 1 + random.below(2);
        }
      }
    }
    settle();
    MigrationStarted started{"m1", 1, {}, 0};
    for (const auto& topic : {moved, waiting}) {
      started.topics.push_back(
          {topic, model.id(old_cluster, topic), model.id(new_cluster, topic), partitions});
    }
    apply(started);
    model.refresh();
  }

  void apply(const Record& r) {
    const char* why = state.apply(r);
    REQUIRE(std::string(why != nullptr ? why : "") == "");
  }
  void settle() {
    for (auto& c : model.clusters) {
      for (auto& [key, log] : c.logs) log.high_watermark = log.end;
    }
  }
  PartitionLog& part(int p) { return *state.partition(moved, {}, p); }
  Cluster home() { return state.topic(moved)->produce_to(); }

  void cut() {
    settle();
    const Cluster from = home(), to = other(from);
    const auto move = "m1." + std::to_string(++moves);
    apply(CutIntended{"m1", move, {moved}, to, "", 0});
    CutSealed sealed{move, state.next_cut(), {}, 0};
    for (int p = 0; p < partitions; ++p) {
      Log& left = model.log(from, moved, p);
      const auto next = part(p).log.next_native(to);
      Seam seam{moved, p, left.end, next ? *next : model.log(to, moved, p).end, 3, {}, {}};
      sealed.seams.push_back(std::move(seam));
    }
    apply(sealed);
  }
  void sweep() {
    settle();
    for (int p = 0; p < partitions; ++p) {
      const Cluster tail = home(), from = other(tail);
      const auto next = part(p).log.next_native(from);
      if (!next || model.log(from, moved, p).end <= *next) continue;
      apply(Swept{moved, p, model.log(tail, moved, p).end, from, model.log(from, moved, p).end, 1,
                  0});
    }
  }
  void produce() {
    for (int p = 0; p < partitions; ++p) {
      model.log(home(), moved, p).append(random, home(), random.below(5));
      if (random.one_in(3)) model.log(other(home()), moved, p).append(random, other(home()), 1);
      model.log(old_cluster, random.one_in(2) ? plain : waiting, p).append(random, old_cluster, 1);
    }
  }
  // A log's start moves on, never past its high watermark.
  void retain(const std::string& topic, int p) {
    Log& log = model.log(random.one_in(2) ? old_cluster : new_cluster, topic, p);
    const auto room = static_cast<int>(log.high_watermark - log.start) + 1;
    log.start += random.below(room);
    std::erase_if(log.batches, [&](const auto& b) { return b.last < log.start; });
  }

  // What a reader from `from` on must see; `retained`: without what a broker gives in front of its
  // log start, as a part of the batch it stands in.
  std::vector<Seen> records(const std::string& topic, int p, std::int64_t from,
                            bool retained = false) {
    const PartitionLog* log = state.partition(topic, {}, p);
    const VirtualLog one;
    std::vector<Seen> out;
    for (const Segment& s : (log != nullptr ? log->log : one).segments()) {
      const Log& native = model.log(s.cluster, topic, p);
      for (const auto& b : native.batches) {
        for (const auto offset : b.offsets) {
          if (offset < s.native_start || offset >= s.native_end) continue;
          if (b.last >= native.high_watermark || b.last < native.start) continue;
          if (retained && offset < native.start) continue;
          const auto v = s.shown(offset).at;
          if (v >= from) out.push_back({v, s.cluster, offset});
        }
      }
    }
    return out;
  }
  std::int64_t end(const std::string& topic, int p) {
    const PartitionLog* log = state.partition(topic, {}, p);
    const Segment s = log != nullptr ? log->log.tail() : Segment{};
    return s.shown(model.log(s.cluster, topic, p).high_watermark).at;
  }

  Model model;
  Random random;
  State state;
  int moves = 0;
};

}  // namespace splice_world
