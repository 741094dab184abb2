// Two clusters and a migration for tests of splice: topologies, cuts, and tasks driven to the end.
#pragma once

#include <catch2/catch.hpp>
#include <functional>
#include <string>
#include <vector>

#include "proxy/route/dispatch.h"
#include "proxy/splice/state.h"
#include "proxy/splice/task.h"
#include "tests/unit/messages.h"

namespace spliced {

using namespace shunt;
using route::Cluster;
using wire::Array;
using wire::Struct;
using wire::Value;

constexpr auto old_one = Cluster::old_cluster;
constexpr auto new_one = Cluster::new_cluster;
constexpr std::int32_t new_base = route::new_node_base;

inline wire::Uuid uuid(int n) {
  wire::Uuid id{};
  id[15] = static_cast<std::byte>(n);
  return id;
}

// Brokers 1, 2 in old and 3, 4 in new; a topic's partition p is led by the first or the second of
// them in turn, in epoch 7 on old and 2 on new.
struct World {
  splice::State state;
  route::Topology old_cluster, new_cluster;
  bool new_known = true;
  route::View view() const { return {&old_cluster, new_known ? &new_cluster : nullptr}; }

  explicit World(std::vector<std::string> migrated = {"moved"}, int partitions = 2) {
    splice::MigrationStarted m{"m1", 1, {}, 0};
    int n = 1;
    for (const auto& name : migrated) {
      m.topics.push_back({name, uuid(n), uuid(100 + n), partitions});
      ++n;
    }
    must(m);
    migrated.push_back("other");  // in no migration, on both clusters
    topology(old_one, migrated, partitions);
    topology(new_one, migrated, partitions);
  }

  void must(const splice::Record& r) {
    const char* why = state.apply(r);
    REQUIRE(std::string(why != nullptr ? why : "") == "");
  }

  splice::PartitionLog& log(const char* topic, int partition = 0) {
    return *state.partition(topic, {}, partition);
  }

  // Cuts all partitions of a topic at `native_end`, to go on in `to` from `native_start`.
  void cut(const std::string& topic, Cluster to, std::int64_t native_end, std::int64_t native_start,
           std::int32_t epoch_last) {
    const auto move = state.next_move_id(*state.migration("m1"));
    must(splice::CutIntended{"m1", move, {topic}, to, "", 0});
    splice::CutSealed sealed{move, state.next_cut(), {}, 0};
    const auto count = static_cast<std::int32_t>(state.topic(topic)->partitions.size());
    for (std::int32_t p = 0; p < count; ++p) {
      sealed.seams.push_back({topic, p, native_end, native_start, epoch_last, {}, {}});
    }
    must(sealed);
    must(splice::CutFlipped{move, 1, 0});
  }

  // `leader` 0: as described above; -1: none.
  void topology(Cluster c, const std::vector<std::string>& topics, int partitions, int leader = 0,
                int epoch = 0, bool brokers_gone = false) {
    const int first = c == old_one ? 1 : 3;
    if (epoch == 0) epoch = c == old_one ? 7 : 2;
    Array list;
    int id = c == old_one ? 1 : 101;
    for (const auto& name : topics) {
      Array parts;
      for (int p = 0; p < partitions; ++p) {
        parts.push_back(Struct{{"PartitionIndex", p},
                               {"LeaderId", leader != 0 ? leader : first + p % 2},
                               {"LeaderEpoch", epoch},
                               {"ReplicaNodes", Array{first, first + 1}}});
      }
      list.push_back(Struct{{"Name", name}, {"TopicId", uuid(id++)}, {"Partitions", parts}});
    }
    Array brokers{Struct{{"NodeId", first}, {"Host", "b"}, {"Port", 9092}}};
    if (!brokers_gone) brokers.push_back(Struct{{"NodeId", first + 1}, {"Host", "b"}, {"Port", 9}});
    of(c).take_metadata(Struct{{"Brokers", brokers}, {"Topics", list}}, true);
  }
  route::Topology& of(Cluster c) { return c == old_one ? old_cluster : new_cluster; }
};

// A question of a task, as a broker is asked it.
struct Question {
  route::NodeKey to;
  std::string topic;
  std::int32_t partition = -1;
  Value entry;
};
// The broker's entry; null: the entry is missing from its answer.
using Broker = std::function<Value(const Question&)>;

struct Run {
  Value answer;
  std::vector<Question> asked;
  int rounds = 0;
  // The answer's entry; null: none.
  Value entry(std::string_view topic, std::int32_t partition) const {
    for (const Value& t : answer["Topics"].array()) {
      for (const Value& p : t["Partitions"].array()) {
        const bool named = t["Name"].text() == topic || t["Topic"].text() == topic;
        const Value index = p["PartitionIndex"].null() ? p["Partition"] : p["PartitionIndex"];
        if (named && index.number() == partition) return p;
      }
    }
    return {};
  }
};

// Drives a task to its end; every body passes through its version's bytes. `dead`: a node whose
// link fails.
inline Run run(splice::Task& task, wire::ApiKey api, int version, const Broker& broker,
               std::optional<route::NodeKey> dead = std::nullopt) {
  Run out;
  for (auto asks = task.round(0); !asks.empty(); asks = task.round(0)) {
    REQUIRE(++out.rounds < 10);
    for (std::size_t i = 0; i < asks.size(); ++i) {
      const auto& request = *wire::request(api);
      const Value body =
          messages::decoded(request, version, messages::encoded(request, version, asks[i].body));
      Array topics;
      for (const Value& t : body["Topics"].array()) {
        const bool short_name = t["Name"].null();
        const Value name = short_name ? t["Topic"] : t["Name"];
        Array entries;
        for (const Value& p : t["Partitions"].array()) {
          const Value index = short_name ? p["Partition"] : p["PartitionIndex"];
          out.asked.push_back(
              {asks[i].to, std::string(name.text()), static_cast<std::int32_t>(index.number()), p});
          const Value told = broker(out.asked.back());
          if (told.null()) continue;
          entries.push_back(told.fields().set(short_name ? "Partition" : "PartitionIndex", index));
        }
        topics.push_back(
            Struct{{short_name ? "Topic" : "Name", name}, {"Partitions", std::move(entries)}});
      }
      if (dead == asks[i].to) {
        task.take(i, {});
        continue;
      }
      const Struct told{{"ThrottleTimeMs", 3}, {"Topics", std::move(topics)}};
      const auto& response = *wire::response(api);
      task.take(i,
                messages::decoded(response, version, messages::encoded(response, version, told)));
    }
  }
  const auto& response = *wire::response(api);
  out.answer =
      messages::decoded(response, version, messages::encoded(response, version, task.answer()));
  return out;
}

}  // namespace spliced
