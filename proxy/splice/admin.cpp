#include "proxy/splice/admin.h"

#include <algorithm>

namespace shunt::splice {
namespace {

using wire::Array;
using wire::Struct;
using wire::Value;

constexpr wire::ApiKey create_topics = 19, delete_topics = 20, alter_configs = 33,
                       create_partitions = 37, incremental_alter_configs = 44,
                       alter_reassignments = 45;
constexpr int invalid_replica_assignment = 39, policy_violation = 44, request_timed_out = 7;
constexpr int resource_topic = 2;  // ConfigResource.Type

bool alters_configs(wire::ApiKey api) {
  return api == alter_configs || api == incremental_alter_configs;
}

// The array of the answer with an entry per topic or resource; null: not an API of ours.
const char* answer_list(wire::ApiKey api) {
  switch (api) {
    case create_topics:
      return "Topics";
    case create_partitions:
      return "Results";
    case delete_topics:
    case alter_configs:
    case incremental_alter_configs:
    case alter_reassignments:
      return "Responses";
    default:
      return nullptr;
  }
}

std::string not_now(const TopicLog& topic, const char* what) {
  return "Topic " + topic.name + " is being moved to another cluster by Shunt (migration " +
         topic.migration + "): " + what +
         " until then. Try again when the migration has finished: shuntctl status.";
}

Value refused_partitions(const TopicLog& topic, const Value& asked) {
  Array partitions;
  for (const Value& p : asked["Partitions"].array()) {
    partitions.push_back(
        Struct{{"PartitionIndex", p["PartitionIndex"]},
               {"ErrorCode", policy_violation},
               {"ErrorMessage", not_now(topic, "its replicas cannot be reassigned")}});
  }
  return Struct{{"Name", topic.name}, {"Partitions", std::move(partitions)}};
}

Value refused(const TopicLog& topic, const char* what) {
  return Struct{{"Name", topic.name},
                {"ErrorCode", policy_violation},
                {"ErrorMessage", not_now(topic, what)}};
}

bool assigned_to_new(const Value& topic) {
  for (const Value& a : topic["Assignments"].array()) {
    for (const Value& id : a["BrokerIds"].array()) {
      if (id.number() >= route::new_node_base) return true;
    }
  }
  return false;
}

// The answer's entry for one entry of the request that no broker is to see; null: it goes on.
Value refusal(const State& state, wire::ApiKey api, const Value& entry) {
  if (api == create_topics) {
    if (state.left() || !assigned_to_new(entry)) return {};
    return Struct{{"Name", entry["Name"]},
                  {"ErrorCode", invalid_replica_assignment},
                  {"ErrorMessage",
                   "Replicas are assigned to nodes of the cluster that Shunt moves "
                   "topics to; new topics are created on the other one."}};
  }
  const auto name = entry.is_text() ? entry.text() : entry["Name"].text();
  const TopicLog* topic = state.topic(name, entry["TopicId"].uuid());
  if (topic == nullptr || state.left()) return {};
  switch (api) {
    case delete_topics: {
      Struct r = refused(*topic, "it cannot be deleted").fields();
      return entry.is_text() ? r : r.set("TopicId", topic->old_id);
    }
    case create_partitions:
      return refused(*topic, "it keeps its number of partitions");
    case alter_reassignments:
      return refused_partitions(*topic, entry);
    default:
      return {};
  }
}

// Takes one of the request's arrays apart.
class Sorter {
 public:
  Sorter(const State& state, AdminRequest& out) : state_(state), out_(out) {}

  void sort(const Value& request, const char* list) {
    Array others, both;
    for (const Value& entry : request[list].array()) {
      const TopicLog* topic = config_of(entry);
      if (topic != nullptr) {
        both.push_back(entry);
        out_.answering[topic->name] = topic->produce_to();
      } else if (Value no = refusal(state_, out_.api, entry); !no.null()) {
        out_.refused.push_back(std::move(no));
      } else {
        others.push_back(entry);
      }
    }
    if (out_.refused.empty() && both.empty()) return;  // `forward` is the whole
    out_.forward = others.empty() ? Value() : Value(with(request, list, std::move(others)));
    if (!both.empty()) out_.both = with(request, list, std::move(both));
  }

 private:
  static Struct with(const Value& request, const char* list, Array entries) {
    return request.fields().set(list, std::move(entries));
  }
  const TopicLog* config_of(const Value& entry) const {
    const bool topic = alters_configs(out_.api) && entry["ResourceType"].number() == resource_topic;
    return topic && !state_.left() ? state_.topic(entry["ResourceName"].text()) : nullptr;
  }

  const State& state_;
  AdminRequest& out_;
};

// The tail's answer for a resource that went to both clusters.
Value of_both(const std::string& name, const Value& answer) {
  for (const Value& r : answer["Responses"].array()) {
    if (r["ResourceName"].text() == name) return r;
  }
  return Struct{{"ErrorCode", request_timed_out},
                {"ErrorMessage", "The cluster that topic " + name +
                                     " is written to did not answer Shunt. Try again."},
                {"ResourceType", resource_topic},
                {"ResourceName", name}};
}

}  // namespace

AdminRequest admin_request(const State& state, wire::ApiKey api, const Value& request) {
  AdminRequest out;
  out.api = api;
  out.forward = request;
  if (state.idle() || answer_list(api) == nullptr) return out;
  const bool names = api == delete_topics && !request["TopicNames"].null();  // below v6
  Sorter(state, out)
      .sort(request, names                 ? "TopicNames"
                     : alters_configs(api) ? "Resources"
                                           : "Topics");
  return out;
}

Value admin_answer(const AdminRequest& request, const Value& forwarded, const Value& of_old,
                   const Value& of_new) {
  const char* list = answer_list(request.api);
  if (list == nullptr || (request.refused.empty() && request.both.null())) return forwarded;
  Array entries;
  for (const Value& entry : forwarded[list].array()) entries.push_back(entry);
  for (const Value& entry : request.refused) entries.push_back(entry);
  for (const auto& [name, cluster] : request.answering) {
    entries.push_back(of_both(name, cluster == Cluster::old_cluster ? of_old : of_new));
  }
  Struct out = forwarded.null() ? Struct{} : forwarded.fields();
  if (forwarded.null() && request.api == alter_reassignments) out.set("ErrorMessage", nullptr);
  auto throttle = forwarded["ThrottleTimeMs"].number();
  for (const Value* v : {&of_old, &of_new}) {
    throttle = std::max(throttle, (*v)["ThrottleTimeMs"].number());
  }
  return out.set("ThrottleTimeMs", throttle).set(list, std::move(entries));
}

}  // namespace shunt::splice
