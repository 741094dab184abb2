#include "proxy/net/placeholder.h"

#include <boost/asio/post.hpp>

namespace shunt::net {

using route::Cluster;
using wire::Array;
using wire::Struct;
using wire::Value;

namespace {

constexpr wire::ApiKey offset_commit = 8, join_group = 11, heartbeat = 12, leave_group = 13,
                       sync_group = 14, describe_groups = 15;
constexpr int member_id_required = 79;
// The least that brokers allow by default (group.min.session.timeout.ms): should this daemon die,
// the group's members wait no longer for it.
constexpr int session_timeout_ms = 6000, rebalance_timeout_ms = 60000;
constexpr std::chrono::milliseconds try_again{100}, beat_every{1000};
constexpr auto kind = route::CoordinatorKind::group;

// ConsumerProtocolSubscription v0, to no topic. Other protocols read their own: none sees ours,
// for it is gone before the leader is told.
std::vector<std::byte> no_subscription() {
  return {std::byte{0}, std::byte{0},    std::byte{0},    std::byte{0},    std::byte{0},
          std::byte{0}, std::byte{0xff}, std::byte{0xff}, std::byte{0xff}, std::byte{0xff}};
}

}  // namespace

void Placeholder::join(std::chrono::milliseconds limit, Done done) {
  done_ = std::move(done);
  until_ = Clock::now() + limit;
  find();
}

void Placeholder::over(const std::string& error) {
  if (error.empty()) in_ = !protocol_type_.empty();
  if (done_) std::exchange(done_, nullptr)(error);
}

void Placeholder::again(const std::string& why, std::function<void()> step) {
  if (Clock::now() > until_) return over(why);
  timer_.expires_after(try_again);
  timer_.async_wait([self = shared_from_this(), step = std::move(step)](ErrorCode e) {
    if (!e) step();
  });
}

void Placeholder::find() {
  auto* access = world_.access[1];
  access->find_coordinator(kind, group_, [self = shared_from_this()] {
    const auto at = self->world_.new_topology.coordinator(kind, self->group_);
    if (!at) return self->again("new names no coordinator for the group", [self] { self->find(); });
    self->connect(*at);
  });
}

void Placeholder::connect(route::NativeNodeId node) {
  const auto* at = world_.endpoint({Cluster::new_cluster, node});
  if (at == nullptr)
    return again("the group's coordinator at new is not known",
                 [self = shared_from_this()] { self->find(); });
  node_ = node;
  if (client_) client_->close("replaced");
  client_ =
      std::make_shared<BrokerClient>(world_.io, world_.dialer(route::Cluster::new_cluster), *at);
  if (protocol_type_.empty()) return over("");
  ask_join();
}

void Placeholder::call(wire::ApiKey api, wire::Version version_max, const Value& body,
                       BrokerClient::Done done) {
  const auto version = world_.versions.own({Cluster::new_cluster, node_}, api, version_max);
  if (!client_ || !version)
    return boost::asio::post(world_.io, [done = std::move(done)] {
      done("the coordinator at new cannot be asked", {});
    });
  client_->call(api, *version, body, std::move(done));
}

void Placeholder::ask_join() {
  call(join_group, 5,
       Struct{{"GroupId", group_},
              {"SessionTimeoutMs", session_timeout_ms},
              {"RebalanceTimeoutMs", rebalance_timeout_ms},
              {"MemberId", member_},
              {"GroupInstanceId", nullptr},
              {"ProtocolType", protocol_type_},
              {"Protocols", Array{Struct{{"Name", protocol_}, {"Metadata", no_subscription()}}}}},
       [self = shared_from_this()](const std::string& error, const Value& body) {
         self->joined(error, body);
       });
}

void Placeholder::joined(const std::string& error, const Value& body) {
  const auto code = body["ErrorCode"].number();
  if (!error.empty())
    return again("JoinGroup at new: " + error, [self = shared_from_this()] { self->find(); });
  if (code == member_id_required) {
    member_ = body["MemberId"].text();
    return ask_join();
  }
  if (code != 0) {  // loading, not yet created, or elsewhere
    member_.clear();
    world_.new_topology.forget_coordinator(kind, group_);
    return again("JoinGroup at new: error " + std::to_string(code),
                 [self = shared_from_this()] { self->find(); });
  }
  member_ = body["MemberId"].text();
  sync(static_cast<std::int32_t>(body["GenerationId"].number()));
}

void Placeholder::sync(std::int32_t generation) {
  generation_ = generation;
  call(sync_group, 2,
       Struct{{"GroupId", group_},
              {"GenerationId", generation_},
              {"MemberId", member_},
              {"Assignments", Array{Struct{{"MemberId", member_},
                                           {"Assignment", Value(std::vector<std::byte>{})}}}}},
       [self = shared_from_this()](const std::string& error, const Value& body) {
         const auto code = body["ErrorCode"].number();
         if (!error.empty() || code != 0)
           return self->over("SyncGroup at new: " +
                             (error.empty() ? "error " + std::to_string(code) : error));
         self->over("");
         self->beat();
       });
}

void Placeholder::beat() {
  timer_.expires_after(beat_every);
  timer_.async_wait([self = shared_from_this()](ErrorCode e) {
    if (e || !self->in_) return;
    self->call(heartbeat, 2,
               Struct{{"GroupId", self->group_},
                      {"GenerationId", self->generation_},
                      {"MemberId", self->member_}},
               [self](const std::string& error, const Value& body) {
                 if (!self->in_) return;
                 constexpr int rebalancing = 27;  // the others are coming
                 const auto code = body["ErrorCode"].number();
                 if (error.empty() && (code == 0 || code == rebalancing)) return self->beat();
                 self->lost_ =
                     error.empty() ? "Heartbeat at new: error " + std::to_string(code) : error;
               });
  });
}

void Placeholder::commit(const std::vector<splice::Copy>& offsets, Done done) {
  std::map<std::string, Array> by_topic;
  for (const auto& o : offsets)
    by_topic[o.topic].push_back(Struct{{"PartitionIndex", o.partition},
                                       {"CommittedOffset", o.native},
                                       {"CommittedLeaderEpoch", -1},
                                       {"CommittedMetadata", o.metadata}});
  Array topics;
  for (auto& [name, partitions] : by_topic)
    topics.push_back(Struct{{"Name", name}, {"Partitions", std::move(partitions)}});
  call(offset_commit, 7,
       Struct{{"GroupId", group_},
              {"GenerationIdOrMemberEpoch", generation_},
              {"MemberId", member_},
              {"Topics", std::move(topics)}},
       [done = std::move(done)](const std::string& error, const Value& body) {
         if (!error.empty()) return done("OffsetCommit at new: " + error);
         for (const auto& t : body["Topics"].array()) {
           for (const auto& p : t["Partitions"].array()) {
             if (const auto code = p["ErrorCode"].number(); code != 0)
               return done("OffsetCommit at new: error " + std::to_string(code) + " for " +
                           std::string(t["Name"].text()));
           }
         }
         done("");
       });
}

void Placeholder::describe(Described done) {
  call(describe_groups, 4, Struct{{"Groups", Array{group_}}},
       [self = shared_from_this(), done = std::move(done)](const std::string& error,
                                                           const Value& body) {
         std::set<std::string> members;
         std::string state, problem = error;
         for (const auto& g : body["Groups"].array()) {
           state = g["GroupState"].text();
           if (const auto code = g["ErrorCode"].number(); code != 0)
             problem = "DescribeGroups at new: error " + std::to_string(code);
           for (const auto& m : g["Members"].array()) members.emplace(m["MemberId"].text());
         }
         members.erase(self->member_);
         done(problem, state, members);
       });
}

void Placeholder::leave() {
  if (!in_) return;
  in_ = false;
  timer_.cancel();
  call(leave_group, 2, Struct{{"GroupId", group_}, {"MemberId", member_}},
       [](const std::string&, const Value&) {});
}

void Placeholder::close() {
  in_ = false;
  done_ = nullptr;
  timer_.cancel();
  if (client_) client_->close("no longer needed");
}

}  // namespace shunt::net
