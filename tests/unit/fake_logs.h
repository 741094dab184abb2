// A cluster's logs of topic "t", as its brokers tell of them to clients and to the daemon.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <optional>

#include "tests/unit/fake_cluster.h"
#include "tests/unit/record_sets.h"

namespace fake {

// A batch of an idempotent producer, or of none (id -1).
struct Sent {
  int partition = 0;
  std::int64_t id = -1;
  std::int32_t sequence = -1;
  std::int32_t records = 1;
  std::int16_t epoch = 0;
  std::size_t payload = 20;
};

inline Buffer batch_of(const Sent& b) {
  static record_sets::Random random(20261123);
  Buffer out = record_sets::batch(random, 0, b.records, -1, b.id, b.payload);
  wire::store(out.data() + 51, b.id < 0 ? std::int16_t{-1} : b.epoch);
  wire::store(out.data() + 53, b.sequence);
  wire::store(out.data() + 57, b.records);
  wire::store(out.data() + 17, wire::crc32c(0, wire::Bytes(out).subspan(21)));
  return out;
}

struct Log {
  struct Batch {
    std::int64_t base = 0, last = 0, producer = -1;
    std::int16_t epoch = -1;
    std::int32_t sequence = -1;
    Buffer bytes;
  };
  std::vector<Batch> batches;
  std::int64_t start = 0, end = 0;
  std::optional<std::int64_t> last_stable;           // none: the end
  std::map<std::int64_t, wire::Value> transactions;  // by id: what DescribeProducers says of it

  // As a broker does for an id it knows (KIP-98): the base offset, or an error.
  std::pair<std::int16_t, std::int64_t> append(wire::Bytes records) {
    wire::BatchHeader h;
    REQUIRE(wire::parse(records, h) == wire::BatchParse::ok);
    REQUIRE(static_cast<std::size_t>(h.size()) == records.size());
    CHECK(record_sets::checksum_holds(records));
    Batch b{end, end + h.last_offset_delta, h.producer_id, h.producer_epoch, h.base_sequence, {}};
    for (auto before = batches.rbegin(); b.producer >= 0 && before != batches.rend(); ++before) {
      if (before->producer != b.producer || before->epoch != b.epoch) continue;
      if (before->sequence == b.sequence) return {0, before->base};
      const auto next = before->sequence + (before->last - before->base) + 1;
      if (next != b.sequence) return {45, -1};
      break;
    }
    b.bytes.assign(records.begin(), records.end());
    wire::store(b.bytes.data(), b.base);
    end = b.last + 1;
    batches.push_back(std::move(b));
    return {0, batches.back().base};
  }
  // Of nobody's in particular, before the story begins.
  void fill(int records) { append(batch_of({.records = records})); }
};

class Logs {
 public:
  Logs(asio::io_context& io, Cluster& cluster, std::int64_t first_id)
      : io_(io), cluster_(cluster), next_id_(first_id) {
    cluster.daemon_asks = [this](const Asked& a) { return take(a), true; };
    for (auto& b : cluster.brokers) b->on = [this](const Asked& a) { take(a); };
  }
  Log& operator[](int partition) { return logs_[partition]; }
  std::map<std::pair<std::string, int>, std::int64_t> commits;  // (group, partition)
  std::map<std::string, std::string> config = {{"min.insync.replicas", "1"},
                                               {"cleanup.policy", "delete"}};
  int ids_refused = 0;  // so many InitProducerId are answered with error 14
  // True: the request is kept, until answer_kept().
  std::function<bool(const Asked&)> keeps;
  std::vector<Asked> kept;
  void keep(wire::ApiKey api) {
    keeps = [api](const Asked& a) { return a.header.api == api; };
  }
  void answer_kept() {
    keeps = nullptr;
    for (const auto& a : std::exchange(kept, {})) take(a);
  }
  void answer_first() {
    const auto a = kept.front();
    kept.erase(kept.begin());
    reply(a);
  }
  // Requests of clients with this key, so far.
  std::size_t asked(wire::ApiKey api) const {
    std::size_t n = 0;
    for (const auto& b : cluster_.brokers) {
      n += static_cast<std::size_t>(
          std::ranges::count_if(b->asked, [&](const Asked& a) { return a.header.api == api; }));
    }
    return n;
  }

 private:
  using Value = wire::Value;
  using Struct = wire::Struct;
  using Array = wire::Array;

  // One after the other on a connection: what comes behind a parked Fetch waits.
  void take(const Asked& a) {
    if (const auto busy = busy_.find(a.peer); busy != busy_.end()) return busy->second.push_back(a);
    if (keeps && keeps(a)) return kept.push_back(a);
    reply(a);
  }
  void reply(const Asked& a) {
    const Value request = a.value();
    const Value told = answer(a.header.api, request);
    const auto wait = a.header.api == 1 && empty(told) ? request["MaxWaitMs"].number() : 0;
    if (a.header.api == 0 && request["Acks"].number() == 0) return;
    if (wait <= 0) return a.answer(told);
    auto timer = std::make_shared<asio::steady_timer>(io_, std::chrono::milliseconds(wait));
    busy_[a.peer];
    timer->async_wait([timer, a, this, request](Error) {
      a.answer(answer(a.header.api, request));
      const auto behind = busy_.extract(a.peer);
      for (const auto& next : behind.mapped()) take(next);
    });
  }
  static bool empty(const Value& fetched) {
    for (const auto& t : fetched["Responses"].array()) {
      for (const auto& p : t["Partitions"].array()) {
        if (!p["Records"].bytes().empty() || p["ErrorCode"].number() != 0) return false;
      }
    }
    return true;
  }
  // An entry for each that is asked for, in an array of topics.
  template <class F>
  static Array each(const Value& topics, const char* name, const char* list, const char* told,
                    F entry) {
    Array out;
    for (const auto& t : topics.array()) {
      Array entries;
      for (const auto& p : t[list].array()) entries.push_back(entry(p));
      out.push_back(Struct{{name, t[name]}, {told, std::move(entries)}});
    }
    return out;
  }

  Value answer(wire::ApiKey api, const Value& q) {
    switch (api) {
      case 0:
        return Struct{
            {"Responses", each(q["TopicData"], "Name", "PartitionData", "PartitionResponses",
                               [this](const Value& p) { return produced(p); })}};
      case 1:
        return Struct{{"Responses", each(q["Topics"], "Topic", "Partitions", "Partitions",
                                         [this](const Value& p) { return fetched(p); })}};
      case 2:
        return Struct{{"Topics", each(q["Topics"], "Name", "Partitions", "Partitions",
                                      [&](const Value& p) { return offset(q, p); })}};
      case 3:
        return cluster_.metadata();
      case 8:
      case 28:  // TxnOffsetCommit
        return Struct{{"Topics", each(q["Topics"], "Name", "Partitions", "Partitions",
                                      [&](const Value& p) { return committed(q, p); })}};
      case 10:
        return cluster_.coordinator(q);
      case 18:
        return cluster_.versions();
      case 22:
        if (ids_refused > 0) return --ids_refused, Struct{{"ErrorCode", 14}, {"ProducerId", -1}};
        return Struct{{"ErrorCode", 0}, {"ProducerId", next_id_++}, {"ProducerEpoch", 0}};
      case 23:
        return Struct{{"Topics", each(q["Topics"], "Topic", "Partitions", "Partitions",
                                      [this](const Value& p) { return epoch_end(p); })}};
      case 32:
        return configs(q);
      case 61:
        return Struct{{"Topics", each(q["Topics"], "Name", "PartitionIndexes", "Partitions",
                                      [this](const Value& p) { return producers(p); })}};
      default:
        const auto known = cluster_.answers.find(api);
        return known == cluster_.answers.end() ? Struct{} : known->second(0, q);
    }
  }
  Log& log(const Value& index) { return logs_[static_cast<int>(index.number())]; }
  Value produced(const Value& p) {
    const auto [error, base] = log(p["Index"]).append(p["Records"].bytes());
    return Struct{{"Index", p["Index"]},
                  {"ErrorCode", int{error}},
                  {"BaseOffset", base},
                  {"LogAppendTimeMs", -1},
                  {"LogStartOffset", 0}};
  }
  Value fetched(const Value& p) {
    Log& l = log(p["Partition"]);
    const auto from = p["FetchOffset"].number();
    Buffer records;
    const bool outside = from < l.start || from > l.end;
    for (const auto& b : l.batches) {
      if (outside) break;
      const auto room = static_cast<std::size_t>(p["PartitionMaxBytes"].number());
      if (b.last < from) continue;
      if (!records.empty() && records.size() + b.bytes.size() > room) break;
      record_sets::append(records, b.bytes);
    }
    return Struct{{"PartitionIndex", p["Partition"]},
                  {"ErrorCode", outside ? 1 : 0},
                  {"HighWatermark", outside ? std::int64_t{-1} : l.end},
                  {"LastStableOffset", outside ? std::int64_t{-1} : stable(l)},
                  {"LogStartOffset", outside ? std::int64_t{-1} : l.start},
                  {"AbortedTransactions", Array{}},
                  {"Records", std::move(records)}};
  }
  static std::int64_t stable(const Log& l) { return l.last_stable.value_or(l.end); }
  Value offset(const Value& q, const Value& p) {
    const Log& l = log(p["PartitionIndex"]);
    const auto end = q["IsolationLevel"].number() == 1 ? stable(l) : l.end;
    return Struct{{"PartitionIndex", p["PartitionIndex"]},
                  {"Timestamp", -1},
                  {"Offset", p["Timestamp"].number() == -2 ? l.start : end},
                  {"LeaderEpoch", cluster_.leader_epoch}};
  }
  Value epoch_end(const Value& p) {
    return Struct{{"Partition", p["Partition"]},
                  {"LeaderEpoch", cluster_.leader_epoch},
                  {"EndOffset", log(p["Partition"]).end}};
  }
  Value committed(const Value& q, const Value& p) {
    commits[{std::string(q["GroupId"].text()), static_cast<int>(p["PartitionIndex"].number())}] =
        p["CommittedOffset"].number();
    return Struct{{"PartitionIndex", p["PartitionIndex"]}, {"ErrorCode", 0}};
  }
  Value configs(const Value& q) {
    Array results;
    for (const auto& r : q["Resources"].array()) {
      Array list;
      for (const auto& key : r["ConfigurationKeys"].array()) {
        const std::string name(key.text());
        list.push_back(Struct{{"Name", name}, {"Value", config[name]}});
      }
      results.push_back(Struct{{"ResourceType", r["ResourceType"]},
                               {"ResourceName", r["ResourceName"]},
                               {"Configs", std::move(list)}});
    }
    return Struct{{"Results", std::move(results)}};
  }
  Value producers(const Value& index) {
    std::map<std::int64_t, Value> active;
    for (const auto& b : log(index).batches) {
      if (b.producer < 0) continue;
      const auto last = b.sequence + static_cast<std::int32_t>(b.last - b.base);
      active[b.producer] = Struct{{"ProducerId", b.producer}, {"ProducerEpoch", int{b.epoch}},
                                  {"LastSequence", last},     {"LastTimestamp", 1'700'000'000'000},
                                  {"CoordinatorEpoch", -1},   {"CurrentTxnStartOffset", -1}};
    }
    for (const auto& [id, said] : log(index).transactions) active[id] = said;
    Array list;
    for (auto& [id, said] : active) list.push_back(std::move(said));
    return Struct{{"PartitionIndex", index}, {"ActiveProducers", std::move(list)}};
  }

  asio::io_context& io_;
  Cluster& cluster_;
  std::int64_t next_id_;
  std::map<int, Log> logs_;
  std::map<std::shared_ptr<Peer>, std::vector<Asked>> busy_;
};

}  // namespace fake
