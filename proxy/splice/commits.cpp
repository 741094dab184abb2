#include "proxy/splice/commits.h"

#include <limits>
#include <map>
#include <set>
#include <tuple>

namespace shunt::splice {
namespace {

using wire::Array;
using wire::Struct;
using wire::Value;

constexpr Cluster copied_to = Cluster::new_cluster;
constexpr wire::ApiKey txn_offset_commit = 28, delete_groups = 42, offset_delete = 47;
constexpr int group_id_not_found = 69;

std::string text(const Value& v) { return std::string(v.text()); }
std::int32_t index_of(const Value& partition) {
  return static_cast<std::int32_t>(partition["PartitionIndex"].number());
}

// The partition's log; null: not spliced.
const VirtualLog* spliced(const TopicLog* topic, std::int32_t index) {
  if (topic == nullptr || index < 0) return nullptr;
  if (static_cast<std::size_t>(index) >= topic->partitions.size()) return nullptr;
  const VirtualLog& log = topic->partitions[static_cast<std::size_t>(index)].log;
  return log.spliced() ? &log : nullptr;
}

// The errors of an answer by topic (name and id, as it names it) and partition.
using PartitionKey = std::tuple<std::string, wire::Uuid, std::int32_t>;
std::set<PartitionKey> without_error(const Value& answer) {
  std::set<PartitionKey> out;
  for (const Value& t : answer["Topics"].array()) {
    for (const Value& p : t["Partitions"].array()) {
      if (p["ErrorCode"].number() == 0) {
        out.insert({text(t["Name"]), t["TopicId"].uuid(), index_of(p)});
      }
    }
  }
  return out;
}

Value rewritten(const VirtualLog& log, const Value& partition, Cluster home) {
  const auto at = partition["CommittedOffset"].number();
  Struct s = partition.fields();
  if (at >= 0) s.set("CommittedOffset", log.pair({at}).of(home));
  return s.set("CommittedLeaderEpoch", -1);
}

// Puts a topic's fetched offsets into the client's numbers.
class Shower {
 public:
  // `batched`: v8+, whose topics may have ids.
  Shower(const State& state, std::string group, bool batched, std::uint64_t asked,
         std::vector<CommitDrift>& drift)
      : state_(state),
        group_(std::move(group)),
        home_(state.group_home(group_)),
        batched_(batched),
        asked_(asked),
        drift_(drift) {}

  Value topics(const Value& from_home, bool all) {
    Array out;
    for (const Value& t : from_home.array()) out.push_back(topic(t, all));
    if (all) add_unlisted(out);
    return out;
  }

 private:
  Value topic(const Value& was, bool all) {
    const TopicLog* log = state_.topic(was["Name"].text(), was["TopicId"].uuid());
    if (log == nullptr) return was;
    Array partitions;
    for (const Value& p : was["Partitions"].array()) {
      listed_.insert({log->name, index_of(p)});
      const VirtualLog* v = spliced(log, index_of(p));
      partitions.push_back(v == nullptr ? p : partition(*log, *v, p));
    }
    if (all) add_unlisted(*log, partitions);
    return was.fields().set("Partitions", std::move(partitions));
  }

  Value partition(const TopicLog& topic, const VirtualLog& log, const Value& was) {
    if (was["ErrorCode"].number() != 0) return was;
    const auto at_home = was["CommittedOffset"].number();
    const Commit* known = state_.commit(group_, topic.name, index_of(was));
    Struct s = was.fields();
    s.set("CommittedLeaderEpoch", -1);
    if (at_home < 0 || (known != nullptr && known->number > asked_)) {
      if (known == nullptr) return s;
      return s.set("CommittedOffset", known->at.at).set("Metadata", known->metadata);
    }
    const Pair pair = known != nullptr ? log.pair(known->at) : Pair{};
    if (known != nullptr && pair.of(home_) == at_home) {
      return s.set("CommittedOffset", known->at.at);
    }
    Pair torn = pair;
    (home_ == Cluster::old_cluster ? torn.in_old : torn.in_new) = at_home;
    if (known == nullptr && home_ == Cluster::new_cluster)
      torn.in_old = std::numeric_limits<std::int64_t>::max();
    const VirtualOffset shown = log.position(torn);
    if (known != nullptr) {
      drift_.push_back({group_, topic.name, index_of(was), at_home, pair.of(home_), known->at, shown,
                        text(was["Metadata"]), asked_});
    }
    return s.set("CommittedOffset", shown.at);
  }

  // Commits that the home has lost (they expired there) of a topic it lists.
  void add_unlisted(const TopicLog& topic, Array& partitions) {
    const auto commits = state_.commits().find(group_);
    if (commits == state_.commits().end()) return;
    for (auto c = commits->second.lower_bound({topic.name, 0});
         c != commits->second.end() && c->first.first == topic.name; ++c) {
      const auto index = c->first.second;
      if (spliced(&topic, index) == nullptr || !listed_.insert(c->first).second) continue;
      partitions.push_back(Struct{{"PartitionIndex", index},
                                  {"CommittedOffset", c->second.at.at},
                                  {"CommittedLeaderEpoch", -1},
                                  {"Metadata", c->second.metadata},
                                  {"ErrorCode", 0}});
    }
  }
  // The same of topics it does not list.
  void add_unlisted(Array& topics) {
    for (const auto& [name, log] : state_.topics()) {
      Array partitions;
      add_unlisted(log, partitions);
      if (partitions.empty()) continue;
      Struct t{{"Name", name}, {"Partitions", std::move(partitions)}};
      if (batched_) t.set("TopicId", log.old_id);
      topics.push_back(std::move(t));
    }
  }

  const State& state_;
  std::string group_;
  Cluster home_;
  bool batched_;
  std::uint64_t asked_;
  std::vector<CommitDrift>& drift_;
  std::set<State::CommitKey> listed_;
};

// Whether a request asked for all topics of the group (v2+: null).
bool all_topics(const Value& request, const Value& group) {
  if (group["GroupId"].null()) return request["Topics"].null();
  for (const Value& g : request["Groups"].array()) {
    if (g["GroupId"].text() == group["GroupId"].text()) return g["Topics"].null();
  }
  return false;
}

}  // namespace

CommitRequest commit_request(const State& state, wire::ApiKey api, const Value& request) {
  CommitRequest out;
  out.api = api;
  out.group = text(request["GroupId"]);
  out.transactional_id = text(request["TransactionalId"]);
  const Cluster home = state.group_home(out.group);
  Array topics;
  for (const Value& t : request["Topics"].array()) {
    const TopicLog* log = state.topic(t["Name"].text(), t["TopicId"].uuid());
    Array partitions;
    bool changed = false;
    for (const Value& p : t["Partitions"].array()) {
      const VirtualLog* v = spliced(log, index_of(p));
      changed |= v != nullptr;
      partitions.push_back(v == nullptr ? p : rewritten(*v, p, home));
      if (v == nullptr) continue;
      out.positions.push_back({log->name, t["TopicId"].uuid(), index_of(p),
                               p["CommittedOffset"].number(), text(p["CommittedMetadata"])});
    }
    topics.push_back(changed ? Value(t.fields().set("Partitions", std::move(partitions))) : t);
  }
  out.native =
      out.positions.empty() ? request : Value(request.fields().set("Topics", std::move(topics)));
  return out;
}

std::vector<Record> pending(const CommitRequest& request, const Value& answer, UnixMillis time) {
  const auto taken = without_error(answer);
  std::vector<Record> out;
  for (const auto& p : request.positions) {
    const bool by_id = p.id != wire::Uuid{};
    if (!taken.contains({by_id ? std::string{} : p.topic, p.id, p.partition})) continue;
    if (p.at < 0) {
      out.emplace_back(CommitForgotten{request.group, p.topic, p.partition});
    } else {
      out.emplace_back(
          CommitAccepted{request.group, p.topic, p.partition, {p.at}, p.metadata, time});
    }
  }
  return out;
}

std::vector<Record> accepted(const CommitRequest& request, const Value& answer, UnixMillis time) {
  if (request.api == txn_offset_commit) return {};
  return pending(request, answer, time);
}

std::vector<Record> forgotten(const State& state, wire::ApiKey api, const Value& request,
                              const Value& answer) {
  std::vector<Record> out;
  if (api == delete_groups) {
    for (const Value& r : answer["Results"].array()) {
      const auto error = r["ErrorCode"].number();
      if (error != 0 && error != group_id_not_found) continue;
      auto group = text(r["GroupId"]);
      if (state.commits().contains(group)) out.emplace_back(CommitForgotten{std::move(group), {}});
    }
  }
  if (api == offset_delete && answer["ErrorCode"].number() == 0) {
    for (const auto& [topic, id, partition] : without_error(answer)) {
      const auto group = text(request["GroupId"]);
      if (state.commit(group, topic, partition) == nullptr) continue;
      out.emplace_back(CommitForgotten{group, topic, partition});
    }
  }
  return out;
}

std::optional<Copy> copy_of(const State& state, const CommitAccepted& commit) {
  const PartitionLog* p = state.partition(commit.topic, {}, commit.partition);
  if (p == nullptr || !p->log.next_native(copied_to)) return std::nullopt;
  if (state.group_home(commit.group) == copied_to) return std::nullopt;
  return Copy{commit.group, commit.topic, commit.partition, p->log.pair(commit.at).of(copied_to),
              commit.metadata};
}

Fetched fetched(const State& state, const Value& request, const Value& answer,
                std::uint64_t asked) {
  Fetched out{answer, {}};
  if (state.idle()) return out;
  const bool batched = answer["Groups"].is_array();
  const auto shown = [&](const Value& group, std::string id) {
    if (group["ErrorCode"].number() != 0) return group;
    Shower shower(state, std::move(id), batched, asked, out.drift);
    auto topics = shower.topics(group["Topics"], all_topics(request, group));
    return Value(group.fields().set("Topics", std::move(topics)));
  };
  if (!batched) {
    out.answer = shown(answer, text(request["GroupId"]));
    return out;
  }
  Array groups;
  for (const Value& g : answer["Groups"].array()) groups.push_back(shown(g, text(g["GroupId"])));
  out.answer = answer.fields().set("Groups", std::move(groups));
  return out;
}

std::optional<CommitAccepted> shown_instead(const CommitDrift& drift, UnixMillis time) {
  if (drift.shown == drift.journal) return std::nullopt;
  return CommitAccepted{drift.group,    drift.topic, drift.partition, drift.shown,
                        drift.metadata, time,        drift.asked};
}

}  // namespace shunt::splice
