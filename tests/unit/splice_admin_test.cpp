// DeleteRecords and admin requests about migrated topics.
#include "proxy/splice/admin.h"

#include "proxy/splice/delete_records.h"
#include "tests/unit/spliced.h"

using namespace spliced;

namespace {

constexpr wire::ApiKey delete_records_api = 21;
constexpr wire::ApiKey create_topics = 19, delete_topics = 20, alter_configs = 33,
                       create_partitions = 37, incremental_alter_configs = 44,
                       alter_reassignments = 45;

Value deletion(const char* topic, int partition, std::int64_t offset) {
  return Struct{{"Topics", Array{Struct{{"Name", topic},
                                        {"Partitions", Array{Struct{{"PartitionIndex", partition},
                                                                    {"Offset", offset}}}}}}},
                {"TimeoutMs", 1000}};
}
Value low(std::int64_t watermark, int error = 0) {
  return Struct{{"LowWatermark", watermark}, {"ErrorCode", error}};
}

// "moved": old [0, 100), new [5, 55) at virtual 100, old from native 100 on at virtual 150.
World cut_twice() {
  World w;
  w.cut("moved", new_one, 100, 5, 7);
  w.cut("moved", old_one, 55, 100, 12);
  return w;
}

Run remove(World& w, std::int64_t offset, const Broker& b, int version = 2,
           const char* topic = "moved", std::optional<route::NodeKey> dead = std::nullopt) {
  const auto task = splice::delete_records(w.state, w.view(), static_cast<wire::Version>(version),
                                           deletion(topic, 0, offset));
  return run(*task, delete_records_api, version, b, dead);
}

// A broker whose high watermark is 500 and whose log begins at 0 before.
Value willing(const Question& q) {
  const auto to = q.entry["Offset"].number();
  return to > 500 ? low(-1, 1) : low(to == -1 ? 500 : to);
}

}  // namespace

TEST_CASE("DeleteRecords: each cluster deletes its own part", "[splice]") {
  struct Row {
    const char* why;
    std::int64_t offset;
    std::vector<std::pair<Cluster, std::int64_t>> asked;  // in order
    std::int64_t low, error;
  };
  const Row rows[] = {
      {"in the first", 40, {{old_one, 40}}, 40, 0},
      {"nothing", 0, {{old_one, 0}}, 0, 0},
      {"the first seam", 100, {{old_one, 100}}, 100, 0},
      {"in the second", 120, {{new_one, 25}, {old_one, 100}}, 120, 0},
      {"the second seam", 150, {{old_one, 100}, {new_one, 55}}, 150, 0},
      {"in the tail", 170, {{old_one, 120}, {new_one, 55}}, 170, 0},
      {"all", -1, {{old_one, -1}, {new_one, 55}}, 550, 0},
      {"past the end: nothing is deleted", 5000, {{old_one, 4950}}, -1, 1},
  };
  for (int v = 0; v <= 2; ++v) {
    for (const Row& row : rows) {
      INFO("v" << v << ": " << row.why);
      World w = cut_twice();
      const auto got = remove(w, row.offset, willing, v);
      CHECK(got.entry("moved", 0)["LowWatermark"].number() == row.low);
      CHECK(got.entry("moved", 0)["ErrorCode"].number() == row.error);
      REQUIRE(got.asked.size() == row.asked.size());
      for (std::size_t i = 0; i < row.asked.size(); ++i) {
        CHECK(got.asked[i].to.cluster == row.asked[i].first);
        CHECK(got.asked[i].entry["Offset"].number() == row.asked[i].second);
      }
      if (row.error == 0) CHECK(w.log("moved").log_start.at == row.low);
    }
  }
}

TEST_CASE("DeleteRecords: retention may have gone further", "[splice]") {
  World w = cut_twice();
  const auto got = remove(w, 40, [](const Question&) { return low(60); });
  CHECK(got.entry("moved", 0)["LowWatermark"].number() == 60);
}

TEST_CASE("DeleteRecords: a cut's candidate end, dead links, other topics", "[splice]") {
  World w = cut_twice();
  w.log("moved").candidate_end = 400;
  CHECK(remove(w, -1, willing).asked[0].entry["Offset"].number() == 400);
  const auto past = remove(w, 451, willing);
  CHECK(past.entry("moved", 0)["ErrorCode"].number() == 1);
  CHECK(past.asked.empty());
  CHECK(remove(w, 450, willing).entry("moved", 0)["LowWatermark"].number() == 450);

  const auto dead =
      remove(w, 120, willing, 2, "moved", route::NodeKey{old_one, route::NativeNodeId{1}});
  CHECK(dead.entry("moved", 0)["ErrorCode"].number() == 6);
  CHECK(dead.entry("moved", 0)["LowWatermark"].number() == -1);

  const auto other = remove(
      w, 4711, [](const Question&) { return low(4711, 0); }, 2, "other");
  REQUIRE(other.asked.size() == 1);
  CHECK(other.asked[0].to == route::NodeKey{old_one, route::NativeNodeId{1}});
  CHECK(other.asked[0].entry["Offset"].number() == 4711);
  CHECK(other.entry("other", 0)["LowWatermark"].number() == 4711);
}

namespace {

Value through(const wire::Message& m, int version, const Value& v) {
  return messages::decoded(m, version, messages::encoded(m, version, v));
}

// One topic's entry in a request.
Value topic_entry(wire::ApiKey api, const char* name, int node = 1) {
  switch (api) {
    case create_topics:
      return Struct{
          {"Name", name},
          {"Assignments", Array{Struct{{"PartitionIndex", 0}, {"BrokerIds", Array{1, node}}}}}};
    case delete_topics:
      return Struct{{"Name", name}};
    case create_partitions:
      return Struct{{"Name", name}, {"Count", 7}};
    case alter_reassignments:
      return Struct{{"Name", name},
                    {"Partitions", Array{Struct{{"PartitionIndex", 0}, {"Replicas", Array{1}}},
                                         Struct{{"PartitionIndex", 1}, {"Replicas", nullptr}}}}};
    default:
      return Struct{{"ResourceType", 2}, {"ResourceName", name}};
  }
}

const char* request_list(wire::ApiKey api) {
  return api == alter_configs || api == incremental_alter_configs ? "Resources" : "Topics";
}
const char* answer_list(wire::ApiKey api) {
  return api == create_topics ? "Topics" : api == create_partitions ? "Results" : "Responses";
}

Value admin(wire::ApiKey api, int version, std::vector<const char*> names) {
  const auto& m = *wire::request(api);
  Array list;
  for (const char* n : names) {
    if (api == delete_topics && version < 6) {
      list.push_back(n);
    } else {
      list.push_back(topic_entry(api, n));
    }
  }
  const bool by_name = api == delete_topics && version < 6;
  return through(m, version, Struct{{by_name ? "TopicNames" : request_list(api), list}});
}

// The answer of a broker that did all it was asked to.
Value obeyed(wire::ApiKey api, int version, const Value& request, const char* word = nullptr) {
  Array list;
  for (const char* from : {"TopicNames", "Topics", "Resources"}) {
    for (const Value& e : request[from].array()) {
      const Value name = e.is_text() ? e : e["Name"].null() ? e["ResourceName"] : e["Name"];
      Struct s;
      if (from == std::string_view("Resources")) {
        s = {{"ResourceType", e["ResourceType"]}, {"ResourceName", name}};
      } else {
        s = {{"Name", name}};
      }
      if (api == alter_reassignments) {
        s.set("Partitions", Array{Struct{{"PartitionIndex", 0}, {"ErrorMessage", nullptr}}});
      } else {
        s.set("ErrorMessage", word != nullptr ? Value(word) : Value());
      }
      list.push_back(s);
    }
  }
  return through(*wire::response(api), version,
                 Struct{{answer_list(api), list}, {"ThrottleTimeMs", 9}});
}

const Value& no_answer() {
  static const Value null;
  return null;
}

}  // namespace

TEST_CASE("admin: what would change a migrated topic is refused, in every version", "[splice]") {
  const World w;
  for (const auto api : {delete_topics, create_partitions, alter_reassignments}) {
    const auto& m = *wire::request(api);
    for (int v = m.valid.first; v <= m.valid.last; ++v) {
      INFO(m.name << " v" << v);
      const auto alone = splice::admin_request(w.state, api, admin(api, v, {"moved"}));
      CHECK(alone.forward.null());
      CHECK(alone.both.null());
      const auto check = [&](const Value& answer, std::size_t at) {
        const Value shown = through(*wire::response(api), v, answer);
        const Value e = shown[answer_list(api)].array()[at];
        CHECK(e["Name"].text() == "moved");
        const auto entries = e["Partitions"].array();
        if (api == alter_reassignments) REQUIRE(entries.size() == 2);
        const Value said = api == alter_reassignments ? entries[1] : e;
        CHECK(said["ErrorCode"].number() == 44);
        if (api != delete_topics || v >= 5) {
          CHECK(said["ErrorMessage"].text().find("migration m1") != std::string_view::npos);
        }
        if (api == delete_topics && v >= 6) CHECK(e["TopicId"].uuid() == uuid(1));
        CHECK(shown["ErrorCode"].number() == 0);
      };
      check(splice::admin_answer(alone, no_answer(), no_answer(), no_answer()), 0);

      // Others in the same request go on.
      const auto mixed =
          splice::admin_request(w.state, api, admin(api, v, {"other", "moved", "third"}));
      const Value forwarded = through(m, v, mixed.forward);
      CHECK(forwarded == admin(api, v, {"other", "third"}));
      const Value answer =
          splice::admin_answer(mixed, obeyed(api, v, forwarded), no_answer(), no_answer());
      REQUIRE(answer[answer_list(api)].array().size() == 3);
      CHECK(answer[answer_list(api)].array()[0]["Name"].text() == "other");
      CHECK(answer[answer_list(api)].array()[1]["Name"].text() == "third");
      CHECK(answer["ThrottleTimeMs"].number() == 9);
      check(answer, 2);

      // Nothing of ours: byte by byte.
      const Value request = admin(api, v, {"other"});
      const auto whole = splice::admin_request(w.state, api, request);
      CHECK(messages::encoded(m, v, whole.forward) == messages::encoded(m, v, request));
      const Value theirs = obeyed(api, v, request);
      CHECK(splice::admin_answer(whole, theirs, no_answer(), no_answer()) == theirs);
    }
  }
}

TEST_CASE("admin: a topic deleted by its id", "[splice]") {
  const World w;
  const auto by_id = [&](int id) {
    return splice::admin_request(
        w.state, delete_topics,
        through(*wire::request(delete_topics), 6,
                Struct{{"Topics", Array{Struct{{"Name", nullptr}, {"TopicId", uuid(id)}}}}}));
  };
  CHECK(by_id(1).forward.null());
  REQUIRE(by_id(1).refused.size() == 1);
  CHECK(by_id(1).refused[0]["Name"].text() == "moved");
  CHECK(by_id(1).refused[0]["TopicId"].uuid() == uuid(1));
  CHECK_FALSE(by_id(77).forward.null());
}

TEST_CASE("admin: no topic is created on new's nodes", "[splice]") {
  const World w;
  for (int v = 2; v <= 7; ++v) {
    INFO("v" << v);
    const Value request =
        through(*wire::request(create_topics), v,
                Struct{{"Topics", Array{topic_entry(create_topics, "a", new_base + 3),
                                        topic_entry(create_topics, "b", 2)}}});
    const auto r = splice::admin_request(w.state, create_topics, request);
    REQUIRE(r.forward["Topics"].array().size() == 1);
    const Value answer = through(
        *wire::response(create_topics), v,
        splice::admin_answer(r, obeyed(create_topics, v, r.forward), no_answer(), no_answer()));
    CHECK(answer["Topics"].array()[0]["Name"].text() == "b");
    CHECK(answer["Topics"].array()[0]["ErrorCode"].number() == 0);
    CHECK(answer["Topics"].array()[1]["Name"].text() == "a");
    CHECK(answer["Topics"].array()[1]["ErrorCode"].number() == 39);
  }
}

TEST_CASE("admin: configs of a migrated topic are altered on both clusters", "[splice]") {
  for (const auto api : {alter_configs, incremental_alter_configs}) {
    const auto& m = *wire::request(api);
    for (int v = m.valid.first; v <= m.valid.last; ++v) {
      for (const bool cut : {false, true}) {
        INFO(m.name << " v" << v << (cut ? ", cut" : ""));
        World w;
        if (cut) w.cut("moved", new_one, 100, 5, 7);
        // A broker may have the name of a topic.
        Struct request = admin(api, v, {"other", "moved"}).fields();
        Array resources{request["Resources"].array()[0], request["Resources"].array()[1],
                        Struct{{"ResourceType", 4}, {"ResourceName", "moved"}}};
        const auto r =
            splice::admin_request(w.state, api, through(m, v, request.set("Resources", resources)));
        CHECK(r.forward["Resources"].array().size() == 2);
        REQUIRE(r.both["Resources"].array().size() == 1);
        CHECK(through(m, v, r.both) == admin(api, v, {"moved"}));
        const Value answer =
            splice::admin_answer(r, obeyed(api, v, r.forward, "usual"),
                                 obeyed(api, v, r.both, "old's"), obeyed(api, v, r.both, "new's"));
        const auto entries = through(*wire::response(api), v, answer)["Responses"].array();
        REQUIRE(entries.size() == 3);
        CHECK(entries[2]["ResourceName"].text() == "moved");
        CHECK(entries[2]["ErrorMessage"].text() == (cut ? "new's" : "old's"));
        CHECK(entries[1]["ErrorMessage"].text() == "usual");
        // The cluster that counts did not answer.
        const Value half = splice::admin_answer(r, obeyed(api, v, r.forward),
                                                cut ? obeyed(api, v, r.both) : no_answer(),
                                                cut ? no_answer() : obeyed(api, v, r.both));
        CHECK(half["Responses"].array()[2]["ErrorCode"].number() == 7);
      }
    }
  }
}

TEST_CASE("admin: without a migration, and of other APIs, all goes on", "[splice]") {
  const World none(std::vector<std::string>{}), w;
  for (const auto api : {create_topics, delete_topics, create_partitions, alter_configs}) {
    const auto r = splice::admin_request(none.state, api, admin(api, 2, {"moved"}));
    CHECK_FALSE(r.forward.null());
    CHECK(r.refused.empty());
  }
  CHECK_FALSE(splice::admin_request(w.state, 3, Struct{{"Topics", Array{}}}).forward.null());
  CHECK_FALSE(
      splice::admin_request(w.state, delete_topics, admin(delete_topics, 6, {})).forward.null());
}
