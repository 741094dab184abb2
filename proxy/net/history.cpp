#include "proxy/net/history.h"

namespace shunt::net {

using route::Cluster;

namespace {

constexpr auto limit = std::chrono::seconds(2);

struct Counted {
  std::map<std::string, std::int64_t> records;    // so far
  std::map<std::string, std::size_t> unanswered;  // ends that are not told yet
};

}  // namespace

void count_history(World& world, const std::vector<std::string>& topics,
                   std::function<void(std::vector<HistoryLeft>)> done) {
  const auto counted = std::make_shared<Counted>();
  std::map<route::NativeNodeId, std::set<PartitionKey>> by_leader;
  for (const auto& name : topics) {
    counted->records[name] = 0;
    const auto* topic = world.old_topology.topic(name);
    for (std::size_t i = 0; topic != nullptr && i < topic->partitions.size(); ++i) {
      by_leader[topic->partitions[i].leader].insert({name, static_cast<std::int32_t>(i)});
      counted->unanswered[name] += 2;
    }
  }
  const auto joint = join_within(world, limit, [counted, topics, done = std::move(done)] {
    std::vector<HistoryLeft> out;
    for (const auto& name : topics)
      out.push_back({name, counted->unanswered[name] == 0 ? counted->records[name] : -1});
    done(std::move(out));
  });
  for (const auto& [leader, keys] : by_leader) {
    for (const auto which : {OffsetsAsked::earliest, OffsetsAsked::latest}) {
      OffsetsAsked asked;
      asked.timestamp = which;
      list_offsets(
          world, Cluster::old_cluster, leader, keys, asked, [](const PartitionKey&) { return -1; },
          [counted, which](const PartitionKey& key, const std::string& error, std::int64_t offset) {
            if (!error.empty() || offset < 0) return;
            --counted->unanswered[key.first];
            counted->records[key.first] += which == OffsetsAsked::latest ? offset : -offset;
          },
          joint);
    }
  }
  joint->end();
}

}  // namespace shunt::net
