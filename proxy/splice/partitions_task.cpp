#include "proxy/splice/partitions_task.h"

#include <algorithm>
#include <map>
#include <utility>

namespace shunt::splice {
namespace {

using route::NodeKey;
using wire::Array;
using wire::Struct;
using wire::Value;

// What brokers say of these three APIs, in every version, when they do not lead the partition.
// Clients ask again after their next metadata refresh, silently.
constexpr int not_leader_or_follower = 6;
constexpr int asks_max = 6;  // of one partition: past that something is wrong with us

}  // namespace

PartitionsTask::PartitionsTask(State& state, const route::View& view, const Names& names,
                               const Value& request)
    : state_(state), view_(view), names_(names), request_(request) {
  std::size_t topic_at = 0;
  for (const Value& t : request["Topics"].array()) {
    for (const Value& p : t["Partitions"].array()) {
      Item& item = items_.emplace_back();
      item.topic_at = topic_at;
      item.topic = t[names.topic].text();
      item.index = static_cast<std::int32_t>(p[names.partition].number());
      item.asked = p;
    }
    ++topic_at;
  }
}

std::optional<std::int64_t> PartitionsTask::passing_end(const PartitionLog& log) {
  const Segment& first = log.log.segments().front();
  return first.open() ? log.candidate_end : std::optional(first.native_end);
}

// The leader; for a partition that passes and has none that is known, any broker: it says what is
// wrong in its own words.
std::optional<NodeKey> PartitionsTask::node(const Item& item, Cluster c) const {
  const route::Topology* known = view_.of(c);
  if (known == nullptr) return std::nullopt;
  const auto* part = known->partition(item.topic, item.index);
  if (part != nullptr && known->broker(part->leader) != nullptr) return NodeKey{c, part->leader};
  const PartitionLog* log = std::as_const(state_).partition(item.topic, {}, item.index);
  if (log != nullptr && log->log.spliced()) return std::nullopt;
  const auto any = known->any(std::nullopt);
  return any ? std::optional(NodeKey{c, *any}) : std::nullopt;
}

PartitionsTask::Step PartitionsTask::step(Item& item) {
  PartitionLog* log = state_.partition(item.topic, {}, item.index);
  const Cluster home = std::as_const(state_).home(item.topic, {});
  const Value& told = item.told_by(home);
  const bool asked_as_passing = item.passes && !told.null();
  if (log != nullptr && log->log.spliced() && !asked_as_passing) {
    item.passes = false;
    return next(item, *log);
  }
  item.passes = true;
  if (told.null()) return ask(home, item.asked);
  return done(told["ErrorCode"].number() != 0 ? told : passing(item, log, told));
}

std::vector<Task::Ask> PartitionsTask::round(std::int64_t) {
  sent_.clear();
  for (std::size_t i = 0; i < items_.size(); ++i) {
    Item& item = items_[i];
    while (!item.result) {
      Step wanted = step(item);
      if (++item.asks > asks_max) wanted = done(failed(item, not_leader_or_follower));
      bool asked = false;
      for (auto& q : wanted.questions) {
        const auto to = node(item, q.to);
        if (to) {
          put(*to, i, std::move(q.entry));
        } else {
          item.told[static_cast<std::size_t>(q.to)] = failed(item, not_leader_or_follower);
        }
        asked |= to.has_value();
      }
      item.result = std::move(wanted.result);
      if (asked) break;
    }
  }
  std::vector<Ask> out;
  out.reserve(sent_.size());
  for (const Sent& s : sent_) out.push_back({s.to, body(s)});
  return out;
}

void PartitionsTask::put(const NodeKey& to, std::size_t item, Value entry) {
  auto at = std::ranges::find(sent_, to, &Sent::to);
  if (at == sent_.end()) at = sent_.insert(at, Sent{to, {}, {}});
  at->items.push_back(item);
  at->entries.push_back(std::move(entry));
}

Value PartitionsTask::body(const Sent& sent) const {
  std::map<std::size_t, Array> partitions;  // by the topic's place
  for (std::size_t i = 0; i < sent.items.size(); ++i) {
    partitions[items_[sent.items[i]].topic_at].push_back(sent.entries[i]);
  }
  Array topics;
  std::size_t at = 0;
  for (const Value& t : request_["Topics"].array()) {
    if (const auto of = partitions.find(at++); of != partitions.end()) {
      topics.push_back(t.fields().set("Partitions", std::move(of->second)));
    }
  }
  return request_.fields().set("Topics", std::move(topics));
}

void PartitionsTask::take(std::size_t i, const Value& body) {
  const Sent& sent = sent_.at(i);
  std::map<std::pair<std::string_view, std::int64_t>, Value> told;
  const auto topics = body["Topics"].array();
  for (const Value& t : topics) {
    for (const Value& p : t["Partitions"].array()) {
      told[{t[names_.topic].text(), p[names_.partition].number()}] = p;
    }
  }
  throttle_ms_ = std::max(throttle_ms_, body["ThrottleTimeMs"].number());
  for (const std::size_t at : sent.items) {
    Item& item = items_[at];
    const auto entry = told.find({item.topic, item.index});
    item.told[static_cast<std::size_t>(sent.to.cluster)] =
        entry != told.end() ? entry->second : Value(failed(item, not_leader_or_follower));
  }
}

Value PartitionsTask::answer() {
  std::vector<Array> partitions(request_["Topics"].array().size());
  for (const Item& item : items_) {
    partitions[item.topic_at].push_back(item.result ? std::move(*item.result)
                                                    : Value(failed(item, not_leader_or_follower)));
  }
  Array topics;
  std::size_t at = 0;
  for (const Value& t : request_["Topics"].array()) {
    topics.push_back(
        Struct{{names_.topic, t[names_.topic]}, {"Partitions", std::move(partitions[at++])}});
  }
  return Struct{{"ThrottleTimeMs", throttle_ms_}, {"Topics", std::move(topics)}};
}

}  // namespace shunt::splice
