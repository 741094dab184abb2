// A task over the partitions of a request: each asks leaders in one or both clusters, in rounds.
//
// What ListOffsets, OffsetForLeaderEpoch and DeleteRecords share: asks of a round are gathered into
// one request per leader, answers are put back by topic and partition, and the answer has an entry
// for every partition asked, topics and partitions in the request's order. Partitions that are not
// spliced pass: old's leader is asked with the client's own entry, and its entry is the answer.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "proxy/route/dispatch.h"
#include "proxy/splice/state.h"
#include "proxy/splice/task.h"

namespace shunt::splice {

class PartitionsTask : public Task {
 public:
  std::vector<Ask> round(std::int64_t now_ms) final;
  void take(std::size_t i, const wire::Value& body) final;
  wire::Value answer() final;

 protected:
  // One partition of the request.
  struct Item {
    std::size_t topic_at = 0;  // its topic's place in the request
    std::string topic;
    std::int32_t index = -1;
    wire::Value asked;                // the client's entry
    std::array<wire::Value, 2> told;  // the last entry of either cluster's leader; null: none yet
    int asks = 0;                     // rounds of questions so far
    bool passes = false;              // asked as it came, of old
    std::optional<wire::Value> result;
    const wire::Value& told_by(Cluster c) const { return told[static_cast<std::size_t>(c)]; }
  };
  // What a partition wants next: entries for leaders, or its entry of the answer.
  struct Step {
    struct Question {
      Cluster to = Cluster::old_cluster;
      wire::Value entry;
    };
    std::vector<Question> questions;
    std::optional<wire::Value> result;
  };
  static Step ask(Cluster to, wire::Value entry) { return {{{to, std::move(entry)}}, {}}; }
  static Step done(wire::Value entry) { return {{}, std::move(entry)}; }

  // Names of the fields: they differ between messages.
  struct Names {
    const char* topic;
    const char* partition;
  };
  // `state` and the view's topologies must outlive the task.
  PartitionsTask(State& state, const route::View& view, const Names& names,
                 const wire::Value& request);

  // Called until there is a result, with what has been told so far. A cut may have been sealed
  // since: nothing but `item` is to be remembered between two calls.
  virtual Step next(const Item& item, PartitionLog& log) = 0;
  // The entry of a partition that passes; `log` null: it is in no migration.
  virtual wire::Value passing(const Item& item, PartitionLog* log, const wire::Value& told) = 0;
  // An entry with an error, its numbers Kafka's for "none".
  virtual wire::Struct failed(const Item& item, std::int64_t error) const = 0;

  const wire::Value& request() const { return request_; }
  const route::View& view() const { return view_; }
  // The native end, in old, of what a partition that passes may show; nullopt: no limit. It is
  // there while a cut has read it (rules A2), or when one was sealed since old was asked.
  static std::optional<std::int64_t> passing_end(const PartitionLog& log);

 private:
  Step step(Item& item);
  std::optional<route::NodeKey> node(const Item& item, Cluster c) const;
  // The node's request of this round, and whose entries it holds.
  struct Sent {
    route::NodeKey to;
    std::vector<std::size_t> items;
    std::vector<wire::Value> entries;
  };
  void put(const route::NodeKey& to, std::size_t item, wire::Value entry);
  wire::Value body(const Sent& sent) const;

  State& state_;
  route::View view_;
  Names names_;
  wire::Value request_;
  std::vector<Item> items_;
  std::vector<Sent> sent_;
  std::int64_t throttle_ms_ = 0;
};

}  // namespace shunt::splice
