// A Fetch task's questions: where each partition is read, and what is sent there.
#include <algorithm>
#include <utility>

#include "proxy/splice/fetch_task.h"

namespace shunt::splice {

using route::NodeKey;
using wire::Array;
using wire::Struct;
using wire::Value;

namespace {
constexpr std::int64_t node_bytes_max = 1024 * 1024;  // asked of each node (rules B6)
constexpr wire::ApiKey list_offsets = 2;
constexpr wire::Version list_offsets_version = 1;   // every broker has it
constexpr std::int64_t earliest = -2, latest = -1;  // ListOffsets: the log start, or an end
// Who asks: a client is told the high watermark, this one the log end (rules C1).
constexpr int client = -1, debugging = -2;
}  // namespace

std::optional<NodeKey> Fetch::place(Item& it, Asked& kind) const {
  const PartitionLog* p = log(it);
  if (p == nullptr || !p->log.spliced()) {
    it.segment = 0;
    it.native = it.offset;
    return plain_node(it);
  }
  const auto& segments = p->log.segments();
  it.segment = p->log.at({it.at});
  while (!segments[it.segment].open() &&
         (p->jumps(segments[it.segment]) ||
          it.nothing(segments[it.segment].cluster) >= segments[it.segment].native_end)) {
    if (p->jumps(segments[it.segment])) {
      if (!it.gap) it.gap = VirtualOffset{it.at};
      it.skips = true;
    }
    it.at = segments[it.segment].end().at;
    it.segment = p->log.at({it.at});
  }
  const bool waits =
      it.at >= p->seam().at && waits_at_seam_ && waits_at_seam_(*topic_log(it), it.partition);
  if (waits) {
    it.is = Item::Is::waits;
    it.segment = segments.size() - 1;
    if (std::exchange(it.tail_asked, true)) return std::nullopt;
  }
  const Segment& s = segments[it.segment];
  if (!waits) {
    it.native = std::max(s.native({it.at}).at, it.nothing(s.cluster));
    it.at = s.shown(it.native).at;
  }
  kind.spliced = true;
  kind.closed = !s.open();
  kind.look_up = waits ? LookUp::tail : it.look_up;
  const auto* topology = view_.of(s.cluster);
  const auto* known =
      topology == nullptr ? nullptr : topology->partition(topic_log(it)->name, it.partition);
  if (known == nullptr || topology->broker(known->leader) == nullptr) return std::nullopt;
  return NodeKey{s.cluster, known->leader};
}

std::optional<NodeKey> Fetch::plain_node(const Item& it) const {
  const FetchTopic& t = topics_[it.topic];
  const auto* topology = view_.of(view_.home());
  if (!rack_.empty() && topology != nullptr && addressed_ &&
      addressed_->cluster == view_.home() && topology->broker(addressed_->id)) {
    const auto name = t.name.empty() ? view_.topic_name(t.id) : std::string_view(t.name);
    const auto* p = topology->partition(name, it.partition);
    if (p != nullptr && std::ranges::find(p->replicas, addressed_->id) != p->replicas.end()) {
      return addressed_;
    }
  }
  return route::leader_of(view_, t.name, t.id, it.partition, {.addressed = addressed_});
}

std::vector<Task::Ask> Fetch::ask(std::initializer_list<Item::Is> wanted, std::int64_t wait_ms) {
  asked_.clear();
  for (std::size_t i = 0; i < items_.size(); ++i) {
    Item& it = items_[i];
    if (std::ranges::find(wanted, it.is) == wanted.end()) continue;
    it.is = Item::Is::idle;
    Asked kind;
    const auto node = place(it, kind);
    if (!node && it.is == Item::Is::waits) continue;
    if (!node) {
      const auto* p = log(it);
      fail(it, p == nullptr ? view_.home() : p->log.segments()[it.segment].cluster);
      continue;
    }
    auto a = std::ranges::find_if(asked_, [&](const Asked& o) {
      return o.node == *node && o.look_up == kind.look_up && o.closed == kind.closed;
    });
    if (a == asked_.end()) {
      kind.node = *node;
      asked_.push_back(kind);
      a = asked_.end() - 1;
    }
    a->spliced = a->spliced || kind.spliced;
    a->items.push_back(i);
  }
  std::vector<Ask> out;
  const auto fetches = std::ranges::count_if(asked_, [](const Asked& a) { return !a.asks_log(); });
  for (Asked& a : asked_) {
    out.push_back(a.asks_log() ? lookup(a) : fetch_of(a, wait_ms, fetches));
  }
  return out;
}

template <class Each>
Array Fetch::topics_of(Asked& a, const char* name_field, Each each) {
  Array out, partitions;
  for (std::size_t i = 0; i < a.items.size(); ++i) {
    const Item& it = items_[a.items[i]];
    const FetchTopic named = upstream(it, a);
    partitions.push_back(each(it));
    a.by_key[{named.name, named.id, it.partition}] = a.items[i];
    if (i + 1 < a.items.size() && items_[a.items[i + 1]].topic == it.topic) continue;
    Struct t{{name_field, named.name}, {"Partitions", std::exchange(partitions, {})}};
    if (!a.asks_log()) t.set("TopicId", named.id);
    out.push_back(std::move(t));
  }
  return out;
}

FetchTopic Fetch::upstream(const Item& it, const Asked& a) const {
  const TopicLog* t = topic_log(it);
  if (a.asks_log()) return {t->name, {}};
  FetchTopic named = topics_[it.topic];
  if (!named.name.empty() || !spliced(it)) return named;
  named.id = t->id(a.node.cluster);
  if (named.id == wire::Uuid{}) {
    if (const auto* known = view_.of(a.node.cluster)->topic(t->name)) named.id = known->id;
  }
  return named;
}

Task::Ask Fetch::fetch_of(Asked& a, std::int64_t wait_ms, std::int64_t fetches) {
  std::int64_t held = 0;
  for (const Item& it : items_) held += static_cast<std::int64_t>(it.bytes);
  const auto most = std::clamp<std::int64_t>((max_bytes_ - held) / fetches, 1, node_bytes_max);
  auto topics = topics_of(a, "Topic", [&](const Item& it) -> Value {
    Struct p{{"Partition", it.partition},
             {"FetchOffset", it.native},
             {"LogStartOffset", -1},
             {"PartitionMaxBytes", it.max_bytes}};
    const bool own = spliced(it);  // its epochs are the virtual log's own (rules C6)
    p.set("CurrentLeaderEpoch", own || it.epoch.null() ? Value(-1) : it.epoch);
    p.set("LastFetchedEpoch", own || it.fetched_epoch.null() ? Value(-1) : it.fetched_epoch);
    return p;
  });
  return {a.node, Struct{{"MaxWaitMs", wait_ms},
                         {"MinBytes", min_bytes_},
                         {"MaxBytes", most},
                         {"IsolationLevel", isolation_},
                         {"SessionEpoch", -1},
                         {"Topics", std::move(topics)},
                         {"RackId", a.spliced ? std::string() : rack_}}};
}

Task::Ask Fetch::lookup(Asked& a) {
  const auto at = a.look_up == LookUp::start ? earliest : latest;
  const int who = a.look_up == LookUp::end ? debugging : client;
  auto topics = topics_of(a, "Name", [&](const Item& it) -> Value {
    return Struct{{"PartitionIndex", it.partition}, {"Timestamp", at}};
  });
  return {a.node, Struct{{"ReplicaId", who}, {"Topics", std::move(topics)}}, list_offsets,
          list_offsets_version};
}

}  // namespace shunt::splice
