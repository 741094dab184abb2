#include "proxy/net/ask.h"

#include <boost/asio/post.hpp>

namespace shunt::net {

using route::Cluster;
using wire::Array;
using wire::Struct;
using wire::Value;

namespace {

constexpr wire::ApiKey list_offsets_key = 2, metadata_key = 3, offset_fetch_key = 9;
constexpr wire::Version list_offsets_max = 6, metadata_max = 12;
constexpr wire::Version offset_fetch_max = 7;  // from 8 on groups are batched

ClusterAccess* access_of(World& world, Cluster c) {
  return world.access[static_cast<std::size_t>(c)];
}

void fail(World& world, const ClusterAccess::Answered& done, std::string why) {
  boost::asio::post(world.io, [done, why = std::move(why)] { done(why, {}); });
}

}  // namespace

Joint join(std::function<void()> then) {
  auto j = std::make_shared<Join>();
  j->then = std::move(then);
  return j;
}

Joint join_within(World& world, std::chrono::milliseconds limit, std::function<void()> then) {
  auto j = join(std::move(then));
  j->timer = std::make_unique<boost::asio::steady_timer>(world.io, limit);
  // It lives until then, even if a question is dropped unanswered.
  j->timer->async_wait([j](boost::system::error_code e) {
    if (!e) j->over();
  });
  return j;
}

void Window::run(Job job) {
  waiting_.push_back(std::move(job));
  next();
}

void Window::next() {
  while (running_ < most_ && !waiting_.empty()) {
    const auto job = std::move(waiting_.front());
    waiting_.pop_front();
    ++running_;
    job([self = shared_from_this()] {
      --self->running_;
      self->next();
    });
  }
}

Array by_topic(const std::set<PartitionKey>& keys, const char* topic_name,
               const char* partitions_name,
               const std::function<Value(const PartitionKey&)>& partition) {
  Array topics;
  for (auto it = keys.begin(); it != keys.end();) {
    const std::string& topic = it->first;
    Array partitions;
    for (; it != keys.end() && it->first == topic; ++it) partitions.push_back(partition(*it));
    topics.push_back(Struct{{topic_name, topic}, {partitions_name, std::move(partitions)}});
  }
  return topics;
}

void list_offsets(World& world, Cluster c, route::NativeNodeId leader,
                  const std::set<PartitionKey>& keys, const OffsetsAsked& asked,
                  const std::function<std::int32_t(const PartitionKey&)>& epoch_of, OffsetTold told,
                  const Joint& joint) {
  Array topics = by_topic(keys, "Name", "Partitions", [&](const PartitionKey& key) {
    return Struct{{"PartitionIndex", key.second},
                  {"CurrentLeaderEpoch", epoch_of(key)},
                  {"Timestamp", asked.timestamp}};
  });
  ++joint->left;
  access_of(world, c)->call(
      leader, list_offsets_key, list_offsets_max,
      Struct{{"ReplicaId", asked.replica},
             {"IsolationLevel", asked.isolation},
             {"Topics", std::move(topics)}},
      [keys, told = std::move(told), joint](const std::string& error, const Value& body) {
        if (!error.empty()) {
          for (const auto& key : keys) told(key, error, -1);
        }
        for (const auto& t : body["Topics"].array()) {
          for (const auto& p : t["Partitions"].array()) {
            const PartitionKey key{std::string(t["Name"].text()),
                                   static_cast<std::int32_t>(p["PartitionIndex"].number())};
            const auto code = p["ErrorCode"].number();
            if (!keys.contains(key)) continue;
            told(key, code != 0 ? "ListOffsets: error " + std::to_string(code) : std::string(),
                 p["Offset"].number());
          }
        }
        joint->end();
      });
}

void ask_metadata(World& world, Cluster c, const std::vector<std::string>& names,
                  ClusterAccess::Answered done) {
  auto* access = access_of(world, c);
  if (access == nullptr || !access->reachable() || world.topology(c).brokers().empty())
    return fail(world, done, "the cluster cannot be reached");
  Array topics;
  for (const auto& name : names) topics.push_back(Struct{{"Name", name}});
  const Value request = Struct{{"Topics", std::move(topics)}, {"AllowAutoTopicCreation", false}};
  struct First {
    std::size_t left;
    ClusterAccess::Answered done;
  };
  auto first = std::make_shared<First>(First{world.topology(c).brokers().size(), std::move(done)});
  for (const auto& [node, broker] : world.topology(c).brokers()) {
    access->call(node, metadata_key, metadata_max, request,
                 [first](const std::string& error, const Value& body) {
                   --first->left;
                   if (!first->done || (!error.empty() && first->left > 0)) return;
                   std::exchange(first->done, nullptr)(error, body);
                 });
  }
}

void fetch_committed(World& world, Cluster c, const std::string& group, Value topics,
                     ClusterAccess::Answered done) {
  constexpr auto kind = route::CoordinatorKind::group;
  auto* access = access_of(world, c);
  if (access == nullptr || !access->reachable())
    return fail(world, done, "the cluster cannot be reached");
  const Value request = Struct{{"GroupId", group}, {"Topics", std::move(topics)}};
  const auto ask = [&world, c, access, group, request, done = std::move(done)] {
    const auto at = world.topology(c).coordinator(kind, group);
    if (!at) return fail(world, done, "its coordinator is not known");
    access->call(*at, offset_fetch_key, offset_fetch_max, request,
                 [&world, c, group, done](const std::string& error, const Value& body) {
                   const auto code = body["ErrorCode"].number();
                   if (error.empty() && code == 0) return done({}, body);
                   // It may have moved: it is looked up anew by whoever asks next.
                   world.topology(c).forget_coordinator(kind, group);
                   done(error.empty() ? "OffsetFetch: error " + std::to_string(code) : error, {});
                 });
  };
  if (world.topology(c).coordinator(kind, group)) return ask();
  access->find_coordinator(kind, group, ask);
}

}  // namespace shunt::net
