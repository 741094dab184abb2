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

constexpr wire::ApiKey fetch_key = 1, list_offsets_key = 2;
constexpr wire::Version fetch_max = 12, list_offsets_max = 6;

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
    if (topic.held) continue;
    for (std::size_t i = 0; i < topic.partitions.size(); ++i) {
      const auto& log = topic.partitions[i].log;
      const Key key{name, static_cast<std::int32_t>(i)};
      if (log.tail().cluster == c || !log.next_native(c) || busy_.contains(key)) continue;
      if (const auto node = leader(c, key)) asked[*node].insert(key);
    }
  }
  for (const auto& [node, keys] : asked) {
    ask_end(c, node, keys,
            [self = shared_from_this(), c](const Value& answer) { self->compare(c, answer); });
  }
}

void StragglerWatch::ask_end(Cluster c, route::NativeNodeId node, const std::set<Key>& keys,
                             std::function<void(const Value&)> then) {
  constexpr std::int64_t latest = -1;
  constexpr int log_end = -2;  // ReplicaId: not the high watermark (rules C1)
  Array topics;
  for (auto it = keys.begin(); it != keys.end();) {
    const std::string& name = it->first;
    Array partitions;
    for (; it != keys.end() && it->first == name; ++it) {
      partitions.push_back(Struct{
          {"PartitionIndex", it->second}, {"CurrentLeaderEpoch", -1}, {"Timestamp", latest}});
    }
    topics.push_back(Struct{{"Name", name}, {"Partitions", std::move(partitions)}});
  }
  world_.access[static_cast<std::size_t>(c)]->call(
      node, list_offsets_key, list_offsets_max,
      Struct{{"ReplicaId", log_end}, {"IsolationLevel", 0}, {"Topics", std::move(topics)}},
      [then = std::move(then)](const std::string& error, const Value& body) {
        if (error.empty()) then(body);  // else at the next tick
      });
}

void StragglerWatch::compare(Cluster c, const Value& answer) {
  for (const auto& t : answer["Topics"].array()) {
    for (const auto& p : t["Partitions"].array()) {
      const Key key{std::string(t["Name"].text()),
                    static_cast<std::int32_t>(p["PartitionIndex"].number())};
      const auto* log = world_.splice.partition(key.first, {}, key.second);
      if (log == nullptr || p["ErrorCode"].number() != 0 || busy_.contains(key)) continue;
      const auto end = log->log.next_native(c);
      if (log->log.tail().cluster == c || !end) continue;  // it has moved meanwhile
      const auto now = p["Offset"].number();
      const auto known = std::max(*end, markers_to_[key]);
      if (now <= known) continue;
      busy_.insert(key);
      Late late;
      late.from = c;
      late.end = now;
      late.read_to = *end;
      read(key, late);
    }
  }
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
          const auto next = (b.magic < 2 ? b.base_offset : b.last_offset()) + 1;
          if (next <= late.read_to) continue;
          late.read_to = next;
          if (b.control()) continue;
          late.records += b.magic < 2 ? 1 : b.record_count;
          if (b.producer_id >= 0) late.producers.insert(b.producer_id);
        }
        if (!error.empty() || answer["ErrorCode"].number() != 0 || late.read_to == before) {
          self->busy_.erase(key);  // again at the next tick
        } else if (late.read_to < late.end) {
          self->read(key, late);
        } else if (late.records == 0) {
          self->markers_to_[key] = late.read_to;
          self->busy_.erase(key);
        } else {
          self->sweep(key, late);
        }
      });
}

// The tail is closed at its end as it is now: nothing at or past it has been shown.
void StragglerWatch::sweep(const Key& key, const Late& late) {
  const auto* log = world_.splice.partition(key.first, {}, key.second);
  const auto tail = log->log.tail().cluster;
  const auto node = leader(tail, key);
  if (!node) {
    busy_.erase(key);
    return;
  }
  ask_end(tail, *node, {key}, [self = shared_from_this(), key, late, tail](const Value& answer) {
    self->busy_.erase(key);
    const auto topics = answer["Topics"].array();
    const auto p = topics.empty() ? Value() : topics[0]["Partitions"].array()[0];
    const auto* now = self->world_.splice.partition(key.first, {}, key.second);
    const auto* topic = self->world_.splice.topic(key.first);
    if (p.null() || p["ErrorCode"].number() != 0 || topic->held || now->log.tail().cluster != tail)
      return;  // at the next tick
    self->swept(key, late, p["Offset"].number());
  });
}

void StragglerWatch::swept(const Key& key, const Late& late, std::int64_t tail_end) {
  const auto* log = world_.splice.partition(key.first, {}, key.second);
  const auto& tail = log->log.tail();
  splice::Swept s;
  s.topic = key.first;
  s.partition = key.second;
  s.tail_end = std::max({tail_end, tail.native(log->shown_end).at, tail.native_start});
  s.from = late.from;
  s.from_end = late.read_to;
  s.records = late.records;
  s.at = observe::unix_ms_now();
  if (const auto* p = world_.topology(tail.cluster).partition(key.first, key.second))
    s.epoch_last = tail.shown_epoch(p->epoch);
  const auto at = tail.shown(s.tail_end).at;
  std::string who;
  for (const auto id : late.producers) who += (who.empty() ? "" : ",") + std::to_string(id);
  if (!world_.record(s, true)) return;
  const auto sessions = world_.sessions;
  for (const auto& session : sessions) session->route_changed({key.first});
  const auto* topic = world_.splice.topic(key.first);
  world_.metrics.stragglers[key.first] += static_cast<std::uint64_t>(late.records);
  observe::Event e;
  e.event = "straggler.found";
  e.migration = topic->migration;
  e.step = "S8";
  e.keys = {{"topic", key.first},
            {"partition", std::int64_t{key.second}},
            {"cluster", std::string(route::name(late.from))},
            {"records", late.records},
            {"virtual", at},
            {"producers", who.empty() ? std::string("without id") : who}};
  world_.events.add(std::move(e));
}

}  // namespace shunt::net
