// A session's Produce requests to topics in a migration: held, judged, renamed, watched.
//
// What may be written, and under which producer id, is splice's decision (producers.h); what waits
// is parked: its client is not read any more, and it is judged again when something has changed.
#include <algorithm>
#include <utility>

#include "proxy/net/session.h"
#include "proxy/observe/log.h"
#include "proxy/observe/text.h"
#include "proxy/splice/stragglers.h"
#include "proxy/wire/batch.h"
#include "proxy/wire/framer.h"

namespace shunt::net {

using observe::CloseCause;
using splice::Judged;
using wire::Role;

namespace {

constexpr wire::ApiKey produce = 0;
constexpr std::int16_t policy_violation = 44, duplicate_sequence = 46;
constexpr std::size_t producers_seen_max = 1 << 20;  // then they are seen anew
// Who has waited for 30 s sends it again, kafkajs on the same connection (probes P6).
constexpr auto outage_hold_max = std::chrono::seconds(25);

}  // namespace

splice::BatchId batch_id(wire::Bytes records) {
  wire::BatchHeader b;
  splice::BatchId id;
  if (wire::parse(records, b) != wire::BatchParse::ok || b.magic < 2) return id;
  id.producer_id = b.producer_id;
  id.epoch = b.producer_epoch;
  id.first_sequence = b.base_sequence;
  id.records = b.last_offset_delta + 1;
  return id;
}

void write_as(std::int64_t id, const splice::BatchId& batch, std::span<std::byte> records) {
  if (id == batch.producer_id) return;
  wire::BatchEdit edit;
  edit.set_producer = true;
  edit.producer_id = id;
  edit.producer_epoch = batch.epoch;
  wire::rewrite(edit, records);
}

namespace {

wire::Bytes records_of(const wire::Parts& parts, const wire::Leaf& leaf) {
  const auto n = static_cast<std::size_t>(std::max<std::int64_t>(leaf.records_bytes, 0));
  return parts.body().subspan(static_cast<std::size_t>(leaf.records_at), n);
}

}  // namespace

// The batches of a Produce, by leaf, as its client sent them.
void Session::read_batches(const wire::Parts& parts) {
  auto& batches = world_.batches;
  batches.clear();
  for (const auto& leaf : parts.leaves()) {
    note_producer(batches.emplace_back(batch_id(records_of(parts, leaf))).producer_id);
  }
}

void Session::note_producer(std::int64_t id) {
  if (id < 0 || id == last_producer_) return;
  last_producer_ = id;
  if (world_.producers_seen.size() >= producers_seen_max) world_.producers_seen.clear();
  world_.producers_seen.insert(id);
}

// None of the brokers that would take it can be reached, and an undo may send it elsewhere (rules
// B1): who is refused comes back later than one who waits.
bool Session::waits_for_cluster(const splice::PartitionLog& log) {
  const auto& tail = log.log.tail();
  const auto* access = world_.access[static_cast<std::size_t>(tail.cluster)];
  const bool waits = tail.cut > 0 && access != nullptr && !access->reachable();
  if (!waits) return false;
  outage_ = true;
  observe::log::limited(
      observe::log::Level::warn, "produce.waits",
      {{"cluster", route::name(tail.cluster)},
       {"client", remote_},
       {"why", access->error()},
       {"next", tail.cluster == route::Cluster::new_cluster ? "shuntctl undo --without-new"
                                                            : "bring old back"}});
  return true;
}

// One batch: pass, or why not. Draws producer ids at once while there are any.
Judged Session::judge(splice::TopicLog& topic, const splice::PartitionLog& log,
                      const splice::BatchId& batch, std::string_view transactional_id) {
  if (on_another_road(log, batch) || waits_for_cluster(log))
    return {.verdict = Judged::Verdict::hold};
  auto j = splice::judge(world_.splice, topic, log, batch);
  if (j.verdict == Judged::Verdict::draw &&
      world_.draw(batch.producer_id, log.log.tail().cut, log.log.tail().cluster)) {
    j = splice::judge(world_.splice, topic, log, batch);
  }
  if (j.verdict == Judged::Verdict::pass && log.log.tail().cut > 0 && !transactional_id.empty()) {
    j.verdict = Judged::Verdict::refuse;  // its transaction's coordinator is elsewhere
    j.error = policy_violation;
    observe::log::limited(observe::log::Level::warn, "producer.transactional",
                          {{"topic", topic.name},
                           {"transactional_id", transactional_id},
                           {"client", remote_},
                           {"next", "shuntctl undo; transactions cannot be moved yet"}});
  }
  return j;
}

// False: the request waits, or it has been answered. Else it may go on, in the names of the
// clusters that will get it.
bool Session::admit_produce(const wire::RequestHeader& h, std::span<std::byte> frame) {
  const auto& parts = world_.parts;
  auto& judged = world_.judged;
  read_batches(parts);
  judged.resize(world_.batches.size());
  std::size_t i = 0, own = 0;
  for (const auto& leaf : parts.leaves()) {
    const auto& batch = world_.batches[i];
    Judged& j = judged[i++];
    j.id = batch.producer_id;
    splice::TopicLog* t = world_.splice.topic_of(leaf.topic, leaf.topic_id);
    if (t == nullptr) note_use(leaf.topic, leaf.topic_id);
    const auto* log = world_.splice.partition(leaf.topic, leaf.topic_id, leaf.partition);
    if (t == nullptr || log == nullptr) continue;
    j = judge(*t, *log, batch, parts.top(Role::transactional_id).text);
    if (j.verdict == Judged::Verdict::hold || j.verdict == Judged::Verdict::draw) {
      park(frame);
      return false;
    }
    own += j.verdict != Judged::Verdict::pass;
  }
  const auto acks = parts.top(Role::acks).number;
  if (own == judged.size() && own > 0) {
    if (acks != 0) answer_with(h, h.version, own_produce_answer());
    return false;
  }
  i = 0;
  const auto body_at = frame.size() - parts.body().size();
  for (const auto& leaf : parts.leaves()) {
    const auto& j = judged[i];
    if (j.verdict == Judged::Verdict::pass) {
      write_as(
          j.id, world_.batches[i],
          frame.subspan(body_at + static_cast<std::size_t>(leaf.records_at),
                        static_cast<std::size_t>(std::max<std::int64_t>(leaf.records_bytes, 0))));
    }
    ++i;
  }
  return true;
}

namespace {

// What we say ourselves of a partition whose batch does not go on: a repeat or a refusal.
wire::Value own_partition(std::int32_t partition, const Judged& j, std::int64_t log_start) {
  const bool known = j.verdict == Judged::Verdict::repeat && j.offset >= 0;
  const std::int16_t error = j.verdict == Judged::Verdict::refuse ? j.error
                             : known                              ? std::int16_t{0}
                                                                  : duplicate_sequence;
  return wire::Struct{{"Index", partition},
                      {"ErrorCode", int{error}},
                      {"BaseOffset", known ? j.offset : std::int64_t{-1}},
                      {"LogAppendTimeMs", std::int64_t{-1}},
                      {"LogStartOffset", log_start}};
}

}  // namespace

wire::Value Session::own_part_answer(const std::string& topic, const wire::Uuid& topic_id,
                                     std::int32_t partition, const Judged& judged) const {
  const auto* log = world_.splice.partition(topic, topic_id, partition);
  return wire::Struct{
      {"Responses", wire::Array{wire::Struct{
                        {"Name", topic},
                        {"TopicId", topic_id},
                        {"PartitionResponses",
                         wire::Array{own_partition(partition, judged, log->log_start.at)}}}}}};
}

wire::Value Session::own_produce_answer() const {
  wire::Array topics;
  std::string_view name;
  wire::Uuid id{};
  wire::Array partitions;
  const auto close_topic = [&] {
    if (!partitions.empty()) {
      topics.push_back(wire::Struct{
          {"Name", name}, {"TopicId", id}, {"PartitionResponses", std::move(partitions)}});
    }
    partitions = {};
  };
  std::size_t i = 0;
  for (const auto& leaf : world_.parts.leaves()) {
    const auto& j = world_.judged[i++];
    if (j.verdict == Judged::Verdict::pass) continue;
    if (leaf.topic != name || leaf.topic_id != id) {
      close_topic();
      name = leaf.topic;
      id = leaf.topic_id;
    }
    const auto* log = world_.splice.partition(leaf.topic, leaf.topic_id, leaf.partition);
    partitions.push_back(own_partition(leaf.partition, j, log->log_start.at));
  }
  close_topic();
  return wire::Struct{{"Responses", std::move(topics)}};
}

// Leaves that we answer ourselves go nowhere: the decision is made a split one around them.
void Session::take_out_own_leaves() {
  auto& d = world_.decision;
  const auto& judged = world_.judged;
  const auto ours = [&](std::size_t i) {
    return i < judged.size() && judged[i].verdict != Judged::Verdict::pass;
  };
  bool any = false;
  for (std::size_t i = 0; i < judged.size(); ++i) any |= ours(i);
  if (!any || (d.act != route::Act::forward && d.act != route::Act::split)) return;
  if (d.act == route::Act::forward) d.chosen.assign(judged.size(), 0);
  d.act = route::Act::split;
  std::vector<route::NodeKey> nodes;
  for (std::size_t i = 0; i < judged.size(); ++i) {
    if (ours(i)) continue;
    const auto node = d.nodes[d.chosen[i]];
    const auto at = std::ranges::find(nodes, node);
    d.chosen[i] = static_cast<wire::Choice>(at - nodes.begin());
    if (at == nodes.end()) nodes.push_back(node);
  }
  d.nodes = std::move(nodes);
  for (std::size_t i = 0; i < judged.size(); ++i) {
    if (ours(i)) d.chosen[i] = static_cast<wire::Choice>(d.nodes.size());
  }
}

// A partition's batch goes on: its answer is waited for by more than the client.
void Session::bind(Exchange& e, std::size_t part, const wire::Leaf& leaf, std::size_t index,
                   route::NodeKey node) {
  if (e.request->api != produce) return;
  // Judged ones may have another producer id in the frame by now.
  const bool judged = index < world_.judged.size();
  const auto batch = judged ? world_.batches[index] : batch_id(records_of(world_.parts, leaf));
  if (!judged) note_producer(batch.producer_id);
  watch(e, part, leaf.topic, leaf.topic_id, leaf.partition, node, batch,
        judged && world_.judged[index].first,
        route::ProduceOrder::mark_of(records_of(world_.parts, leaf)));
}

void Session::watch(Exchange& e, std::size_t part, std::string_view topic,
                    const wire::Uuid& topic_id, std::int32_t partition, route::NodeKey node,
                    const splice::BatchId& batch, bool first, route::ProduceOrder::Mark mark) {
  e.next_cut = world_.splice.next_cut();  // a large one may begin before a cut and end after it
  Exchange::Bound b;
  b.part = part;
  b.road = order_.sent(topic, topic_id, partition, node);
  b.mark = mark;
  b.batch = batch;
  const auto name = topic.empty() ? world_.view().topic_name(topic_id) : topic;
  if (const auto* p = world_.topology(node.cluster).partition(name, partition)) {
    b.leader_epoch = p->epoch;
  }
  b.log = world_.splice.idle() ? nullptr : world_.splice.partition(topic, topic_id, partition);
  b.first = first;
  if (first) {
    b.log->firsts[batch.producer_id] = splice::PartitionLog::First::on_its_way;
  }
  if (b.log != nullptr) {
    b.cut = b.log->log.tail().cut;
    b.resent = world_.splice.place_of(*b.log).topic->held;
    b.log->resent += b.resent;
    b.log->resent_unanswered += b.resent;
    e.spliced = e.whole = true;
    b.rewrites = splice::rewrites(*b.log, batch);
    b.log->rewriting += b.rewrites;
    e.settles |= first || b.rewrites || !b.log->unclear.empty();
    count_road(b);
  }
  e.roads.push_back(b);
}

// A Produce answer: what it says of firsts and of unclear batches (rules A1, A4).
void Session::settle(Exchange& e, std::size_t part, const wire::Value& answer) {
  const auto error_of = [&](const splice::State::Place& at) -> std::int64_t {
    for (const auto& t : answer["Responses"].array()) {
      if (t["Name"].text() != at.topic->name &&
          (!t["Name"].text().empty() ||
           (t["TopicId"].uuid() != at.topic->old_id && t["TopicId"].uuid() != at.topic->new_id))) {
        continue;
      }
      for (const auto& p : t["PartitionResponses"].array()) {
        if (p["Index"].number() == at.partition) return p["ErrorCode"].number();
      }
    }
    return -1;
  };
  for (const auto& b : e.roads) {
    if (b.part != part || !b.of_tail()) continue;
    const auto at = world_.splice.place_of(*b.log);
    const auto error = error_of(at);
    if (b.first) {
      if (error == 0) {
        world_.record(splice::FirstAccepted{at.topic->name, at.partition, b.batch.producer_id},
                      false);
      } else {
        b.log->firsts.erase(b.batch.producer_id);
      }
      world_.wake_parked();
    }
    if (error == 0 || error == duplicate_sequence) {
      if (splice::rewrites(*b.log, b.batch))
        world_.record(splice::Rewritten{at.topic->name, at.partition, b.batch}, false);
      std::erase_if(b.log->unclear, [&](const splice::Unclear& u) { return u.batch == b.batch; });
    }
  }
}

std::string Session::client_name() const {
  return who_.client_id.empty() ? remote_ : who_.client_id + " at " + remote_;
}

// The link ended before its answer: a broker may still append what was sent (rules A1).
void Session::mark_unclear(const Link& link) {
  for (const auto& a : link.awaited) {
    if (a.exchange == nullptr || a.exchange->request->api != produce) continue;
    const bool never = half_sent(link) && a.exchange == upload_->exchange &&
                       a.part + 1 == a.exchange->parts.size();  // half a frame is nothing
    for (auto& b : a.exchange->roads) {
      if (b.part != a.part) continue;
      b.answered();
      if (b.log != nullptr && !b.of_tail()) continue;  // it stood in the log when the cut passed
      if (b.first) b.log->firsts.erase(b.batch.producer_id);
      if (never) continue;
      splice::Unclear u;
      u.batch = b.batch;
      u.node = link.node();
      u.leader_epoch = b.leader_epoch;
      u.since = observe::unix_ms_now();
      u.client = client_name();
      world_.unclear(b.road->key, b.log, std::move(u));
    }
  }
}

// A part's head as `node` knows its topic: by its own id (Produce v13+).
std::vector<std::byte> Session::named_for(route::NodeKey node, wire::Bytes begin) {
  std::vector<std::byte> out(begin.begin(), begin.end());
  const auto& id = upload_->cut.topic_id();
  if (node.cluster == route::Cluster::new_cluster && upload_->cut.topic().empty()) {
    const auto native = naming_.native_topic_id(node.cluster, id);
    const auto at = std::search(out.begin(), out.end(), id.begin(), id.end());
    if (at != out.end()) std::copy(native.begin(), native.end(), at);
  }
  return out;
}

// The request waits; so does everything behind it.
void Session::park(std::span<std::byte> frame) {
  parked_ = true;
  if (!again_) parked_since_ = Clock::now();
  held_.assign(frame.begin(), frame.end());
  world_.parked.push_back(weak_from_this());
  ++world_.metrics.held_requests;
}

void Session::unpark() {
  if (!parked_ || closed_) return;
  parked_ = outage_ = false;
  --world_.metrics.held_requests;
  const auto held = [this] {
    world_.metrics.hold.add(std::chrono::duration<double>(Clock::now() - parked_since_).count());
  };
  if (upload_) {
    held();
    return resume_soon();
  }
  auto frame = std::move(held_);
  held_ = {};
  // A client that has gone sends it again elsewhere, but for acks=0 (rules C16, probes P6).
  if (client_.peer_closed() && !is_acks_0(frame)) {
    return close(CloseCause::client_closed, "while a Produce of it was held");
  }
  again_ = true;
  request(frame);
  again_ = false;
  if (!parked_) held();
  resume_soon();
}

// Once a second, while no broker of a cluster can be reached.
void Session::tick_outage(Clock::time_point now) {
  if (!parked_ || !outage_ || closed_) return;
  if (client_.peer_closed()) return unpark();
  if (now - parked_since_ > outage_hold_max)
    close(CloseCause::link_refused, "no broker of its topics' cluster can be reached");
}

bool Session::is_acks_0(std::span<std::byte> frame) {
  const wire::Bytes content = frame.subspan(wire::frame_prefix_bytes);
  wire::RequestHeader h;
  if (wire::parse(content, content.size(), h) != wire::Parse::ok) return false;
  wire::Parts parts;
  return parts.parse(*wire::request(h.api), h.version, content.subspan(h.size)) == nullptr &&
         parts.top(Role::acks).number == 0;
}

}  // namespace shunt::net
