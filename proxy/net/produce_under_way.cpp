// What of a session's Produce is under way to topics in a migration: one road per writer, and what
// a cut waits for.
#include <algorithm>
#include <utility>

#include "proxy/net/session.h"
#include "proxy/wire/framer.h"

namespace shunt::net {

using observe::CloseCause;

namespace {
constexpr wire::ApiKey produce = 0;
}  // namespace

// Who writes a batch, as far as its order is kept; nullopt: many clients may be behind it.
std::optional<World::Writer> Session::writer(const splice::PartitionLog& log,
                                             const splice::BatchId& batch) const {
  if (batch.producer_id >= 0) return World::Writer{&log, batch.producer_id};
  const bool shared = who_.instance == world_.shared_instance;
  if (who_.instance == route::Instance{0} || shared) return std::nullopt;
  return World::Writer{&log, -1, who_.instance};
}

// An earlier batch of the same writer is unanswered on another connection.
bool Session::on_another_road(const splice::PartitionLog& log, const splice::BatchId& batch) const {
  const auto of = writer(log, batch);
  const auto it = of ? world_.under_way.find(*of) : world_.under_way.end();
  return it != world_.under_way.end() && it->second.session != this;
}

void Session::count_road(Exchange::Bound& b) {
  const auto of = writer(*b.log, b.batch);
  if (!of) return;
  auto& road = world_.under_way[*of];
  road.session = this;
  ++road.unanswered;
  b.counted = true;
  b.instance = of->instance;
}

void Session::release_road(Exchange::Bound& b) {
  b.answered();
  leave_road(b);
}

// Its client has gone, and sends what is unanswered again elsewhere: brokers know a batch by its
// id, and it must not wait for a link that may be dead.
void Session::leave_roads() {
  for (auto& e : queue_) {
    for (auto& b : e->roads) {
      if (b.batch.producer_id >= 0) leave_road(b);
    }
  }
}

void Session::leave_road(Exchange::Bound& b) {
  if (!std::exchange(b.counted, false)) return;
  const auto it = world_.under_way.find({b.log, b.batch.producer_id, b.instance});
  if (it == world_.under_way.end() || --it->second.unanswered > 0) return;
  world_.under_way.erase(it);
  world_.wake_parked();
}

// The first partition of these topics that has a Produce unanswered on this link; empty: none.
std::string Session::unanswered_on(const Link& link, const Topics& topics) const {
  for (const auto& a : link.awaited) {
    if (a.exchange == nullptr || a.exchange->request->api != produce) continue;
    for (const auto& b : a.exchange->roads) {
      if (b.part == a.part && topics.contains(world_.topic_of_road(b.road->key)))
        return world_.place_of_road(b.road->key);
    }
  }
  return {};
}

// What is under way to one of these topics and was let through before the hold; empty: nothing.
Session::Pending Session::pending(const Topics& topics, route::Cluster from) const {
  const std::string name = client_name();
  for (const auto& [node, link] : links_) {
    if (node.cluster != from || link->closed()) continue;
    const bool half = half_sent(*link);
    if (link->unanswered_read < link->unanswered_wanted)
      return {name + ": acks=0 requests that the broker has not read yet", half};
    const auto place = unanswered_on(*link, topics);
    if (!place.empty())
      return {name + ": a Produce to " + place + " that is not answered yet", half};
  }
  return {};
}

void Session::give_up(const Topics& topics, route::Cluster from) {
  const auto links = links_;
  for (const auto& [node, link] : links) {
    if (closed_ || node.cluster != from || link->closed()) continue;
    if (unanswered_on(*link, topics).empty()) continue;
    mark_unclear(*link);
    drop(*link);
    if (lingering_)
      end_linger_if_done();
    else
      close(CloseCause::link_lost, "its cluster was left before it answered");
  }
}

// acks=0 has no answers: a request behind it that has one shows that the broker has read it.
// `begin`: of a hold; what is sent later is not waited for.
void Session::ask_behind_acks_0(route::Cluster cluster, bool begin) {
  constexpr wire::ApiKey api_versions = 18;
  for (const auto& [node, link] : links_) {
    if (node.cluster != cluster || link->closed()) continue;
    if (begin) link->unanswered_wanted = link->unanswered_sent;
    const auto wanted = link->unanswered_wanted;
    const bool asked = std::ranges::any_of(
        link->awaited, [&](const Awaited& a) { return a.behind >= wanted && a.behind > 0; });
    if (link->unanswered_read >= wanted || asked) continue;
    if (half_sent(*link)) continue;  // in the middle of a frame
    std::vector<std::byte> frame;
    wire::begin_request(*wire::request(api_versions), 0, 0, "shunt", frame);
    wire::seal(frame);
    link->awaited.push_back({nullptr, 0, wanted});
    link->send(frame);
    link->arm();
  }
}

}  // namespace shunt::net
