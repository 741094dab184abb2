// What all sessions of the daemon share. One thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <unordered_map>

#include "proxy/net/daemon.h"
#include "proxy/net/dialer.h"
#include "proxy/net/exchange.h"
#include "proxy/net/group_gate.h"
#include "proxy/net/settings.h"
#include "proxy/net/unfinished.h"
#include "proxy/observe/events.h"
#include "proxy/observe/metrics.h"
#include "proxy/observe/snapshot.h"
#include "proxy/route/dispatch.h"
#include "proxy/route/identity.h"
#include "proxy/route/topology.h"
#include "proxy/route/translate.h"
#include "proxy/route/versions.h"
#include "proxy/splice/producers.h"
#include "proxy/splice/state.h"

namespace shunt::net {

class Session;

// A group's member, as its coordinator lists it.
struct GroupMember {
  std::string id, client_id, host;
  // The partitions assigned to it, by topic (ConsumerProtocolAssignment).
  std::map<std::string, std::set<std::int32_t>> topics;
};

// What the sessions ask of the clusters' own connections (poller.h).
class ClusterAccess {
 public:
  virtual ~ClusterAccess() = default;
  // Reads the cluster's metadata again at once (limited to ten times a second).
  virtual void refresh_soon() = 0;
  // A group's membership has changed: those who look in should see it within a second or two.
  virtual void groups_changed() = 0;
  // Asks for a coordinator; it is in the topology when `done` is called, unless nobody could say.
  virtual void find_coordinator(route::CoordinatorKind kind, const std::string& key,
                                std::function<void()> done) = 0;
  // A request of the daemon's own to one broker, in the highest version both know up to
  // `version_max`. `done`: once, from the loop; an error when it cannot be asked.
  using Answered = std::function<void(const std::string& error, const wire::Value& body)>;
  virtual void call(route::NativeNodeId node, wire::ApiKey api, wire::Version version_max,
                    const wire::Value& body, Answered done) = 0;
  // A broker that can be asked just now; nullopt: none.
  virtual std::optional<route::NativeNodeId> any_node() = 0;
  // As of the last look: its groups, and their members. Those that have moved away may be in it.
  virtual const std::map<std::string, observe::GroupView>& groups() const = 0;
  virtual const std::map<std::string, std::vector<GroupMember>>& members() const = 0;
  // When the last look began in which every broker has said all of its groups.
  virtual std::chrono::steady_clock::time_point groups_as_of() const = 0;
  // Not of KIP-848 or later, as ListGroups (v5, KIP-848) says.
  virtual bool classic(const std::string& group) const = 0;
  virtual bool reachable() const = 0;
  virtual const std::string& error() const = 0;  // why it is not; empty: not tried yet, or it is
};

// Takes the commits that a group's home has accepted (copier.h).
class CommitTaker {
 public:
  virtual ~CommitTaker() = default;
  virtual void accepted(const splice::CommitAccepted& commit) = 0;
  virtual std::int64_t behind(const std::string& group) const = 0;  // partitions not copied yet
  virtual std::int64_t behind(const std::string& group, const std::string& topic,
                              std::int32_t partition) const = 0;  // 1: not copied yet
};

struct World {
  World(boost::asio::io_context& loop, Settings s, Remembered r, Memory& m);

  boost::asio::io_context& io;
  const Settings settings;
  Memory& memory;
  Resolver resolver;
  Dialer dialers[2];                     // by cluster
  std::shared_ptr<const TlsServer> tls;  // null: listen.tls is off
  // Reads the files of TLS (anew). Empty: done; else what is wrong, and all stays as it was.
  std::string read_tls();
  const Dialer& dialer(route::Cluster c) const { return dialers[static_cast<std::size_t>(c)]; }
  observe::Metrics metrics;
  route::Identities identities;
  route::Versions versions;
  observe::UnixMillis offered_since = 0;  // what clients are offered is as it is
  route::Topology old_topology, new_topology;
  splice::State splice;
  observe::Events events;
  std::string cluster_id;  // as clients see it: old's, for ever
  ClusterAccess* access[2] = {nullptr, nullptr};
  CommitTaker* commits = nullptr;
  std::function<void()> on_segments;  // a record has changed some
  std::set<std::shared_ptr<Session>> sessions;
  std::set<std::shared_ptr<Session>> lingering;  // their clients have gone (Session::linger)
  std::unordered_map<std::uint32_t, std::uint64_t> metadata_asked;  // by client instance
  bool draining = false;
  // Nothing of an earlier life can be under way to a broker any more (rules A1).
  Clock::time_point clear_at;
  Clock::time_point migration_began{};  // the newest one that this daemon has started
  route::Instance shared_instance{0};   // kafka-go's (naming.cpp); 0: not needed yet
  std::mt19937_64 random;               // ids for telemetry only
  bool waking = false;
  std::set<std::pair<std::int64_t, std::uint32_t>> drawing;  // (client's id, cut), asked for

  std::set<std::pair<std::string, std::string>> members_seen;  // (group, member id)
  std::size_t members_seen_bytes = 0;
  Unfinished unfinished;
  std::set<std::int64_t> producers_seen;  // as clients know them
  std::map<std::string, GroupSeen> groups_seen;
  std::map<std::string, GroupGate*, std::less<>> gates;  // of groups that are being handed over
  GroupGate* gate(std::string_view group) const {
    const auto it = gates.find(group);
    return it == gates.end() ? nullptr : it->second;
  }
  // By topic: when stragglers were swept in last.
  std::map<std::string, Clock::time_point> swept_at;
  // Batches on their way to a migrated partition, by producer id, or of a client without one: when
  // it turns to another node, nothing but one road at a time keeps their order, and what is under
  // way of an id within the five batches that brokers remember (rules A4).
  struct Writer {
    const splice::PartitionLog* log = nullptr;
    std::int64_t producer_id = -1;
    route::Instance instance{0};  // without a producer id
    auto operator<=>(const Writer&) const = default;
  };
  struct OneRoad {
    const Session* session = nullptr;
    std::uint32_t unanswered = 0;
  };
  std::map<Writer, OneRoad> under_way;
  // By transactional id: commits that count when it ends (TxnOffsetCommit).
  std::map<std::string, std::vector<splice::Record>> pending_commits;
  std::deque<std::weak_ptr<Session>> parked;
  std::function<void()> on_settled;
  std::deque<std::int64_t> drawn[2];  // by cluster: ids that nobody has yet
  // Before a migration, by road. Few: links die rarely with a Produce on them.
  std::map<std::string, std::vector<splice::Unclear>> unclear_roads;

  // Scratch of the one thread: valid within one call from the loop.
  std::vector<std::byte> buffer;
  wire::Parts parts;
  route::Dispatch decision;
  wire::Edits edits;
  std::vector<splice::BatchId> batches;  // by leaf, of the Produce in `parts`, when a
  std::vector<splice::Judged> judged;    // migration is open; and what became of them

  route::View view() const {
    return {&old_topology, &new_topology, splice.idle() ? nullptr : &splice};
  }
  route::Topology& topology(route::Cluster c) {
    return c == route::Cluster::old_cluster ? old_topology : new_topology;
  }
  route::Seconds unix_now() const;
  // A group's members, as its home lists them.
  const std::vector<GroupMember>& members(const std::string& group) const;
  // The groups that have a member of this client id which owns the partition, as of the last look.
  std::set<std::string> groups_of(const std::string& client_id, const std::string& topic,
                                  std::int32_t partition) const;
  // All that may have a position: the journal's, and those that their homes list.
  std::set<std::string> known_groups() const;
  // Writes identity's news to the journal: before the answer that shows them.
  void keep_identity();
  // Writes a record of the migration, then it holds. False: nothing has changed (a durable record
  // that could not be written; the journal has said so).
  bool record(const splice::Record& r, bool durable);
  // Producer ids of a cluster for those of clients (rules B8): from the ids drawn beforehand, or
  // asked for now. True: it is there; false: who waits is woken when it is.
  bool draw(std::int64_t producer_id, std::uint32_t cut, route::Cluster c);
  void draw_ids(route::Cluster c, std::size_t count, std::function<void(std::string)> done);
  // Sessions whose Produce waits, in the order they began to: all are judged again.
  void wake_parked();
  // A group's member has spoken here: its id was issued on a connection through us.
  bool passes_here(const std::string& group, const std::string& member) const {
    return members_seen.contains({group, member}) ||
           identities.of_member(group, member) != route::Instance{0};
  }
  // A step of a cut has been reached, its record written. A fault that tests ask for ends the
  // daemon here (Settings::die_at).
  void reached(std::string_view step) const;
  // Something that a cut waits for may be over.
  void settled() {
    if (on_settled) on_settled();
  }
  // A Produce whose link ended without an answer; `road`: ProduceOrder's key. Null log: its topic
  // is in no migration (yet).
  void unclear(const std::string& road, splice::PartitionLog* log, splice::Unclear u);
  bool all_clear() const;  // there is none
  void adopt_unclear();    // a migration has begun: those of its topics belong to it
  bool left_old() const { return splice.left(); }
  std::string topic_of_road(const std::string& road) const;
  std::string place_of_road(const std::string& road) const {  // "orders-3"
    return topic_of_road(road) + '-' + road.substr(road.rfind('/') + 1);
  }
  // Where a node is, or null.
  const route::Endpoint* endpoint(route::NodeKey node) const;
};

}  // namespace shunt::net
