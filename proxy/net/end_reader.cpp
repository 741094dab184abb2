#include "proxy/net/end_reader.h"

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <charconv>

#include "proxy/splice/producers.h"
#include "proxy/wire/batch.h"

namespace shunt::net {

using route::Cluster;
using wire::Array;
using wire::Struct;
using wire::Value;

namespace {

constexpr wire::ApiKey fetch_key = 1, metadata_key = 3, epochs_key = 23, describe_configs_key = 32,
                       describe_producers_key = 61;
// By name, not by topic id: topics of two clusters share no ids.
constexpr wire::Version fetch_max = 12, metadata_max = 9, epochs_max = 3, describe_configs_max = 2,
                        describe_producers_max = 0;
constexpr int prepare_attempts = 15;
constexpr auto prepare_pause = std::chrono::milliseconds(200);
constexpr std::int64_t look_back_offsets = 2000;  // for the last batches of producers
constexpr std::int32_t fetch_bytes = 4 << 20, fetch_partition_bytes = 1 << 20;

}  // namespace

EndReader::EndReader(World& world, std::vector<std::string> topics, Cluster from, Cluster to)
    : world_(world), topics_(std::move(topics)), from_(from), to_(to) {
  for (const auto& name : topics_) {
    const auto* t = world_.splice.topic(name);
    for (std::size_t i = 0; t != nullptr && i < t->partitions.size(); ++i) {
      partitions_[{name, static_cast<std::int32_t>(i)}];
    }
  }
}

void EndReader::prepare(std::function<void(std::string)> done) {
  problem_.clear();
  auto self = shared_from_this();
  auto configured = std::make_shared<Join>();
  configured->then = [self, done = std::move(done)] {
    if (!self->problem_.empty()) return done(self->problem_);
    self->try_read(prepare_attempts, done);
  };
  configs(Cluster::old_cluster, configured);
  configs(Cluster::new_cluster, configured);
  configured->end();
}

// Nobody waits yet: what a leader change makes brokers say for a moment (74, FENCED_LEADER_EPOCH,
// while another broker's metadata is behind) is asked again.
void EndReader::try_read(int attempts, std::function<void(std::string)> done) {
  read([self = shared_from_this(), attempts,
        done = std::move(done)](const std::vector<splice::PartitionReading>& readings) {
    for (const auto& r : readings) {
      for (const auto* s : {&r.from, &r.to}) {
        if (s->error.empty()) continue;
        if (attempts <= 1) {
          return done(r.topic + "-" + std::to_string(r.partition) + ": " + s->error);
        }
        auto timer = std::make_shared<boost::asio::steady_timer>(self->world_.io, prepare_pause);
        return timer->async_wait([timer, self, attempts, done](boost::system::error_code) {
          self->try_read(attempts - 1, done);
        });
      }
    }
    done("");
  });
}

void EndReader::read(std::function<void(const std::vector<splice::PartitionReading>&)> done) {
  auto self = shared_from_this();
  for (auto& [key, p] : partitions_) {
    for (auto& s : p.sides) s.reading = {};
  }
  auto again = std::make_shared<Join>();
  again->then = [self, done = std::move(done)] {
    std::vector<splice::PartitionReading> out;
    for (auto& [key, p] : self->partitions_) {
      splice::PartitionReading r;
      r.topic = key.first;
      r.partition = key.second;
      r.from = self->side(p, self->from_).reading;
      r.to = self->side(p, self->to_).reading;
      r.producers = p.tails;
      out.push_back(std::move(r));
    }
    done(out);
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

std::set<std::int64_t> EndReader::known_producers() const {
  std::set<std::int64_t> out;
  for (const auto& [key, p] : partitions_) {
    for (const auto& [id, tail] : p.tails) out.insert(id);
  }
  return out;
}

void EndReader::fail(Cluster c, const std::set<Key>& keys, const std::string& why) {
  for (const auto& key : keys) {
    auto& error = side(partitions_[key], c).reading.error;
    if (error.empty()) error = why;
  }
}

std::map<route::NativeNodeId, std::set<EndReader::Key>> EndReader::by_leader(Cluster c) {
  std::map<route::NativeNodeId, std::set<Key>> out;
  for (auto& [key, p] : partitions_) {
    if (side(p, c).reading.error.empty()) out[side(p, c).leader].insert(key);
  }
  return out;
}

void EndReader::metadata(Cluster c, bool again, Joint join) {
  auto* access = world_.access[static_cast<std::size_t>(c)];
  const auto node = access != nullptr ? access->any_node() : std::nullopt;
  std::set<Key> all;
  for (const auto& [key, p] : partitions_) all.insert(key);
  if (!node) return fail(c, all, "the cluster cannot be reached");
  Array topics;
  for (const auto& name : topics_) topics.push_back(Struct{{"Name", name}});
  ++join->left;
  access->call(*node, metadata_key, metadata_max,
               Struct{{"Topics", std::move(topics)}, {"AllowAutoTopicCreation", false}},
               [self = shared_from_this(), c, again, join, all](const std::string& error,
                                                                const Value& body) {
                 if (!error.empty())
                   self->fail(c, all, error);
                 else
                   self->take_metadata(c, again, body);
                 join->end();
               });
}

void EndReader::take_metadata(Cluster c, bool again, const Value& body) {
  std::set<Key> missing;
  for (const auto& [key, p] : partitions_) missing.insert(key);
  for (const auto& t : body["Topics"].array()) {
    const std::string name(t["Name"].text());
    for (const auto& p : t["Partitions"].array()) {
      const Key key{name, static_cast<std::int32_t>(p["PartitionIndex"].number())};
      const auto found = partitions_.find(key);
      if (found == partitions_.end()) continue;
      missing.erase(key);
      Side& s = side(found->second, c);
      const auto leader = static_cast<route::NativeNodeId>(p["LeaderId"].number());
      const auto epoch = static_cast<std::int32_t>(p["LeaderEpoch"].number());
      if (static_cast<std::int32_t>(leader) < 0) fail(c, {key}, "it has no leader");
      if (!again) {
        // A new leader may not have what the former one knew of its producers.
        if (c == from_ && s.epoch != epoch) {
          found->second.tails.clear();
          found->second.read_to = -1;
        }
        s.leader = leader;
        s.epoch = epoch;
        s.reading.in_sync = static_cast<int>(p["IsrNodes"].array().size());
        const auto least = in_sync_min_[static_cast<std::size_t>(c)].find(name);
        if (least != in_sync_min_[static_cast<std::size_t>(c)].end())
          s.reading.in_sync_min = least->second;
      } else {
        s.reading.leader_epoch = leader == s.leader && epoch == s.epoch ? epoch : -1;
      }
    }
  }
  fail(c, missing, "the cluster does not have it");
}

// min.insync.replicas, once: what the brokers say is in force.
void EndReader::configs(Cluster c, Joint join) {
  auto* access = world_.access[static_cast<std::size_t>(c)];
  const auto node = access != nullptr ? access->any_node() : std::nullopt;
  if (!node) {
    problem_ = std::string(route::name(c)) + " cannot be reached";
    return;
  }
  constexpr int resource_topic = 2;
  Array resources;
  for (const auto& name : topics_) {
    resources.push_back(Struct{{"ResourceType", resource_topic},
                               {"ResourceName", name},
                               {"ConfigurationKeys", Array{"min.insync.replicas"}}});
  }
  ++join->left;
  access->call(
      *node, describe_configs_key, describe_configs_max,
      Struct{{"Resources", std::move(resources)}},
      [self = shared_from_this(), c, join](const std::string&, const Value& body) {
        // Brokers that may not say (no right to) leave the least: 1.
        for (const auto& r : body["Results"].array()) {
          for (const auto& config : r["Configs"].array()) {
            int n = 1;
            const auto text = config["Value"].text();
            std::from_chars(text.data(), text.data() + text.size(), n);
            self->in_sync_min_[static_cast<std::size_t>(c)][std::string(r["ResourceName"].text())] =
                n;
          }
        }
        join->end();
      });
}

void EndReader::ends(Cluster c, Joint join) {
  constexpr int read_committed = 1;
  const OffsetsAsked log_end{.replica = OffsetsAsked::debug_replica}, high_watermark,
      last_stable{.isolation = read_committed}, log_start{.timestamp = OffsetsAsked::earliest};
  for (const auto& [leader, keys] : by_leader(c)) {
    offsets(c, leader, keys, log_end, &splice::EndReading::log_end, join);
    offsets(c, leader, keys, high_watermark, &splice::EndReading::high_watermark, join);
    offsets(c, leader, keys, last_stable, &splice::EndReading::last_stable, join);
    epoch_ends(c, leader, keys, join);
    if (c != from_) continue;
    offsets(c, leader, keys, log_start, &splice::EndReading::log_start, join);
    producers(leader, keys, join);
  }
}

void EndReader::offsets(Cluster c, route::NativeNodeId leader, const std::set<Key>& keys,
                        const OffsetsAsked& asked, std::int64_t splice::EndReading::*into,
                        const Joint& joint) {
  list_offsets(
      world_, c, leader, keys, asked,
      [&](const Key& key) { return side(partitions_[key], c).epoch; },
      [self = shared_from_this(), c, into](const Key& key, const std::string& error,
                                           std::int64_t offset) {
        if (!error.empty()) self->fail(c, {key}, error);
        self->side(self->partitions_[key], c).reading.*into = offset;
      },
      joint);
}

void EndReader::epoch_ends(Cluster c, route::NativeNodeId leader, const std::set<Key>& keys,
                           Joint join) {
  Array topics = by_topic(keys, "Topic", "Partitions", [&](const Key& key) {
    const auto epoch = side(partitions_[key], c).epoch;
    return Struct{{"Partition", key.second}, {"CurrentLeaderEpoch", epoch}, {"LeaderEpoch", epoch}};
  });
  ++join->left;
  world_.access[static_cast<std::size_t>(c)]->call(
      leader, epochs_key, epochs_max, Struct{{"ReplicaId", -2}, {"Topics", std::move(topics)}},
      [self = shared_from_this(), c, join](const std::string&, const Value& body) {
        for (const auto& t : body["Topics"].array()) {
          for (const auto& p : t["Partitions"].array()) {
            const auto found =
                self->partitions_.find({std::string(t["Topic"].text()),
                                        static_cast<std::int32_t>(p["Partition"].number())});
            if (found == self->partitions_.end() || p["ErrorCode"].number() != 0) continue;
            self->side(found->second, c).reading.epoch_end = p["EndOffset"].number();
          }
        }
        join->end();
      });
}

// DescribeProducers (2.8+, with READ) only confirms: it has no offsets (rules B8).
void EndReader::producers(route::NativeNodeId leader, const std::set<Key>& keys, Joint join) {
  Array topics =
      by_topic(keys, "Name", "PartitionIndexes", [](const Key& key) { return Value(key.second); });
  ++join->left;
  world_.access[static_cast<std::size_t>(from_)]->call(
      leader, describe_producers_key, describe_producers_max, Struct{{"Topics", std::move(topics)}},
      [self = shared_from_this(), join](const std::string&, const Value& body) {
        for (const auto& t : body["Topics"].array()) {
          for (const auto& p : t["Partitions"].array()) {
            const auto found =
                self->partitions_.find({std::string(t["Name"].text()),
                                        static_cast<std::int32_t>(p["PartitionIndex"].number())});
            if (found == self->partitions_.end()) continue;
            for (const auto& producer : p["ActiveProducers"].array()) {
              const auto id = producer["ProducerId"].number();
              const auto last = static_cast<std::int32_t>(producer["LastSequence"].number());
              if (last < 0 || found->second.tails.contains(id)) continue;
              splice::note_batch(found->second.tails, id,
                                 static_cast<std::int16_t>(producer["ProducerEpoch"].number()),
                                 {last, last, -1});
            }
          }
        }
        join->end();
      });
}

void EndReader::tails(Joint join) {
  for (const auto& [leader, keys] : by_leader(from_)) {
    for (const auto& key : keys) {
      Partition& p = partitions_[key];
      // All that has been written there since the cut: sweeps lie between (rules A9).
      const auto& first = world_.splice.partition(key.first, {}, key.second)->log.run_start();
      const auto end = side(p, from_).reading.log_end;
      if (p.read_to < 0) p.read_to = std::max(first.native_start, end - look_back_offsets);
      // An error answer for what retention took would not say where the log begins now.
      p.read_to = std::max(p.read_to, side(p, from_).reading.log_start);
    }
    tails_from(leader, keys, join);
  }
}

// Fetches what has not been read yet of these partitions, again and again until all is.
void EndReader::tails_from(route::NativeNodeId leader, std::set<Key> keys, Joint join) {
  std::erase_if(keys, [&](const Key& key) {
    return partitions_[key].read_to >= side(partitions_[key], from_).reading.high_watermark;
  });
  if (keys.empty()) return;
  Array topics = by_topic(keys, "Topic", "Partitions", [&](const Key& key) {
    return Struct{{"Partition", key.second},
                  {"FetchOffset", partitions_[key].read_to},
                  {"PartitionMaxBytes", fetch_partition_bytes}};
  });
  ++join->left;
  world_.access[static_cast<std::size_t>(from_)]->call(
      leader, fetch_key, fetch_max,
      Struct{{"ReplicaId", -1},
             {"MaxWaitMs", 0},
             {"MinBytes", 0},
             {"MaxBytes", fetch_bytes},
             {"SessionEpoch", -1},
             {"Topics", std::move(topics)}},
      [self = shared_from_this(), leader, keys, join](const std::string& error, const Value& body) {
        if (!error.empty()) self->fail(self->from_, keys, error);
        bool progress = false;
        for (const auto& t : body["Responses"].array()) {
          for (const auto& p : t["Partitions"].array()) {
            const Key key{std::string(t["Topic"].text()),
                          static_cast<std::int32_t>(p["PartitionIndex"].number())};
            if (!self->partitions_.contains(key)) continue;
            Partition& into = self->partitions_[key];
            const auto before = into.read_to;
            const auto code = p["ErrorCode"].number();
            if (code != 0) self->fail(self->from_, {key}, "Fetch: error " + std::to_string(code));
            self->take_records(into, p["Records"].bytes());
            progress |= into.read_to > before;
          }
        }
        if (progress && error.empty()) {
          auto left = keys;
          std::erase_if(left, [&](const Key& k) {
            return !self->side(self->partitions_[k], self->from_).reading.error.empty();
          });
          self->tails_from(leader, std::move(left), join);
        }
        join->end();
      });
}

void EndReader::take_records(Partition& p, wire::Bytes records) {
  wire::BatchHeader b;
  while (wire::parse(records, b) == wire::BatchParse::ok && b.size() <= records.size()) {
    records = records.subspan(static_cast<std::size_t>(b.size()));
    const auto next = (b.magic < 2 ? b.base_offset : b.last_offset()) + 1;
    if (next <= p.read_to) continue;
    p.read_to = next;
    if (b.magic < 2 || b.producer_id < 0 || b.control()) continue;
    splice::BatchId id;
    id.first_sequence = b.base_sequence;
    id.records = b.last_offset_delta + 1;
    auto& tail = p.tails[b.producer_id];
    const bool known_only = tail.last.size() == 1 && tail.last.back().offset < 0;
    if (known_only) tail.last.clear();  // DescribeProducers said it first
    splice::note_batch(p.tails, b.producer_id, b.producer_epoch,
                       {b.base_sequence, id.last_sequence(), b.base_offset});
  }
}

}  // namespace shunt::net
