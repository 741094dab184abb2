#include "proxy/net/checks.h"

#include <algorithm>

#include "proxy/net/session.h"

namespace shunt::net {

using route::Cluster;
using wire::Array;
using wire::Struct;
using wire::Value;

namespace {

constexpr wire::ApiKey describe_configs_key = 32, describe_producers_key = 61;
constexpr wire::Version describe_configs_max = 2;

bool glob(std::string_view pattern, std::string_view text) {
  if (pattern.empty()) return text.empty();
  if (pattern.front() == '*') {
    return glob(pattern.substr(1), text) || (!text.empty() && glob(pattern, text.substr(1)));
  }
  return !text.empty() && (pattern.front() == '?' || pattern.front() == text.front()) &&
         glob(pattern.substr(1), text.substr(1));
}

std::string number(std::int64_t n) { return std::to_string(n); }

// One run of the checks: answers gather here until the last one is in.
struct Run {
  World& world;
  CheckRequest request;
  std::vector<Check> found;
  std::size_t left = 1;
  std::function<void(std::vector<Check>)> done;
  void add(const char* id, std::string target, std::string reason, std::string fix) {
    found.push_back({id, "fail", std::move(target), std::move(reason), std::move(fix)});
  }
  void end() {
    if (--left == 0) done(std::move(found));
  }
};
using Running = std::shared_ptr<Run>;

void check_shape(Run& run) {
  for (const auto& name : run.request.topics) {
    const auto* there = run.world.old_topology.topic(name);
    const auto* fresh = run.world.new_topology.topic(name);
    const auto* log = run.world.splice.topic(name);
    const auto other = [](const route::Topic* now, const wire::Uuid& then) {
      return now != nullptr && then != wire::Uuid{} && now->id != then;
    };
    if (log != nullptr && (other(there, log->old_id) || other(fresh, log->new_id))) {
      run.add("topic.recreated", name, "its topic id has changed: it was deleted and made anew",
              "its offsets mean something else now: this migration cannot go on with it");
    } else if (there == nullptr) {
      run.add("topic.missing", name, "old does not have it any more", "leave it out of --topics");
    } else if (fresh == nullptr) {
      run.add("topic.missing", name, "new does not have it",
              "create it on new with " +
                  number(static_cast<std::int64_t>(there->partitions.size())) +
                  " partitions and old's configuration");
    } else if (there->partitions.size() != fresh->partitions.size()) {
      run.add("topic.partitions", name,
              "old has " + number(static_cast<std::int64_t>(there->partitions.size())) +
                  " partitions, new " + number(static_cast<std::int64_t>(fresh->partitions.size())),
              "give new as many as old: keys must stay where they are");
    }
  }
}

void check_clients(Run& run) {
  for (const auto& group : run.world.known_groups()) {
    for (const auto& m : run.world.members(group)) {
      const bool concerned = std::ranges::any_of(
          run.request.topics, [&](const std::string& t) { return m.topics.contains(t); });
      if (!concerned || run.world.passes_here(group, m.id) || run.request.accept_stragglers)
        continue;
      run.add("group.outside", group,
              "member " + m.id + " (" + m.client_id + " at " + m.host +
                  ") reads these topics and does not pass here",
              "let it connect through Shunt, or go on with --accept-stragglers");
    }
  }
}

// One that agreed on its versions before new was seen is ended once when the cut begins; another
// would only come back with the same.
void check_versions(Run& run) {
  std::set<std::string> named;
  for (const auto& s : run.world.sessions) {
    const auto what = s->beyond_offer();
    if (what.empty() || s->to_agree_anew()) continue;
    const auto& id = s->who().client_id;
    const std::string client = id.empty() ? s->remote() : id;
    if (!named.insert(client).second) continue;
    run.add("client.versions", client, "it uses " + what,
            "update the client, or let it agree on versions with its cluster (ApiVersions)");
  }
}

// In force on old: compacted topics are tables, not streams (rules A11).
void check_cleanup(const Running& run) {
  auto* access = run->world.access[0];
  const auto node = access->any_node();
  if (!node) {
    return run->add("net.reach", "old", "no broker of old can be asked", "see `shuntctl status`");
  }
  constexpr int resource_topic = 2;
  Array resources;
  for (const auto& name : run->request.topics) {
    resources.push_back(Struct{{"ResourceType", resource_topic},
                               {"ResourceName", name},
                               {"ConfigurationKeys", Array{"cleanup.policy"}}});
  }
  ++run->left;
  access->call(
      *node, describe_configs_key, describe_configs_max,
      Struct{{"Resources", std::move(resources)}}, [run](const std::string&, const Value& body) {
        for (const auto& r : body["Results"].array()) {
          for (const auto& c : r["Configs"].array()) {
            const bool compacted = c["Value"].text().find("compact") != std::string_view::npos;
            if (!compacted || run->request.accept_history) continue;
            run->add("topic.cleanup", std::string(r["ResourceName"].text()),
                     "it is compacted: its history stays on old and is lost at finish",
                     "use scheme 3, or go on with --accept-history");
          }
        }
        run->end();
      });
}

// Whether a producer id that `from` knows is one that wrote through here. Brokers remember it for
// days: it may be of any segment that `from` has had, not only of the tail.
bool is_ours(const Run& run, const splice::PartitionLog* log, std::int64_t id) {
  const auto& state = run.world.splice;
  if (run.request.from == Cluster::old_cluster) {
    if (run.world.producers_seen.contains(id)) return true;
    for (std::uint32_t cut = 1; cut < state.next_cut(); ++cut) {
      if (state.producer(id, cut)) return true;  // seen before the daemon was started anew
    }
  }
  if (log == nullptr) return false;
  return std::ranges::any_of(log->log.segments(), [&](const splice::Segment& s) {
    return s.cluster == run.request.from && s.cut > 0 && state.producer_of(id, s.cut);
  });
}

void judge_producer(Run& run, const std::string& where, const splice::PartitionLog* log,
                    const Value& p) {
  const auto id = p["ProducerId"].number();
  const auto open = p["CurrentTxnStartOffset"].number();
  if (p["CoordinatorEpoch"].number() >= 0 || open >= 0) {
    std::string names;
    for (const auto& s : run.world.sessions) {
      for (const auto& t : s->transactional_ids()) names += (names.empty() ? "" : ", ") + t;
    }
    run.add("producer.transactional", where,
            "producer id " + number(id) + " writes transactions" +
                (open >= 0 ? ", one open since offset " + number(open) : std::string()) +
                (names.empty() ? std::string() : "; transactional ids seen here: " + names),
            "transactional producers cannot be moved yet: stop them first");
    return;
  }
  if (run.request.accept_stragglers || is_ours(run, log, id)) return;
  run.add("producer.foreign", where,
          "producer id " + number(id) + " (epoch " + number(p["ProducerEpoch"].number()) +
              ", last sequence " + number(p["LastSequence"].number()) +
              ") has not written through this proxy since it started",
          "let it connect through Shunt; if it has ended, go on with --accept-stragglers");
}

// Who writes: DescribeProducers at every leader (2.8+; others cannot say).
void check_producers(const Running& run) {
  constexpr std::int64_t recent_ms = 5 * 60 * 1000;  // older ones have ended or are idle
  auto* access = run->world.access[static_cast<std::size_t>(run->request.from)];
  const auto& topology = run->world.topology(run->request.from);
  std::map<route::NativeNodeId, std::map<std::string, Array>> asked;
  for (const auto& name : run->request.topics) {
    const auto* topic = topology.topic(name);
    for (std::size_t i = 0; topic != nullptr && i < topic->partitions.size(); ++i) {
      asked[topic->partitions[i].leader][name].push_back(static_cast<int>(i));
    }
  }
  for (auto& [leader, by_topic] : asked) {
    Array topics;
    for (auto& [name, partitions] : by_topic) {
      topics.push_back(Struct{{"Name", name}, {"PartitionIndexes", std::move(partitions)}});
    }
    ++run->left;
    access->call(leader, describe_producers_key, 0, Struct{{"Topics", std::move(topics)}},
                 [run](const std::string&, const Value& body) {
                   std::int64_t newest = 0;
                   for (const auto& t : body["Topics"].array()) {
                     for (const auto& p : t["Partitions"].array()) {
                       for (const auto& producer : p["ActiveProducers"].array())
                         newest = std::max(newest, producer["LastTimestamp"].number());
                     }
                   }
                   for (const auto& t : body["Topics"].array()) {
                     const std::string name(t["Name"].text());
                     for (const auto& p : t["Partitions"].array()) {
                       const auto index = static_cast<std::int32_t>(p["PartitionIndex"].number());
                       const auto* log = run->world.splice.partition(name, {}, index);
                       for (const auto& producer : p["ActiveProducers"].array()) {
                         const bool idle = newest - producer["LastTimestamp"].number() > recent_ms;
                         if (idle && producer["CurrentTxnStartOffset"].number() < 0) continue;
                         judge_producer(*run, name + "-" + number(index), log, producer);
                       }
                     }
                   }
                   run->end();
                 });
  }
}

}  // namespace

std::vector<std::string> match_topics(const route::Topology& topology,
                                      const std::vector<std::string>& list, std::string& problem) {
  static const std::set<std::string, std::less<>> internal = {
      "__consumer_offsets", "__transaction_state", "__share_group_state", "__cluster_metadata"};
  std::set<std::string> out;
  for (const auto& word : list) {
    if (word.find_first_of("*?") == std::string::npos) {
      if (internal.contains(word))
        problem = word + " is an internal topic: each cluster keeps its own";
      else if (topology.topic(word) == nullptr)
        problem = "old has no topic " + word;
      out.insert(word);
      continue;
    }
    const auto before = out.size();
    for (const auto& [name, topic] : topology.topics()) {
      if (!name.starts_with("__") && glob(word, name)) out.insert(name);
    }
    if (out.size() == before)
      problem = "no topic of old matches " + word +
                (word.starts_with("_") ? " (a glob never means internal topics, __*)" : "");
  }
  if (!problem.empty()) return {};
  return {out.begin(), out.end()};
}

void find_blockers(World& world, const CheckRequest& request,
                   std::function<void(std::vector<Check>)> done) {
  auto run = std::make_shared<Run>(Run{world, request, {}, 1, std::move(done)});
  for (const auto c : {Cluster::old_cluster, Cluster::new_cluster}) {
    const auto* access = world.access[static_cast<std::size_t>(c)];
    if (access == nullptr)
      run->add("net.reach", "new", "no new cluster is configured", "set clusters.new.bootstrap");
    else if (!access->reachable())
      run->add("net.reach", std::string(route::name(c)), "the cluster does not answer",
               "see `shuntctl status`");
  }
  if (run->found.empty()) {
    check_shape(*run);
    check_clients(*run);
    check_versions(*run);
  }
  if (run->found.empty()) {
    check_cleanup(run);
    check_producers(run);
  }
  run->end();
}

}  // namespace shunt::net
