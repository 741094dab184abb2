#include "tests/sim/straggler_watch.h"

#include <algorithm>

#include "tests/sim/session.h"

namespace shunt::sim {

using route::Cluster;
using wire::Array;
using wire::Struct;
using wire::Value;

namespace {
constexpr wire::ApiKey fetch_key = 1, list_offsets_key = 2;
constexpr Time look_every = 120 * ms;

// The answer's only partition; null: nobody answered, or there is none.
Value only_partition(const Value& body, const char* topics) {
  const auto all = body[topics].array();
  return all.empty() ? Value() : all[0]["Partitions"].array()[0];
}
}  // namespace

void StragglerWatch::start() {
  proxy_.after(look_every, [self = shared_from_this()] {
    self->tick();
    self->start();
  });
}

int StragglerWatch::leader(Cluster c, int partition) const {
  const auto* p = proxy_.topology(c).partition(topic_name, partition);
  return p == nullptr ? 0 : static_cast<int>(p->leader);
}

void StragglerWatch::tick() {
  const auto* topic = proxy_.splice.topic(topic_name);
  if (topic == nullptr || topic->held || proxy_.running) return;
  for (int p = 0; p < proxy_.sim.plan.partitions; ++p) {
    const auto& log = topic->partitions[static_cast<std::size_t>(p)].log;
    const auto left = other(log.tail().cluster);
    if (log.next_native(left) && !busy_.contains(p)) look(left, p);
  }
}

void StragglerWatch::look(Cluster c, int partition) {
  log_end(c, partition, [self = shared_from_this(), c, partition](auto end) {
    if (end) self->compare(c, partition, *end);
  });
}

void StragglerWatch::log_end(Cluster c, int partition,
                             std::function<void(std::optional<std::int64_t>)> done) {
  proxy_.call(
      c, leader(c, partition), list_offsets_key, 6,
      Struct{{"ReplicaId", -2},
             {"Topics",
              Array{Struct{{"Name", topic_name},
                           {"Partitions", Array{Struct{{"PartitionIndex", partition},
                                                       {"CurrentLeaderEpoch", -1},
                                                       {"Timestamp", std::int64_t{-1}}}}}}}}},
      [done = std::move(done)](const Value& body) {
        const auto p = only_partition(body, "Topics");
        const bool good = !p.null() && p["ErrorCode"].number() == 0;
        done(good ? std::optional(p["Offset"].number()) : std::nullopt);
      });
}

void StragglerWatch::compare(Cluster c, int partition, std::int64_t log_end) {
  const auto* log = proxy_.splice.partition(topic_name, {}, partition);
  const auto end = log->log.next_native(c);
  if (busy_.contains(partition) || log->log.tail().cluster == c || !end) return;
  if (log_end <= std::max(*end, log->markers_to)) return;
  busy_.insert(partition);
  Late late;
  late.from = c;
  late.end = log_end;
  late.begin = late.read_to = *end;
  read(partition, late);
}

void StragglerWatch::read(int partition, const Late& late) {
  proxy_.call(
      late.from, leader(late.from, partition), fetch_key, 12,
      Struct{
          {"ReplicaId", -1},
          {"MaxWaitMs", 0},
          {"MaxBytes", 1 << 20},
          {"SessionEpoch", -1},
          {"Topics", Array{Struct{{"Topic", topic_name},
                                  {"Partitions", Array{Struct{{"Partition", partition},
                                                              {"FetchOffset", late.read_to},
                                                              {"PartitionMaxBytes", 1 << 20}}}}}}}},
      [self = shared_from_this(), partition, late = late](const Value& body) mutable {
        const auto answer = only_partition(body, "Responses");
        const auto before = late.read_to;
        for (const auto& b : read_batches(answer["Records"].bytes())) {
          const auto one = splice::straggler(b.header);
          if (one.next <= late.read_to) continue;
          late.read_to = one.next;
          late.batches.push_back(one);
        }
        if (answer.null() || answer["ErrorCode"].number() != 0 || late.read_to == before) {
          self->busy_.erase(partition);  // again at the next tick
        } else if (late.read_to < late.end) {
          self->read(partition, late);
        } else {
          self->sweep(partition, late);
        }
      });
}

void StragglerWatch::sweep(int partition, const Late& late) {
  auto* log = proxy_.splice.partition(topic_name, {}, partition);
  const bool data = std::ranges::any_of(late.batches, [](const auto& b) { return b.records > 0; });
  if (!data || splice::undecided(proxy_.splice, *log, late.from, late.batches)) {
    if (!data && log->log.next_native(late.from) == late.begin) log->markers_to = late.read_to;
    busy_.erase(partition);
    return;
  }
  const auto tail = log->log.tail().cluster;
  log_end(tail, partition, [self = shared_from_this(), partition, late, tail](auto end) {
    self->busy_.erase(partition);
    const auto& now = *self->proxy_.splice.topic(topic_name);
    const auto& at = now.partitions[static_cast<std::size_t>(partition)].log;
    if (end && !now.held && at.tail().cluster == tail) self->swept(partition, late, *end);
  });
}

void StragglerWatch::swept(int partition, const Late& late, std::int64_t tail_end) {
  const auto* log = proxy_.splice.partition(topic_name, {}, partition);
  if (log->log.next_native(late.from) != late.begin ||
      splice::undecided(proxy_.splice, *log, late.from, late.batches)) {
    return;
  }
  const auto runs =
      splice::straggler_runs(proxy_.splice, *log, late.from, late.begin, late.batches);
  for (std::size_t i = 0; i < runs.size(); ++i) {
    if (runs[i].repeat && i + 1 < runs.size()) continue;  // the next one says where it ended
    take(partition, late, runs[i], tail_end);
  }
}

// One run becomes a segment of its own; of a repeat nothing but its end.
void StragglerWatch::take(int partition, const Late& late, const splice::StragglerRun& run,
                          std::int64_t tail_end) {
  const auto* log = proxy_.splice.partition(topic_name, {}, partition);
  const auto& tail = log->log.tail();
  splice::Swept s;
  s.topic = topic_name;
  s.partition = partition;
  s.tail_end = std::max({tail_end, tail.native(log->shown_end).at, tail.native_start});
  s.from = late.from;
  s.from_start = run.repeat ? run.native_end : run.native_start;
  s.from_end = run.native_end;
  s.records = run.repeat ? 0 : run.records;
  if (const auto* p = proxy_.topology(tail.cluster).partition(topic_name, partition))
    s.epoch_last = tail.shown_epoch(p->epoch);
  const auto at = tail.shown(s.tail_end).at;
  s.producers = run.producers;
  for (auto& [id, last] : s.producers) {
    for (auto& b : last.last) b.offset += at - run.native_start;
  }
  if (proxy_.sim.tracing()) {
    proxy_.sim.trace("partition " + std::to_string(partition) + ": " + std::to_string(s.records) +
                     " records of " + std::string(route::name(s.from)) + "'s " +
                     std::to_string(s.from_start) + " to " + std::to_string(s.from_end) +
                     " are swept in at " + std::to_string(at));
  }
  proxy_.record(s, true);
  ++proxy_.sim.sweeps;
  const auto sessions = proxy_.sessions;
  for (const auto& session : sessions) session->route_changed();
}

}  // namespace shunt::sim
