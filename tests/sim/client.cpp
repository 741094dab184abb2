#include "tests/sim/client.h"

#include "proxy/wire/framer.h"
#include "tests/sim/session.h"

namespace shunt::sim {

using wire::Struct;
using wire::Value;

namespace {
constexpr wire::ApiKey metadata_key = 3;
constexpr Time ever = 20000 * ms;  // no request may wait so long for its answer
}  // namespace

Client::Client(Sim& sim, std::string id)
    : sim_(sim), random_(sim.random.fork()), id_(std::move(id)) {
  leaders_.resize(static_cast<std::size_t>(sim.plan.partitions));
}

std::shared_ptr<Client::Connection> Client::open(Node node) {
  const auto found = connections_.find(node);
  if (found != connections_.end()) return found->second;
  const auto to = node < 0 ? std::nullopt : std::optional(route::native(route::NodeId{node}));
  auto link = ClientConnection::open(sim_, to, id_);
  if (!link) return nullptr;
  auto c = std::make_shared<Connection>();
  c->to = link;
  connections_[node] = c;
  link->on_lost = [this, node] { lost(node); };
  link->on_answer = [this, held = std::weak_ptr(c)](Buffer frame) {
    const auto now = held.lock();
    if (!now) return;
    if (now->pending.empty()) violated(id_ + " got an answer to nothing");
    const Pending p = std::move(now->pending.front());
    now->pending.pop_front();
    const auto& m = *wire::response(p.api);
    const wire::Bytes content = wire::Bytes(frame).subspan(wire::frame_prefix_bytes);
    std::int32_t correlation = 0;
    std::uint32_t head = 0;
    const char* problem = nullptr;
    if (wire::parse_answer(m, p.version, content, content.size(), correlation, head) !=
        wire::Parse::ok) {
      violated(id_ + " got a bad answer header");
    }
    if (correlation != p.correlation) violated(id_ + " got answers out of order");
    const auto body = wire::decode(m, p.version, content.subspan(head), problem);
    if (problem != nullptr) violated(id_ + " got a bad " + m.name + ": " + problem);
    p.done(body);
  };
  return c;
}

void Client::lost(Node node) {
  const auto found = connections_.find(node);
  if (found == connections_.end()) return;
  const auto c = found->second;
  connections_.erase(found);
  for (auto& p : std::exchange(c->pending, {})) p.done({});
}

void Client::close(Node node) {
  const auto found = connections_.find(node);
  if (found == connections_.end()) return;
  found->second->to->close(random_.percent(50));
  lost(node);
}

void Client::close_all() {
  while (!connections_.empty()) close(connections_.begin()->first);
}

std::size_t Client::in_flight(Node node) const {
  const auto found = connections_.find(node);
  return found == connections_.end() ? 0 : found->second->pending.size();
}

Buffer Client::encoded(wire::ApiKey api, wire::Version version, std::int32_t correlation,
                       const Value& body) const {
  const auto& m = *wire::request(api);
  Buffer frame;
  wire::begin_request(m, version, correlation, id_, frame);
  if (const char* why = wire::encode(m, version, body, frame)) {
    violated(std::string(m.name) + ": " + why);
  }
  wire::seal(frame);
  return frame;
}

void Client::request(Node node, wire::ApiKey api, wire::Version version, const Value& body,
                     Answered done, Time limit) {
  const auto c = open(node);
  if (!c) return after(20 * ms, [done = std::move(done)] { done({}); });
  const auto correlation = ++correlation_;
  c->pending.push_back({correlation, api, version, std::move(done)});
  c->to->send(encoded(api, version, correlation, body));
  after(limit > 0 ? limit : ever, [this, node, correlation, limit, api, held = std::weak_ptr(c)] {
    const auto now = held.lock();
    if (!now) return;
    bool waits = false;
    for (const auto& p : now->pending) waits |= p.correlation == correlation;
    const auto mine = connections_.find(node);
    if (!waits || mine == connections_.end() || mine->second != now) return;
    if (limit == 0) {
      if (sim_.tracing() && sim_.proxy) {
        for (const auto& s : sim_.proxy->sessions) trace("session " + s->state());
      }
      violated(id_ + ": api " + std::to_string(api) + " was never answered");
    }
    trace("gives up waiting for api " + std::to_string(api));
    close(node);
  });
}

void Client::send_only(Node node, wire::ApiKey api, wire::Version version, const Value& body) {
  if (const auto c = open(node)) c->to->send(encoded(api, version, ++correlation_, body));
}

void Client::refresh() {
  if (refreshing_) return;
  refreshing_ = true;
  after(random_.between(1, 20) * ms, [this] {
    Node node = -1;
    for (const auto& [known, c] : connections_) {
      if (node < 0 || random_.percent(30)) node = known;
    }
    request(node, metadata_key, 9, Struct{{"Topics", wire::Array{Struct{{"Name", topic_name}}}}},
            [this](const Value& body) {
              refreshing_ = false;
              if (body.null()) return refresh();
              bool known = true;
              for (const auto& t : body["Topics"].array()) {
                for (const auto& p : t["Partitions"].array()) {
                  auto& l = leaders_[static_cast<std::size_t>(p["PartitionIndex"].number())];
                  const auto epoch = static_cast<std::int32_t>(p["LeaderEpoch"].number());
                  if (epoch < l.epoch) {
                    violated(id_ + ": the leader epoch of partition " +
                             std::to_string(p["PartitionIndex"].number()) + " falls from " +
                             std::to_string(l.epoch) + " to " + std::to_string(epoch));
                  }
                  l.epoch = epoch;
                  l.node = static_cast<Node>(p["LeaderId"].number());
                  known &= l.node >= 0;
                }
              }
              if (!known) refresh();
              refreshed();
            });
  });
}

}  // namespace shunt::sim
