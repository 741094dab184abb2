#include "proxy/net/straggler_watch.h"

#include <algorithm>

#include "proxy/net/session.h"
#include "proxy/observe/log.h"
#include "proxy/observe/text.h"
#include "proxy/wire/batch.h"

namespace shunt::net {

using route::Cluster;
using wire::Array;
using wire::Struct;
using wire::Value;

namespace {

constexpr wire::ApiKey fetch_key = 1;
constexpr wire::Version fetch_max = 12;

}  // namespace

std::optional<route::NativeNodeId> StragglerWatch::leader(Cluster c, const Key& key) const {
  const auto* p = world_.topology(c).partition(key.first, key.second);
  if (p == nullptr || world_.topology(c).broker(p->leader) == nullptr) return std::nullopt;
  return p->leader;
}

void StragglerWatch::tick() {
  if (world_.splice.idle()) return;
  look(Cluster::old_cluster);
  look(Cluster::new_cluster);
}

// Asks the leaders of all partitions that have left cluster `c` for their log ends.
void StragglerWatch::look(Cluster c) {
  const auto* access = world_.access[static_cast<std::size_t>(c)];
  if (access == nullptr || !access->reachable()) return;
  std::map<route::NativeNodeId, std::set<Key>> asked;
  for (const auto& [name, topic] : world_.splice.topics()) {
    if (topic.held || world_.splice.finished(topic)) continue;
    for (std::size_t i = 0; i < topic.partitions.size(); ++i) {
      const auto& log = topic.partitions[i].log;
      const Key key{name, static_cast<std::int32_t>(i)};
      if (log.tail().cluster == c || !log.next_native(c) || busy_.contains(key)) continue;
      if (const auto node = leader(c, key)) asked[*node].insert(key);
    }
  }
  for (const auto& [node, keys] : asked) {
    ask_ends(c, node, keys,
             [self = shared_from_this(), c](const Key& key, std::optional<std::int64_t> end) {
               if (end) self->compare(c, key, *end);
             });
  }
}

void StragglerWatch::ask_ends(Cluster c, route::NativeNodeId node, const std::set<Key>& keys,
                              std::function<void(const Key&, std::optional<std::int64_t>)> then) {
  const OffsetsAsked log_end{.replica = OffsetsAsked::debug_replica};
  const auto joint = join([] {});
  list_offsets(
      world_, c, node, keys, log_end, [](const Key&) { return -1; },
      [then = std::move(then)](const Key& key, const std::string& error, std::int64_t offset) {
        then(key, error.empty() ? std::optional(offset) : std::nullopt);
      },
      joint);
  joint->end();
}

void StragglerWatch::compare(Cluster c, const Key& key, std::int64_t log_end) {
  const auto* log = world_.splice.partition(key.first, {}, key.second);
  if (log == nullptr || busy_.contains(key)) return;
  const auto end = log->log.next_native(c);
  if (log->log.tail().cluster == c || !end) return;  // it has moved meanwhile
  if (c == Cluster::new_cluster && log->skips_new)
    world_.record(splice::NewSkipped{key.first, key.second, false}, false);  // it is back
  if (log_end <= std::max(*end, log->markers_to)) return;
  busy_.insert(key);
  Late late;
  late.from = c;
  late.end = log_end;
  late.begin = late.read_to = *end;
  read(key, late);
}

// Reads what is there, batch by batch: data or markers?
void StragglerWatch::read(const Key& key, const Late& late) {
  constexpr std::int32_t bytes = 1 << 20;
  const auto node = leader(late.from, key);
  if (!node) {
    busy_.erase(key);
    return;
  }
  world_.access[static_cast<std::size_t>(late.from)]->call(
      *node, fetch_key, fetch_max,
      Struct{
          {"ReplicaId", -1},
          {"MaxWaitMs", 0},
          {"MaxBytes", bytes},
          {"SessionEpoch", -1},
          {"Topics", Array{Struct{{"Topic", key.first},
                                  {"Partitions", Array{Struct{{"Partition", key.second},
                                                              {"FetchOffset", late.read_to},
                                                              {"PartitionMaxBytes", bytes}}}}}}}},
      [self = shared_from_this(), key, late = late](const std::string& error,
                                                    const Value& body) mutable {
        wire::Bytes records;
        const auto topics = body["Responses"].array();
        const auto answer = topics.empty() ? Value() : topics[0]["Partitions"].array()[0];
        records = answer["Records"].bytes();
        const auto before = late.read_to;
        wire::BatchHeader b;
        while (wire::parse(records, b) == wire::BatchParse::ok && b.size() <= records.size()) {
          records = records.subspan(static_cast<std::size_t>(b.size()));
          const auto one = splice::straggler(b);
          if (one.next <= late.read_to) continue;
          late.read_to = one.next;
          late.batches.push_back(one);
        }
        if (!error.empty() || answer["ErrorCode"].number() != 0 || late.read_to == before) {
          self->busy_.erase(key);  // again at the next tick
        } else if (late.read_to < late.end) {
          self->read(key, late);
        } else {
          self->sweep(key, late);
        }
      });
}

// The tail is closed at its end as it is now: nothing at or past it has been shown.
void StragglerWatch::sweep(const Key& key, const Late& late) {
  auto* log = world_.splice.partition(key.first, {}, key.second);
  const bool data =
      std::ranges::any_of(late.batches, [](const splice::Straggler& b) { return b.records > 0; });
  if (!data || splice::undecided(world_.splice, *log, late.from, late.batches)) {
    if (!data && log->log.next_native(late.from) == late.begin) log->markers_to = late.read_to;
    busy_.erase(key);
    return;
  }
  const auto tail = log->log.tail().cluster;
  const auto node = leader(tail, key);
  if (!node) {
    busy_.erase(key);
    return;
  }
  ask_ends(tail, *node, {key},
           [self = shared_from_this(), late, tail](const Key& at, std::optional<std::int64_t> end) {
             self->busy_.erase(at);
             const auto* now = self->world_.splice.partition(at.first, {}, at.second);
             const bool held = self->world_.splice.topic(at.first)->held;
             if (end && !held && now->log.tail().cluster == tail) self->swept(at, late, *end);
           });
}

void StragglerWatch::swept(const Key& key, const Late& late, std::int64_t tail_end) {
  const auto* log = world_.splice.partition(key.first, {}, key.second);
  // Both may have changed while the tail's end was asked for.
  if (log->log.next_native(late.from) != late.begin ||
      splice::undecided(world_.splice, *log, late.from, late.batches)) {
    return;
  }
  const auto runs =
      splice::straggler_runs(world_.splice, *log, late.from, late.begin, late.batches);
  std::int64_t repeats = 0;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    if (runs[i].repeat) repeats += runs[i].records;
    if (runs[i].repeat && i + 1 < runs.size()) continue;  // the next one says where it ended
    if (!take(key, late, runs[i], tail_end, std::exchange(repeats, 0))) return;
  }
}

// One run becomes a segment of its own; of a repeat nothing but its end.
bool StragglerWatch::take(const Key& key, const Late& late, const splice::StragglerRun& run,
                          std::int64_t tail_end, std::int64_t repeats) {
  const auto* log = world_.splice.partition(key.first, {}, key.second);
  const auto& tail = log->log.tail();
  splice::Swept s;
  s.topic = key.first;
  s.partition = key.second;
  s.tail_end = std::max({tail_end, tail.native(log->shown_end).at, tail.native_start});
  s.from = late.from;
  s.from_start = run.repeat ? run.native_end : run.native_start;
  s.from_end = run.native_end;
  s.records = run.repeat ? 0 : run.records;
  s.at = observe::unix_ms_now();
  if (const auto* p = world_.topology(tail.cluster).partition(key.first, key.second))
    s.epoch_last = tail.shown_epoch(p->epoch);
  const auto at = tail.shown(s.tail_end).at;
  s.producers = run.producers;
  for (auto& [id, last] : s.producers) {
    for (auto& b : last.last) b.offset += at - run.native_start;
  }
  std::set<std::int64_t> producers;
  for (const auto& b : late.batches) {
    if (b.first >= s.from_start && b.next <= s.from_end && b.batch.producer_id >= 0)
      producers.insert(b.batch.producer_id);
  }
  std::string who;
  for (const auto id : producers) who += (who.empty() ? "" : ",") + std::to_string(id);
  if (!world_.record(s, true)) return false;
  world_.reached("S8");
  world_.swept_at[key.first] = Clock::now();
  const auto sessions = world_.sessions;
  for (const auto& session : sessions) session->route_changed({key.first});
  const auto* topic = world_.splice.topic(key.first);
  world_.metrics.stragglers[key.first] += static_cast<std::uint64_t>(s.records);
  observe::Event e;
  e.event = "straggler.found";
  e.migration = topic->migration;
  e.step = "S8";
  e.keys = {{"topic", key.first},
            {"partition", std::int64_t{key.second}},
            {"cluster", std::string(route::name(late.from))},
            {"records", s.records},
            {"repeats", repeats},  // the tail's cluster has them: not swept in
            {"virtual", at},
            {"producers", who.empty() ? std::string("without id") : who}};
  world_.events.add(std::move(e));
  return true;
}

}  // namespace shunt::net
