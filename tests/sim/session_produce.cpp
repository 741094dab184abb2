// Produce: judged, held, renamed, watched; as net's produce.cpp.
#include <algorithm>

#include "proxy/splice/stragglers.h"
#include "proxy/wire/framer.h"
#include "tests/sim/session.h"

namespace shunt::sim {

using splice::Judged;
using wire::Role;
using Verdict = splice::Judged::Verdict;

namespace {
constexpr wire::ApiKey produce = 0;
constexpr std::int16_t duplicate_sequence = 46;
}  // namespace

splice::BatchId Session::batch_id(wire::Bytes records) {
  wire::BatchHeader b;
  splice::BatchId id;
  if (wire::parse(records, b) != wire::BatchParse::ok) return id;
  id.producer_id = b.producer_id;
  id.epoch = b.producer_epoch;
  id.first_sequence = b.base_sequence;
  id.records = b.last_offset_delta + 1;
  return id;
}

void Session::write_as(std::int64_t id, const splice::BatchId& batch,
                       std::span<std::byte> records) {
  if (id == batch.producer_id) return;
  wire::BatchEdit edit;
  edit.set_producer = true;
  edit.producer_id = id;
  edit.producer_epoch = batch.epoch;
  wire::rewrite(edit, records);
}

void Session::read_batches() {
  batches_.clear();
  judged_.clear();
  for (const auto& leaf : parts_.leaves()) {
    batches_.push_back(batch_id(parts_.body().subspan(
        static_cast<std::size_t>(leaf.records_at), static_cast<std::size_t>(leaf.records_bytes))));
  }
}

void Session::park() {
  parked_ = true;
  proxy_.parked.push_back(weak_from_this());
}

// splice's judgement, or what a planted bug makes of it.
Judged Session::judge_once(const splice::TopicLog& topic, const splice::PartitionLog& log,
                           const splice::BatchId& batch) const {
  const Sim& sim = proxy_.sim;
  if (sim.has(Bug::lost_ack_written_again)) {
    splice::PartitionLog blind = log;
    blind.producers.clear();
    return splice::judge(proxy_.splice, topic, blind, batch);
  }
  Judged j = splice::judge(proxy_.splice, topic, log, batch);
  const bool spliced = log.log.tail().cut != 0 && batch.producer_id >= 0 && !topic.held;
  if (sim.has(Bug::two_links_overtake) && spliced &&
      (j.verdict == Verdict::hold || j.verdict == Verdict::refuse)) {
    if (const auto id = proxy_.splice.producer(batch.producer_id, log.log.tail().cut)) {
      j = {};
      j.id = *id;
    }
  }
  if (sim.has(Bug::producer_not_mapped) && spliced && j.verdict == Verdict::pass) {
    j.id = batch.producer_id;
  }
  return j;
}

Judged Session::judge(const splice::TopicLog& topic, const splice::PartitionLog& log,
                      const splice::BatchId& batch) {
  if (on_another_road(proxy_.splice.place_of(log).partition, batch)) {
    return {.verdict = Verdict::hold};
  }
  auto j = judge_once(topic, log, batch);
  if (j.verdict == Verdict::draw &&
      proxy_.draw(batch.producer_id, log.log.tail().cut, log.log.tail().cluster)) {
    j = judge_once(topic, log, batch);
  }
  return j;
}

bool Session::admit_produce(const wire::RequestHeader& h, std::span<std::byte> frame) {
  judged_.resize(batches_.size());
  std::size_t i = 0, own = 0;
  for (const auto& leaf : parts_.leaves()) {
    const auto& batch = batches_[i];
    Judged& j = judged_[i++];
    j.id = batch.producer_id;
    const auto* t = proxy_.splice.topic(leaf.topic);
    const auto* log = proxy_.splice.partition(leaf.topic, {}, leaf.partition);
    if (t == nullptr || log == nullptr) continue;
    j = judge(*t, *log, batch);
    if (proxy_.sim.tracing()) {
      constexpr const char* words[] = {"passes", "is held", "wants an id", "is a repeat",
                                       "is refused"};
      proxy_.sim.trace(client_->client_id + ": seq " + std::to_string(batch.first_sequence) +
                       " of partition " + std::to_string(leaf.partition) + " " +
                       words[static_cast<std::size_t>(j.verdict)] + (j.first ? ", a first" : ""));
    }
    if (j.verdict == Verdict::hold || j.verdict == Verdict::draw) {
      held_.assign(frame.begin(), frame.end());
      park();
      return false;
    }
    own += j.verdict != Verdict::pass;
  }
  if (own == judged_.size() && own > 0) {
    if (parts_.top(Role::acks).number != 0) answer_with(h, own_produce_answer());
    return false;
  }
  i = 0;
  const auto body_at = frame.size() - parts_.body().size();
  for (const auto& leaf : parts_.leaves()) {
    const auto& j = judged_[i];
    if (j.verdict == Verdict::pass) {
      write_as(j.id, batches_[i],
               frame.subspan(body_at + static_cast<std::size_t>(leaf.records_at),
                             static_cast<std::size_t>(leaf.records_bytes)));
    }
    ++i;
  }
  return true;
}

wire::Value Session::own_partition(int partition, const Judged& j) {
  const bool known = j.verdict == Verdict::repeat && j.offset >= 0;
  const std::int16_t error = j.verdict == Verdict::refuse ? j.error
                             : known                      ? std::int16_t{0}
                                                          : duplicate_sequence;
  return wire::Struct{{"Index", partition},
                      {"ErrorCode", int{error}},
                      {"BaseOffset", known ? j.offset : std::int64_t{-1}}};
}

wire::Value Session::own_answer(wire::Array partitions) {
  return wire::Struct{
      {"Responses", wire::Array{wire::Struct{{"Name", topic_name},
                                             {"PartitionResponses", std::move(partitions)}}}}};
}

wire::Value Session::own_produce_answer() const {
  wire::Array partitions;
  std::size_t i = 0;
  for (const auto& leaf : parts_.leaves()) {
    const auto& j = judged_[i++];
    if (j.verdict != Verdict::pass) partitions.push_back(own_partition(leaf.partition, j));
  }
  return own_answer(std::move(partitions));
}

void Session::take_out_own_leaves() {
  auto& d = decision_;
  const auto ours = [&](std::size_t i) { return judged_[i].verdict != Verdict::pass; };
  bool any = false;
  for (std::size_t i = 0; i < judged_.size(); ++i) any |= ours(i);
  if (!any) return;
  if (d.act == route::Act::forward) d.chosen.assign(judged_.size(), 0);
  d.act = route::Act::split;
  std::vector<route::NodeKey> nodes;
  for (std::size_t i = 0; i < judged_.size(); ++i) {
    if (ours(i)) continue;
    const auto node = d.nodes[d.chosen[i]];
    const auto at = std::ranges::find(nodes, node);
    d.chosen[i] = static_cast<wire::Choice>(at - nodes.begin());
    if (at == nodes.end()) nodes.push_back(node);
  }
  d.nodes = std::move(nodes);
  for (std::size_t i = 0; i < judged_.size(); ++i) {
    if (ours(i)) d.chosen[i] = static_cast<wire::Choice>(d.nodes.size());
  }
}

void Session::bind(Exchange& e, std::size_t part, const wire::Leaf& leaf, std::size_t index,
                   route::NodeKey node) {
  if (e.request->api != produce) return;
  const auto set =
      parts_.body().subspan(leaf.records_at, static_cast<std::size_t>(leaf.records_bytes));
  watch(e, part, leaf.partition, node, batches_[index],
        index < judged_.size() && judged_[index].first, route::ProduceOrder::mark_of(set));
}

void Session::watch(Exchange& e, std::size_t part, int partition, route::NodeKey node,
                    const splice::BatchId& batch, bool first, route::ProduceOrder::Mark mark) {
  e.next_cut = proxy_.splice.next_cut();  // a large one may begin before a cut and end after it
  Exchange::Bound b;
  b.part = part;
  b.road = order_.sent(topic_name, {}, partition, node);
  b.mark = mark;
  b.partition = partition;
  b.batch = batch;
  if (const auto* p = proxy_.topology(node.cluster).partition(topic_name, partition)) {
    b.leader_epoch = p->epoch;
  }
  b.log = proxy_.splice.idle() ? nullptr : proxy_.splice.partition(topic_name, {}, partition);
  if (b.log != nullptr) {
    b.cut = b.log->log.tail().cut;
    b.resent = proxy_.splice.place_of(*b.log).topic->held;
    b.log->resent += b.resent;
    b.log->resent_unanswered += b.resent;
    b.rewrites = splice::rewrites(*b.log, b.batch);
    b.log->rewriting += b.rewrites;
    count_road(b);
    e.spliced = e.whole = true;
  }
  b.first = first;
  if (b.first) b.log->firsts[b.batch.producer_id] = splice::PartitionLog::First::on_its_way;
  e.roads.push_back(b);
}

void Session::settle(Exchange& e, std::size_t part, const wire::Value& answer) {
  const auto error_of = [&](const Exchange::Bound& b) -> std::int64_t {
    for (const auto& t : answer["Responses"].array()) {
      for (const auto& p : t["PartitionResponses"].array()) {
        if (p["Index"].number() == b.partition) return p["ErrorCode"].number();
      }
    }
    return -1;
  };
  for (const auto& b : e.roads) {
    if (b.part != part || !b.of_tail()) continue;
    const auto error = error_of(b);
    if (b.first) {
      if (error == 0) {
        proxy_.record(splice::FirstAccepted{topic_name, b.partition, b.batch.producer_id}, false);
      } else {
        b.log->firsts.erase(b.batch.producer_id);
      }
      proxy_.wake_parked();
    }
    if (error == 0 || error == duplicate_sequence) {
      if (splice::rewrites(*b.log, b.batch))
        proxy_.record(splice::Rewritten{topic_name, b.partition, b.batch}, false);
      std::erase_if(b.log->unclear, [&](const splice::Unclear& u) { return u.batch == b.batch; });
    }
  }
}

void Session::mark_unclear(const Link& link) {
  for (const auto& a : link.awaited) {
    if (a.exchange == nullptr || a.exchange->request->api != produce) continue;
    const bool never = half_sent(link) && a.exchange == upload_->exchange &&
                       a.part + 1 == a.exchange->parts.size();  // half a frame is nothing
    for (auto& b : a.exchange->roads) {
      if (b.part != a.part) continue;
      b.answered();
      if (b.log != nullptr && !b.of_tail()) continue;
      if (b.first) b.log->firsts.erase(b.batch.producer_id);
      if (never) continue;
      splice::Unclear u;
      u.batch = b.batch;
      u.node = link.node;
      u.leader_epoch = b.leader_epoch;
      u.since = proxy_.sim.time.now_ms();
      u.client = client_->client_id;
      proxy_.unclear(b.partition, b.log, std::move(u));
    }
  }
}

void Session::unpark() {
  if (!parked_ || closed_) return;
  parked_ = false;
  if (upload_) return resume_soon();
  Buffer frame = std::exchange(held_, {});
  if (!client_open_ && [&] {  // not acks=0: the client sends it again elsewhere
        const wire::Bytes content = wire::Bytes(frame).subspan(wire::frame_prefix_bytes);
        wire::RequestHeader h;
        wire::Parts parts;
        wire::parse(content, content.size(), h);
        parts.parse(*wire::request(h.api), h.version, content.subspan(h.size));
        return parts.top(Role::acks).number != 0;
      }()) {
    return close("the client has gone while a Produce was held");
  }
  request(frame);
  resume_soon();
}

}  // namespace shunt::sim
