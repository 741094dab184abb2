#include "tests/sim/producer.h"

#include <algorithm>

namespace shunt::sim {

using wire::Array;
using wire::Struct;
using wire::Value;

namespace {
constexpr wire::ApiKey produce_key = 0, init_key = 22;
constexpr std::size_t in_flight_max = 5;
constexpr std::int64_t duplicate = 46, out_of_order = 45;
}  // namespace

Producer::Producer(Sim& sim, std::uint16_t writer, WriterKind kind)
    : Client(sim, "w" + std::to_string(writer)), writer_(writer), kind_(kind) {
  sim.oracle.writer(writer, kind);
  version_ = random_.percent(50) ? 7 : 9;
  acks_ = kind == WriterKind::acks_0                              ? 0
          : kind == WriterKind::idempotent || random_.percent(40) ? -1
                                                                  : 1;
  every_ = random_.between(20, 120) * ms;
  patience_ = random_.between(150, 1200) * ms;
  partitions_.resize(static_cast<std::size_t>(sim.plan.partitions));
  one_node_ = sim.plan.large_frames && random_.percent(80);
}

Client::Node Producer::node_of(int partition) const {
  return leader(one_node_ ? 0 : partition).node;
}

void Producer::start() {
  refresh();
  if (kind_ == WriterKind::idempotent)
    init();
  else
    make();
}

void Producer::init() {
  request(-1, init_key, 4, Struct{{"TransactionalId", nullptr}, {"TransactionTimeoutMs", 60000}},
          [this](const Value& body) {
            if (body.null() || body["ErrorCode"].number() != 0) {
              return after(20 * ms, [this] { init(); });
            }
            producer_id_ = body["ProducerId"].number();
            make();
          });
}

void Producer::make() {
  if (sim_.calm()) return;
  const Node node = leader(0).node;
  if (kind_ == WriterKind::acks_0 && node != last_node_) {
    // Over another connection nobody keeps the order of what has no answers: another writer.
    if (last_node_ >= 0)
      sim_.oracle.writer(writer_ = static_cast<std::uint16_t>(writer_ + 10), kind_);
    last_node_ = node;
  }
  const int count = one_node_ ? sim_.plan.partitions : random_.percent(20) ? 2 : 1;
  for (int n = 0; n < count; ++n) {
    const int p = one_node_ ? n : static_cast<int>(random_.below(sim_.plan.partitions));
    auto& part = partitions_[static_cast<std::size_t>(p)];
    if (part.open.size() > 20) continue;
    auto b = std::make_shared<Batch>();
    const auto records = random_.between(1, 3);
    for (std::int64_t i = 0; i < records; ++i) {
      b->records.push_back({writer_, static_cast<std::uint16_t>(p), part.next_index++});
    }
    part.open.push_back(std::move(b));
  }
  pump();
  if (random_.one_in(12)) refresh();
  after(random_.one_in(4) ? random_.between(0, 2) * ms : every_, [this] { make(); });
}

bool Producer::may_send(const Partition& p, std::size_t i) const {
  const Batch& b = *p.open[i];
  if (b.under_way || sim_.time.now() < b.not_before) return false;
  if (kind_ != WriterKind::idempotent) return i == 0;
  if (b.sequence >= 0) return i == 0;  // a retry: only the first that is outstanding
  // A broker without state takes any first sequence: Kafka's own gap, not ours (KIP-360).
  if (i > 0 && p.acknowledged == 0) return false;
  // Brokers know an id's last five batches; over two connections more could be under way.
  if (i > 0 && p.turns - p.open.front()->turn >= 5) return false;
  for (std::size_t j = 0; j < i; ++j) {
    if (!p.open[j]->under_way) return false;  // behind a retry that waits
  }
  return true;
}

void Producer::pump() {
  for (;;) {
    std::map<Node, std::vector<std::pair<int, BatchRef>>> out;
    for (std::size_t p = 0; p < partitions_.size(); ++p) {
      const Node node = node_of(static_cast<int>(p));
      if (node < 0 || in_flight(node) >= in_flight_max) continue;
      if (!ready(node)) {
        if (!pumping_) {
          pumping_ = true;
          after(20 * ms, [this] {
            pumping_ = false;
            pump();
          });
        }
        continue;
      }
      auto& open = partitions_[p].open;
      if (partitions_[p].bump) bump_epoch(static_cast<int>(p));
      if (partitions_[p].bump) continue;
      for (std::size_t i = 0; i < open.size(); ++i) {
        if (!may_send(partitions_[p], i)) continue;
        out[node].emplace_back(static_cast<int>(p), open[i]);
        break;
      }
    }
    if (out.empty()) return;
    for (const auto& [node, batches] : out) send(node, batches);
  }
}

void Producer::send(Node node, const std::vector<std::pair<int, BatchRef>>& batches) {
  Array partitions;
  for (const auto& [p, b] : batches) {
    auto& part = partitions_[static_cast<std::size_t>(p)];
    if (kind_ == WriterKind::idempotent && b->sequence < 0) {
      b->sequence = part.next_sequence;
      part.next_sequence += static_cast<std::int32_t>(b->records.size());
    }
    if (b->turn < 0) b->turn = part.turns++;
    b->under_way = true;
    ++b->attempts;
    for (const auto& r : b->records) sim_.oracle.sent(r);
    const auto bytes = make_batch(producer_id_, producer_id_ < 0 ? std::int16_t{-1} : part.epoch,
                                  b->sequence, b->records);
    partitions.push_back(Struct{{"Index", p}, {"Records", bytes}});
    if (sim_.tracing()) {
      trace("sends " + text(b->records.front()) + "+" + std::to_string(b->records.size()) +
            " seq " + std::to_string(b->sequence) + " to node " + std::to_string(node) +
            (b->attempts > 1 ? " again" : ""));
    }
  }
  const Value body = Struct{
      {"Acks", int{acks_}},
      {"TimeoutMs", 30000},
      {"TopicData", Array{Struct{{"Name", topic_name}, {"PartitionData", std::move(partitions)}}}}};
  if (acks_ == 0) {
    send_only(node, produce_key, version_, body);
    for (const auto& [p, b] : batches) {
      std::erase(partitions_[static_cast<std::size_t>(p)].open, b);
    }
    return;
  }
  request(
      node, produce_key, version_, body,
      [this, batches](const Value& answer) { answered(batches, answer); }, patience_);
}

void Producer::answered(const std::vector<std::pair<int, BatchRef>>& batches, const Value& body) {
  for (const auto& [p, b] : batches) {
    std::int64_t error = -2, base = -1;
    for (const auto& t : body["Responses"].array()) {
      for (const auto& r : t["PartitionResponses"].array()) {
        if (r["Index"].number() != p) continue;
        error = r["ErrorCode"].number();
        base = r["BaseOffset"].number();
      }
    }
    if (!body.null() && error == -2) violated(id() + ": a partition was not answered");
    settle(p, b, error, base);
  }
  pump_soon();
}

void Producer::settle(int partition, const BatchRef& b, std::int64_t error, std::int64_t base) {
  auto& open = partitions_[static_cast<std::size_t>(partition)].open;
  b->under_way = false;
  const bool first = !open.empty() && open.front() == b;
  if (sim_.tracing()) {
    trace(text(b->records.front()) + " seq " + std::to_string(b->sequence) + " answered: error " +
          std::to_string(error) + " offset " + std::to_string(base));
  }
  if (error == 0 || error == duplicate) {
    for (const auto& r : b->records) {
      sim_.oracle.acknowledged(r, base);
      if (base >= 0) ++base;
    }
    std::erase(open, b);
    ++partitions_[static_cast<std::size_t>(partition)].acknowledged;
    return;
  }
  constexpr std::int64_t retried[] = {-2, 3, 5, 6, 7};
  bool again = false;
  for (const auto e : retried) again |= e == error;
  if (error == out_of_order && !first) again = true;
  if (error == out_of_order && first && !again) {
    // Java's idempotent producer bumps its epoch without a word (TransactionManager.canRetry); it
    // is a sign that batches of two connections overtook each other.
    ++sim_.bumps;
    again = partitions_[static_cast<std::size_t>(partition)].bump = true;
  }
  if (!again) {
    violated(id() + ": " + text(b->records.front()) + " sequence " + std::to_string(b->sequence) +
             " got error " + std::to_string(error));
  }
  b->not_before = sim_.time.now() + random_.between(2, 30) * ms;
  after(b->not_before - sim_.time.now(), [this] { pump(); });
  refresh();
}

void Producer::pump_soon() {
  if (pumping_) return;
  pumping_ = true;
  after(0, [this] {
    pumping_ = false;
    pump();
  });
}

// All that is not acknowledged begins anew, nothing of it being under way.
void Producer::bump_epoch(int partition) {
  auto& p = partitions_[static_cast<std::size_t>(partition)];
  for (const auto& b : p.open) {
    if (b->under_way) return;
  }
  trace("bumps its epoch in partition " + std::to_string(partition));
  p.bump = false;
  ++p.epoch;
  p.acknowledged = 0;
  p.next_sequence = 0;
  for (auto& b : p.open) b->sequence = -1;
}

bool Producer::at_rest() const {
  for (const auto& p : partitions_) {
    if (!p.open.empty()) return false;
  }
  return true;
}

std::string Producer::state() const {
  std::string out = id() + ":";
  for (const auto& p : partitions_) {
    out += " " + std::to_string(p.open.size());
    if (!p.open.empty()) out += "(" + text(p.open.front()->records.front()) + ")";
  }
  return out;
}

}  // namespace shunt::sim
