#include "tests/sim/session.h"

#include <algorithm>

#include "proxy/wire/bytes.h"
#include "proxy/wire/framer.h"

namespace shunt::sim {

using wire::Role;

namespace {
constexpr wire::ApiKey produce = 0, fetch = 1, metadata = 3;
constexpr std::int32_t split_fetch_wait_ms_max = 100;
constexpr Time linger_limit = 3000 * ms;  // limits.progress
}  // namespace

const std::vector<route::ShownNode>& Names::nodes() {
  nodes_.clear();
  for (const auto c : {route::Cluster::old_cluster, route::Cluster::new_cluster}) {
    for (const auto& [id, broker] : proxy_.topology(c).brokers()) {
      nodes_.push_back({route::shown(c, id), {"n", 9092}, {}, false});
    }
  }
  return nodes_;
}
std::optional<route::Endpoint> Names::at(route::NodeId) { return route::Endpoint{"n", 9092}; }
const std::string& Names::cluster_id() { return proxy_.topologies[0].cluster_id(); }

std::string Session::state() const {
  std::string out = client_->client_id;
  if (client_->addressed) {
    out += "@" + std::to_string(static_cast<int>(
                     route::shown(client_->addressed->cluster, client_->addressed->id)));
  }
  if (parked_) out += " parked";
  for (const auto& e : queue_) {
    out += " api " + std::to_string(e->request->api) + (e->ready ? " ready" : "") +
           (e->task ? " task, asks left " + std::to_string(e->parts_left) : "");
  }
  for (const auto& [node, link] : links_) {
    out += "; link " + std::string(route::name(node.cluster)) +
           std::to_string(static_cast<int>(node.id)) + " awaits " +
           std::to_string(link->awaited.size()) + (link->paused ? " paused" : "") + " inbound " +
           std::to_string(static_cast<int>(link->inbound));
  }
  return out;
}

Session::Session(Proxy& proxy, std::shared_ptr<ClientConnection> client)
    : number(proxy.accepted++), proxy_(proxy), client_(std::move(client)), names_(proxy) {}

void Session::die() {
  closed_ = true;
  client_->lost();
  for (auto& [node, link] : links_) {
    // What the kernel still has is sent, or it is not.
    if (proxy_.sim.random.percent(50)) {
      proxy_.cluster(node.cluster).close(link->peer);
    } else {
      link->peer->on_lost = nullptr;
      proxy_.cluster(node.cluster).cut(link->peer, false);
    }
  }
  links_.clear();
}

void Session::take(Buffer frame) {
  carry_.push_back(std::move(frame));
  resume();
}

void Session::client_gone(bool reset) {
  if (closed_ || lingering_) return;
  client_open_ = false;
  if (parked_) return;  // not read: unpark() learns of it
  if (reset) return close("the client has reset it");
  ended_ = true;
  leave_roads();
  finish_if_done();
}

void Session::resume_soon() {
  if (resuming_ || closed_) return;
  resuming_ = true;
  proxy_.after(0, [self = shared_from_this()] {
    self->resuming_ = false;
    if (!self->closed_) self->resume();
  });
}

void Session::resume() {
  const auto links = links_;
  for (const auto& [node, link] : links) {
    if (closed_) return;
    const auto* next = link->paused ? link->awaited.front().exchange : nullptr;
    if (link->paused &&
        (next == nullptr || next->whole || (!queue_.empty() && next == queue_.front().get()))) {
      link->paused = false;
      Buffer data = std::exchange(link->carry, {});
      take_answers(*link, data);
    }
  }
  if (lingering_) return end_linger_if_done();
  while (!blocked() && (upload_ || !carry_.empty())) {
    if (upload_) {
      if (!upload()) break;
      continue;
    }
    Buffer frame = std::move(carry_.front());
    carry_.pop_front();
    if (begins_upload(frame))
      begin_upload(std::move(frame));
    else
      request(frame);
  }
  finish_if_done();
}

void Session::finish_if_done() {
  if (closed_ || parked_) return;
  if (lingering_) return end_linger_if_done();
  if (!client_open_ && carry_.empty()) ended_ = true;
  if (ended_ && queue_.empty()) close("the client has closed it");
}

void Session::close(const std::string& why) {
  if (closed_) return;
  if (lingering_) return forget();
  if (proxy_.sim.tracing()) proxy_.sim.trace(client_->client_id + " session closes: " + why);
  client_->lost();
  if (!linger()) forget();
}

// As net's: what becomes of a Produce must be known before a cut, though its client has gone.
bool Session::linger() {
  bool owed = false;
  for (auto& [node, link] : links_) {
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
  leave_roads();
  const auto self = shared_from_this();
  proxy_.sessions.erase(self);
  proxy_.lingering.insert(self);
  proxy_.after(linger_limit, [self] {
    if (!self->closed_) self->forget();
  });
  resume_soon();
  return true;
}

void Session::end_linger_if_done() {
  for (const auto& [node, link] : links_) {
    for (const auto& a : link->awaited) {
      if (a.exchange != nullptr && a.exchange->request->api == produce) return;
    }
  }
  forget();
}

void Session::forget() {
  if (closed_) return;
  closed_ = true;
  for (auto& [node, link] : links_) {
    if (link->closed) continue;
    mark_unclear(*link);
    link->closed = true;
    proxy_.cluster(node.cluster).close(link->peer);
  }
  for (auto& e : queue_) {
    for (auto& b : e->roads) release_road(b);
  }
  proxy_.settled();
  proxy_.after(0, [self = shared_from_this()] {
    self->proxy_.sessions.erase(self);
    self->proxy_.lingering.erase(self);
    self->links_.clear();
  });
}

void Session::request(Buffer& buffer) {
  const std::span<std::byte> frame = buffer;
  const wire::Bytes content = frame.subspan(wire::frame_prefix_bytes);
  wire::RequestHeader h;
  if (wire::parse(content, content.size(), h) != wire::Parse::ok) violated("a request's header");
  const wire::Message& m = *wire::request(h.api);
  const wire::Bytes body = content.subspan(h.size);
  if (const char* why = parts_.parse(m, h.version, body)) violated(why);
  if (h.api == metadata) ++metadata_asked_;
  if (h.api == produce) {
    read_batches();
    if (!proxy_.splice.idle() && !admit_produce(h, frame)) return;
  } else if (!proxy_.splice.idle()) {
    next_ = {};
    if (splice_request(h, m, frame)) return;
  }
  route::dispatch(m, parts_, proxy_.view(), origin(h.api), decision_);
  if (h.api == produce && !judged_.empty()) take_out_own_leaves();
  carry_out(h, m, frame);
}

void Session::carry_out(const wire::RequestHeader& h, const wire::Message& m,
                        std::span<std::byte> frame) {
  switch (decision_.act) {
    case route::Act::forward:
      return forward(h, m, frame);
    case route::Act::split:
      return split(h, m, frame);
    default:
      violated(std::string(m.name) + " cannot be dispatched");
  }
}

Exchange& Session::expect(const wire::RequestHeader& h, const wire::Message& m) {
  auto e = std::make_unique<Exchange>();
  e->request = &m;
  e->answer = wire::response(h.api);
  e->version = h.version;
  e->correlation = h.correlation;
  e->began_ms = proxy_.sim.time.now_ms();
  e->next_cut = proxy_.splice.next_cut();
  e->before = proxy_.splice.idle();
  if (next_.change || next_.spliced || !next_.asked.empty()) {
    e->change = std::move(next_.change);
    e->spliced = next_.spliced;
    e->asked = std::move(next_.asked);
    e->whole = e->change != nullptr;
    next_ = {};
  }
  queue_.push_back(std::move(e));
  return *queue_.back();
}

route::Origin Session::origin(wire::ApiKey api) const {
  return {.addressed = client_->addressed,
          .order = api == produce ? &order_ : nullptr,
          .metadata_asked = metadata_asked_};
}

Link& Session::link_to(route::NodeKey node) {
  auto& link = links_[node];
  if (!link) {
    link = std::make_shared<Link>();
    link->node = node;
    link->peer = proxy_.cluster(node.cluster).connect(static_cast<int>(node.id));
    const auto weak = weak_from_this();
    const auto ref = std::weak_ptr(link);
    link->peer->on_bytes = [weak, ref](Buffer bytes) {
      const auto self = weak.lock();
      const auto l = ref.lock();
      if (self && l && !l->closed && !self->closed_) self->link_bytes(l, std::move(bytes));
    };
    link->peer->on_lost = [weak, ref] {
      const auto self = weak.lock();
      const auto l = ref.lock();
      if (self && l) self->link_failed(l);
    };
  }
  return *link;
}

void Session::send(Link& link, wire::Bytes bytes) {
  if (half_sent(link)) return upload_->behind.emplace_back(bytes.begin(), bytes.end()), void();
  proxy_.cluster(link.node.cluster).send(link.peer, Buffer(bytes.begin(), bytes.end()));
}

void Session::forward(const wire::RequestHeader& h, const wire::Message& m,
                      std::span<std::byte> frame) {
  const auto node = decision_.nodes.front();
  Link& link = link_to(node);
  if (h.api != produce || parts_.top(Role::acks).number != 0) {
    Exchange& e = expect(h, m);
    std::size_t i = 0;
    if (h.api == produce) {
      for (const auto& leaf : parts_.leaves()) bind(e, 0, leaf, i++, node);
    }
    link.awaited.push_back({&e, 0});
  } else {
    ++link.unanswered_sent;
  }
  send(link, frame);
}

void Session::split(const wire::RequestHeader& h, const wire::Message& m,
                    std::span<std::byte> frame) {
  const auto& d = decision_;
  Exchange* e = nullptr;
  if (h.api != produce || parts_.top(Role::acks).number != 0) {
    e = &expect(h, m);
    e->parts.resize(d.nodes.size());
    e->parts_left = d.nodes.size();
    std::size_t i = 0;
    bool own = false;
    for (const auto& leaf : parts_.leaves()) {
      const auto part = d.chosen[i];
      own |= part == d.nodes.size();
      if (part < d.nodes.size()) bind(*e, part, leaf, i, d.nodes[part]);
      ++i;
    }
    if (own) {
      auto& body = e->parts.emplace_back();
      wire::encode(*e->answer, e->version, own_produce_answer(), body);
      wire::begin_answer(*e->answer, e->version, e->correlation, e->frame);
    }
  }
  const auto head = wire::frame_prefix_bytes + h.size;
  for (std::uint32_t i = 0; i < d.nodes.size(); ++i) {
    Buffer out(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(head));
    parts_.append_selected(d.chosen, i, out);
    if (const auto& wait = parts_.top(Role::max_wait_ms);
        h.api == fetch && wait.present && wait.number > split_fetch_wait_ms_max) {
      wire::store(out.data() + head + wait.at, split_fetch_wait_ms_max);
    }
    wire::seal(out);
    Link& link = link_to(d.nodes[i]);
    if (e != nullptr)
      link.awaited.push_back({e, i});
    else
      ++link.unanswered_sent;
    send(link, out);
  }
}

void Session::answer_with(const wire::RequestHeader& h, const wire::Value& body) {
  Exchange& e = expect(h, *wire::request(h.api));
  wire::begin_answer(*e.answer, e.version, e.correlation, e.frame);
  if (const char* why = wire::encode(*e.answer, e.version, body, e.frame)) violated(why);
  wire::seal(e.frame);
  e.ready = true;
  advance();
}

void Session::drop_link(const std::shared_ptr<Link>& link) {
  link->closed = true;
  proxy_.cluster(link->node.cluster).close(link->peer);
  links_.erase(link->node);
}

void Session::link_failed(const std::shared_ptr<Link>& link) {
  if (closed_ || link->closed) return;
  proxy_.refresh_soon(link->node.cluster);
  // (net also opens another link where acks=0 alone were sent; what it lost is the client's risk.)
  if (link->awaited.empty() && !half_sent(*link)) return drop_link(link);
  if (fail_tasks(link)) return;
  mark_unclear(*link);
  drop_link(link);
  if (lingering_) return end_linger_if_done();
  close("a link was lost");
}

bool Session::fail_tasks(const std::shared_ptr<Link>& link) {
  const auto all = link->awaited;
  if (lingering_ || all.empty() || half_sent(*link) ||
      link->unanswered_sent > link->unanswered_read ||
      std::ranges::any_of(all, [](const Awaited& a) { return a.exchange && !a.exchange->task; })) {
    return false;
  }
  drop_link(link);
  for (const auto& a : all) {
    if (a.exchange != nullptr && !closed_) take_for_task(*a.exchange, a.part, {});
  }
  resume_soon();
  return true;
}

}  // namespace shunt::sim
