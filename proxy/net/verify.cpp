#include "proxy/net/verify.h"

#include <algorithm>
#include <boost/asio/post.hpp>

namespace shunt::net {

using route::Cluster;
using splice::EdgeReading;
using wire::Array;
using wire::Struct;
using wire::Value;

namespace {

constexpr int attempts_max = 3;
constexpr std::size_t fetches_at_once = 8;  // of one broker: a cut's readings wait behind them
constexpr wire::ApiKey fetch_key = 1;
constexpr wire::Version fetch_max = 12;  // by name
constexpr std::int32_t fetch_bytes = 256 << 10;
constexpr Cluster clusters[] = {Cluster::old_cluster, Cluster::new_cluster};

std::string no_answer(const char* what, std::chrono::milliseconds limit) {
  return std::string(what) + ": no answer within " + std::to_string(limit.count()) + " ms";
}

}  // namespace

void Verify::start(std::function<void(const splice::Proof&)> done) {
  done_ = std::move(done);
  begin();
}

void Verify::begin() {
  ++attempts_;
  partitions_.clear();
  edges_.clear();
  problems_.clear();
  for (const auto& [name, topic] : world_.splice.topics()) {
    for (std::size_t i = 0; i < topic.partitions.size(); ++i) {
      const auto& log = topic.partitions[i];
      auto& p = partitions_[{name, static_cast<std::int32_t>(i)}];
      p.said.topic = name;
      p.said.partition = static_cast<std::int32_t>(i);
      p.said.log = log.log;
      p.said.shown_end = log.shown_end.at;
      p.said.swept = log.stragglers;
      p.said.finished = log.finished;
      p.said.edges.resize(log.log.segments().size());
      for (auto& c : p.said.clusters) c.error = no_answer("Metadata", limits_.metadata);
    }
    if (!topic.changed.empty()) problems_.push_back("topic " + name + ": " + topic.changed);
  }
  groups_ = std::make_shared<ProveGroups>(world_, limits_.groups);
  both_ = join([self = shared_from_this()] { self->finish(); });
  ++both_->left;
  groups_->start([joint = both_] { joint->end(); });
  metadata();
}

// A seam that was written meanwhile: what was read does not fit it.
bool Verify::changed_meanwhile() const {
  std::size_t known = 0;
  for (const auto& [name, topic] : world_.splice.topics()) known += topic.partitions.size();
  if (known != partitions_.size()) return true;
  for (const auto& [key, p] : partitions_) {
    const auto* log = world_.splice.partition(key.first, {}, key.second);
    if (log == nullptr || log->log.segments() != p.said.log.segments()) return true;
  }
  return false;
}

void Verify::metadata() {
  const auto joint =
      join_within(world_, limits_.metadata, [self = shared_from_this()] { self->ends(); });
  std::vector<std::string> names;
  for (const auto& [name, topic] : world_.splice.topics()) names.push_back(name);
  for (const auto c : clusters) {
    if (c == Cluster::old_cluster && world_.left_old()) continue;
    ++joint->left;
    ask_metadata(
        world_, c, names,
        [self = shared_from_this(), c, joint](const std::string& error, const Value& body) {
          if (joint->then) self->take_metadata(c, error, body);
          joint->end();
        });
  }
  joint->end();
}

void Verify::take_metadata(Cluster c, const std::string& error, const Value& body) {
  const std::string why = error.empty() ? "the cluster does not have this partition" : error;
  for (auto& [key, p] : partitions_) said(key, c).error = why;
  if (!error.empty()) return problems_.push_back(std::string(route::name(c)) + ": " + error);
  for (const auto& t : body["Topics"].array()) {
    if (const auto* topic = world_.splice.topic(t["Name"].text())) take_topic(c, *topic, t);
  }
}

void Verify::take_topic(Cluster c, const splice::TopicLog& topic, const Value& told) {
  constexpr int unknown_topic = 3;
  splice::TopicSaid t;
  t.topic = topic.name;
  t.cluster = c;
  if (const auto code = told["ErrorCode"].number(); code != 0) {
    t.error = code == unknown_topic ? "the cluster does not have it any more"
                                    : "Metadata: error " + std::to_string(code);
  }
  t.known_id = topic.id(c);
  t.id = told["TopicId"].uuid();
  t.known_partitions = static_cast<std::int32_t>(topic.partitions.size());
  t.partitions = static_cast<std::int32_t>(told["Partitions"].array().size());
  for (auto& problem : splice::problems_of(t)) problems_.push_back(std::move(problem));
  for (const auto& p : told["Partitions"].array()) {
    const auto at =
        partitions_.find({topic.name, static_cast<std::int32_t>(p["PartitionIndex"].number())});
    if (at == partitions_.end()) continue;
    Leader& leader = at->second.leaders[static_cast<std::size_t>(c)];
    leader.node = static_cast<route::NativeNodeId>(p["LeaderId"].number());
    leader.epoch = static_cast<std::int32_t>(p["LeaderEpoch"].number());
    const bool none = p["LeaderId"].number() < 0;
    said(at->first, c).error = none ? "it has no leader" : no_answer("ListOffsets", limits_.ends);
  }
}

void Verify::ends() {
  const auto joint = join_within(world_, limits_.ends, [self = shared_from_this()] {
    for (auto& [key, p] : self->partitions_) {
      for (auto& c : p.said.clusters) {
        if (c.log_start >= 0 && c.log_end >= 0) c.error.clear();
      }
    }
    self->edges();
  });
  const OffsetsAsked start{.timestamp = OffsetsAsked::earliest},
      end{.replica = OffsetsAsked::debug_replica};
  for (const auto c : clusters) {
    std::map<route::NativeNodeId, std::set<PartitionKey>> by_leader;
    for (const auto& [key, p] : partitions_) {
      const auto node = p.leaders[static_cast<std::size_t>(c)].node;
      if (p.said.log.next_native(c) && static_cast<std::int32_t>(node) >= 0)
        by_leader[node].insert(key);
    }
    for (const auto& [leader, keys] : by_leader) {
      const auto epoch = [&](const PartitionKey& key) {
        return partitions_[key].leaders[static_cast<std::size_t>(c)].epoch;
      };
      const auto take = [&](std::int64_t splice::LogSaid::*into) {
        return [self = shared_from_this(), c, joint, into](
                   const PartitionKey& key, const std::string& error, std::int64_t offset) {
          if (!joint->then) return;  // too late
          auto& log = self->said(key, c);
          log.*into = error.empty() ? offset : -1;
          if (!error.empty()) log.error = error;
        };
      };
      list_offsets(world_, c, leader, keys, start, epoch, take(&splice::LogSaid::log_start), joint);
      list_offsets(world_, c, leader, keys, end, epoch, take(&splice::LogSaid::log_end), joint);
    }
  }
  joint->end();
}

// What is to be read of a partition: the batches at each seam, and what lies behind a closed end.
void Verify::add_edges(const PartitionKey& key, Partition& p) {
  using Kind = EdgeReading::Kind;
  const auto& segments = p.said.log.segments();
  const auto add = [&](Kind kind, Cluster c, std::int64_t from, std::int64_t end, auto into) {
    const auto& log = said(key, c);
    const auto reading = std::make_shared<EdgeReading>(kind, std::max(from, log.log_start),
                                                       std::min(end, log.log_end));
    if (log.error.empty()) edges_.push_back({key, c, reading, into});
  };
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const auto& s = segments[i];
    if (i > 0) {
      add(Kind::first, s.cluster, s.native_start, s.native_end,
          [i](Partition& to, const EdgeReading& r) { to.said.edges[i].first = r.found(); });
    }
    if (!s.open()) {
      add(Kind::last, s.cluster, s.native_start, s.native_end,
          [i](Partition& to, const EdgeReading& r) { to.said.edges[i].last = r.found(); });
    }
  }
  for (const auto c : clusters) {
    const auto end = splice::closed_end(p.said.log, c);
    if (!end) continue;
    add(Kind::all, c, *end, splice::Segment::open_end, [c](Partition& to, const EdgeReading& r) {
      auto& log = to.said.clusters[static_cast<std::size_t>(c)];
      log.control = r.control();
      log.producers = r.producers();
      log.counted = r.complete();
    });
  }
}

void Verify::edges() {
  for (auto& [key, p] : partitions_) add_edges(key, p);
  const auto joint =
      join_within(world_, limits_.edges, [self = shared_from_this()] { self->both_->end(); });
  std::map<std::pair<Cluster, route::NativeNodeId>, std::shared_ptr<Window>> windows;
  for (std::size_t i = 0; i < edges_.size(); ++i) {
    const auto& e = edges_[i];
    const auto leader = partitions_[e.key].leaders[static_cast<std::size_t>(e.cluster)].node;
    auto& window = windows[{e.cluster, leader}];
    if (!window) window = std::make_shared<Window>(fetches_at_once);
    ++joint->left;
    window->run([self = shared_from_this(), reading = e.reading, key = e.key, c = e.cluster, leader,
                 joint](std::function<void()> ended) {
      self->read(reading, key, c, leader, [joint, ended = std::move(ended)] {
        ended();
        joint->end();
      });
    });
  }
  joint->end();
}

void Verify::read(const Reading& reading, const PartitionKey& key, Cluster c,
                  route::NativeNodeId leader, std::function<void()> ended) {
  const auto at = reading->wanted();
  if (!at) return boost::asio::post(world_.io, std::move(ended));
  const int bytes = reading->one_batch() ? 1 : fetch_bytes;
  const auto topics = by_topic({key}, "Topic", "Partitions", [&](const PartitionKey& k) {
    return Struct{{"Partition", k.second}, {"FetchOffset", *at}, {"PartitionMaxBytes", bytes}};
  });
  world_.access[static_cast<std::size_t>(c)]->call(
      leader, fetch_key, fetch_max,
      Struct{{"ReplicaId", -1},
             {"MaxWaitMs", 0},
             {"MinBytes", 0},
             {"MaxBytes", bytes},
             {"SessionEpoch", -1},
             {"Topics", topics}},
      [self = shared_from_this(), reading, key, c, leader, ended = std::move(ended)](
          const std::string& error, const Value& body) {
        const auto p = body["Responses"].array()[0]["Partitions"].array()[0];
        const auto log_start = p["LogStartOffset"];
        const auto code = p["ErrorCode"].number();
        constexpr int out_of_range = 1;  // retention went on
        const bool gone = code == out_of_range && log_start.number() > *reading->wanted();
        if (error.empty() && (code == 0 || gone))
          reading->take(p["Records"].bytes(), log_start.null() ? -1 : log_start.number());
        else
          reading->fail();
        self->read(reading, key, c, leader, ended);
      });
}

void Verify::finish() {
  if (changed_meanwhile() && attempts_ < attempts_max) return begin();
  splice::Proof proof;
  for (const auto& e : edges_) {
    e.into(partitions_[e.key], *e.reading);
    said(e.key, e.cluster).unread |= !e.reading->complete();
  }
  for (const auto& [key, p] : partitions_) proof.partitions.push_back(splice::judge(p.said));
  proof.groups = groups_->proofs();
  proof.problems = std::move(problems_);
  for (auto& problem : groups_->problems()) proof.problems.push_back(std::move(problem));
  std::exchange(done_, nullptr)(proof);
}

}  // namespace shunt::net
