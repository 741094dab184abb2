// Keeps one cluster's topology fresh over connections of the daemon's own, one per broker.
//
// Metadata every few seconds, and at once when an answer to a client shows that ours is stale;
// ApiVersions of every broker when it appears; groups for those who look in.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "proxy/net/broker_client.h"
#include "proxy/net/world.h"

namespace shunt::net {

class Poller : public ClusterAccess, public std::enable_shared_from_this<Poller> {
 public:
  using Fatal = std::function<void(const std::string&)>;
  Poller(World& world, route::Cluster cluster, ClusterSettings settings, std::string remembered_id);

  // `known` is called when the metadata is known for the first time; `fatal` when the cluster is
  // not what it must be.
  void start(std::function<void()> known, Fatal fatal);
  void stop();
  // Nothing is asked of the cluster any more: it may be switched off.
  void leave();
  void tick(Clock::time_point now);  // once a second
  void refresh_soon() override;
  void groups_changed() override { last_groups_ = {}; }
  void find_coordinator(route::CoordinatorKind kind, const std::string& key,
                        std::function<void()> done) override;
  void call(route::NativeNodeId node, wire::ApiKey api, wire::Version version_max,
            const wire::Value& body, Answered done) override;
  std::optional<route::NativeNodeId> any_node() override;

  bool reachable() const override { return reachable_; }
  const std::string& error() const override { return error_; }
  const std::map<std::string, observe::GroupView>& groups() const override { return groups_; }
  const std::map<std::string, std::vector<GroupMember>>& members() const override {
    return members_;
  }
  bool classic(const std::string& group) const override { return !not_classic_.contains(group); }

 private:
  struct Node {
    std::shared_ptr<BrokerClient> client;
    bool versions_known = false;
  };
  void refresh();
  void refreshed(const std::string& error, const wire::Value& body);
  void failed(const std::string& error);
  void metadata_from(const std::shared_ptr<BrokerClient>& client, wire::Version version);
  void bootstrap();
  void follow_brokers();
  void ask_versions(route::NativeNodeId id, wire::Version version);
  void versions_told(route::NativeNodeId id, const wire::Value& body);
  std::string refuse(const wire::Value& body) const;
  std::shared_ptr<BrokerClient> any_client(route::NativeNodeId& id);
  void poll_groups();
  void list_groups(route::NativeNodeId id);
  void describe_groups(route::NativeNodeId id, const std::vector<std::string>& names);

  World& world_;
  route::Cluster cluster_;
  ClusterSettings settings_;
  std::string remembered_id_;
  std::function<void()> known_;
  Fatal fatal_;
  std::map<route::NativeNodeId, Node> nodes_;
  std::shared_ptr<BrokerClient> bootstrap_;
  std::size_t next_bootstrap_ = 0;
  boost::asio::steady_timer soon_;
  bool soon_set_ = false;
  bool refreshing_ = false;
  bool again_ = false;  // asked for while a refresh was under way
  Clock::time_point last_refresh_{};
  Clock::time_point last_groups_{};
  bool reachable_ = false;
  bool stopped_ = false;
  std::string error_;
  std::map<std::string, observe::GroupView> groups_;
  std::map<std::string, std::vector<GroupMember>> members_;
  std::set<std::string> not_classic_;
  std::map<std::string, route::NativeNodeId> listed_at_;  // the coordinator that listed it
};

}  // namespace shunt::net
