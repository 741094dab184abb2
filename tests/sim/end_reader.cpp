#include "tests/sim/end_reader.h"

namespace shunt::sim {

using route::Cluster;
using wire::Array;
using wire::Struct;
using wire::Value;

namespace {
constexpr wire::ApiKey fetch_key = 1, list_offsets_key = 2, metadata_key = 3, epochs_key = 23,
                       describe_producers_key = 61;

template <class Entry>
Array one_topic(const char* name, const char* partitions_name, const std::vector<int>& keys,
                Entry entry) {
  Array partitions;
  for (const int p : keys) partitions.push_back(entry(p));
  return Array{Struct{{name, topic_name}, {partitions_name, std::move(partitions)}}};
}
}  // namespace

EndReader::EndReader(Proxy& proxy, Cluster from, Cluster to) : proxy_(proxy), from_(from), to_(to) {
  partitions_.resize(static_cast<std::size_t>(proxy.sim.plan.partitions));
  for (int p = 0; p < proxy.sim.plan.partitions; ++p) all_.push_back(p);
}

void EndReader::read(std::function<void(Readings)> done) {
  const auto self = shared_from_this();
  for (auto& p : partitions_) {
    for (auto& s : p.sides) s.reading = {};
  }
  auto again = std::make_shared<Join>();
  again->then = [self, done = std::move(done)] {
    Readings out;
    for (const int p : self->all_) {
      splice::PartitionReading r;
      r.topic = topic_name;
      r.partition = p;
      r.from = self->side(p, self->from_).reading;
      r.to = self->side(p, self->to_).reading;
      r.producers = self->partitions_[static_cast<std::size_t>(p)].tails;
      out.push_back(std::move(r));
    }
    done(std::move(out));
  };
  auto batches = std::make_shared<Join>();
  batches->then = [self, again] {
    self->metadata(Cluster::old_cluster, true, again);
    self->metadata(Cluster::new_cluster, true, again);
    again->end();
  };
  auto read_ends = std::make_shared<Join>();
  read_ends->then = [self, batches] {
    self->tails(batches);
    batches->end();
  };
  auto first = std::make_shared<Join>();
  first->then = [self, read_ends] {
    self->ends(Cluster::old_cluster, read_ends);
    self->ends(Cluster::new_cluster, read_ends);
    read_ends->end();
  };
  metadata(Cluster::old_cluster, false, first);
  metadata(Cluster::new_cluster, false, first);
  first->end();
}

std::size_t EndReader::known_producers() const {
  std::set<std::int64_t> out;
  for (const auto& p : partitions_) {
    for (const auto& [id, tail] : p.tails) out.insert(id);
  }
  return out.size();
}

void EndReader::fail(Cluster c, const std::vector<int>& keys, const std::string& why) {
  for (const int p : keys) {
    auto& error = side(p, c).reading.error;
    if (error.empty()) error = why;
  }
}

std::map<int, std::vector<int>> EndReader::by_leader(Cluster c) {
  std::map<int, std::vector<int>> out;
  for (const int p : all_) {
    if (side(p, c).reading.error.empty()) out[side(p, c).leader].push_back(p);
  }
  return out;
}

void EndReader::metadata(Cluster c, bool again, Joint join) {
  ++join->left;
  const int broker = proxy_.cluster(c).a_broker(proxy_.sim.random);
  proxy_.call(
      c, broker, metadata_key, 9, Struct{{"Topics", Array{Struct{{"Name", topic_name}}}}},
      [self = shared_from_this(), c, again, join](const Value& body) {
        if (body.null()) self->fail(c, self->all_, "nobody answers");
        for (const auto& t : body["Topics"].array()) {
          for (const auto& p : t["Partitions"].array()) {
            Side& s = self->side(static_cast<int>(p["PartitionIndex"].number()), c);
            const auto leader = static_cast<int>(p["LeaderId"].number());
            const auto epoch = static_cast<std::int32_t>(p["LeaderEpoch"].number());
            if (!again) {
              if (c == self->from_ && s.epoch != epoch) {
                auto& part =
                    self->partitions_[static_cast<std::size_t>(p["PartitionIndex"].number())];
                part.tails.clear();
                part.read_to = -1;
              }
              s.leader = leader;
              s.epoch = epoch;
              s.reading.in_sync = static_cast<int>(p["IsrNodes"].array().size());
            } else {
              s.reading.leader_epoch = leader == s.leader && epoch == s.epoch ? epoch : -1;
            }
          }
        }
        join->end();
      });
}

void EndReader::ends(Cluster c, Joint join) {
  for (const auto& [leader, keys] : by_leader(c)) {
    list_offsets(c, leader, keys, -2, 0, &splice::EndReading::log_end, join);
    list_offsets(c, leader, keys, -1, 0, &splice::EndReading::high_watermark, join);
    list_offsets(c, leader, keys, -1, 1, &splice::EndReading::last_stable, join);
    epoch_ends(c, leader, keys, join);
    if (c == from_) producers(leader, keys, join);
  }
}

void EndReader::list_offsets(Cluster c, int leader, const std::vector<int>& keys, int replica,
                             int isolation, std::int64_t splice::EndReading::*into, Joint join) {
  ++join->left;
  proxy_.call(c, leader, list_offsets_key, 6,
              Struct{{"ReplicaId", replica},
                     {"IsolationLevel", isolation},
                     {"Topics", one_topic("Name", "Partitions", keys,
                                          [&](int p) -> Value {
                                            return Struct{{"PartitionIndex", p},
                                                          {"CurrentLeaderEpoch", side(p, c).epoch},
                                                          {"Timestamp", std::int64_t{-1}}};
                                          })}},
              [self = shared_from_this(), c, keys, into, join](const Value& body) {
                if (body.null()) self->fail(c, keys, "nobody answers");
                for (const auto& t : body["Topics"].array()) {
                  for (const auto& p : t["Partitions"].array()) {
                    const auto index = static_cast<int>(p["PartitionIndex"].number());
                    const auto code = p["ErrorCode"].number();
                    if (code != 0) self->fail(c, {index}, "ListOffsets: " + std::to_string(code));
                    self->side(index, c).reading.*into = p["Offset"].number();
                  }
                }
                join->end();
              });
}

void EndReader::epoch_ends(Cluster c, int leader, const std::vector<int>& keys, Joint join) {
  ++join->left;
  proxy_.call(c, leader, epochs_key, 3,
              Struct{{"ReplicaId", -2},
                     {"Topics", one_topic("Topic", "Partitions", keys,
                                          [&](int p) -> Value {
                                            const auto epoch = side(p, c).epoch;
                                            return Struct{{"Partition", p},
                                                          {"CurrentLeaderEpoch", epoch},
                                                          {"LeaderEpoch", epoch}};
                                          })}},
              [self = shared_from_this(), c, join](const Value& body) {
                for (const auto& t : body["Topics"].array()) {
                  for (const auto& p : t["Partitions"].array()) {
                    if (p["ErrorCode"].number() != 0) continue;
                    self->side(static_cast<int>(p["Partition"].number()), c).reading.epoch_end =
                        p["EndOffset"].number();
                  }
                }
                join->end();
              });
}

void EndReader::producers(int leader, const std::vector<int>& keys, Joint join) {
  ++join->left;
  proxy_.call(
      from_, leader, describe_producers_key, 0,
      Struct{{"Topics",
              one_topic("Name", "PartitionIndexes", keys, [](int p) -> Value { return p; })}},
      [self = shared_from_this(), join](const Value& body) {
        for (const auto& t : body["Topics"].array()) {
          for (const auto& p : t["Partitions"].array()) {
            auto& tails =
                self->partitions_[static_cast<std::size_t>(p["PartitionIndex"].number())].tails;
            for (const auto& producer : p["ActiveProducers"].array()) {
              const auto id = producer["ProducerId"].number();
              const auto last = static_cast<std::int32_t>(producer["LastSequence"].number());
              if (last < 0 || tails.contains(id)) continue;
              splice::note_batch(tails, id,
                                 static_cast<std::int16_t>(producer["ProducerEpoch"].number()),
                                 {last, last, -1});
            }
          }
        }
        join->end();
      });
}

void EndReader::tails(Joint join) {
  constexpr std::int64_t look_back_offsets = 2000;
  for (const auto& [leader, keys] : by_leader(from_)) {
    for (const int p : keys) {
      auto& part = partitions_[static_cast<std::size_t>(p)];
      const auto& first = proxy_.splice.partition(topic_name, {}, p)->log.run_start();
      const auto end = side(p, from_).reading.log_end;
      if (part.read_to < 0) part.read_to = std::max(first.native_start, end - look_back_offsets);
    }
    tails_from(leader, keys, join);
  }
}

void EndReader::tails_from(int leader, std::vector<int> keys, Joint join) {
  std::erase_if(keys, [&](int p) {
    return partitions_[static_cast<std::size_t>(p)].read_to >=
           side(p, from_).reading.high_watermark;
  });
  if (keys.empty()) return;
  ++join->left;
  proxy_.call(
      from_, leader, fetch_key, 12,
      Struct{{"ReplicaId", -1},
             {"MaxWaitMs", 0},
             {"MinBytes", 0},
             {"MaxBytes", 4 << 20},
             {"SessionEpoch", -1},
             {"Topics", one_topic("Topic", "Partitions", keys,
                                  [&](int p) -> Value {
                                    const auto& part = partitions_[static_cast<std::size_t>(p)];
                                    return Struct{{"Partition", p},
                                                  {"FetchOffset", part.read_to},
                                                  {"PartitionMaxBytes", 1 << 20}};
                                  })}},
      [self = shared_from_this(), leader, keys, join](const Value& body) {
        if (body.null()) self->fail(self->from_, keys, "nobody answers");
        bool progress = false;
        for (const auto& t : body["Responses"].array()) {
          for (const auto& p : t["Partitions"].array()) {
            const auto index = static_cast<int>(p["PartitionIndex"].number());
            auto& into = self->partitions_[static_cast<std::size_t>(index)];
            const auto before = into.read_to;
            const auto code = p["ErrorCode"].number();
            if (code == 1)
              self->from_log_start(leader, index, join);
            else if (code != 0)
              self->fail(self->from_, {index}, "Fetch: " + std::to_string(code));
            self->take_records(into, p["Records"].bytes());
            progress |= into.read_to > before;
          }
        }
        if (progress) {
          auto left = keys;
          std::erase_if(left,
                        [&](int p) { return !self->side(p, self->from_).reading.error.empty(); });
          self->tails_from(leader, std::move(left), join);
        }
        join->end();
      });
}

// Retention has eaten what the reading began with. Brokers do not say in a Fetch answer where their
// log starts now: with OFFSET_OUT_OF_RANGE its LogStartOffset is -1 (ReplicaManager.readFromLog).
void EndReader::from_log_start(int leader, int partition, Joint join) {
  ++join->left;
  const std::int64_t earliest = -2;
  proxy_.call(from_, leader, list_offsets_key, 6,
              Struct{{"ReplicaId", -1},
                     {"Topics", one_topic("Name", "Partitions", {partition},
                                          [&](int p) -> Value {
                                            return Struct{{"PartitionIndex", p},
                                                          {"CurrentLeaderEpoch", -1},
                                                          {"Timestamp", earliest}};
                                          })}},
              [self = shared_from_this(), leader, partition, join](const Value& body) {
                const Value entry = body["Topics"].array()[0]["Partitions"].array()[0];
                if (body.null() || entry["ErrorCode"].number() != 0) {
                  self->fail(self->from_, {partition}, "its log start is not known");
                } else {
                  self->partitions_[static_cast<std::size_t>(partition)].read_to =
                      entry["Offset"].number();
                  self->tails_from(leader, {partition}, join);
                }
                join->end();
              });
}

void EndReader::take_records(Partition& p, wire::Bytes records) {
  wire::BatchHeader b;
  while (wire::parse(records, b) == wire::BatchParse::ok && b.size() <= records.size()) {
    records = records.subspan(static_cast<std::size_t>(b.size()));
    const auto next = b.last_offset() + 1;
    if (next <= p.read_to) continue;
    p.read_to = next;
    if (b.producer_id < 0) continue;
    splice::BatchId id;
    id.first_sequence = b.base_sequence;
    id.records = b.last_offset_delta + 1;
    auto& tail = p.tails[b.producer_id];
    if (tail.last.size() == 1 && tail.last.back().offset < 0) tail.last.clear();
    splice::note_batch(p.tails, b.producer_id, b.producer_epoch,
                       {b.base_sequence, id.last_sequence(), b.base_offset});
  }
}

}  // namespace shunt::sim
