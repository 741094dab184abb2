// A daemon between two fake clusters with logs, its migration started and its cuts run by tests.
#pragma once

#include "tests/unit/fake_logs.h"
#include "tests/unit/proxy_under_test.h"

namespace fake {

// How a call of the operator's has ended, once it has.
struct Ended {
  bool over = false;
  std::optional<net::Refused> refused;
  net::ProduceMoved moved;
  net::GroupsMoved groups;
  bool went() const { return over && !refused && (moved.changed || groups.changed); }
};

struct Moving : Proxy {
  static constexpr wire::ApiKey produce = 0, fetch = 1, list_offsets = 2, metadata = 3,
                                api_versions = 18;
  // Two brokers in each cluster: partition 0 of "t" is led by the first, 1 by the second. New has
  // 3 records in each already.
  explicit Moving(std::chrono::milliseconds hold_limit = 9s, bool begin = true,
                  std::chrono::milliseconds early_polls = 10s, bool readers = true)
      : Proxy({.hold_limit = hold_limit, .early_polls = early_polls}, 2, 2),
        olds(io, old, 2000),
        news(io, *fresh, 5000) {
    news[0].fill(3);
    news[1].fill(3);
    if (!begin) return;
    const auto e = started();
    REQUIRE(until([&] { return e->over; }));
    REQUIRE_FALSE(e->refused);
    if (readers) goes(move_groups(""));  // they read on over every seam
  }

  using Call = std::shared_ptr<Ended>;
  Call started(const net::StartRequest& request = {1, {"t"}}) {
    auto e = std::make_shared<Ended>();
    daemon->operate().start(request, [e](const net::Refused* why, const std::string&) {
      e->over = true;
      if (why != nullptr) e->refused = *why;
    });
    return e;
  }
  auto ending(const Call& e) {
    return [e](const net::Refused* why, const auto& moved) {
      e->over = true;
      if (why != nullptr) e->refused = *why;
      using Result = std::decay_t<decltype(moved)>;
      if constexpr (std::is_same_v<Result, net::Moved>) {
        if (const auto* groups = std::get_if<net::GroupsMoved>(&moved))
          e->groups = *groups;
        else
          e->moved = std::get<net::ProduceMoved>(moved);
      } else if constexpr (std::is_same_v<Result, net::GroupsMoved>) {
        e->groups = moved;
      } else {
        e->moved = moved;
      }
    };
  }
  Call cut(splice::Cluster to = splice::Cluster::new_cluster, bool accept_stragglers = false) {
    auto e = std::make_shared<Ended>();
    daemon->operate().move_produce({to, {}, {}, accept_stragglers}, ending(e));
    return e;
  }
  Call move_groups(const std::string& group, splice::Cluster to = splice::Cluster::new_cluster) {
    auto e = std::make_shared<Ended>();
    daemon->operate().move_fetch({to, group, false, {}, false}, ending(e));
    return e;
  }
  Call undo() {
    auto e = std::make_shared<Ended>();
    daemon->operate().undo({}, ending(e));
    return e;
  }
  void goes(const Call& e) {
    REQUIRE(until([&] { return e->over; }));
    INFO((e->refused ? e->refused->message : e->moved.aborted_at + ": " + e->moved.reason));
    REQUIRE(e->went());
    quiet();
  }
  bool at(const char* step) {
    return until([&] { return daemon->operate().step() == step; });
  }
  const splice::PartitionLog& part(int partition) {
    return *daemon->operate().state().partition("t", {}, partition);
  }
  std::int64_t held() const { return daemon->metrics().held_requests; }

  // A Produce of these batches, in this order, of one partition or of several.
  static wire::Value produce_of(const std::vector<Sent>& batches, int acks = -1) {
    wire::Array list;
    for (const auto& b : batches)
      list.push_back(wire::Struct{{"Index", b.partition}, {"Records", batch_of(b)}});
    return wire::Struct{{"Acks", acks},
                        {"TopicData", wire::Array{wire::Struct{
                                          {"Name", "t"}, {"PartitionData", std::move(list)}}}}};
  }
  static Buffer produce_frame(int correlation, const std::vector<Sent>& batches, int acks = -1) {
    return request_frame(produce, 7, correlation, produce_of(batches, acks), "app");
  }
  static wire::Value read(const Peer& client, int correlation, wire::ApiKey api, int version) {
    for (const auto& frame : client.frames) {
      std::int32_t c = 0;
      std::uint32_t head = 0;
      const auto& m = *wire::response(api);
      if (wire::load<std::int32_t>(frame.data()) != correlation) continue;
      REQUIRE(wire::parse_answer(m, static_cast<wire::Version>(version), frame, frame.size(), c,
                                 head) == wire::Parse::ok);
      return messages::decoded(m, version, wire::Bytes(frame).subspan(head));
    }
    return {};
  }
  // "0 at 12, 1: error 45" of a Produce's answer; empty: there is none yet.
  static std::string said(const Peer& client, int correlation) {
    std::set<std::string> all;
    for (const auto& t : read(client, correlation, produce, 7)["Responses"].array()) {
      for (const auto& p : t["PartitionResponses"].array()) {
        const auto code = p["ErrorCode"].number();
        all.insert(std::to_string(p["Index"].number()) +
                   (code != 0 ? ": error " + std::to_string(code)
                              : " at " + std::to_string(p["BaseOffset"].number())));
      }
    }
    std::string out;
    for (const auto& one : all) out += (out.empty() ? "" : ", ") + one;
    return out;
  }
  // Sends it and waits for the answer.
  std::string does(const std::shared_ptr<Peer>& client, int correlation,
                   const std::vector<Sent>& batches) {
    client->send(produce_frame(correlation, batches));
    REQUIRE(until([&] { return !said(*client, correlation).empty(); }));
    return said(*client, correlation);
  }

  using Positions = std::vector<std::pair<int, std::int64_t>>;  // partition, offset
  static Buffer fetch_frame(int correlation, const Positions& positions, int wait_ms = 0,
                            int session = 0, int epoch = -1) {
    constexpr int most = 8 << 20;
    wire::Array list;
    for (const auto& [partition, at] : positions) {
      list.push_back(
          wire::Struct{{"Partition", partition}, {"FetchOffset", at}, {"PartitionMaxBytes", most}});
    }
    return request_frame(
        fetch, 11, correlation,
        wire::Struct{
            {"ReplicaId", -1},
            {"MaxWaitMs", wait_ms},
            {"MinBytes", 1},
            {"MaxBytes", most},
            {"SessionId", session},
            {"SessionEpoch", epoch},
            {"Topics", wire::Array{wire::Struct{{"Topic", "t"}, {"Partitions", std::move(list)}}}}},
        "reader");
  }
  // A partition's entry of a Fetch answer; null: there is none yet.
  static wire::Value fetched(const Peer& client, int correlation) {
    const auto topics = read(client, correlation, fetch, 11)["Responses"].array();
    return topics.empty() ? wire::Value{} : topics[0]["Partitions"].array()[0];
  }
  // Base offsets and producers' sequences of what a reader is given from `at` to the end.
  std::string reads(int partition, std::int64_t at) {
    std::string out;
    const auto reader = client();
    for (int i = 1; i < 50; ++i) {
      reader->send(fetch_frame(i, {{partition, at}}));
      REQUIRE(until([&] { return !fetched(*reader, i).null(); }));
      const auto entry = fetched(*reader, i);
      REQUIRE(entry["ErrorCode"].number() == 0);
      auto records = entry["Records"].bytes();
      if (records.empty()) {
        if (at >= entry["HighWatermark"].number()) break;
        continue;
      }
      wire::BatchHeader b;
      while (wire::parse(records, b) == wire::BatchParse::ok && b.size() <= records.size()) {
        CHECK(record_sets::checksum_holds(records.first(static_cast<std::size_t>(b.size()))));
        out += (out.empty() ? "" : " ") + std::to_string(b.base_offset) + ":" +
               std::to_string(b.base_sequence);
        at = b.last_offset() + 1;
        records = records.subspan(static_cast<std::size_t>(b.size()));
      }
    }
    reader->close();
    return out;
  }

  Logs olds, news;
};

// Stays unanswered at old, and so keeps the cut at S3; on its own connection.
struct Blocker {
  explicit Blocker(Moving& moving) : p(moving) {
    p.olds.keep(Moving::produce);
    client = p.client();
    client->send(Moving::produce_frame(1, {{.partition = 1}}));
    REQUIRE(p.until([&] { return p.olds.kept.size() == 1; }));
    p.olds.keeps = nullptr;
  }
  void release() { p.olds.answer_first(); }
  Moving& p;
  std::shared_ptr<Peer> client;
};

}  // namespace fake
