// What of a session's Produce is under way: one road per writer, and what a cut waits for; as net's
// produce_under_way.cpp.
#include <algorithm>

#include "proxy/wire/framer.h"
#include "tests/sim/session.h"

namespace shunt::sim {

namespace {
constexpr wire::ApiKey produce = 0, api_versions = 18;
}  // namespace

// A batch without a producer id is its client's: model clients have names of their own.
Proxy::Writer Session::writer(int partition, const splice::BatchId& batch) const {
  if (batch.producer_id >= 0) return {partition, batch.producer_id, ""};
  return {partition, -1, client_->client_id};
}

// An earlier batch of the same writer is unanswered on another connection.
bool Session::on_another_road(int partition, const splice::BatchId& batch) const {
  if (proxy_.sim.has(Bug::two_links_overtake)) return false;
  const auto it = proxy_.under_way.find(writer(partition, batch));
  return it != proxy_.under_way.end() && it->second.session != this;
}

void Session::count_road(Exchange::Bound& b) {
  auto& road = proxy_.under_way[writer(b.partition, b.batch)];
  road.session = this;
  ++road.unanswered;
  b.counted = true;
}

void Session::release_road(Exchange::Bound& b) {
  b.answered();
  leave_road(b);
}

// Its client has gone, and sends what is unanswered again elsewhere: it must not wait for a link
// that may be dead.
void Session::leave_roads() {
  for (auto& e : queue_) {
    for (auto& b : e->roads) {
      if (b.batch.producer_id >= 0) leave_road(b);
    }
  }
}

void Session::leave_road(Exchange::Bound& b) {
  if (!std::exchange(b.counted, false)) return;
  const auto it = proxy_.under_way.find(writer(b.partition, b.batch));
  if (it == proxy_.under_way.end() || --it->second.unanswered > 0) return;
  proxy_.under_way.erase(it);
  proxy_.wake_parked();
}

bool Session::unanswered_on(const Link& link) {
  return std::ranges::any_of(link.awaited, [](const Awaited& a) {
    return a.exchange != nullptr && a.exchange->request->api == produce &&
           std::ranges::any_of(a.exchange->roads, [&](const auto& b) { return b.part == a.part; });
  });
}

std::string Session::pending(route::Cluster from) const {
  for (const auto& [node, link] : links_) {
    if (node.cluster != from) continue;
    if (link->unanswered_read < link->unanswered_wanted) return client_->client_id + ": acks=0";
    if (unanswered_on(*link)) return client_->client_id + ": a Produce that is not answered yet";
  }
  return {};
}

void Session::give_up(route::Cluster from) {
  const auto links = links_;
  for (const auto& [node, link] : links) {
    if (closed_ || node.cluster != from || !unanswered_on(*link)) continue;
    mark_unclear(*link);
    drop_link(link);
    if (lingering_)
      end_linger_if_done();
    else
      close("its cluster was left before it answered");
  }
}

void Session::ask_behind_acks_0(route::Cluster cluster, bool begin) {
  for (const auto& [node, link] : links_) {
    if (node.cluster != cluster) continue;
    if (begin) link->unanswered_wanted = link->unanswered_sent;
    const auto wanted = link->unanswered_wanted;
    const bool asked = std::ranges::any_of(
        link->awaited, [&](const Awaited& a) { return a.behind >= wanted && a.behind > 0; });
    if (link->unanswered_read >= wanted || asked || half_sent(*link)) continue;
    Buffer frame;
    wire::begin_request(*wire::request(api_versions), 0, 0, "shunt", frame);
    wire::seal(frame);
    link->awaited.push_back({nullptr, 0, wanted});
    send(*link, frame);
  }
}

}  // namespace shunt::sim
