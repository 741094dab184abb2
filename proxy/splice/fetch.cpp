#include "proxy/splice/fetch.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>
#include <tuple>

#include "proxy/splice/clip.h"
#include "proxy/splice/ends.h"

namespace shunt::splice {
namespace {

using route::NodeKey;
using wire::Array;
using wire::Struct;
using wire::Value;

constexpr std::int64_t node_bytes_max = 1024 * 1024;  // asked of each node (rules B6)
constexpr std::int64_t wait_ms_max = 100;  // of a round: no side waits longer for an idle one
constexpr int quick_rounds_max = 8;
constexpr int lookups_max = 3;  // of one partition: retention may be faster than we are
constexpr wire::ApiKey list_offsets = 2;
constexpr wire::Version list_offsets_version = 1;  // every broker has it
constexpr std::int64_t earliest = -2;              // ListOffsets: the log start

constexpr std::int64_t unknown_server_error = -1, offset_out_of_range = 1, unknown_topic = 3,
                       leader_not_available = 5, not_leader = 6, replica_not_available = 9,
                       kafka_storage_error = 56, fenced_leader_epoch = 74,
                       unknown_leader_epoch = 75, unknown_topic_id = 100,
                       inconsistent_topic_id = 103;

// Errors that say that another broker should have been asked, or this one later.
bool leader_moved(std::int64_t error) {
  constexpr std::int64_t all[] = {
      unknown_topic,         leader_not_available, not_leader,
      replica_not_available, kafka_storage_error,  fenced_leader_epoch,
      unknown_leader_epoch,  unknown_topic_id,     inconsistent_topic_id};
  return std::ranges::find(all, error) != std::end(all);
}

struct Topic {
  std::string name;  // as asked: a name, or an id (v13 and up)
  wire::Uuid id{};
};

// One partition of the request.
struct Item {
  std::size_t topic = 0;
  std::int32_t partition = -1;
  std::int64_t offset = 0;
  Value epoch, fetched_epoch, max_bytes;

  enum class Is : std::uint8_t {
    idle,   // nothing to show so far
    moved,  // to be asked again elsewhere, at once
    stale,  // its broker did not answer, or is not the leader
    done,   // data, or an error
  };
  Is is = Is::idle;
  // Where it is read: from the client's offset on, over what is known to hold nothing.
  std::int64_t at = 0;
  std::array<std::int64_t, 2> nothing_below{};  // native, by cluster
  std::size_t segment = 0;
  std::int64_t native = 0;
  std::optional<VirtualOffset> gap;  // where retention's hole begins
  bool look_up = false;              // the log start first
  int lookups = 0, failures = 0;

  // What is shown.
  std::int64_t error = 0;
  Value records, aborted;
  std::size_t bytes = 0;
  bool no_last_stable = false;
  Struct passed;  // before the first cut: the rest of the broker's entry
};

// What stands around an Item's request: who is asked, and about what.
struct Asked {
  NodeKey node;
  bool look_up = false, closed = false, spliced = false;
  std::vector<std::size_t> items;
  using Key = std::tuple<std::string, wire::Uuid, std::int64_t>;
  std::map<Key, std::size_t> by_key;  // as the broker names them
};

class Fetch : public FetchTask {
 public:
  Fetch(State& state, const route::View& view, const route::Origin& origin, const Value& request)
      : state_(state), view_(view), addressed_(origin.addressed) {
    max_wait_ms_ = request["MaxWaitMs"].number();
    min_bytes_ = request["MinBytes"].number();
    max_bytes_ = std::max<std::int64_t>(request["MaxBytes"].number(), 1);
    isolation_ = request["IsolationLevel"].number();
    rack_ = request["RackId"].text();
    std::set<Asked::Key> seen;
    for (const Value& t : request["Topics"].array()) {
      topics_.push_back({std::string(t["Topic"].text()), t["TopicId"].uuid()});
      for (const Value& p : t["Partitions"].array()) {
        const auto index = p["Partition"].number();
        if (!seen.emplace(topics_.back().name, topics_.back().id, index).second) continue;
        Item it;
        it.topic = topics_.size() - 1;
        it.partition = static_cast<std::int32_t>(index);
        it.offset = it.at = p["FetchOffset"].number();
        it.epoch = p["CurrentLeaderEpoch"];
        it.fetched_epoch = p["LastFetchedEpoch"];
        it.max_bytes = p["PartitionMaxBytes"];
        items_.push_back(std::move(it));
      }
    }
  }

  std::vector<Ask> round(std::int64_t now_ms) override {
    if (!begun_) {
      begun_ = true;
      until_ms_ = now_ms + max_wait_ms_;
      if (auto out = ask([](const Item&) { return true; }, 0); !out.empty()) return out;
    }
    while (!items_.empty()) {
      const auto some = [&](Item::Is is) {
        return std::ranges::any_of(items_, [&](const Item& it) { return it.is == is; });
      };
      const auto left_ms = until_ms_ - now_ms;
      const bool may_wait = !some(Item::Is::done) && left_ms > 0 && min_bytes_ > 0 &&
                            waits_ <= max_wait_ms_ / wait_ms_max;
      std::vector<Ask> out;
      if ((some(Item::Is::moved) || (some(Item::Is::stale) && !may_wait)) &&
          quick_rounds_ < quick_rounds_max) {
        ++quick_rounds_;
        out = ask(
            [](const Item& it) { return it.is == Item::Is::moved || it.is == Item::Is::stale; }, 0);
      } else if (may_wait) {
        ++waits_;
        out = ask([](const Item& it) { return it.is != Item::Is::done; },
                  std::min(left_ms, wait_ms_max));
      } else {
        break;
      }
      if (!out.empty()) return out;
    }
    return {};
  }

  void take(std::size_t i, const Value& body) override {
    const Asked& a = asked_[i];
    const auto throttle = body["ThrottleTimeMs"].number();
    throttle_ms_ = std::max(throttle_ms_, throttle);
    const bool good = !body.null() && body["ErrorCode"].number() == 0;
    std::vector<bool> answered(items_.size());
    const auto each = [&](const char* topics, const char* topic, const char* index, auto f) {
      for (const Value& t : body[topics].array()) {
        for (const Value& p : t["Partitions"].array()) {
          const auto at =
              a.by_key.find({std::string(t[topic].text()), t["TopicId"].uuid(), p[index].number()});
          if (at != a.by_key.end()) f(at->second, p);
        }
      }
    };
    if (good && a.look_up) {
      each("Topics", "Name", "PartitionIndex", [&](std::size_t item, const Value& entry) {
        answered[item] = true;
        take_start(items_[item], a, entry);
      });
    } else if (good) {
      // A broker fills an answer up to its size: only where nobody got records is "none" certain.
      bool records = false;
      each("Responses", "Topic", "PartitionIndex", [&](std::size_t, const Value& entry) {
        records = records || !entry["Records"].bytes().empty();
      });
      bool wasted = false;
      std::vector<std::size_t> empty;
      each("Responses", "Topic", "PartitionIndex", [&](std::size_t item, const Value& entry) {
        answered[item] = true;
        take_entry(items_[item], a, entry, !records);
        if (items_[item].is == Item::Is::done) return;
        if (!entry["Records"].bytes().empty())
          wasted = true;
        else if (items_[item].is == Item::Is::idle)
          empty.push_back(item);
      });
      // What was clipped took others' place, and would do so for ever.
      for (const auto item : empty) {
        if (wasted) items_[item].is = Item::Is::moved;
      }
    }
    const bool throttled = good && throttle > 0;  // brokers then answer without any partition
    for (const auto item : a.items) {
      if (!answered[item] && !throttled) fail(items_[item], a.node.cluster);
    }
  }

  Value answer() override {
    for (Item& it : items_) {
      if (it.is == Item::Is::stale) set_error(it, not_leader);
    }
    fit();
    Array out, partitions;
    for (std::size_t i = 0; i < items_.size(); ++i) {
      partitions.push_back(entry(items_[i]));
      const auto topic = items_[i].topic;
      if (i + 1 < items_.size() && items_[i + 1].topic == topic) continue;
      out.push_back(Struct{{"Topic", topics_[topic].name},
                           {"TopicId", topics_[topic].id},
                           {"Partitions", std::exchange(partitions, {})}});
    }
    return Struct{{"ThrottleTimeMs", throttle_ms_}, {"Responses", std::move(out)}};
  }

  const std::vector<Jump>& jumps() const override { return jumps_; }
  bool stale(Cluster c) const override { return stale_[static_cast<std::size_t>(c)]; }

 private:
  const TopicLog* topic_log(const Item& it) const {
    const Topic& t = topics_[it.topic];
    return t.name.empty() ? state_.topic(t.id) : state_.topic(t.name);
  }
  // Null: in no migration.
  PartitionLog* log(const Item& it) const {
    return state_.partition(topics_[it.topic].name, topics_[it.topic].id, it.partition);
  }
  bool spliced(const Item& it) const {
    const PartitionLog* p = log(it);
    return p != nullptr && p->log.spliced();
  }
  static std::int64_t& nothing_below(Item& it, Cluster c) {
    return it.nothing_below[static_cast<std::size_t>(c)];
  }

  static void set_error(Item& it, std::int64_t error) {
    it.is = Item::Is::done;
    it.error = error;
    it.passed = {};
  }
  void fail(Item& it, Cluster c) {
    stale_[static_cast<std::size_t>(c)] = true;
    if (++it.failures > 1) return set_error(it, not_leader);
    it.is = Item::Is::stale;
  }

  // --- asking

  // Who has what the partition's reader wants next.
  std::optional<NodeKey> place(Item& it, Asked& kind) const {
    const PartitionLog* p = log(it);
    if (p == nullptr || !p->log.spliced()) {
      it.segment = 0;
      it.native = it.offset;
      return plain_node(it);
    }
    const auto& segments = p->log.segments();
    it.segment = p->log.at({it.at});
    while (!segments[it.segment].open() &&
           nothing_below(it, segments[it.segment].cluster) >= segments[it.segment].native_end) {
      it.at = segments[it.segment].end().at;
      it.segment = p->log.at({it.at});
    }
    const Segment& s = segments[it.segment];
    it.native = std::max(s.native({it.at}).at, nothing_below(it, s.cluster));
    it.at = s.shown(it.native).at;
    kind.spliced = true;
    kind.closed = !s.open();
    kind.look_up = it.look_up;
    const auto* topology = view_.of(s.cluster);
    const auto* known =
        topology == nullptr ? nullptr : topology->partition(topic_log(it)->name, it.partition);
    if (known == nullptr || topology->broker(known->leader) == nullptr) return std::nullopt;
    return NodeKey{s.cluster, known->leader};
  }

  std::optional<NodeKey> plain_node(const Item& it) const {
    const Topic& t = topics_[it.topic];
    const auto* topology = view_.old_cluster;
    if (!rack_.empty() && topology != nullptr && addressed_ &&
        addressed_->cluster == Cluster::old_cluster && topology->broker(addressed_->id)) {
      const auto name = t.name.empty() ? topology->topic_name(t.id) : std::string_view(t.name);
      const auto* p = topology->partition(name, it.partition);
      if (p != nullptr && std::ranges::find(p->replicas, addressed_->id) != p->replicas.end()) {
        return addressed_;
      }
    }
    return route::leader_of(view_, t.name, t.id, it.partition, {.addressed = addressed_});
  }

  template <class Wanted>
  std::vector<Ask> ask(Wanted wanted, std::int64_t wait_ms) {
    asked_.clear();
    for (std::size_t i = 0; i < items_.size(); ++i) {
      Item& it = items_[i];
      if (!wanted(it)) continue;
      it.is = Item::Is::idle;
      Asked kind;
      const auto node = place(it, kind);
      if (!node) {
        const auto* p = log(it);
        fail(it, p == nullptr ? Cluster::old_cluster : p->log.segments()[it.segment].cluster);
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
    const auto fetches = std::ranges::count_if(asked_, [](const Asked& a) { return !a.look_up; });
    for (Asked& a : asked_) {
      out.push_back(a.look_up ? lookup(a) : fetch_of(a, wait_ms, fetches));
    }
    return out;
  }

  // The items of one ask, as topics of `Partitions`; each(item) makes one of them.
  template <class Each>
  Array topics_of(Asked& a, const char* name_field, Each each) {
    Array out, partitions;
    for (std::size_t i = 0; i < a.items.size(); ++i) {
      const Item& it = items_[a.items[i]];
      const Topic named = upstream(it, a);
      partitions.push_back(each(it));
      a.by_key[{named.name, named.id, it.partition}] = a.items[i];
      if (i + 1 < a.items.size() && items_[a.items[i + 1]].topic == it.topic) continue;
      Struct t{{name_field, named.name}, {"Partitions", std::exchange(partitions, {})}};
      if (!a.look_up) t.set("TopicId", named.id);
      out.push_back(std::move(t));
    }
    return out;
  }

  // A topic as its broker knows it.
  Topic upstream(const Item& it, const Asked& a) const {
    const TopicLog* t = topic_log(it);
    if (a.look_up) return {t->name, {}};
    Topic named = topics_[it.topic];
    if (!named.name.empty() || !spliced(it)) return named;
    named.id = t->id(a.node.cluster);
    if (named.id == wire::Uuid{}) {
      if (const auto* known = view_.of(a.node.cluster)->topic(t->name)) named.id = known->id;
    }
    return named;
  }

  Ask fetch_of(Asked& a, std::int64_t wait_ms, std::int64_t fetches) {
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

  Ask lookup(Asked& a) {
    auto topics = topics_of(a, "Name", [](const Item& it) -> Value {
      return Struct{{"PartitionIndex", it.partition}, {"Timestamp", earliest}};
    });
    return {a.node, Struct{{"ReplicaId", -1}, {"Topics", std::move(topics)}}, list_offsets,
            list_offsets_version};
  }

  // --- what brokers say

  void take_entry(Item& it, const Asked& a, const Value& entry, bool certain) {
    PartitionLog* p = log(it);
    it.failures = 0;
    it.passed = {};
    if (p == nullptr || !p->log.spliced()) return pass(it, p, entry);
    const auto error = entry["ErrorCode"].number();
    if (leader_moved(error)) return fail(it, a.node.cluster);
    if (error == offset_out_of_range) {
      if (++it.lookups > lookups_max) return;
      it.look_up = true;
      it.is = Item::Is::moved;
      return;
    }
    if (error != 0) return set_error(it, error);
    learn(it, *p, entry);
    const Segment& s = p->log.segments()[it.segment];
    const auto end = end_of(*p, it.segment);
    Clipped set = clip(s, end, entry["Records"].bytes());
    if (set.problem != nullptr) return set_error(it, unknown_server_error);
    if (!set.records.empty()) {
      p->show(s.shown(set.next));
      it.aborted = aborted(entry, s, end);
      return keep(it, set.records);
    }
    if (s.open()) return;
    const auto stable = entry["LastStableOffset"].number();
    auto visible = entry["HighWatermark"].number();
    if (isolation_ != 0 && stable >= 0) visible = std::min(visible, stable);
    if (set.beyond) visible = *set.beyond;
    if (!set.beyond && (!certain || visible < s.native_end)) return;
    auto& nothing = nothing_below(it, s.cluster);
    nothing = std::max(nothing, visible);
    it.is = Item::Is::moved;
  }

  void learn(Item& it, PartitionLog& p, const Value& entry) {
    const auto start = entry["LogStartOffset"].number();
    const auto mark = entry["HighWatermark"].number(), stable = entry["LastStableOffset"].number();
    const auto in = p.log.segments()[it.segment].cluster;
    if (!entry["LogStartOffset"].null() && start >= 0) learn_log_start(p, in, start);
    if (mark >= 0) learn_high_watermark(p, it.segment, mark);
    if (stable >= 0) learn_last_stable(p, it.segment, stable);
    it.no_last_stable = stable < 0;
  }

  static void keep(Item& it, wire::Bytes records) {
    it.is = Item::Is::done;
    it.bytes = records.size();
    it.records = Value(records);
  }

  static Value aborted(const Value& entry, const Segment& s, std::int64_t end) {
    const Value all = entry["AbortedTransactions"];
    if (all.null()) return {};
    Array out;
    for (const Value& t : all.array()) {
      const auto first = t["FirstOffset"].number();
      if (first >= end) continue;
      out.push_back(Struct{{"ProducerId", t["ProducerId"]},
                           {"FirstOffset", s.shown(std::max(first, s.native_start)).at}});
    }
    return out;
  }

  // Before its first cut a partition is old's as it is, but for a candidate end.
  void pass(Item& it, PartitionLog* p, const Value& entry) {
    const auto error = entry["ErrorCode"].number();
    if (leader_moved(error)) stale_[0] = true;
    const bool clipped = p != nullptr && p->candidate_end;
    it.passed.set("AbortedTransactions", entry["AbortedTransactions"]);
    for (const char* name :
         {"ErrorCode", "HighWatermark", "LastStableOffset", "LogStartOffset", "DivergingEpoch"}) {
      if (Value v = entry[name]; !v.null()) it.passed.set(name, std::move(v));
    }
    const auto replica = static_cast<std::int32_t>(entry["PreferredReadReplica"].number());
    if (!entry["PreferredReadReplica"].null()) it.passed.set("PreferredReadReplica", replica);
    const Value set = entry["Records"];
    if (p != nullptr && error == 0) {
      learn(it, *p, entry);
      if (clipped) {
        const auto end = *p->candidate_end;
        for (const char* name : {"HighWatermark", "LastStableOffset"}) {
          it.passed.set(name, std::min(entry[name].number(), end));
        }
        it.passed.set("AbortedTransactions", aborted(entry, p->log.segments()[0], end));
      }
    }
    Clipped cut;
    if (clipped) cut = clip(p->log.segments()[0], *p->candidate_end, set.bytes());
    const wire::Bytes records = clipped ? wire::Bytes(cut.records) : set.bytes();
    const bool diverged =
        entry["DivergingEpoch"]["EndOffset"].number() >= 0 && !entry["DivergingEpoch"].null();
    if (!records.empty()) return keep(it, records);
    if (error != 0 || diverged || replica >= 0) it.is = Item::Is::done;
  }

  // The log start of the cluster that said OFFSET_OUT_OF_RANGE.
  void take_start(Item& it, const Asked& a, const Value& entry) {
    PartitionLog* p = log(it);
    it.look_up = false;
    if (p == nullptr || entry["ErrorCode"].number() != 0 || entry["Offset"].number() < 0) {
      return fail(it, a.node.cluster);
    }
    it.failures = 0;
    const auto start = entry["Offset"].number();
    learn_log_start(*p, a.node.cluster, start);
    const Segment& s = p->log.segments()[it.segment];
    if (it.offset < p->log_start.at) return set_error(it, offset_out_of_range);
    if (start <= it.native && s.open()) return set_error(it, offset_out_of_range);
    // Behind the end of a closed segment's log: it has lost what was there.
    auto& nothing = nothing_below(it, s.cluster);
    nothing = std::max(nothing, start > it.native ? start : s.native_end);
    if (!it.gap) it.gap = VirtualOffset{it.at};
    it.is = Item::Is::moved;
  }

  // --- the answer

  // Keeps what fits into the client's MaxBytes. Whose turn is first changes with the offsets, so
  // that nobody stands behind a busy one for ever.
  void fit() {
    std::uint64_t turn = 0;
    for (const Item& it : items_)
      turn = (turn + static_cast<std::uint64_t>(it.offset)) * 0x9e3779b97f4a7c15U;
    std::int64_t room = max_bytes_;
    bool first = true;
    for (std::size_t i = 0; i < items_.size(); ++i) {
      Item& it = items_[((turn >> 32) + i) % items_.size()];
      if (it.bytes == 0) continue;
      const auto bytes = static_cast<std::int64_t>(it.bytes);
      if (first || bytes <= room) {
        room -= bytes;
        first = false;
        if (it.gap) jumps_.push_back({topic_log(it)->name, it.partition, *it.gap, {it.at}});
      } else {
        it.records = it.aborted = {};
        it.bytes = 0;
        if (it.passed.size() > 0) it.passed.set("AbortedTransactions", {});
      }
    }
  }

  Value entry(const Item& it) const {
    Struct out = it.passed;
    out.set("PartitionIndex", it.partition);
    out.set("Records", it.records.null() ? Value(wire::Bytes{}) : it.records);
    if (it.passed.size() > 0) return out;
    const PartitionLog* p = log(it);
    const bool known = it.error == 0 && p != nullptr && p->log.spliced();
    out.set("ErrorCode", it.error);
    out.set("HighWatermark", known ? shown_high_watermark(*p) : -1);
    out.set("LastStableOffset", known && !it.no_last_stable ? shown_last_stable(*p) : -1);
    out.set("LogStartOffset", known ? p->log_start.at : -1);
    out.set("AbortedTransactions", it.aborted);
    return out;
  }

  State& state_;
  const route::View view_;
  const std::optional<NodeKey> addressed_;
  std::int64_t max_wait_ms_ = 0, min_bytes_ = 0, max_bytes_ = 0, isolation_ = 0;
  std::string rack_;
  std::vector<Topic> topics_;
  std::vector<Item> items_;
  std::vector<Asked> asked_;  // in this round
  bool begun_ = false;
  std::int64_t until_ms_ = 0, throttle_ms_ = 0;
  std::int64_t waits_ = 0;
  int quick_rounds_ = 0;
  std::array<bool, 2> stale_{};
  std::vector<Jump> jumps_;
};

}  // namespace

std::unique_ptr<FetchTask> fetch(State& state, const route::View& view, const route::Origin& origin,
                                 const Value& request) {
  return std::make_unique<Fetch>(state, view, origin, request);
}

}  // namespace shunt::splice
