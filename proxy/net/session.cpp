#include "proxy/net/session.h"

#include <algorithm>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>

#include "proxy/observe/log.h"

namespace shunt::net {

using observe::CloseCause;

namespace {
constexpr int ordinary_closes_logged_max = 20;  // a second
}  // namespace

Session::Session(World& world, tcp::socket socket, std::optional<observe::Listener> listener,
                 std::optional<route::NodeKey> port_node)
    : world_(world),
      client_(std::move(socket)),
      listener_(listener.value_or(observe::Listener::plain)),
      listener_known_(listener.has_value()),
      remote_(client_.remote()),
      naming_(world, who_),
      since_(std::chrono::duration_cast<std::chrono::milliseconds>(
                 std::chrono::system_clock::now().time_since_epoch())
                 .count()),
      active_(Clock::now()) {
  const auto local = client_.local_endpoint();
  who_.local_port = local.port();
  who_.addressed = port_node;
  if (world.settings.advertise == Advertise::loopback && local.address().is_v4()) {
    const route::Address a{local.address().to_v4().to_uint()};
    if (const auto m = world.identities.meaning(a)) {
      who_.instance = m->instance;
      who_.addressed = m->node;
      world.identities.touch(m->instance, world.unix_now());
      world.keep_identity();
    }
  }
}

void Session::open(World& world, tcp::socket socket, std::optional<observe::Listener> listener,
                   std::optional<route::NodeKey> port_node) {
  auto session = std::make_shared<Session>(world, std::move(socket), listener, port_node);
  world.metrics.opened(session->listener_);
  world.sessions.insert(session);
  session->start();
}

void Session::start() {
  if (world_.sessions.size() > world_.settings.limits.connections_max) {
    return close(CloseCause::too_many_connections, "raise limits.connections_max");
  }
  if (!listener_known_) return tell_listener();
  if (listener_ == observe::Listener::plain) return arm_client();
  secure();
}

// A handshake of TLS begins with 22; a request so large that its size does is never taken.
void Session::tell_listener() {
  securing_ = true;
  client_.when_readable([self = shared_from_this()](ErrorCode e) {
    self->securing_ = false;
    if (e || self->closed_) return;
    constexpr std::byte tls_handshake{22};
    if (self->client_.peek() != tls_handshake) return self->arm_client();
    self->world_.metrics.turned_tls();
    self->listener_ = observe::Listener::tls;
    self->secure();
  });
}

void Session::secure() {
  securing_ = true;
  // The listener's TLS may be another one by the time: this handshake ends with its own.
  client_.handshake(world_.tls->session(),
                    [self = shared_from_this(), tls = world_.tls](const std::string& why) {
                      self->securing_ = false;
                      if (self->closed_) return;
                      if (!why.empty()) return self->close(CloseCause::tls_failed, why);
                      self->active_ = Clock::now();
                      self->who_.principal = self->client_.peer_subject();
                      self->finish_if_done();
                      if (!self->closed_) self->arm_client();
                    });
}

void Session::close(CloseCause cause, const std::string& why) {
  if (closed_) return;
  if (lingering_) return forget();
  client_.close();
  world_.metrics.closed(listener_, cause);
  const std::initializer_list<observe::log::Field> fields = {{"cause", observe::name(cause)},
                                                             {"address", remote_},
                                                             {"client_id", who_.client_id},
                                                             {"why", why}};
  // What a peer can cause at will is limited: to a line a second for each cause, to a few where
  // each tells of an ordinary end.
  const bool ordinary =
      cause == CloseCause::client_closed || cause == CloseCause::drain || cause == CloseCause::idle;
  const bool info = ordinary || cause == CloseCause::client_reset;
  observe::log::limited(info ? observe::log::Level::info : observe::log::Level::warn,
                        "client.closed", fields, ordinary ? ordinary_closes_logged_max : 1);
  if (cause == CloseCause::drain || !linger()) forget();
}

// A client that goes while brokers owe answers to its Produce: what becomes of them must be known
// before a cut (rules A1). False: nothing is owed.
bool Session::linger() {
  constexpr wire::ApiKey produce = 0;
  bool owed = false;
  for (auto& [node, link] : links_) {
    if (link->closed()) continue;  // what it owed has been marked as unclear
    // What is not known to be read yet may still be appended, whoever has gone.
    owed |= !world_.splice.idle() && link->unanswered_sent > link->unanswered_read;
    const bool streams = link->inbound == Inbound::stream || link->inbound == Inbound::collect;
    for (std::size_t i = 0; i < link->awaited.size(); ++i) {
      auto& a = link->awaited[i];
      if (a.exchange == nullptr) continue;
      if (a.exchange->request->api == produce)
        owed = true;
      else if (i > 0 || !streams)
        a.exchange = nullptr;
    }
  }
  if (!owed || upload_) return false;
  lingering_ = true;
  world_.unfinished.count(*this, unfinished_, frames_in_, 0);
  leave_roads();
  leave_gates();
  client_out_.clear();
  active_ = Clock::now();
  world_.sessions.erase(shared_from_this());
  world_.lingering.insert(shared_from_this());
  for (const auto c : {route::Cluster::old_cluster, route::Cluster::new_cluster}) {
    if (!world_.splice.idle()) ask_behind_acks_0(c, true);
  }
  resume_soon();
  return true;
}

void Session::end_linger_if_done() {
  constexpr wire::ApiKey produce = 0;
  for (const auto& [node, link] : links_) {
    if (link->closed()) continue;
    if (link->unanswered_read < link->unanswered_wanted) return;
    for (const auto& a : link->awaited) {
      if (a.exchange != nullptr && a.exchange->request->api == produce) return;
    }
  }
  forget();
}

void Session::forget() {
  closed_ = true;
  world_.unfinished.count(*this, unfinished_, frames_in_, 0);
  leave_gates();
  for (auto& [node, link] : links_) {
    if (!link->closed()) mark_unclear(*link);
    link->close();
    --world_.metrics.links[static_cast<std::size_t>(node.cluster)];
  }
  for (auto& e : queue_) {
    for (auto& b : e->roads) release_road(b);
  }
  if (parked_) --world_.metrics.held_requests;
  world_.settled();
  // The loop may be inside one of our functions: it holds us until it is back.
  boost::asio::post(world_.io, [self = shared_from_this()] {
    self->world_.sessions.erase(self);
    self->world_.lingering.erase(self);
    self->links_.clear();
  });
}

std::size_t Session::unsent_to_brokers() const {
  std::size_t n = 0;
  for (const auto& [node, link] : links_) n += link->unsent();
  return n;
}

bool Session::idle_between_frames() const {
  return carry_.empty() && collect_bytes_ == 0 && !upload_;
}

// Back-pressure: no further request is read while one of these holds. Who does not read its
// answers is not given more of them; but an upload that has begun goes on, a cut may wait for it.
bool Session::blocked() const {
  return closed_ || lingering_ || parked_ || resolving_ ||
         (draining_ && collect_bytes_ == 0 && !upload_) ||
         (!upload_ && queue_.size() >= world_.settings.limits.in_flight_requests_max) ||
         (!upload_ && !client_out_.empty()) || unsent_to_brokers() > 0;
}

void Session::arm_client() {
  // resume() comes back here
  if (reading_ || ended_ || securing_ || resuming_ || blocked()) return;
  reading_ = true;
  client_.when_readable([self = shared_from_this()](ErrorCode e) {
    self->reading_ = false;
    if (e || self->closed_) return;
    self->client_readable();
  });
}

void Session::client_readable() {
  if (blocked()) return;  // what blocks us will resume()
  const std::size_t have = carry_.size();
  const bool collecting = collect_bytes_ > 0 && have == 0;  // then straight to where it belongs
  std::copy(carry_.begin(), carry_.end(), world_.buffer.begin());
  const auto r = client_.read(collecting ? to_collect() : std::span(world_.buffer).subspan(have));
  if (r.state == Stream::State::later) return arm_client();
  if (r.state == Stream::State::reset) return close(CloseCause::client_reset);
  if (r.state == Stream::State::closed) {
    ended_ = true;
    leave_roads();
    leave_gates();
    advance();
    return finish_if_done();
  }
  active_ = Clock::now();
  bytes_in_ += r.bytes;
  if (collecting)
    collected(r.bytes);
  else
    take_requests(std::span(world_.buffer).first(have + r.bytes));
  count_unfinished();
  arm_client();
}

// Goes on after something that blocked has cleared. Always from the loop: the caller may be in the
// middle of the thread's one buffer.
void Session::resume_soon() {
  if (resuming_ || closed_) return;
  resuming_ = true;
  boost::asio::post(world_.io, [self = shared_from_this()] {
    self->resuming_ = false;
    if (!self->closed_) self->resume();
  });
}

void Session::resume() {
  if (client_out_.empty()) {
    const auto links = links_;  // the calls below may open others
    for (const auto& [node, link] : links) {
      if (closed_) return;
      const auto* next = link->paused ? link->awaited.front().exchange : nullptr;
      const bool turn = next == nullptr || (!queue_.empty() && next == queue_.front().get());
      if (link->paused && (turn || before_a_question(*link))) {
        link->paused = false;
        std::copy(link->carry.begin(), link->carry.end(), world_.buffer.begin());
        take_answers(*link, std::span(world_.buffer).first(link->carry.size()));
      }
      if (client_out_.empty()) link->arm();
    }
  }
  if (lingering_) return finish_if_done();
  if ((!carry_.empty() || upload_) && !blocked()) {
    const auto n = carry_.size();
    std::copy(carry_.begin(), carry_.end(), world_.buffer.begin());
    take_requests(std::span(world_.buffer).first(n));
  }
  count_unfinished();
  finish_if_done();
  if (!closed_) arm_client();
}

// A client that sent its FIN, or a proxy that drains: close when nothing is owed any more.
void Session::finish_if_done() {
  if (lingering_ && !closed_) return end_linger_if_done();
  if (closed_ || parked_ || unsent_to_brokers() > 0 || resolving_) return;
  if (ended_) {
    // Half closed: it is still owed its answers, as a broker would give them.
    if (!queue_.empty() || !client_out_.empty()) return;
    return close(idle_between_frames() ? CloseCause::client_closed : CloseCause::client_reset);
  }
  if (draining_ && queue_.empty() && client_out_.empty() && collect_bytes_ == 0 && !upload_) {
    close(CloseCause::drain);
  }
}

std::string Session::beyond_offer() const {
  constexpr wire::ApiKey api_versions = 18;
  for (const auto& [use, n] : apis_) {
    const auto [api, version] = use;
    const auto offered = world_.versions.offered().of(api);
    if (api == api_versions || offered.contains(version)) continue;
    return std::string(wire::api_name(api)) + " v" + std::to_string(version) +
           (offered.empty() ? std::string(": not served by both clusters")
                            : ": both serve " + std::to_string(offered.first) + "-" +
                                  std::to_string(offered.last));
  }
  return {};
}

bool Session::to_agree_anew() const {
  return since_ < world_.offered_since && !beyond_offer().empty();
}

void Session::drain() {
  draining_ = true;
  finish_if_done();
}

void Session::link_readable(const std::shared_ptr<Link>& link) {
  if (closed_) return;
  const std::size_t have = link->carry.size();
  std::copy(link->carry.begin(), link->carry.end(), world_.buffer.begin());
  const auto r = link->stream().read(std::span(world_.buffer).subspan(have));
  if (r.state == Stream::State::later) return link->arm();
  if (r.state != Stream::State::ok)
    return link_failed(link, link->stream().problem("the broker closed the connection"));
  link->received += r.bytes;
  take_answers(*link, std::span(world_.buffer).first(have + r.bytes));
  if (!closed_ && client_out_.empty()) link->arm();
}

void Session::link_drained(const std::shared_ptr<Link>&) { resume_soon(); }

void Session::link_failed(const std::shared_ptr<Link>& link, const std::string& why) {
  if (closed_ || link->closed()) return;
  const auto node = link->node();
  const bool opened = link->connected();
  if (auto* access = world_.access[static_cast<std::size_t>(node.cluster)]) access->refresh_soon();
  if (opened && link->awaited.empty() && link->unsent() == 0 &&
      !(upload_ && upload_->link == link)) {
    // A broker that lets an idle link go: the next request opens another.
    return drop(*link);
  }
  observe::log::limited(observe::log::Level::warn, "link.failed",
                        {{"cluster", route::name(node.cluster)},
                         {"node", static_cast<std::int32_t>(node.id)},
                         {"client", remote_},
                         {"why", why}});
  if (fail_tasks(link)) return;
  if (!opened && move_to_another(link)) return;
  // Its answers will not come: what is left to wait for is owed by the other links.
  mark_unclear(*link);
  drop(*link);
  if (lingering_) return end_linger_if_done();
  close(opened ? CloseCause::link_lost : CloseCause::link_refused, why);
}

// Lets one link go; whoever holds it still may look at it.
void Session::drop(Link& link) {
  link.close();
  --world_.metrics.links[static_cast<std::size_t>(link.node().cluster)];
  links_.erase(link.node());
}

// A task goes on without one broker's answer. False: others wait for the link too.
bool Session::fail_tasks(const std::shared_ptr<Link>& link) {
  const auto all = link->awaited;
  if (lingering_ || all.empty() || link->unanswered_sent > link->unanswered_read ||
      (upload_ && upload_->link == link) ||
      std::ranges::any_of(all, [](const Awaited& a) { return a.exchange && !a.exchange->task; })) {
    return false;
  }
  drop(*link);
  for (const auto& a : all) {
    if (a.exchange != nullptr && !closed_) take_for_task(*a.exchange, a.part, {});
  }
  resume_soon();
  return true;
}

// What was to go over a link that never opened goes to another broker of the cluster. One that is
// not the leader, coordinator or controller says so in its own words (NOT_LEADER_OR_FOLLOWER and
// its like), and the client looks for the right one, as it would after a refused connection.
bool Session::move_to_another(const std::shared_ptr<Link>& link) {
  if (link->unanswered_sent > 0) return false;  // acks=0 is for this broker alone
  tried_.insert(link->node());
  for (const auto& [id, broker] : world_.topology(link->node().cluster).brokers()) {
    const route::NodeKey other{link->node().cluster, id};
    if (tried_.contains(other)) continue;
    const auto bytes = link->take_unsent();
    Link& to = link_to(other);
    to.awaited.insert(to.awaited.end(), link->awaited.begin(), link->awaited.end());
    to.send(bytes);
    if (upload_ && upload_->link == link) upload_->link = links_[other];
    drop(*link);
    resume_soon();
    return true;
  }
  return false;
}

}  // namespace shunt::net
