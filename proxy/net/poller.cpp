#include "proxy/net/poller.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

#include "proxy/observe/log.h"
#include "proxy/observe/text.h"

namespace shunt::net {

using wire::Array;
using wire::Struct;
using wire::Value;

namespace {

constexpr wire::ApiKey metadata = 3, find_coordinator_key = 10, api_versions = 18;
constexpr auto refresh_every = std::chrono::seconds(5);
constexpr auto refresh_soonest = std::chrono::milliseconds(100);
constexpr auto groups_every = std::chrono::seconds(3);
constexpr wire::Version api_versions_version_max = 4, api_versions_with_features = 3;
constexpr wire::Version metadata_version_max = 12, find_coordinator_version_max = 3;

Value metadata_request(wire::Version v) {
  // Null asks for every topic from v1 on; in v0 an empty list does.
  return Struct{{"Topics", v == 0 ? Value(Array{}) : Value(nullptr)},
                {"AllowAutoTopicCreation", false}};
}

bool loopback(const std::string& host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

}  // namespace

Poller::Poller(World& world, route::Cluster cluster, ClusterSettings settings,
               std::string remembered_id)
    : world_(world),
      cluster_(cluster),
      settings_(std::move(settings)),
      remembered_id_(std::move(remembered_id)),
      soon_(world.io) {}

void Poller::start(std::function<void()> known, Fatal fatal) {
  known_ = std::move(known);
  fatal_ = std::move(fatal);
  refresh();
}

void Poller::stop() {
  stopped_ = true;
  soon_.cancel();
  if (bootstrap_) bootstrap_->close("stopping");
  for (auto& [id, node] : nodes_) {
    if (node.client) node.client->close("stopping");
  }
}

void Poller::leave() {
  constexpr auto last_words = std::chrono::seconds(2);  // members are taking their leave there
  stopped_ = true;
  reachable_ = false;
  error_ = "left: a finished migration needs it no more";
  world_.metrics.reachable[static_cast<std::size_t>(cluster_)] = false;
  soon_.expires_after(last_words);
  soon_set_ = true;
  soon_.async_wait([weak = weak_from_this()](boost::system::error_code) {
    if (const auto self = weak.lock()) self->stop();
  });
}

void Poller::tick(Clock::time_point now) {
  if (stopped_) return;
  const auto limit = world_.settings.limits.connect;
  const auto bootstrap_client = bootstrap_;
  if (bootstrap_client) bootstrap_client->tick(now, limit);
  const auto nodes = nodes_;
  for (const auto& [id, node] : nodes) {
    if (node.client) node.client->tick(now, limit);
  }
  if (!refreshing_ && (!reachable_ || now - last_refresh_ > refresh_every)) refresh();
  if (reachable_ && now - last_groups_ > groups_every) {
    last_groups_ = now;
    poll_groups();
  }
}

void Poller::refresh_soon() {
  if (stopped_ || soon_set_) return;
  if (refreshing_) {
    again_ = true;
    return;
  }
  const auto at = last_refresh_ + refresh_soonest;
  if (at <= Clock::now()) return refresh();
  soon_set_ = true;
  soon_.expires_at(at);
  soon_.async_wait([weak = weak_from_this()](boost::system::error_code e) {
    const auto self = weak.lock();
    if (!self || e) return;
    self->soon_set_ = false;
    if (!self->refreshing_) self->refresh();
  });
}

// A broker whose connection works and whose versions are known.
std::shared_ptr<BrokerClient> Poller::any_client(route::NativeNodeId& id) {
  for (auto& [node_id, node] : nodes_) {
    if (!node.versions_known || !node.client || node.client->closed()) continue;
    id = node_id;
    return node.client;
  }
  return nullptr;
}

void Poller::refresh() {
  if (stopped_) return;
  refreshing_ = true;
  last_refresh_ = Clock::now();
  route::NativeNodeId id{};
  const auto client = any_client(id);
  if (!client) return bootstrap();
  const auto version = world_.versions.own({cluster_, id}, metadata, metadata_version_max);
  if (!version) {
    nodes_[id].versions_known = false;  // do not ask it again
    return failed("the broker does not serve Metadata in a version we know");
  }
  metadata_from(client, *version);
}

void Poller::metadata_from(const std::shared_ptr<BrokerClient>& client, wire::Version version) {
  client->call(metadata, version, metadata_request(version),
               [weak = weak_from_this(), client](const std::string& error, const Value& body) {
                 const auto self = weak.lock();
                 if (!error.empty()) client->close(error);  // or it would be asked again at once
                 if (self) self->refreshed(error, body);
               });
}

// Nobody is known, or nobody answers: the next bootstrap address.
void Poller::bootstrap() {
  const auto& at = settings_.bootstrap[next_bootstrap_++ % settings_.bootstrap.size()];
  if (bootstrap_) bootstrap_->close("replaced");
  bootstrap_ = std::make_shared<BrokerClient>(world_.io, world_.dialer(cluster_), at);
  bootstrap_->call(
      api_versions, 0, Struct{},
      [weak = weak_from_this()](const std::string& error, const Value& body) {
        const auto self = weak.lock();
        if (!self || self->stopped_) return;
        if (!error.empty()) return self->failed(error);
        const auto theirs = route::ApiRanges::from(body).of(metadata);
        const auto ours = wire::request(metadata)->valid;
        const auto version = std::min({theirs.last, ours.last, metadata_version_max});
        if (theirs.empty() || version < std::max(theirs.first, ours.first)) {
          return self->failed("the broker does not serve Metadata in a version we know");
        }
        self->metadata_from(self->bootstrap_, version);
      });
}

void Poller::failed(const std::string& error) {
  if (stopped_) return;
  refreshing_ = false;
  // A stale client is dropped; only when nobody answers is the cluster unreachable.
  route::NativeNodeId id{};
  if (any_client(id)) return refresh();
  if (reachable_ || error_ != error) {
    observe::log::warn("cluster.unreachable", {{"cluster", route::name(cluster_)}, {"why", error}});
  }
  reachable_ = false;
  error_ = error;
  world_.metrics.reachable[static_cast<std::size_t>(cluster_)] = false;
}

void Poller::refreshed(const std::string& error, const Value& body) {
  if (stopped_) return;
  if (!error.empty()) return failed(error);
  if (body["Brokers"].array().size() == 0) return failed("the cluster shows no broker yet");
  auto& topology = world_.topology(cluster_);
  const bool first = !topology.known();
  topology.take_metadata(body, true);
  if (const auto why = refuse(body); !why.empty()) {
    stopped_ = true;
    return fatal_(why);
  }
  refreshing_ = false;
  if (!reachable_) {
    observe::log::info("cluster.reachable", {{"cluster", route::name(cluster_)},
                                             {"cluster_id", topology.cluster_id()},
                                             {"brokers", topology.brokers().size()}});
  }
  const bool back = !std::exchange(reachable_, true);
  error_.clear();
  world_.metrics.reachable[static_cast<std::size_t>(cluster_)] = true;
  if (first) {
    world_.memory.remember_cluster_id(cluster_, topology.cluster_id());
    if (cluster_ == route::Cluster::old_cluster) world_.cluster_id = topology.cluster_id();
  }
  follow_brokers();
  if (back) world_.wake_parked();
  if (again_) {
    again_ = false;
    refresh_soon();
  }
}

// Why this cluster cannot be worked with; empty when it can.
std::string Poller::refuse(const Value& body) const {
  const auto& topology = world_.topology(cluster_);
  const auto& id = topology.cluster_id();
  const std::string where = "clusters." + std::string(route::name(cluster_));
  if (!remembered_id_.empty() && !id.empty() && id != remembered_id_) {
    return where + ": cluster id is " + id + ", the journal knows " + remembered_id_ +
           "; point it at the same cluster as before, or use another journal";
  }
  const auto& other =
      cluster_ == route::Cluster::old_cluster ? world_.new_topology : world_.old_topology;
  if (!id.empty() && id == other.cluster_id()) {
    return where + ": is the same cluster as the other one (" + id +
           "); give the two clusters' own addresses";
  }
  for (const auto& broker : body["Brokers"].array()) {
    if (broker["NodeId"].number() <= route::native_node_max) continue;
    return where + ": broker id " + std::to_string(broker["NodeId"].number()) +
           " is above 2^28 - 1 and cannot be shown; clients derive ids from it up to 2^31";
  }
  if (!world_.settings.plain) return {};
  for (const auto& [node, broker] : topology.brokers()) {
    if (loopback(broker.at.host) && broker.at.port == world_.settings.plain->port) {
      return where + ": broker " + std::to_string(static_cast<std::int32_t>(node)) +
             " advertises " + broker.at.host + ":" + std::to_string(broker.at.port) +
             ", which is Shunt's own address; change the broker's advertised.listeners or "
             "listen.plain";
    }
  }
  return {};
}

// A client for every broker there is, none for those that left.
void Poller::follow_brokers() {
  const auto& brokers = world_.topology(cluster_).brokers();
  std::erase_if(nodes_, [&](auto& entry) {
    const auto* b = world_.topology(cluster_).broker(entry.first);
    if (b != nullptr && entry.second.client && !entry.second.client->closed() &&
        entry.second.client->at() == b->at) {
      return false;
    }
    if (b == nullptr) world_.versions.remove({cluster_, entry.first});
    if (entry.second.client) entry.second.client->close("the broker left");
    return true;
  });
  for (const auto& [id, broker] : brokers) {
    Node& node = nodes_[id];
    if (node.client) continue;
    node.client = std::make_shared<BrokerClient>(world_.io, world_.dialer(cluster_), broker.at);
    ask_versions(id, 0);
  }
}

// First in v0, which every broker answers, then in a version that shows features (KIP-584).
void Poller::ask_versions(route::NativeNodeId id, wire::Version version) {
  const auto client = nodes_[id].client;
  const Value request =
      version == 0 ? Struct{}
                   : Struct{{"ClientSoftwareName", "shunt"}, {"ClientSoftwareVersion", "0"}};
  client->call(api_versions, version, request,
               [weak = weak_from_this(), id, asked = std::weak_ptr(client), version](
                   const std::string& error, const Value& body) {
                 const auto self = weak.lock();
                 if (!self || self->stopped_ || !error.empty()) return;
                 const auto node = self->nodes_.find(id);
                 if (node == self->nodes_.end() || node->second.client != asked.lock()) return;
                 const auto most = std::min(route::ApiRanges::from(body).of(api_versions).last,
                                            api_versions_version_max);
                 if (version == 0 && most >= api_versions_with_features)
                   return self->ask_versions(id, most);
                 self->versions_told(id, body);
               });
}

void Poller::versions_told(route::NativeNodeId id, const Value& body) {
  nodes_[id].versions_known = true;
  auto& versions = world_.versions;
  if (versions.take({cluster_, id}, body)) {
    world_.offered_since = observe::unix_ms_now();
    if (const auto ranges = versions.cluster(cluster_)) {
      world_.memory.remember_versions(cluster_, *ranges);
    }
  }
  if (bootstrap_) {
    bootstrap_->close("a broker's own connection takes over");
    bootstrap_.reset();
  }
  if (auto known = std::exchange(known_, nullptr)) known();
}

void Poller::find_coordinator(route::CoordinatorKind kind, const std::string& key,
                              std::function<void()> done) {
  route::NativeNodeId id{};
  const auto client = any_client(id);
  const auto version = client ? world_.versions.own({cluster_, id}, find_coordinator_key,
                                                    find_coordinator_version_max)
                              : std::nullopt;
  if (!version) return boost::asio::post(world_.io, std::move(done));
  client->call(find_coordinator_key, *version,
               *version == 0 ? Struct{{"Key", key}}
                             : Struct{{"Key", key}, {"KeyType", static_cast<int>(kind)}},
               [weak = weak_from_this(), kind, key, done = std::move(done)](
                   const std::string& error, const Value& body) {
                 const auto self = weak.lock();
                 if (self && error.empty() && body["ErrorCode"].number() == 0) {
                   const auto node = static_cast<std::int32_t>(body["NodeId"].number());
                   self->world_.topology(self->cluster_)
                       .set_coordinator(kind, key, route::NativeNodeId{node});
                 }
                 done();
               });
}

void Poller::call(route::NativeNodeId id, wire::ApiKey api, wire::Version version_max,
                  const Value& body, Answered done) {
  const auto node = nodes_.find(id);
  const auto version = world_.versions.own({cluster_, id}, api, version_max);
  std::string problem;
  if (node == nodes_.end() || !node->second.client || node->second.client->closed())
    problem = "broker " + std::to_string(static_cast<std::int32_t>(id)) + " of " +
              std::string(route::name(cluster_)) + " is not connected";
  else if (!version)
    problem = "broker " + std::to_string(static_cast<std::int32_t>(id)) + " of " +
              std::string(route::name(cluster_)) + " does not serve " +
              std::string(wire::api_name(api));
  if (!problem.empty()) {
    return boost::asio::post(world_.io, [done = std::move(done), problem] { done(problem, {}); });
  }
  node->second.client->call(api, *version, body, std::move(done));
}

std::optional<route::NativeNodeId> Poller::any_node() {
  route::NativeNodeId id{};
  return any_client(id) ? std::optional(id) : std::nullopt;
}

}  // namespace shunt::net
