// Requests that splice carries out by asking brokers itself, and commits; as net's spliced.cpp.
#include <algorithm>

#include "proxy/splice/fetch.h"
#include "proxy/splice/metadata.h"
#include "proxy/splice/offsets.h"
#include "proxy/wire/batch.h"
#include "proxy/wire/framer.h"
#include "tests/sim/consumer.h"
#include "tests/sim/planted.h"
#include "tests/sim/session.h"

namespace shunt::sim {

using wire::Array;
using wire::Struct;
using wire::Value;

namespace {
constexpr wire::ApiKey fetch = 1, list_offsets = 2, metadata = 3, offset_commit = 8,
                       offset_fetch = 9, epochs = 23;
constexpr std::int64_t parked_poll_ms_max = 500;
}  // namespace

Value Session::decoded(const wire::RequestHeader& h, const wire::Message& m,
                       wire::Bytes frame) const {
  const char* problem = nullptr;
  auto value =
      wire::decode(m, h.version, frame.subspan(wire::frame_prefix_bytes + h.size), problem);
  if (problem != nullptr) violated(problem);
  return value;
}

bool Session::splice_request(const wire::RequestHeader& h, const wire::Message& m,
                             std::span<std::byte> frame) {
  switch (h.api) {
    case fetch:
      return fetch_spliced(h, m, frame);
    case list_offsets:
    case epochs:
      return task_for(h, m, frame);
    case metadata:
      next_.change = [this, version = h.version](const Value& answer) {
        return splice::show_topics(proxy_.splice, proxy_.view(), metadata, version, answer);
      };
      return false;
    case offset_commit:
    case offset_fetch:
      return committed(h, m, frame);
    default:
      return false;
  }
}

bool Session::task_for(const wire::RequestHeader& h, const wire::Message& m, wire::Bytes frame) {
  bool ours = false;
  for (const auto& leaf : parts_.leaves()) {
    const auto* t = proxy_.splice.topic(leaf.topic);
    ours |= t != nullptr && (t->spliced() || t->held);
  }
  if (!ours) return false;
  const auto request = decoded(h, m, frame);
  begin_task(h, m,
             h.api == list_offsets
                 ? splice::list_offsets(proxy_.splice, proxy_.view(), h.version, request)
                 : splice::leader_epochs(proxy_.splice, proxy_.view(), h.version, request));
  return true;
}

void Session::begin_task(const wire::RequestHeader& h, const wire::Message& m,
                         std::unique_ptr<splice::Task> task) {
  Exchange& e = expect(h, m);
  e.task = std::move(task);
  e.whole = true;
  next_round(e);
}

void Session::next_round(Exchange& e) {
  const auto asks = e.task->round(proxy_.sim.time.now_ms());
  e.paused = asks.empty() && e.task->pause_ms() > 0;
  if (e.paused) return pause_task(e);
  if (asks.empty()) return finish_task(e);
  e.parts_left = asks.size();
  e.asks.clear();
  for (const auto& ask : asks) {
    e.asks.push_back(
        {ask.api >= 0 ? ask.api : e.request->api, ask.api >= 0 ? ask.version : e.version});
  }
  for (std::size_t i = 0; i < asks.size(); ++i) {
    const auto& message = *wire::request(e.asks[i].api);
    Buffer frame;
    wire::begin_request(message, e.asks[i].version, e.correlation, client_->client_id, frame);
    if (const char* why = wire::encode(message, e.asks[i].version, asks[i].body, frame)) {
      violated(std::string(message.name) + ": " + why);
    }
    wire::seal(frame);
    Link& link = link_to(asks[i].to);
    // A later request's answer that waits here for its turn would keep this one's back for ever.
    if (link.paused) {
      link.awaited.front().exchange->whole = true;
      resume_soon();
    }
    link.awaited.push_back({&e, i});
    send(link, frame);
  }
}

void Session::pause_task(Exchange& e) {
  const auto resumed = [weak = weak_from_this(), correlation = e.correlation] {
    const auto self = weak.lock();
    if (!self || self->closed_) return;
    for (const auto& one : self->queue_) {
      if (one->correlation == correlation && one->paused) return self->next_round(*one);
    }
  };
  proxy_.after(e.task->pause_ms() * ms, resumed);
}

// The group of the consumer on this connection; net finds it by address and client id.
std::string Session::group() const {
  for (const auto& c : proxy_.sim.consumers) {
    if (c->id() == client_->client_id) return c->group();
  }
  return {};
}

bool Session::waits_at_seam(const splice::TopicLog& t) const {
  return proxy_.sim.plan.groups && proxy_.splice.waits(t, group());
}

splice::WaitsAtSeam Session::at_seams() {
  if (proxy_.sim.has(Bug::gate_forgotten)) return {};
  return [weak = weak_from_this()](const splice::TopicLog& t, std::int32_t) {
    const auto self = weak.lock();
    return self && self->waits_at_seam(t);
  };
}

// Who has waited since before it was asked is given nothing from behind the seam.
void Session::check_gate(const Exchange& e, const Value& body) const {
  if (e.began_ms <= proxy_.groups_moved_ms) return;
  for (const auto& t : body["Responses"].array()) {
    const auto* log = proxy_.splice.topic(t["Topic"].text());
    if (log == nullptr || !waits_at_seam(*log)) continue;
    for (const auto& p : t["Partitions"].array()) {
      wire::BatchHeader b;
      if (wire::parse(p["Records"].bytes(), b) != wire::BatchParse::ok) continue;
      const auto index = p["PartitionIndex"].number();
      const auto& of = log->partitions[static_cast<std::size_t>(index)];
      if (b.base_offset < of.seam().at || e.began_ms <= proxy_.flipped_ms) continue;
      violated(client_->client_id + " waits at the seam and is given " +
               std::to_string(b.base_offset) + " of partition " + std::to_string(index));
    }
  }
}

void Session::finish_task(Exchange& e) {
  auto body = e.task->answer();
  if (auto* fetched = dynamic_cast<splice::FetchTask*>(e.task.get())) {
    for (const auto& jump : fetched->jumps()) {
      violated("a hole at " + std::to_string(jump.from.at) + " of partition " +
               std::to_string(jump.partition) + ": nothing was ever deleted");
    }
    for (const auto c : {route::Cluster::old_cluster, route::Cluster::new_cluster}) {
      if (fetched->stale(c)) proxy_.refresh_soon(c);
    }
    check_gate(e, body);
    body = planted::fetched(proxy_, e, body);
  }
  e.frame.clear();
  wire::begin_answer(*e.answer, e.version, e.correlation, e.frame);
  if (const char* why = wire::encode(*e.answer, e.version, body, e.frame)) violated(why);
  wire::seal(e.frame);
  e.ready = true;
  advance();
}

void Session::take_for_task(Exchange& e, std::size_t i, const Value& body) {
  e.task->take(i, body);
  if (--e.parts_left == 0) next_round(e);
}

bool Session::fetch_spliced(const wire::RequestHeader& h, const wire::Message& m,
                            std::span<std::byte> frame) {
  bool ours = false;
  for (const auto& leaf : parts_.leaves()) ours |= proxy_.splice.topic(leaf.topic) != nullptr;
  if (!ours) return false;
  const auto request = decoded(h, m, frame);
  std::optional<route::NodeKey> node;
  Array topics;
  bool streams = !std::exchange(out_of_range_, false);
  for (const auto& t : request["Topics"].array()) {
    Array partitions;
    for (const auto& p : t["Partitions"].array()) {
      const auto index = static_cast<std::int32_t>(p["Partition"].number());
      const auto leader =
          route::leader_of(proxy_.view(), t["Topic"].text(), {}, index, origin(h.api));
      streams &= leader && (!node || *node == *leader);
      node = leader;
      const auto* log = proxy_.splice.partition(t["Topic"].text(), {}, index);
      auto fields = p.fields();
      if (log != nullptr) {
        const splice::VirtualOffset at{p["FetchOffset"].number()};
        const auto& tail = log->log.tail();
        streams &= !log->candidate_end && at >= tail.start &&
                   !waits_at_seam(*proxy_.splice.topic(t["Topic"].text()));
        if (log->log.spliced()) {
          fields.set("FetchOffset", tail.native(at).at);
          fields.set("CurrentLeaderEpoch", -1);
          fields.set("LastFetchedEpoch", -1);
          fields.set("LogStartOffset", std::int64_t{-1});
        }
      }
      partitions.push_back(std::move(fields));
    }
    topics.push_back(Struct{{"Topic", t["Topic"]}, {"Partitions", std::move(partitions)}});
  }
  if (!streams || !node) {
    begin_task(h, m,
               splice::fetch(proxy_.splice, proxy_.view(), origin(h.api), request, at_seams()));
    return true;
  }
  auto body = request.fields();
  body.set("SessionId", 0);
  body.set("SessionEpoch", -1);
  body.set("ForgottenTopicsData", Array{});
  body.set("RackId", "");
  body.set("MaxWaitMs", std::min(request["MaxWaitMs"].number(), parked_poll_ms_max));
  body.set("Topics", std::move(topics));
  Buffer out(frame.begin(), frame.begin() + wire::frame_prefix_bytes + h.size);
  if (const char* why = wire::encode(m, h.version, body, out)) violated(why);
  wire::seal(out);
  next_.spliced = true;
  next_.asked.assign(frame.begin(), frame.end());
  decision_.act = route::Act::forward;
  decision_.nodes.assign(1, *node);
  forward(h, m, out);
  return true;
}

void Session::route_changed() {
  const Sim& sim = proxy_.sim;
  std::vector<Exchange*> changed;
  for (auto& e : queue_) {
    if (e->paused) changed.push_back(e.get());
    if (e->ready || e->asked.empty() || being_received(*e)) continue;
    if (sim.has(Bug::past_end_shown)) {
      e->unclipped = true;
      continue;
    }
    const wire::Bytes content = wire::Bytes(e->asked).subspan(wire::frame_prefix_bytes);
    wire::RequestHeader h;
    const char* problem = nullptr;
    if (wire::parse(content, content.size(), h) != wire::Parse::ok) continue;
    const auto request = wire::decode(*e->request, h.version, content.subspan(h.size), problem);
    for (auto& [node, link] : links_) {
      for (auto& a : link->awaited) {
        if (a.exchange != e.get()) continue;
        a.exchange = nullptr;
        if (link->paused && &a == &link->awaited.front()) link->paused = false;
      }
    }
    auto left = request.fields();
    left.set("MaxWaitMs",
             std::max<std::int64_t>(
                 request["MaxWaitMs"].number() - (sim.time.now_ms() - e->began_ms), 0));
    e->asked.clear();
    e->parts.clear();
    e->frame.clear();
    e->spliced = false;
    e->whole = true;
    if (sim.has(Bug::parked_poll_forgotten)) continue;
    e->task = splice::fetch(proxy_.splice, proxy_.view(), origin(fetch), left, at_seams());
    changed.push_back(e.get());
  }
  for (auto* e : changed) {
    if (!closed_) next_round(*e);
  }
  resume_soon();
}

bool Session::being_received(const Exchange& e) const {
  for (const auto& [node, link] : links_) {
    const bool now = link->inbound == Inbound::stream || link->inbound == Inbound::collect;
    if (now && !link->awaited.empty() && link->awaited.front().exchange == &e) return true;
  }
  return false;
}

bool Session::committed(const wire::RequestHeader& h, const wire::Message& m,
                        std::span<std::byte> frame) {
  const auto request = decoded(h, m, frame);
  if (h.api == offset_fetch) {
    next_.change = [this, asked = request,
                    since = proxy_.splice.last_commit()](const Value& answer) {
      auto fetched = splice::fetched(proxy_.splice, asked, answer, since);
      for (const auto& d : fetched.drift) {
        if (const auto c = splice::shown_instead(d, proxy_.sim.time.now_ms())) {
          proxy_.record(*c, false);
          proxy_.commit_accepted(*c);
        }
      }
      return planted::committed(proxy_, asked, answer, fetched.answer);
    };
    return false;
  }
  auto commit = std::make_shared<splice::CommitRequest>(
      splice::commit_request(proxy_.splice, h.api, request));
  if (commit->positions.empty()) return false;
  next_.change = [this, commit](const Value& answer) {
    for (const auto& r : splice::accepted(*commit, answer, proxy_.sim.time.now_ms())) {
      proxy_.record(r, false);
      if (const auto* c = std::get_if<splice::CommitAccepted>(&r)) proxy_.commit_accepted(*c);
    }
    return answer;
  };
  Buffer out(frame.begin(), frame.begin() + wire::frame_prefix_bytes + h.size);
  if (const char* why = wire::encode(m, h.version, commit->native, out)) violated(why);
  wire::seal(out);
  const auto body = wire::Bytes(out).subspan(wire::frame_prefix_bytes + h.size);
  if (const char* why = parts_.parse(m, h.version, body)) violated(why);
  route::dispatch(m, parts_, proxy_.view(), origin(h.api), decision_);
  carry_out(h, m, out);
  return true;
}

}  // namespace shunt::sim
