// A model producer. Idempotent: up to five batches in flight, retried in order, as Java's
// (RecordAccumulator, TransactionManager). Plain: one in flight. acks=0: sent and forgotten.
#pragma once

#include "tests/sim/client.h"

namespace shunt::sim {

class Producer : public Client {
 public:
  Producer(Sim& sim, std::uint16_t writer, WriterKind kind);
  void start();
  bool at_rest() const;
  std::string state() const;

 private:
  struct Batch {
    std::int32_t sequence = -1;
    std::int64_t turn = -1;  // the how manyeth that was sent
    std::vector<RecordName> records;
    bool under_way = false;
    int attempts = 0;
    Time not_before = 0;
  };
  using BatchRef = std::shared_ptr<Batch>;
  struct Partition {
    std::deque<BatchRef> open;  // in order: those sent first, not acknowledged yet
    std::uint32_t next_index = 0;
    std::int32_t next_sequence = 0;
    std::int64_t turns = 0, acknowledged = 0;  // in this epoch: sent, answered
    std::int16_t epoch = 0;
    bool bump = false;  // before anything else is sent
  };
  void refreshed() override { pump(); }
  void init();
  void make();
  void pump();
  void pump_soon();  // when all that happens now has happened
  bool pumping_ = false;
  void bump_epoch(int partition);
  void send(Node node, const std::vector<std::pair<int, BatchRef>>& batches);
  void answered(const std::vector<std::pair<int, BatchRef>>& batches, const wire::Value& body);
  void settle(int partition, const BatchRef& b, std::int64_t error, std::int64_t base);
  bool may_send(const Partition& p, std::size_t i) const;

  std::uint16_t writer_;
  Node node_of(int partition) const;
  Node last_node_ = -1;    // acks=0
  bool one_node_ = false;  // it believes that one leads all
  WriterKind kind_;
  std::int64_t producer_id_ = -1;
  wire::Version version_;
  std::int16_t acks_ = -1;
  Time every_, patience_;
  std::vector<Partition> partitions_;
};

}  // namespace shunt::sim
