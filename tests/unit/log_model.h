// Two clusters' logs for tests: batches with holes, retention, high watermarks behind the end, and
// brokers that answer Fetch and ListOffsets from them as Apache Kafka does.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "proxy/route/dispatch.h"
#include "proxy/splice/task.h"
#include "tests/unit/messages.h"
#include "tests/unit/record_sets.h"

namespace log_model {

using namespace shunt;
using record_sets::Buffer;
using record_sets::Random;
using route::Cluster;
using wire::Array;
using wire::Struct;
using wire::Value;

struct Batch {
  std::int64_t base = 0, last = 0;
  std::vector<std::int64_t> offsets;  // those that compaction has left
  Buffer bytes;
};

// Its payload says which records a batch still has: delta, cluster, native offset.
inline Batch batch(Random& random, Cluster c, std::int64_t base, int records) {
  Batch b;
  b.base = base;
  b.last = base + records - 1;
  for (int i = 0; i < records; ++i) b.offsets.push_back(base + i);
  b.bytes = record_sets::batch(random, base, records, random.below(3),
                               random.one_in(3) ? random.below(5) : -1, 0);
  (void)c;
  return b;
}

inline Buffer bytes_of(const Batch& b, Cluster c) {
  Buffer out = b.bytes;
  for (const auto offset : b.offsets) {
    wire::put(out, static_cast<std::int32_t>(offset - b.base));
    wire::put(out, static_cast<std::int8_t>(c));
    wire::put(out, offset);
  }
  out.insert(out.end(), static_cast<std::size_t>((b.base * 7) % 60), std::byte{0xee});  // ballast
  wire::store(out.data() + 8, static_cast<std::int32_t>(out.size() - 12));
  wire::store(out.data() + 57, static_cast<std::int32_t>(b.offsets.size()));
  wire::store(out.data() + 17, wire::crc32c(0, wire::Bytes(out).subspan(21)));
  return out;
}

// A record as it was read.
struct Seen {
  std::int64_t at = 0;  // the offset it was shown with
  Cluster in = Cluster::old_cluster;
  std::int64_t native = 0;
  bool operator==(const Seen&) const = default;
};

// The records of a set from `position` on, which moves behind them. `whole`: no batch is partial.
inline std::vector<Seen> read(wire::Bytes set, std::int64_t& position, bool whole) {
  std::vector<Seen> out;
  while (!set.empty()) {
    wire::BatchHeader h;
    const auto parsed = wire::parse(set, h);
    if (!whole && (parsed != wire::BatchParse::ok || h.size() > set.size())) return out;
    REQUIRE(parsed == wire::BatchParse::ok);
    REQUIRE(h.size() <= set.size());
    REQUIRE(record_sets::checksum_holds(set.first(h.size())));
    const auto* at = set.data() + wire::batch_header_bytes;
    for (int i = 0; i < h.record_count; ++i, at += 13) {
      const auto offset = h.base_offset + wire::load<std::int32_t>(at);
      if (offset < position) continue;
      out.push_back({offset, static_cast<Cluster>(wire::load<std::int8_t>(at + 4)),
                     wire::load<std::int64_t>(at + 5)});
    }
    REQUIRE(h.last_offset() >= position);
    position = h.last_offset() + 1;
    set = set.subspan(h.size());
  }
  return out;
}

struct Log {
  std::vector<Batch> batches;
  std::int64_t start = 0, end = 0, high_watermark = 0;
  std::vector<std::pair<std::int64_t, std::int64_t>> aborted;  // producer id, first offset
  int leader = 1;

  void append(Random& random, Cluster c, int batches_count) {
    for (; batches_count > 0; --batches_count) {
      batches.push_back(batch(random, c, end, 1 + random.below(6)));
      end = batches.back().last + 1;
    }
  }
  // Takes records and whole batches away, never the last batch: brokers keep the active segment.
  void compact(Random& random) {
    for (std::size_t i = 0; i + 1 < batches.size(); ++i) {
      std::erase_if(batches[i].offsets, [&](auto) { return random.one_in(3); });
    }
    if (batches.empty()) return;
    const auto keep = batches.back();
    batches.pop_back();
    std::erase_if(batches, [&](const Batch& b) {
      return random.one_in(4) || (b.offsets.empty() && random.one_in(2));
    });
    batches.push_back(keep);
  }
};

struct Broker {
  std::map<std::pair<std::string, int>, Log> logs;
  wire::Uuid id_of(const std::string& topic) const {
    wire::Uuid id{};
    id[0] = static_cast<std::byte>(topic.front());
    id[1] = static_cast<std::byte>(1 + static_cast<int>(cluster));
    return id;
  }
  Cluster cluster = Cluster::old_cluster;
};

// Both clusters, and what is known of them.
class Model {
 public:
  static constexpr int brokers = 2;
  explicit Model(std::uint32_t seed) : random(seed) { clusters[1].cluster = Cluster::new_cluster; }

  Log& log(Cluster c, const std::string& topic, int partition) {
    return of(c).logs[{topic, partition}];
  }
  Broker& of(Cluster c) { return clusters[static_cast<std::size_t>(c)]; }
  wire::Uuid id(Cluster c, const std::string& topic) { return of(c).id_of(topic); }

  // Looks at both clusters anew.
  void refresh() {
    for (auto& b : clusters) {
      Array nodes, topics, partitions;
      for (int n = 1; n <= brokers; ++n) {
        nodes.push_back(Struct{{"NodeId", n}, {"Host", "b"}, {"Port", 9092}, {"Rack", nullptr}});
      }
      for (auto it = b.logs.begin(); it != b.logs.end(); ++it) {
        partitions.push_back(Struct{{"PartitionIndex", it->first.second},
                                    {"LeaderId", it->second.leader},
                                    {"LeaderEpoch", ++epoch_},
                                    {"ReplicaNodes", Array{1, 2}}});
        if (std::next(it) != b.logs.end() && std::next(it)->first.first == it->first.first)
          continue;
        topics.push_back(Struct{{"Name", it->first.first},
                                {"TopicId", b.id_of(it->first.first)},
                                {"Partitions", std::exchange(partitions, {})}});
      }
      topology[static_cast<std::size_t>(b.cluster)].take_metadata(
          Struct{{"Brokers", std::move(nodes)},
                 {"ClusterId", "c" + std::to_string(static_cast<int>(b.cluster))},
                 {"ControllerId", 1},
                 {"Topics", std::move(topics)}},
          true);
    }
  }
  route::View view() const { return {&topology[0], &topology[1]}; }

  // A broker's answer, through the bytes of both messages.
  Value answer(const splice::Task::Ask& ask, wire::Version version) {
    const bool fetch = ask.api < 0;
    const wire::ApiKey api = fetch ? wire::ApiKey{1} : ask.api;
    const auto v = fetch ? version : ask.version;
    const Value body = messages::decoded(*wire::request(api), v,
                                         messages::encoded(*wire::request(api), v, ask.body));
    ++asks;
    const Value out = fetch ? fetched(ask.to, v, body) : started(ask.to, body);
    return messages::decoded(*wire::response(api), v,
                             messages::encoded(*wire::response(api), v, out));
  }

  Random random;
  Broker clusters[2];
  route::Topology topology[2];
  int asks = 0;
  bool sessions_checked = true;

 private:
  Log* find(route::NodeKey node, const Value& topic, std::int64_t partition, bool by_id) {
    for (auto& [key, log] : of(node.cluster).logs) {
      const bool named =
          by_id ? of(node.cluster).id_of(key.first) == topic["TopicId"].uuid()
                : key.first == topic["Topic"].text() || key.first == topic["Name"].text();
      if (named && key.second == partition) return &log;
    }
    return nullptr;
  }

  Value fetched(route::NodeKey node, wire::Version v, const Value& body) {
    if (v >= 7) {
      REQUIRE(body["SessionId"].number() == 0);
      REQUIRE(body["SessionEpoch"].number() == -1);
      REQUIRE(body["ForgottenTopicsData"].array().empty());
    }
    auto room = body["MaxBytes"].number();
    REQUIRE(room >= 1);
    REQUIRE(room <= 1024 * 1024);
    bool first = true;  // KIP-74: the first set has at least one batch
    Array topics;
    for (const Value& t : body["Topics"].array()) {
      Array partitions;
      for (const Value& p : t["Partitions"].array()) {
        Struct entry{{"PartitionIndex", p["Partition"]},
                     {"HighWatermark", -1},
                     {"LastStableOffset", -1},
                     {"LogStartOffset", -1},
                     {"Records", Buffer{}}};
        Log* log = find(node, t, p["Partition"].number(), v >= 13);
        const auto from = p["FetchOffset"].number();
        if (log == nullptr) {
          entry.set("ErrorCode", v >= 13 ? 100 : 3);
        } else if (log->leader != static_cast<int>(node.id)) {
          entry.set("ErrorCode", 6);
        } else if (from < log->start || from > log->end) {
          entry.set("ErrorCode", 1);
        } else {
          entry.set("HighWatermark", log->high_watermark);
          entry.set("LastStableOffset", log->high_watermark);
          entry.set("LogStartOffset", log->start);
          const auto most = std::min(room, p["PartitionMaxBytes"].number());
          Buffer set = records(*log, node.cluster, from, most, first);
          Array aborted;
          for (const auto& [producer, at] : log->aborted) {
            aborted.push_back(Struct{{"ProducerId", producer}, {"FirstOffset", at}});
          }
          entry.set("AbortedTransactions", std::move(aborted));
          room -= std::min(room, static_cast<std::int64_t>(set.size()));
          if (!set.empty()) first = false;
          entry.set("Records", set);
        }
        partitions.push_back(std::move(entry));
      }
      topics.push_back(Struct{{"Topic", t["Topic"].text()},
                              {"TopicId", t["TopicId"].uuid()},
                              {"Partitions", partitions}});
    }
    return Struct{{"Responses", std::move(topics)}};
  }

  Buffer records(const Log& log, Cluster c, std::int64_t from, std::int64_t most, bool first) {
    Buffer set;
    for (const Batch& b : log.batches) {
      if (b.last < from) continue;
      if (b.last >= log.high_watermark) break;
      const Buffer bytes = bytes_of(b, c);
      const auto left =
          static_cast<std::size_t>(most) - std::min(set.size(), static_cast<std::size_t>(most));
      if (bytes.size() > left && !(first && set.empty())) {
        // A part of it, unless it would be the first (v3 and up).
        if (!set.empty())
          set.insert(set.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(left));
        break;
      }
      record_sets::append(set, bytes);
    }
    return set;
  }

  Value started(route::NodeKey node, const Value& body) {
    Array topics;
    for (const Value& t : body["Topics"].array()) {
      Array partitions;
      for (const Value& p : t["Partitions"].array()) {
        const bool end = p["Timestamp"].number() == -1;
        REQUIRE((end || p["Timestamp"].number() == -2));
        const bool visible = end && body["ReplicaId"].number() == -1;
        REQUIRE((end || body["ReplicaId"].number() == -1));
        Log* log = find(node, t, p["PartitionIndex"].number(), false);
        const bool leads = log != nullptr && log->leader == static_cast<int>(node.id);
        partitions.push_back(Struct{{"PartitionIndex", p["PartitionIndex"]},
                                    {"ErrorCode", leads ? 0 : 6},
                                    {"Timestamp", -1},
                                    {"Offset", !leads    ? -1
                                               : visible ? log->high_watermark
                                               : end     ? log->end
                                                         : log->start}});
      }
      topics.push_back(Struct{{"Name", t["Name"].text()}, {"Partitions", std::move(partitions)}});
    }
    return Struct{{"Topics", std::move(topics)}};
  }

  int epoch_ = 0;
};

}  // namespace log_model
