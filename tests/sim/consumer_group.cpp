// A consumer as a member of its group: where it goes on, what it commits, what others do to that.
#include <algorithm>

#include "tests/sim/consumer.h"
#include "tests/sim/place.h"
#include "tests/sim/proxy.h"

namespace shunt::sim {

using wire::Array;
using wire::Struct;
using wire::Value;

namespace {
constexpr wire::ApiKey commit_key = 8, offset_fetch_key = 9;
constexpr std::int64_t earliest = -2;
}  // namespace

void Consumer::find_positions() {
  if (group_.empty()) {
    for (int p = 0; p < sim_.plan.partitions; ++p) {
      if (at(p).position < 0 && !at(p).asking) list(p, earliest);
    }
    return;
  }
  if (std::ranges::any_of(partitions_, [](const auto& p) { return p.asking; })) return;
  Array indexes;
  for (int p = 0; p < sim_.plan.partitions; ++p) {
    indexes.push_back(p);
    at(p).asking = true;
  }
  request(-1, offset_fetch_key, 7,
          Struct{{"GroupId", group_},
                 {"Topics", Array{Struct{{"Name", topic_name}, {"PartitionIndexes", indexes}}}}},
          [this, life = life_](const Value& body) {
            if (life != life_) return;
            for (auto& p : partitions_) p.asking = false;
            if (body.null()) return;
            for (const auto& t : body["Topics"].array()) {
              for (const auto& p : t["Partitions"].array()) {
                take_committed(static_cast<int>(p["PartitionIndex"].number()),
                               p["CommittedOffset"].number());
              }
            }
            pump();
          });
}

// What was acknowledged last, or sent since; of a torn pair nothing is skipped.
void Consumer::take_committed(int p, std::int64_t offset) {
  Partition& part = at(p);
  if (part.position >= 0) return;
  const auto* log = sim_.proxy ? sim_.proxy->splice.partition(topic_name, {}, p) : nullptr;
  if (sim_.proxy && !sim_.plan.unclean) {
    const splice::VirtualLog plain;
    const auto& segments = log != nullptr ? log->log : plain;
    const auto in_old = [&](std::int64_t v) {
      return v < 0 ? v : below(segments, route::Cluster::old_cluster, v);
    };
    std::set<std::int64_t> home{reset(p).value_or(in_old(part.committed))};
    std::set<std::int64_t> before{part.resets.begin(), part.resets.end()};
    std::set<std::int64_t> journal{part.rebuilt_of ? place_in_new(segments, *part.rebuilt_of)
                                                   : part.committed};
    for (const auto* all : {&part.maybe, &part.lost}) {
      for (const auto v : *all) home.insert(in_old(v));
      journal.insert(all->begin(), all->end());
    }
    const auto possible = places(segments, home, before, journal);
    if (!possible.contains(offset)) {
      std::string all;
      for (const auto v : possible) all += " " + std::to_string(v);
      violated(id() + ", partition " + std::to_string(p) + ": the group's place is " +
               std::to_string(offset) + ", by what was committed it is:" + all);
    }
  }
  part.committed = std::max<std::int64_t>(offset, -1);
  trace("partition " + std::to_string(p) + " goes on at " + std::to_string(offset));
  if (offset < 0) return list(p, earliest);
  part.position = offset;
  part.epoch = -1;
}

void Consumer::commit() {
  Array entries;
  std::map<int, std::int64_t> sent;
  for (int p = 0; p < sim_.plan.partitions; ++p) {
    if (at(p).position < 0) continue;
    sent[p] = at(p).position;
    at(p).maybe.push_back(at(p).position);
    entries.push_back(Struct{{"PartitionIndex", p},
                             {"CommittedOffset", at(p).position},
                             {"CommittedLeaderEpoch", at(p).epoch},
                             {"CommittedMetadata", ""}});
  }
  if (sent.empty()) return;
  request(
      -1, commit_key, 8,
      Struct{{"GroupId", group_},
             {"GenerationIdOrMemberEpoch", 1},
             {"MemberId", id()},
             {"Topics", Array{Struct{{"Name", topic_name}, {"Partitions", std::move(entries)}}}}},
      [this, sent](const Value& body) {
        if (body.null()) {
          for (const auto& [p, offset] : sent) {
            const auto mine = std::ranges::find(at(p).maybe, offset);
            if (mine == at(p).maybe.end()) continue;
            at(p).lost.push_back(offset);
            at(p).maybe.erase(mine);
          }
          // Some applications die of it.
          if (random_.percent(30)) {
            after(0, [this, life = life_] {
              if (life == life_) restart();
            });
          }
          return;
        }
        for (const auto& t : body["Topics"].array()) {
          for (const auto& e : t["Partitions"].array()) {
            if (e["ErrorCode"].number() != 0) violated(id() + ": a commit got an error");
            Partition& part = at(static_cast<int>(e["PartitionIndex"].number()));
            const auto offset = sent.at(static_cast<int>(e["PartitionIndex"].number()));
            // Those sent before on this connection have been answered or are void.
            const auto mine = std::ranges::find(part.maybe, offset);
            if (mine == part.maybe.end()) continue;
            part.maybe.erase(part.maybe.begin(), mine + 1);
            part.committed = offset;
            part.resets.clear();
            part.rebuilt_of.reset();
          }
        }
      });
}

void Consumer::journal_lost(const std::vector<splice::Committed>& in_new) {
  for (auto& p : partitions_) p.rebuilt_of = -1;
  for (const auto& c : in_new) at(c.partition).rebuilt_of = c.at;
}

void Consumer::restart() {
  trace("restarts");
  ++life_;
  for (auto& p : partitions_) {
    p.position = -1;
    p.fetching = p.asking = false;
    p.epoch = p.validated = -1;
  }
  close_all();
  refresh();
}

// As one does with `kafka-consumer-groups --reset-offsets` at old, which wants the group empty.
void Consumer::reset_past_proxy() {
  if (stopped_ || away_) return;
  away_ = true;
  restart();
  after(random_.between(2, 30) * ms, [this] {
    auto& old = sim_.cluster(route::Cluster::old_cluster);
    const int p = static_cast<int>(random_.below(sim_.plan.partitions));
    const auto to = random_.between(old.log(p).start(), old.log(p).high_watermark());
    old.commit_past(group_, p, to);
    at(p).resets.push_back(to);
    trace("is reset to old's " + std::to_string(to) + " of partition " + std::to_string(p));
    after(random_.between(1, 20) * ms, [this] {
      away_ = false;
      pump();
    });
  });
}

}  // namespace shunt::sim
