#include "tests/sim/model_cluster.h"

#include <algorithm>

#include "proxy/wire/framer.h"

namespace shunt::sim {

ModelCluster::ModelCluster(Timeline& time, Random random, route::Cluster which, int brokers,
                           int partitions, std::int64_t start)
    : time_(time), random_(random), which_(which), brokers_(brokers) {
  for (int p = 0; p < partitions; ++p) {
    logs_.emplace_back(start);
    leaders_.push_back(p % brokers_);
    replicating_.push_back(false);
  }
}

PeerRef ModelCluster::connect(int broker) {
  auto peer = std::make_shared<Peer>();
  peer->broker = broker;
  std::erase_if(peers_, [](const auto& p) { return p.expired(); });
  peers_.push_back(peer);
  if (dead_) time_.at(time_.now(), [this, peer] { fail(peer); });  // its owner is not ready yet
  return peer;
}

void ModelCluster::die(bool silent) {
  dead_ = true;
  silent_ = silent;
  waiting_.clear();
  for (const auto& weak : std::vector(peers_)) {
    if (const auto peer = weak.lock()) fail(peer);
  }
}

void ModelCluster::fail(const PeerRef& peer) {
  constexpr Time patience_least = 50 * ms, patience_most = 300 * ms;
  peer->deaf = true;
  peer->inbox.clear();
  if (!silent_) return cut(peer, false);
  time_.after(random_.between(patience_least, patience_most), [this, peer] { cut(peer, false); });
}

void ModelCluster::come_back() {
  if (!std::exchange(dead_, false)) return;
  for (auto& l : logs_) l.elect(true, l.end());
  replicate_all();
}

std::vector<PeerRef> ModelCluster::peers() const {
  std::vector<PeerRef> out;
  for (const auto& weak : peers_) {
    if (auto p = weak.lock(); p && !p->closed && !p->deaf) out.push_back(std::move(p));
  }
  return out;
}

void ModelCluster::send(const PeerRef& peer, Buffer frame) {
  if (peer->closed) return;
  peer->arrives = std::max(peer->arrives, time_.now() + random_.between(100, way_max));
  time_.at(peer->arrives, [this, peer, frame = std::move(frame)]() mutable {
    if (peer->deaf) return;
    peer->inbox.push_back(std::move(frame));
    pump(peer);
  });
}

void ModelCluster::close(const PeerRef& peer) {
  peer->closed = true;
  peer->on_bytes = nullptr;
  peer->on_lost = nullptr;
}

void ModelCluster::cut(const PeerRef& peer, bool executed) {
  if (!executed) {
    peer->deaf = true;
    peer->inbox.clear();
  }
  if (peer->closed) return;
  auto lost = std::move(peer->on_lost);
  close(peer);
  if (lost) time_.after(random_.between(0, way_max), std::move(lost));
}

void ModelCluster::stop(int broker, Time until) {
  stopped_until_[broker] = std::max(stopped_until_[broker], until);
  time_.at(until, [this, broker] {
    if (stopped(broker)) return;
    wake_waiting();
    for (const auto& weak : std::vector(peers_)) {
      if (const auto peer = weak.lock(); peer && peer->broker == broker) pump(peer);
    }
  });
}

void ModelCluster::pump(const PeerRef& peer) {
  while (!peer->busy && !peer->inbox.empty() && !stopped(peer->broker)) {
    const Buffer frame = std::move(peer->inbox.front());
    peer->inbox.pop_front();
    execute(peer, frame);
  }
}

void ModelCluster::answer(const PeerRef& peer, const wire::RequestHeader& h,
                          const wire::Value& body) {
  peer->busy = false;
  const auto& m = *wire::response(h.api);
  Buffer frame;
  wire::begin_answer(m, h.version, h.correlation, frame);
  if (const char* why = wire::encode(m, h.version, body, frame)) {
    throw std::logic_error(std::string(m.name) + ": " + why);
  }
  wire::seal(frame);
  peer->leaves = std::max(peer->leaves, time_.now() + random_.between(100, way_max));
  if (!peer->closed) {
    // In pieces now and then: a large answer does not come at once.
    const auto size = static_cast<std::int64_t>(frame.size());
    const auto cut_at = random_.one_in(3) ? random_.between(0, size) : size;
    Buffer rest(frame.begin() + cut_at, frame.end());
    frame.resize(static_cast<std::size_t>(cut_at));
    for (auto* piece : {&frame, &rest}) {
      if (piece->empty()) continue;
      time_.at(peer->leaves, [peer, bytes = std::move(*piece)]() mutable {
        if (!peer->closed && peer->on_bytes) peer->on_bytes(std::move(bytes));
      });
      if (!rest.empty()) peer->leaves += random_.between(0, 3 * way_max);
    }
  }
  time_.at(time_.now(), [this, peer] { pump(peer); });
}

// Every waiting Fetch and Produce that can be answered now.
void ModelCluster::wake_waiting() {
  for (std::size_t i = 0; i < waiting_.size();) {
    Waiting& w = waiting_[i];
    if (stopped(w.peer->broker)) {
      ++i;
      continue;
    }
    wire::Value body;
    if (w.header.api == 1) {
      if (time_.now() < w.until && !has_data(w.request, w.peer->broker)) {
        ++i;
        continue;
      }
      body = fetched(w.request, w.peer->broker);
    } else {
      const bool moved = std::ranges::any_of(
          w.ends, [&](const auto& e) { return log(e.partition).epoch() != e.epoch; });
      const bool there = !moved && std::ranges::all_of(w.ends, [&](const auto& e) {
        return log(e.partition).high_watermark() >= e.end;
      });
      if (!moved && !there) {
        ++i;
        continue;
      }
      body = w.answer;
      if (!there) {  // nobody knows whether it will stand: the client asks the new leader
        wire::Array topics, partitions;
        for (const auto& e : w.ends) {
          partitions.push_back(wire::Struct{
              {"Index", e.partition}, {"ErrorCode", 6}, {"BaseOffset", std::int64_t{-1}}});
        }
        for (const auto& t : w.answer["Responses"].array()) {
          for (const auto& p : t["PartitionResponses"].array()) {
            if (p["ErrorCode"].number() != 0) partitions.push_back(p);
          }
        }
        topics.push_back(
            wire::Struct{{"Name", topic_name}, {"PartitionResponses", std::move(partitions)}});
        body = wire::Struct{{"Responses", std::move(topics)}};
      }
    }
    const auto peer = w.peer;
    const auto header = w.header;
    waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(i));
    answer(peer, header, body);
  }
}

void ModelCluster::replicate_soon(int partition) {
  const auto i = static_cast<std::size_t>(partition);
  if (replicating_[i]) return;
  replicating_[i] = true;
  time_.after(random_.between(50, lag_max), [this, i] {
    replicating_[i] = false;
    logs_[i].replicate();
    wake_waiting();
  });
}

void ModelCluster::replicate_all() {
  for (auto& l : logs_) l.replicate();
  wake_waiting();
}

void ModelCluster::elect(int partition, bool unclean) {
  ModelLog& l = log(partition);
  leaders_[static_cast<std::size_t>(partition)] = (leader(partition) + 1) % brokers_;
  // A clean one keeps what was replicated, and perhaps more.
  auto to = unclean ? std::max(l.start(), l.high_watermark() - random_.between(1, 4))
                    : l.high_watermark();
  const bool keep = !unclean && random_.percent(50);
  std::vector<RecordName> lost;
  if (!keep) {
    for (const auto& b : l.batches()) {
      if (b.base + b.records <= to) continue;
      for (const auto& read : read_batches(b.bytes)) {
        lost.insert(lost.end(), read.records.begin(), read.records.end());
      }
    }
  }
  l.elect(keep, to);
  if (!lost.empty() && watch.truncated) watch.truncated(partition, lost);
  l.replicate();
  wake_waiting();
}

std::int64_t ModelCluster::committed(const std::string& group, int partition) const {
  const auto* c = commit_of(group, partition);
  return c == nullptr ? -1 : c->offset;
}

std::string ModelCluster::metadata(const std::string& group, int partition) const {
  const auto* c = commit_of(group, partition);
  return c == nullptr ? std::string() : c->metadata;
}

const ModelCluster::Committed* ModelCluster::commit_of(const std::string& group,
                                                       int partition) const {
  const auto it = commits_.find({group, partition});
  return it == commits_.end() || it->second.expires <= time_.now() ? nullptr : &it->second;
}

void ModelCluster::append_past(int partition, wire::Bytes batch) {
  log(partition).append(batch);
  replicate_soon(partition);
}

}  // namespace shunt::sim
