// What a model broker answers.
#include <algorithm>

#include "proxy/splice/seams.h"
#include "proxy/wire/framer.h"
#include "tests/sim/model_cluster.h"

namespace shunt::sim {

using wire::Array;
using wire::Struct;
using wire::Value;

namespace {
constexpr int out_of_range = 1, not_leader = 6, fenced_epoch = 74, unknown_epoch = 75;
constexpr wire::ApiKey produce_key = 0, fetch_key = 1, list_offsets_key = 2, metadata_key = 3,
                       commit_key = 8, offset_fetch_key = 9, groups_key = 16, versions_key = 18,
                       init_key = 22, epochs_key = 23, configs_key = 32,
                       describe_producers_key = 61;
int index_of(const Value& v) { return static_cast<int>(v.number()); }

// An answer that goes topic by topic, as its request does.
template <class Each>
Value each_partition(const Value& request, const char* topics, const char* name,
                     const char* partitions, Each each) {
  Array out;
  for (const Value& t : request["Topics"].array()) {
    Array entries;
    for (const Value& p : t[partitions].array()) entries.push_back(each(p));
    out.push_back(Struct{{name, t[name]}, {"Partitions", std::move(entries)}});
  }
  return Struct{{topics, std::move(out)}};
}
}  // namespace

std::int16_t ModelCluster::leads(int broker, std::int64_t partition, const Value& epoch) const {
  const auto i = static_cast<std::size_t>(partition);
  if (i >= leaders_.size()) return 3;
  if (leaders_[i] != broker) return not_leader;
  const auto asked = epoch.null() ? -1 : epoch.number();
  if (asked >= 0 && asked < logs_[i].epoch()) return fenced_epoch;
  if (asked > logs_[i].epoch()) return unknown_epoch;
  return 0;
}

void ModelCluster::execute(const PeerRef& peer, const Buffer& frame) {
  const wire::Bytes content = wire::Bytes(frame).subspan(wire::frame_prefix_bytes);
  wire::RequestHeader h;
  if (wire::parse(content, content.size(), h) != wire::Parse::ok) {
    throw std::logic_error("a broker got what is no request");
  }
  const char* problem = nullptr;
  const Value request =
      wire::decode(*wire::request(h.api), h.version, content.subspan(h.size), problem);
  if (problem != nullptr)
    throw std::logic_error(std::string("a broker got a bad request: ") + problem);
  h.client_id = {};
  switch (h.api) {
    case produce_key:
      return produce(peer, h, request);
    case fetch_key:
      return fetch(peer, h, request);
    case list_offsets_key:
      return answer(peer, h, list_offsets(request, peer->broker));
    case metadata_key:
      return answer(peer, h, metadata());
    case commit_key:
      return answer(peer, h, commit(request));
    case offset_fetch_key:
      return answer(peer, h, committed_offsets(request));
    case groups_key:
      return answer(peer, h, groups());
    case versions_key:
    case configs_key:
      return answer(peer, h, Struct{});
    case init_key:
      return answer(peer, h, producer_id());
    case epochs_key:
      return answer(peer, h, epochs(request, peer->broker));
    case describe_producers_key:
      return answer(peer, h, producers(request, peer->broker));
    default:
      throw std::logic_error("the model has no api " + std::to_string(h.api));
  }
}

void ModelCluster::produce(const PeerRef& peer, const wire::RequestHeader& h,
                           const Value& request) {
  Waiting w;
  Array topics;
  for (const Value& t : request["TopicData"].array()) {
    Array partitions;
    for (const Value& p : t["PartitionData"].array()) {
      const int index = index_of(p["Index"]);
      ModelLog::Appended done{leads(peer->broker, index, {}), -1, false};
      if (done.error == 0) {
        ModelLog& l = log(index);
        done = l.append(p["Records"].bytes());
        const auto read = read_batches(p["Records"].bytes());
        if (watch.appended && !read.empty()) watch.appended(index, read[0], done);
        if (done.error == 0) w.ends.push_back({index, l.end(), l.epoch()});
        replicate_soon(index);
      }
      partitions.push_back(Struct{{"Index", index},
                                  {"ErrorCode", int{done.error}},
                                  {"BaseOffset", done.base},
                                  {"LogAppendTimeMs", std::int64_t{-1}},
                                  {"LogStartOffset", std::int64_t{0}}});
    }
    topics.push_back(Struct{{"Name", t["Name"]}, {"PartitionResponses", std::move(partitions)}});
  }
  const auto acks = request["Acks"].number();
  if (acks == 0) return;
  Value body = Struct{{"Responses", std::move(topics)}};
  if (acks == 1 || w.ends.empty()) {
    peer->busy = true;
    return answer(peer, h, body);
  }
  peer->busy = true;
  w.peer = peer;
  w.header = h;
  w.answer = std::move(body);
  waiting_.push_back(std::move(w));
}

bool ModelCluster::has_data(const Value& request, int broker) const {
  for (const Value& t : request["Topics"].array()) {
    for (const Value& p : t["Partitions"].array()) {
      const auto index = p["Partition"].number();
      if (leads(broker, index, p["CurrentLeaderEpoch"]) != 0) return true;
      const ModelLog& l = logs_[static_cast<std::size_t>(index)];
      const auto at = p["FetchOffset"].number();
      if (at < l.start() || at > l.end() || at < l.readable(request["IsolationLevel"].number())) {
        return true;
      }
    }
  }
  return false;
}

Value ModelCluster::fetched(const Value& request, int broker) const {
  Array topics;
  std::int64_t room = request["MaxBytes"].number();
  bool first = true;
  for (const Value& t : request["Topics"].array()) {
    Array partitions;
    for (const Value& p : t["Partitions"].array()) {
      const auto index = p["Partition"].number();
      const auto at = p["FetchOffset"].number();
      std::int16_t error = leads(broker, index, p["CurrentLeaderEpoch"]);
      Buffer records;
      Struct out{{"PartitionIndex", index}, {"HighWatermark", std::int64_t{-1}}};
      if (error == 0) {
        const ModelLog& l = logs_[static_cast<std::size_t>(index)];
        if (at < l.start() || at > l.end()) error = out_of_range;
        if (error == 0) {
          const auto most = std::min(room, p["PartitionMaxBytes"].number());
          records = l.read(at, l.readable(request["IsolationLevel"].number()),
                           static_cast<std::size_t>(std::max<std::int64_t>(most, 0)), first);
          room -= static_cast<std::int64_t>(records.size());
          first = first && records.empty();
        }
        out.set("HighWatermark", error == 0 ? l.high_watermark() : -1);
        out.set("LastStableOffset", error == 0 ? l.readable(1) : -1);
        out.set("LogStartOffset", error == 0 ? l.start() : -1);
      }
      out.set("ErrorCode", int{error});
      out.set("Records", records);
      partitions.push_back(std::move(out));
    }
    topics.push_back(Struct{{"Topic", t["Topic"]}, {"Partitions", std::move(partitions)}});
  }
  return Struct{{"Responses", std::move(topics)}};
}

void ModelCluster::fetch(const PeerRef& peer, const wire::RequestHeader& h, const Value& request) {
  peer->busy = true;
  const auto wait = request["MaxWaitMs"].number() * ms;
  if (wait <= 0 || request["MinBytes"].number() <= 0 || has_data(request, peer->broker)) {
    return answer(peer, h, fetched(request, peer->broker));
  }
  Waiting w;
  w.peer = peer;
  w.header = h;
  w.request = request;
  w.until = time_.now() + wait;
  const auto until = w.until;
  waiting_.push_back(std::move(w));
  time_.at(until, [this] { wake_waiting(); });
}

Value ModelCluster::metadata() const {
  Array brokers, partitions;
  for (int b = 0; b < brokers_; ++b) {
    brokers.push_back(Struct{{"NodeId", b}, {"Host", "b"}, {"Port", 9000 + b}});
  }
  for (std::size_t p = 0; p < logs_.size(); ++p) {
    partitions.push_back(Struct{{"PartitionIndex", static_cast<std::int64_t>(p)},
                                {"LeaderId", leaders_[p]},
                                {"LeaderEpoch", logs_[p].epoch()},
                                {"ReplicaNodes", Array{0, 1}},
                                {"IsrNodes", Array{0, 1}}});
  }
  return Struct{
      {"Brokers", std::move(brokers)},
      {"ClusterId", route::name(which_)},
      {"ControllerId", 0},
      {"Topics", Array{Struct{{"Name", topic_name}, {"Partitions", std::move(partitions)}}}}};
}

Value ModelCluster::list_offsets(const Value& request, int broker) const {
  const bool log_end = request["ReplicaId"].number() == -2;
  return each_partition(request, "Topics", "Name", "Partitions", [&](const Value& p) -> Value {
    const auto index = p["PartitionIndex"].number();
    const auto error = leads(broker, index, p["CurrentLeaderEpoch"]);
    Struct out{{"PartitionIndex", index}, {"ErrorCode", int{error}}, {"Offset", -1}};
    if (error != 0) return out;
    const ModelLog& l = logs_[static_cast<std::size_t>(index)];
    const bool earliest = p["Timestamp"].number() == -2;
    out.set("Offset", earliest  ? l.start()
                      : log_end ? l.end()
                                : l.readable(request["IsolationLevel"].number()));
    return out.set("LeaderEpoch", l.epoch());
  });
}

Value ModelCluster::epochs(const Value& request, int broker) const {
  return each_partition(request, "Topics", "Topic", "Partitions", [&](const Value& p) -> Value {
    const auto index = p["Partition"].number();
    const auto error = leads(broker, index, p["CurrentLeaderEpoch"]);
    std::pair<std::int32_t, std::int64_t> end{-1, -1};
    if (error == 0) {
      end = logs_[static_cast<std::size_t>(index)].epoch_end(
          static_cast<std::int32_t>(p["LeaderEpoch"].number()));
    }
    return Struct{{"Partition", index},
                  {"ErrorCode", int{error}},
                  {"LeaderEpoch", end.first},
                  {"EndOffset", end.second}};
  });
}

Value ModelCluster::commit(const Value& request) {
  const std::string group(request["GroupId"].text());
  const bool simple = request["GenerationIdOrMemberEpoch"].number() < 0 &&
                      !group.starts_with(splice::seam_group_prefix);
  if (watch.committed) watch.committed();
  return each_partition(request, "Topics", "Name", "Partitions", [&](const Value& p) -> Value {
    commits_[{group, index_of(p["PartitionIndex"])}] = {
        p["CommittedOffset"].number(), std::string(p["CommittedMetadata"].text()),
        simple ? time_.now() + simple_commits_last : Committed::never};
    return Struct{{"PartitionIndex", p["PartitionIndex"]}, {"ErrorCode", 0}};
  });
}

Value ModelCluster::committed_offsets(const Value& request) const {
  const std::string group(request["GroupId"].text());
  return each_partition(request, "Topics", "Name", "PartitionIndexes",
                        [&](const Value& p) -> Value {
                          const auto* c = commit_of(group, index_of(p));
                          return Struct{{"PartitionIndex", p},
                                        {"CommittedOffset", c == nullptr ? -1 : c->offset},
                                        {"Metadata", c == nullptr ? std::string() : c->metadata},
                                        {"ErrorCode", 0}};
                        });
}

Value ModelCluster::groups() const {
  std::set<std::string> names;
  for (const auto& [key, c] : commits_) {
    if (c.expires > time_.now()) names.insert(key.first);
  }
  Array all;
  for (const auto& name : names) all.push_back(Struct{{"GroupId", name}});
  return Struct{{"ErrorCode", 0}, {"Groups", std::move(all)}};
}

Value ModelCluster::producer_id() {
  // The coordinator may still be loading (probes P5): taken unchecked, -1 ends idempotence.
  if (random_.one_in(20)) return Struct{{"ErrorCode", 14}, {"ProducerId", std::int64_t{-1}}};
  return Struct{{"ErrorCode", 0}, {"ProducerId", next_producer_id_++}, {"ProducerEpoch", 0}};
}

Value ModelCluster::producers(const Value& request, int broker) const {
  return each_partition(
      request, "Topics", "Name", "PartitionIndexes", [&](const Value& p) -> Value {
        const auto index = p.number();
        Array active;
        const auto error = leads(broker, index, {});
        if (error == 0) {
          for (const auto& [id, state] : logs_[static_cast<std::size_t>(index)].producers()) {
            if (state.last.empty()) continue;
            active.push_back(Struct{{"ProducerId", id},
                                    {"ProducerEpoch", int{state.epoch}},
                                    {"LastSequence", state.last.back().last}});
          }
        }
        return Struct{{"PartitionIndex", index},
                      {"ErrorCode", int{error}},
                      {"ActiveProducers", std::move(active)}};
      });
}

}  // namespace shunt::sim
