// A session's requests that name topics in a migration, Produce aside: what splice carries out by
// asking brokers itself (tasks), and what goes on with its numbers changed.
#include <algorithm>
#include <boost/asio/steady_timer.hpp>

#include "proxy/net/attribution.h"
#include "proxy/net/session.h"
#include "proxy/observe/log.h"
#include "proxy/observe/text.h"
#include "proxy/splice/admin_task.h"
#include "proxy/splice/delete_records.h"
#include "proxy/splice/fetch.h"
#include "proxy/splice/groups.h"
#include "proxy/splice/metadata.h"
#include "proxy/splice/offsets.h"
#include "proxy/wire/framer.h"

namespace shunt::net {

using observe::CloseCause;
using wire::Array;
using wire::Role;
using wire::Struct;
using wire::Value;

namespace {

constexpr wire::ApiKey fetch = 1, list_offsets = 2, metadata = 3, offset_commit = 8,
                       offset_fetch = 9, join_group = 11, heartbeat = 12, leave_group = 13,
                       sync_group = 14, create_topics = 19, delete_topics = 20, delete_records = 21,
                       init_producer_id = 22, epochs = 23, end_txn = 26, txn_offset_commit = 28,
                       alter_configs = 33, create_partitions = 37, delete_groups = 42,
                       incremental_alter_configs = 44, alter_reassignments = 45, offset_delete = 47,
                       describe_topic_partitions = 75;

// A poll that is parked at a broker must not keep what comes behind it waiting for long.
constexpr std::int64_t parked_poll_ms_max = 500;

std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now().time_since_epoch())
      .count();
}

}  // namespace

// True: it has been taken care of. False: it goes on as every other request, perhaps with its
// answer to be changed (next_).
bool Session::splice_request(const wire::RequestHeader& h, const wire::Message& m,
                             std::span<std::byte> frame) {
  switch (h.api) {
    case fetch:
      return fetch_spliced(h, m, frame);
    case list_offsets:
    case epochs:
    case delete_records:
      return task_for(h, m, frame);
    case metadata:
    case describe_topic_partitions:
      next_.change = [this, api = h.api, version = h.version](const Value& answer) {
        return splice::show_topics(world_.splice, world_.view(), api, version, answer);
      };
      return false;
    case init_producer_id:
      if (world_.left_old()) return new_producer(h, m, frame);
      return committed(h, m, frame);
    case offset_commit:
    case txn_offset_commit:
      return grouped(h, m, frame) || committed(h, m, frame);
    case join_group:
    case heartbeat:
    case leave_group:
    case sync_group:
      return grouped(h, m, frame);
    case offset_fetch:
    case end_txn:
    case delete_groups:
    case offset_delete:
      return committed(h, m, frame);
    case create_topics:
    case delete_topics:
    case create_partitions:
    case alter_reassignments:
    case alter_configs:
    case incremental_alter_configs: {
      const auto request = decoded(h, m, frame);
      if (!request) return true;
      auto task = splice::admin(world_.splice, world_.view(), h.api, *request);
      if (!task) return false;
      begin_task(h, m, std::move(task));
      return true;
    }
    default:
      return false;
  }
}

std::optional<Value> Session::decoded(const wire::RequestHeader& h, const wire::Message& m,
                                      wire::Bytes frame) {
  const char* problem = nullptr;
  auto value =
      wire::decode(m, h.version, frame.subspan(wire::frame_prefix_bytes + h.size), problem);
  if (problem == nullptr) return value;
  close(CloseCause::bad_request, problem);
  return std::nullopt;
}

// The request with another body; empty: it could not be written, and the session has been closed.
std::vector<std::byte> Session::reframed(const wire::RequestHeader& h, const wire::Message& m,
                                         wire::Bytes frame, const Value& body) {
  std::vector<std::byte> out(frame.begin(), frame.begin() + wire::frame_prefix_bytes + h.size);
  if (const char* why = wire::encode(m, h.version, body, out)) {
    close(CloseCause::internal, std::string(m.name) + ": " + why);
    return {};
  }
  wire::seal(out);
  return out;
}

bool Session::names_spliced() const {
  for (const auto& leaf : world_.parts.leaves()) {
    const auto* t = world_.splice.topic_of(leaf.topic, leaf.topic_id);
    if (t != nullptr && (t->spliced() || t->held)) return true;
  }
  return false;
}

bool Session::task_for(const wire::RequestHeader& h, const wire::Message& m,
                       std::span<std::byte> frame) {
  if (!names_spliced()) return false;
  const auto request = decoded(h, m, frame);
  if (!request) return true;
  std::unique_ptr<splice::Task> task;
  if (h.api == list_offsets)
    task = splice::list_offsets(world_.splice, world_.view(), h.version, *request);
  else if (h.api == epochs)
    task = splice::leader_epochs(world_.splice, world_.view(), h.version, *request);
  else
    task = splice::delete_records(world_.splice, world_.view(), h.version, *request);
  begin_task(h, m, std::move(task));
  return true;
}

void Session::begin_task(const wire::RequestHeader& h, const wire::Message& m,
                         std::unique_ptr<splice::Task> task) {
  Exchange& e = expect(h, m);
  remember_keys(e, m, world_.parts);
  e.task = std::move(task);
  e.whole = true;
  next_round(e);
}

// Asks what the task wants to know, or answers.
void Session::next_round(Exchange& e) {
  const auto asks = e.task->round(now_ms());
  e.paused = asks.empty() && e.task->pause_ms() > 0;
  if (e.paused) return pause_task(e);
  if (asks.empty()) return finish_task(e);
  e.parts_left = asks.size();
  e.asks.clear();
  for (const auto& ask : asks)
    e.asks.push_back(
        {ask.api >= 0 ? ask.api : e.request->api, ask.api >= 0 ? ask.version : e.version});
  for (std::size_t i = 0; i < asks.size(); ++i) {
    const auto& message = *wire::request(e.asks[i].api);
    std::vector<std::byte> frame;
    wire::begin_request(message, e.asks[i].version, e.correlation, who_.client_id, frame);
    if (const char* why = wire::encode(message, e.asks[i].version, asks[i].body, frame)) {
      return close(CloseCause::internal, std::string(message.name) + ": " + why);
    }
    wire::seal(frame);
    Link& link = link_to(asks[i].to);
    world_.metrics.moved(observe::Direction::to_cluster, asks[i].to.cluster, frame.size());
    link.awaited.push_back({&e, i});
    send_between_frames(link, frame);
    if (link.paused) resume_soon();  // what stands before our answer has to make way
  }
}

// Nobody has to be asked for a while: its reader waits at a seam.
void Session::pause_task(Exchange& e) {
  const auto until = std::chrono::milliseconds(e.task->pause_ms());
  auto timer = std::make_shared<boost::asio::steady_timer>(world_.io, until);
  timer->async_wait([timer, weak = weak_from_this(), correlation = e.correlation](ErrorCode) {
    const auto self = weak.lock();
    if (!self || self->closed_) return;
    for (const auto& one : self->queue_) {
      if (one->correlation != correlation || !one->paused) continue;
      return self->next_round(*one);
    }
  });
}

void Session::finish_task(Exchange& e) {
  const auto body = e.task->answer();
  if (auto* fetched = dynamic_cast<splice::FetchTask*>(e.task.get())) {
    for (const auto& jump : fetched->jumps()) {
      observe::Event event;
      event.event = jump.unreachable ? "unreachable-skipped" : "retention-gap";
      if (const auto* t = world_.splice.topic(jump.topic)) event.migration = t->migration;
      event.keys = {{"topic", jump.topic},
                    {"partition", std::int64_t{jump.partition}},
                    {"from", jump.from.at},
                    {"to", jump.to.at},
                    {"records", jump.to.at - jump.from.at}};
      world_.events.add(std::move(event));
    }
    for (const auto c : {route::Cluster::old_cluster, route::Cluster::new_cluster}) {
      auto* access = world_.access[static_cast<std::size_t>(c)];
      if (access != nullptr && fetched->stale(c)) access->refresh_soon();
    }
  }
  if (const auto* join = dynamic_cast<splice::JoinTask*>(e.task.get());
      join != nullptr && join->stale_coordinator()) {
    for (const auto& key : e.keys) world_.new_topology.forget_coordinator(e.coordinator, key);
  }
  if (body.null()) return close(CloseCause::link_lost, "no broker answered");
  put_answer(e, body);
  advance();
}

// The whole answer, made by us.
void Session::put_answer(Exchange& e, const Value& body) {
  e.frame.clear();
  wire::begin_answer(*e.answer, e.version, e.correlation, e.frame);
  if (const char* why = wire::encode(*e.answer, e.version, body, e.frame)) {
    return close(CloseCause::internal, std::string(e.answer->name) + ": " + why);
  }
  wire::seal(e.frame);
  e.ready = true;
}

// A broker's answer to what a task asked; null: nobody answered.
void Session::take_for_task(Exchange& e, std::size_t i, const Value& body) {
  e.task->take(i, body);
  if (--e.parts_left == 0) next_round(e);
}

// A Fetch whose partitions all lie in the open tails of one broker streams, renumbered; another is
// a task. None has a session: its partitions may move at any time.
bool Session::fetch_spliced(const wire::RequestHeader& h, const wire::Message& m,
                            std::span<std::byte> frame) {
  const auto& parts = world_.parts;
  const auto& session = parts.top(Role::session_id);
  const auto epoch = parts.top(Role::session_epoch).number;
  bool ours = false;
  for (const auto& leaf : parts.leaves()) {
    const bool moves = world_.splice.topic_of(leaf.topic, leaf.topic_id) != nullptr;
    if (!moves) note_use(leaf.topic, leaf.topic_id);
    ours |= moves;
  }
  const bool incremental = session.present && session.number != 0 && epoch > 0;
  if (incremental && (ours || fetch_session_era_ != world_.splice.migrations().size())) {
    answer_with(h, h.version, Struct{{"SessionId", 0}});  // it says anew what it wants
    return true;
  }
  if (!ours) {
    fetch_session_era_ = world_.splice.migrations().size();
    return false;
  }
  const auto request = decoded(h, m, frame);
  if (!request) return true;
  std::optional<route::NodeKey> node;
  Array topics;
  bool streams = !std::exchange(out_of_range_, false);
  for (const auto& t : request->operator[]("Topics").array()) {
    Array partitions;
    for (const auto& p : t["Partitions"].array()) {
      const auto index = static_cast<std::int32_t>(p["Partition"].number());
      const auto leader = route::leader_of(world_.view(), t["Topic"].text(), t["TopicId"].uuid(),
                                           index, origin(h.api));
      streams &= leader && (!node || *node == *leader);
      node = leader;
      const auto* log = world_.splice.partition(t["Topic"].text(), t["TopicId"].uuid(), index);
      auto fields = p.fields();
      if (log != nullptr) {
        const splice::VirtualOffset at{p["FetchOffset"].number()};
        const auto& tail = log->log.tail();
        const auto* topic = world_.splice.topic_of(t["Topic"].text(), t["TopicId"].uuid());
        note_place(topic->name, index, *log, at);
        streams = streams && !log->candidate_end && at >= tail.start;
        if (streams && tail.cluster == route::Cluster::new_cluster) {
          streams = !waits_at_seam(world_, who_, *topic, index);
        }
        if (log->log.spliced()) {
          fields.set("FetchOffset", tail.native(at).at);
          fields.set("CurrentLeaderEpoch", -1);
          fields.set("LastFetchedEpoch", -1);
          fields.set("LogStartOffset", std::int64_t{-1});
        }
      }
      partitions.push_back(std::move(fields));
    }
    topics.push_back(Struct{
        {"Topic", t["Topic"]}, {"TopicId", t["TopicId"]}, {"Partitions", std::move(partitions)}});
  }
  if (!streams || !node) {
    begin_task(h, m,
               splice::fetch(world_.splice, world_.view(), origin(h.api), *request, at_seams()));
    return true;
  }
  auto body = request->fields();
  body.set("SessionId", 0);
  body.set("SessionEpoch", -1);
  body.set("ForgottenTopicsData", Array{});
  body.set("RackId", "");  // a follower would not know what is shown (KIP-392)
  body.set("MaxWaitMs", std::min((*request)["MaxWaitMs"].number(), parked_poll_ms_max));
  body.set("Topics", std::move(topics));
  auto out = reframed(h, m, frame, body);
  if (out.empty()) return true;
  next_.spliced = true;
  next_.asked.assign(frame.begin(), frame.end());
  world_.decision.act = route::Act::forward;
  world_.decision.nodes.assign(1, *node);
  forward(h, m, out);
  return true;
}

// For a task: it may outlive a change of whose client this is.
splice::WaitsAtSeam Session::at_seams() {
  return [weak = weak_from_this()](const splice::TopicLog& topic, std::int32_t partition) {
    const auto self = weak.lock();
    return self && waits_at_seam(self->world_, self->who_, topic, partition);
  };
}

// Their clusters have changed: a poll that is parked at a broker is parked at the wrong one. It
// goes on as a task, which finds what it asks for wherever that is now; what the broker says late
// is dropped. (An empty answer at once would do for most, but not with records below the seam still
// unread: kafka-go takes an empty answer below the high watermark for a broken one.)
void Session::route_changed(const Topics& topics) {
  for (auto& e : queue_) {
    if (e->paused) changed_.push_back(e.get());
    if (e->ready || e->asked.empty() || being_received(*e)) continue;
    const wire::Bytes content = wire::Bytes(e->asked).subspan(wire::frame_prefix_bytes);
    wire::RequestHeader h;
    const char* problem = nullptr;
    if (wire::parse(content, content.size(), h) != wire::Parse::ok) continue;
    const auto request = wire::decode(*e->request, h.version, content.subspan(h.size), problem);
    bool concerned = false;
    for (const auto& t : request["Topics"].array()) {
      const auto* log = world_.splice.topic_of(t["Topic"].text(), t["TopicId"].uuid());
      concerned |= log != nullptr && topics.contains(log->name);
    }
    if (!concerned) continue;
    for (auto& [node, link] : links_) {
      for (auto& a : link->awaited) {
        if (a.exchange != e.get()) continue;
        a.exchange = nullptr;
        if (link->paused && &a == &link->awaited.front()) link->paused = false;
      }
    }
    const auto waited =
        std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - e->began);
    auto left = request.fields();
    left.set("MaxWaitMs",
             std::max<std::int64_t>(request["MaxWaitMs"].number() - waited.count(), 0));
    e->asked.clear();
    e->spliced = false;
    e->whole = true;
    e->task = splice::fetch(world_.splice, world_.view(), origin(fetch), left, at_seams());
    changed_.push_back(e.get());
  }
  for (auto* e : std::exchange(changed_, {})) {
    if (!closed_) next_round(*e);
  }
  resume_soon();
}

bool Session::polls_since_before(Clock::time_point then) const {
  return std::ranges::any_of(queue_, [&](const auto& e) {
    return e->request->api == fetch && !e->ready && e->began < then;
  });
}

// Its answer has begun to come: too late to say something else.
bool Session::being_received(const Exchange& e) const {
  for (const auto& [node, link] : links_) {
    const bool now = link->inbound == Inbound::stream || link->inbound == Inbound::collect;
    if (now && !link->awaited.empty() && link->awaited.front().exchange == &e) return true;
  }
  return false;
}

}  // namespace shunt::net
