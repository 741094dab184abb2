#include "tests/sim/consumer.h"

#include <algorithm>

#include "tests/sim/proxy.h"

namespace shunt::sim {

using wire::Array;
using wire::Struct;
using wire::Value;

namespace {
constexpr wire::ApiKey fetch_key = 1, list_key = 2, epochs_key = 23;
constexpr std::int64_t latest = -1, earliest = -2;

bool leader_moved(std::int64_t error) {
  constexpr std::int64_t all[] = {3, 5, 6, 9, 74, 75};
  return std::ranges::find(all, error) != std::end(all);
}
}  // namespace

Consumer::Consumer(Sim& sim, std::string id, std::string group, bool audit)
    : Client(sim, std::move(id)), group_(std::move(group)), audit_(audit) {
  version_ = random_.percent(50) ? 11 : 12;
  one_by_one_ = random_.percent(20) && !audit;
  isolation_ = random_.percent(30) && !audit ? 1 : 0;
  commits_ = random_.percent(20) ? 3 : 25;
  partitions_.resize(static_cast<std::size_t>(sim.plan.partitions));
}

void Consumer::start() {
  refresh();
  live();
}

std::int64_t Consumer::committed(int p) const {
  const auto& part = partitions_[static_cast<std::size_t>(p)];
  return part.maybe.empty() && part.lost.empty() ? part.committed : -1;
}

void Consumer::truncated(int p, std::int64_t end) {
  Partition& part = at(p);
  if (part.position > end) {
    part.position = end;
    part.epoch = -1;
  }
  part.high_watermark = std::min(part.high_watermark, end);
  part.latest = std::min(part.latest, end);
  if (part.committed > end) part.committed = end;
  for (auto* all : {&part.maybe, &part.lost}) {
    for (auto& m : *all) m = std::min(m, end);
  }
}

void Consumer::live() {
  if (stopped_) return;
  pump();
  if (!sim_.calm() && !audit_ && !away_) {
    if (!group_.empty() && random_.percent(commits_)) commit();
    if (random_.percent(3)) seek_back();
    if (!group_.empty() && random_.percent(3)) restart();
    if (random_.percent(6)) list(static_cast<int>(random_.below(sim_.plan.partitions)), latest);
  }
  if (random_.percent(10)) refresh();
  after(random_.between(20, 60) * ms, [this] { live(); });
}

void Consumer::pump() {
  if (stopped_ || away_) return;
  std::map<Node, std::vector<int>> out;
  bool unknown = false;
  for (int p = 0; p < sim_.plan.partitions; ++p) {
    Partition& part = at(p);
    if (part.position < 0) unknown = true;
    if (leader(p).node < 0 || part.position < 0 || part.fetching) continue;
    if (part.validated < leader(p).epoch && part.epoch >= 0) validate(p);
    out[leader(p).node].push_back(p);
  }
  if (unknown) find_positions();
  for (auto& [node, partitions] : out) fetch(node, std::move(partitions));
}

void Consumer::fetch(Node node, std::vector<int> partitions) {
  Array entries;
  std::map<int, std::int64_t> asked;
  for (const int p : partitions) {
    Partition& part = at(p);
    part.fetching = true;
    asked[p] = part.position;
    entries.push_back(Struct{{"Partition", p},
                             {"CurrentLeaderEpoch", leader(p).epoch},
                             {"FetchOffset", part.position},
                             {"LastFetchedEpoch", -1},
                             {"LogStartOffset", std::int64_t{-1}},
                             {"PartitionMaxBytes", one_by_one_ ? 250 : 1 << 20}});
  }
  const int wait = sim_.calm() ? 50 : static_cast<int>(random_.between(0, 300));
  const Value body =
      Struct{{"MaxWaitMs", wait},
             {"MinBytes", 1},
             {"MaxBytes", one_by_one_ ? 400 : 1 << 20},
             {"IsolationLevel", isolation_},
             {"SessionId", 0},
             {"SessionEpoch", -1},
             {"Topics", Array{Struct{{"Topic", topic_name}, {"Partitions", std::move(entries)}}}}};
  request(node, fetch_key, version_, body, [this, asked, life = life_](const Value& answer) {
    if (life != life_) return;
    for (const auto& [p, offset] : asked) at(p).fetching = false;
    if (answer.null()) return refresh();
    if (answer["ErrorCode"].number() != 0) violated(id() + ": Fetch got an error");
    auto left = asked;
    for (const auto& t : answer["Responses"].array()) {
      for (const auto& e : t["Partitions"].array()) {
        const auto entry = left.find(static_cast<int>(e["PartitionIndex"].number()));
        if (entry == left.end()) violated(id() + ": a partition that was not asked");
        const auto [p, offset] = *entry;
        left.erase(entry);
        take(p, offset, e);
      }
    }
    if (!left.empty()) {
      violated(id() + ": a full Fetch was answered without partition " +
               std::to_string(left.begin()->first));
    }
    if (sim_.calm() || random_.percent(30)) pump();
  });
}

void Consumer::take(int p, std::int64_t asked_at, const Value& entry) {
  Partition& part = at(p);
  const auto error = entry["ErrorCode"].number();
  if (leader_moved(error)) return refresh();
  const auto where = id() + ", partition " + std::to_string(p) + ": ";
  if (part.position != asked_at) return;  // it was sought elsewhere meanwhile
  if (error == 1 && sim_.plan.unclean) {  // auto.offset.reset
    part.position = part.epoch = -1;
    return list(p, earliest);
  }
  if (error != 0) {
    violated(where + "error " + std::to_string(error) + " at " + std::to_string(asked_at));
  }
  const auto mark = entry["HighWatermark"].number();
  // After a SIGKILL the tail's is not known until the tail is asked.
  if (part.heard_in != sim_.lives) part.high_watermark = 0;
  part.heard_in = sim_.lives;
  if (mark < part.high_watermark && !sim_.plan.unclean) {
    violated(where + "the high watermark falls from " + std::to_string(part.high_watermark) +
             " to " + std::to_string(mark));
  }
  part.high_watermark = mark;
  take_records(p, entry["Records"].bytes());
  if (mark < part.position && !sim_.plan.unclean) {
    violated(where + "a record at " + std::to_string(part.position - 1) +
             " behind the high watermark " + std::to_string(mark));
  }
}

void Consumer::take_records(int p, wire::Bytes set) {
  Partition& part = at(p);
  const auto where = id() + ", partition " + std::to_string(p) + ": ";
  for (const auto& b : read_batches(set)) {
    if (!b.intact) violated(where + "a batch's checksum does not hold");
    if (b.header.last_offset() < part.position) {
      violated(where + "a batch up to " + std::to_string(b.header.last_offset()) + " at position " +
               std::to_string(part.position));
    }
    if (b.header.leader_epoch < part.epoch) {
      violated(where + "leader epochs fall from " + std::to_string(part.epoch) + " to " +
               std::to_string(b.header.leader_epoch) + " along the log");
    }
    part.epoch = b.header.leader_epoch;
    auto offset = b.header.base_offset;
    for (const auto& r : b.records) {
      if (offset >= part.position) {
        if (offset != part.position) {
          violated(where + "skipped from " + std::to_string(part.position) + " to " +
                   std::to_string(offset));
        }
        sim_.oracle.read(p, offset, r);
        if (audit_) part.read.emplace_back(offset, r);
        if (sim_.tracing()) trace("reads " + text(r) + " at " + std::to_string(offset));
        part.position = offset + 1;
      }
      ++offset;
    }
  }
}

void Consumer::list(int p, std::int64_t timestamp) {
  if (leader(p).node < 0) return;
  Partition& part = at(p);
  if (part.listing) return;  // answers of several connections have no order
  part.listing = true;
  if (timestamp == earliest) part.asking = true;
  request(
      leader(p).node, list_key, 6,
      Struct{{"ReplicaId", -1},
             {"Topics", Array{Struct{{"Name", topic_name},
                                     {"Partitions", Array{Struct{{"PartitionIndex", p},
                                                                 {"CurrentLeaderEpoch", -1},
                                                                 {"Timestamp", timestamp}}}}}}}},
      [this, p, timestamp, life = life_](const Value& body) {
        Partition& now = at(p);
        now.listing = false;
        if (timestamp == earliest) now.asking = false;
        if (life != life_) return;
        if (body.null()) return refresh();
        const Value entry = body["Topics"].array()[0]["Partitions"].array()[0];
        if (entry["ErrorCode"].number() != 0) return refresh();
        const auto offset = entry["Offset"].number();
        if (timestamp == latest) {
          if (offset < now.latest) {
            violated(id() + ", partition " + std::to_string(p) + ": ListOffsets falls from " +
                     std::to_string(now.latest) + " to " + std::to_string(offset));
          }
          now.latest = offset;
        } else if (now.position < 0) {
          now.position = offset;
          pump();
        }
      });
}

// As Java validates its position when the leader epoch has risen (KIP-320).
void Consumer::validate(int p) {
  Partition& part = at(p);
  part.validated = leader(p).epoch;
  const auto position = part.position;
  request(leader(p).node, epochs_key, 3,
          Struct{{"ReplicaId", -1},
                 {"Topics",
                  Array{Struct{{"Topic", topic_name},
                               {"Partitions", Array{Struct{{"Partition", p},
                                                           {"CurrentLeaderEpoch", leader(p).epoch},
                                                           {"LeaderEpoch", part.epoch}}}}}}}},
          [this, p, position, epoch = part.epoch](const Value& body) {
            if (body.null()) return;
            const Value e = body["Topics"].array()[0]["Partitions"].array()[0];
            if (e["ErrorCode"].number() != 0 || sim_.plan.unclean) return;
            if (e["EndOffset"].number() >= position && e["LeaderEpoch"].number() >= 0) return;
            violated(id() + ", partition " + std::to_string(p) + ": epoch " +
                     std::to_string(epoch) + " ends at " + std::to_string(e["EndOffset"].number()) +
                     " (epoch " + std::to_string(e["LeaderEpoch"].number()) +
                     "), the position is " + std::to_string(position) + ": it would go back");
          });
}

void Consumer::seek_back() {
  const int p = static_cast<int>(random_.below(sim_.plan.partitions));
  Partition& part = at(p);
  if (part.position <= sim_.plan.old_start) return;
  part.position = random_.between(sim_.plan.old_start, part.position);
  part.epoch = -1;
  trace("seeks back to " + std::to_string(part.position));
  if (!group_.empty() && random_.percent(70)) commit();
}

}  // namespace shunt::sim
