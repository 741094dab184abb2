#include "proxy/route/dispatch.h"

#include <algorithm>
#include <charconv>

namespace shunt::route {
namespace {

using wire::Leaf;
using wire::Parts;
using wire::Role;
using wire::Route;

constexpr std::int8_t resource_broker = 4, resource_broker_logger = 8;  // ConfigResource.Type

class Decision {
 public:
  Decision(const wire::Message& request, const Parts& parts, const View& view, const Origin& origin,
           Dispatch& out)
      : request_(request),
        parts_(parts),
        view_(view),
        origin_(origin),
        out_(out),
        home_(view.home()) {}

  void run() {
    switch (request_.route) {
      case Route::internal:
      case Route::self:
        out_.act = Act::self;
        return;
      case Route::any:
        return anyone();
      case Route::coordinator:
        return who_coordinates();
      case Route::node:
        return node();
      case Route::leader:
        return leader();
      case Route::group:
        return coordinator(CoordinatorKind::group, Role::group_id);
      case Route::transaction:
        return coordinator(CoordinatorKind::transaction, Role::transactional_id);
      case Route::controller:
        return to(controller());
      case Route::resource:
        return each([&](const Leaf& l) { return resource(l); });
    }
  }

 private:
  void to(std::optional<NodeKey> n) {
    if (!n) return;  // stays no_broker
    out_.act = Act::forward;
    out_.nodes.assign(1, *n);
  }

  bool alive(NodeKey n) const {
    const Topology* t = view_.of(n.cluster);
    return t != nullptr && t->broker(n.id) != nullptr;
  }

  // The addressed node if it can speak for this cluster, else any broker there.
  std::optional<NodeKey> fallback(Cluster c) const {
    const Topology* t = view_.of(c);
    if (t == nullptr) return std::nullopt;
    std::optional<NativeNodeId> preferred;
    if (origin_.addressed && origin_.addressed->cluster == c) preferred = origin_.addressed->id;
    const auto id = t->any(preferred);
    return id ? std::optional(NodeKey{c, *id}) : std::nullopt;
  }
  std::optional<NodeKey> fallback() const { return fallback(home_); }

  std::optional<NodeKey> controller() const {
    const Topology* t = view_.of(home_);
    if (t == nullptr) return std::nullopt;
    if (const auto id = t->controller(); id && alive({home_, *id})) return NodeKey{home_, *id};
    return fallback();
  }

  void anyone() {
    to(fallback());
    out_.anyone = true;
  }

  void node() {
    if (origin_.addressed && alive(*origin_.addressed)) return to(origin_.addressed);
    anyone();
  }

  // Gives every leaf its node; one node for all (or no leaf at all): the request goes whole.
  template <class F>
  void each(F&& node_of) {
    out_.chosen.clear();
    out_.chosen.reserve(parts_.leaf_count());
    for (const Leaf& l : parts_.leaves()) {
      const std::optional<NodeKey> n = node_of(l);
      if (!n) return;  // no_broker, or resolve has been said
      const auto at = std::find(out_.nodes.begin(), out_.nodes.end(), *n);
      out_.chosen.push_back(static_cast<wire::Choice>(at - out_.nodes.begin()));
      if (at == out_.nodes.end()) out_.nodes.push_back(*n);
    }
    if (out_.nodes.empty()) return anyone();
    out_.act = out_.nodes.size() == 1 ? Act::forward : Act::split;
  }

  void leader() {
    constexpr wire::ApiKey fetch = 1;
    // An incremental Fetch (epoch above 0) names only what changed, and one without partitions only
    // ends its session: both belong to the node that holds it. A full one says all it wants.
    const bool incremental = parts_.top(Role::session_epoch).number > 0 || parts_.leaf_count() == 0;
    if (const auto& session = parts_.top(Role::session_id);
        request_.api == fetch && session.present && session.number != 0 && incremental) {
      const bool ours = origin_.fetch_session == session.number && origin_.fetch_session_at &&
                        alive(*origin_.fetch_session_at);
      return to(ours ? origin_.fetch_session_at : fallback());
    }
    const bool follower_allowed = request_.api == fetch && parts_.top(Role::rack).number > 0;
    each([&](const Leaf& l) -> std::optional<NodeKey> {
      if (follower_allowed && replica_at_address(l)) return origin_.addressed;
      return leader_of(view_, l.topic, l.topic_id, l.partition, origin_, mark_of(l));
    });
  }

  ProduceOrder::Mark mark_of(const Leaf& l) const {
    if (origin_.order == nullptr || origin_.order->empty() || l.records_bytes < 0) return 0;
    return ProduceOrder::mark_of(
        parts_.body().subspan(l.records_at, static_cast<std::size_t>(l.records_bytes)));
  }

  // KIP-392: a consumer with a rack that dialled a follower was sent there by the leader.
  bool replica_at_address(const Leaf& l) const {
    if (!origin_.addressed || origin_.addressed->cluster != home_) return false;
    if (view_.homes != nullptr && view_.homes->home(l.topic, l.topic_id) != home_) return false;
    const Topology* t = view_.of(home_);
    if (t == nullptr || !alive(*origin_.addressed)) return false;
    const auto name = l.topic.empty() ? view_.topic_name(l.topic_id) : l.topic;
    const Partition* p = t->partition(name, l.partition);
    return p != nullptr && std::find(p->replicas.begin(), p->replicas.end(),
                                     origin_.addressed->id) != p->replicas.end();
  }

  // Groups or transactional ids: in the split list, or one outside it.
  void coordinator(CoordinatorKind kind, Role role) {
    if (parts_.levels() == 1) {
      return each([&](const Leaf& l) { return coordinator_of(kind, l.name); });
    }
    const wire::Found& key = parts_.top(role);
    if (!key.present || key.number < 0) return anyone();  // InitProducerId without transactions
    if (const auto n = coordinator_of(kind, key.text)) to(n);
  }

  Cluster home_of(CoordinatorKind kind, std::string_view key) const {
    return kind == CoordinatorKind::group ? view_.group_home(key) : home_;
  }

  // Any broker of the cluster where it is says where it is.
  void who_coordinates() {
    const bool group = parts_.top(Role::coordinator_type).number != 1;
    const auto kind = group ? CoordinatorKind::group : CoordinatorKind::transaction;
    if (parts_.levels() == 1)
      return each([&](const Leaf& l) { return fallback(home_of(kind, l.name)); });
    to(fallback(home_of(kind, parts_.top(Role::coordinator_key).text)));
    out_.anyone = true;
  }

  std::optional<NodeKey> coordinator_of(CoordinatorKind kind, std::string_view key) {
    const Cluster c = home_of(kind, key);
    const Topology* t = view_.of(c);
    if (t == nullptr) return std::nullopt;
    if (const auto id = t->coordinator(kind, key); id && alive({c, *id})) return NodeKey{c, *id};
    // A broker says best what is wrong with a key that was not found.
    const auto& lost = origin_.unresolved;
    if (std::ranges::find(lost, key) != lost.end()) return fallback(c);
    out_.act = Act::resolve;
    out_.kind = kind;
    out_.home = c;
    out_.key = key;
    return std::nullopt;
  }

  std::optional<NodeKey> resource(const Leaf& l) const {
    if (l.resource_type == resource_broker || l.resource_type == resource_broker_logger) {
      std::int32_t id = -1;
      const auto [end, error] = std::from_chars(l.name.data(), l.name.data() + l.name.size(), id);
      if (error == std::errc{} && end == l.name.data() + l.name.size() && id >= 0) {
        const NodeKey n = native(NodeId{id});
        if (alive(n)) return n;
      }
      if (l.name.empty()) return controller();  // the cluster-wide default
    }
    return fallback();
  }

  const wire::Message& request_;
  const Parts& parts_;
  const View& view_;
  const Origin& origin_;
  Dispatch& out_;
  const Cluster home_;
};

}  // namespace

std::string_view View::topic_name(const wire::Uuid& shown_id) const {
  const auto moving = homes != nullptr ? homes->topic_name(shown_id) : std::string_view{};
  if (!moving.empty()) return moving;
  const Topology* t = of(home());
  return t != nullptr ? t->topic_name(shown_id) : std::string_view{};
}

void dispatch(const wire::Message& request, const wire::Parts& parts, const View& view,
              const Origin& origin, Dispatch& out) {
  out.act = Act::no_broker;
  out.nodes.clear();
  out.anyone = false;
  Decision(request, parts, view, origin, out).run();
}

std::optional<NodeKey> leader_of(const View& view, std::string_view topic,
                                 const wire::Uuid& topic_id, std::int32_t partition,
                                 const Origin& origin, ProduceOrder::Mark batch) {
  const Cluster at =
      view.homes != nullptr ? view.homes->home(topic, topic_id) : Cluster::old_cluster;
  const Topology* t = view.of(at);
  if (t == nullptr) return std::nullopt;
  if (origin.order != nullptr) {
    const auto bound = origin.order->bound(topic, topic_id, partition, batch, origin.addressed,
                                           origin.metadata_asked);
    if (bound && bound->cluster == at && t->broker(bound->id) != nullptr) return bound;
  }
  const Partition* p =
      t->partition(topic.empty() ? view.topic_name(topic_id) : topic, partition);
  if (p != nullptr && t->broker(p->leader) != nullptr) return NodeKey{at, p->leader};
  // Unknown topic, or no leader just now: the broker the client meant answers as it would alone.
  std::optional<NativeNodeId> preferred;
  if (origin.addressed && origin.addressed->cluster == at) preferred = origin.addressed->id;
  const auto id = t->any(preferred);
  return id ? std::optional(NodeKey{at, *id}) : std::nullopt;
}

}  // namespace shunt::route
