// Fetch tasks, rule by rule: what is asked upstream, and what a client sees of each trouble.
#include <catch2/catch.hpp>

#include "proxy/splice/fetch.h"
#include "tests/unit/splice_world.h"

using namespace splice_world;
using wire::Array;
using wire::Struct;
using wire::Value;

namespace {

// "moved" has old [0, 20) and new from 3 on, 10 records; one batch of five after the other.
struct Cut20 : World {
  Cut20() : World(1) {
    for (auto& c : model.clusters) c.logs.clear();
    for (int p = 0; p < partitions; ++p) {
      for (const auto& topic : {moved, plain, waiting}) {
        fill(old_cluster, topic, p, 4);
        fill(new_cluster, topic, p, 0);
      }
      auto& log = model.log(new_cluster, moved, p);
      log.end = log.high_watermark = 3;
      log.batches.push_back(log_model::batch(random, new_cluster, 0, 3));
    }
    model.refresh();
    cut();
    for (int p = 0; p < partitions; ++p) fill(new_cluster, moved, p, 2);
  }
  void fill(Cluster c, const std::string& topic, int p, int batches) {
    Log& log = model.log(c, topic, p);
    for (; batches > 0; --batches) {
      log.batches.push_back(log_model::batch(random, c, log.end, 5));
      log.end += 5;
    }
    log.high_watermark = log.end;
    log.leader = 1;
  }

  struct Want {
    std::string topic;
    int partition = 0;
    std::int64_t at = 0;
    std::int32_t epoch = 7;
  };
  Value request(const std::vector<Want>& wants, const Struct& more = {}) const {
    Array topics;
    for (const auto& want : wants) {
      topics.push_back(Struct{{"Topic", want.topic},
                              {"TopicId", model.clusters[0].id_of(want.topic)},
                              {"Partitions", Array{Struct{{"Partition", want.partition},
                                                          {"FetchOffset", want.at},
                                                          {"CurrentLeaderEpoch", want.epoch},
                                                          {"LastFetchedEpoch", want.epoch},
                                                          {"LogStartOffset", -1},
                                                          {"PartitionMaxBytes", 1 << 20}}}}});
    }
    Struct body{{"MaxWaitMs", 250},           {"MinBytes", 1},  {"MaxBytes", 1 << 20},
                {"IsolationLevel", 0},        {"SessionId", 5}, {"SessionEpoch", 0},
                {"Topics", std::move(topics)}};
    for (const auto& [name, v] : more) body.set(name, v);
    return messages::decoded(*wire::request(1), version,
                             messages::encoded(*wire::request(1), version, body));
  }

  using Change = std::function<Value(const Task::Ask&, const Value&)>;
  // Carries a task out; change() may put another answer in a broker's place. Partition 0 of the
  // first topic is returned.
  Value run(const Value& body, const Change& change = {}, route::Origin origin = {}) {
    task = fetch(state, model.view(), origin, body, at_seam);
    asked.clear();
    waits.clear();
    now = paused = 0;
    for (auto asks = task->round(now); !asks.empty() || task->pause_ms() > 0;
         asks = task->round(now)) {
      REQUIRE(waits.size() < 40);
      std::int64_t wait = asks.empty() ? task->pause_ms() : 0;
      if (asks.empty()) paused += wait;
      for (std::size_t i = 0; i < asks.size(); ++i) {
        asked.push_back(asks[i]);
        if (asks[i].api < 0) wait = std::max(wait, asks[i].body["MaxWaitMs"].number());
        const Value given = model.answer(asks[i], version);
        task->take(i, change ? change(asks[i], given) : given);
      }
      waits.push_back(wait);
      now += wait;
    }
    answer = messages::decoded(*wire::response(1), version,
                               messages::encoded(*wire::response(1), version, task->answer()));
    return entry(0);
  }
  Value entry(std::size_t topic) const {
    return answer["Responses"].array()[topic]["Partitions"].array()[0];
  }
  std::vector<std::int64_t> offsets(const Value& e, std::int64_t from) const {
    std::vector<std::int64_t> out;
    for (const Seen& s : read(e["Records"].bytes(), from, true)) out.push_back(s.at);
    return out;
  }

  wire::Version version = 12;
  std::unique_ptr<FetchTask> task;
  std::vector<Task::Ask> asked;
  std::vector<std::int64_t> waits;
  std::int64_t now = 0, paused = 0;
  WaitsAtSeam at_seam;
  Value answer;
};

// The answer with the first partition's fields set.
Value with_entry(const Value& answer, const Struct& fields) {
  Array topics;
  for (const Value& t : answer["Responses"].array()) {
    Array list;
    for (const Value& p : t["Partitions"].array()) {
      Struct s = p.fields();
      for (const auto& [name, v] : fields) s.set(name, v);
      list.push_back(s);
    }
    topics.push_back(messages::with(t, "Partitions", list));
  }
  return messages::with(answer, "Responses", topics);
}

const Value& partition_of(const Value& body, Value& keep) {
  return keep = body["Topics"].array()[0]["Partitions"].array()[0];
}

}  // namespace

TEST_CASE("fetch: what is sent upstream is the cluster's own", "[fetch]") {
  for (wire::Version v = 4; v <= 17; ++v) {
    INFO("v" << v);
    Cut20 w;
    w.version = v;
    const auto body = w.request({{moved, 0, 22}, {waiting, 0, 3}, {plain, 1, 4}},
                                v >= 11 ? Struct{{"RackId", "r"}} : Struct{});
    CHECK(w.offsets(w.run(body), 22) == std::vector<std::int64_t>{22, 23, 24, 25, 26, 27, 28, 29});
    REQUIRE(w.asked.size() == 2);
    for (const auto& ask : w.asked) {
      const bool upstream_new = ask.to.cluster == new_cluster;
      Value p;
      partition_of(ask.body, p);
      const Value topic = ask.body["Topics"].array()[0];
      CHECK(p["FetchOffset"].number() == (upstream_new ? 5 : 3));
      CHECK(p["CurrentLeaderEpoch"].number() == (upstream_new || v < 9 ? -1 : 7));
      CHECK(p["LastFetchedEpoch"].number() == (upstream_new || v < 12 ? -1 : 7));
      CHECK(ask.body["RackId"].text() == (upstream_new || v < 11 ? "" : "r"));
      CHECK(ask.body["MaxBytes"].number() == (1 << 19));
      if (v >= 13) {
        const auto& name = upstream_new ? moved : waiting;
        CHECK(topic["TopicId"].uuid() == w.model.id(ask.to.cluster, name));
      }
    }
  }
}

TEST_CASE("fetch: clients with a rack read from the follower they dialled, but never a seam",
          "[fetch]") {
  Cut20 w;
  route::Origin origin;
  origin.addressed = route::NodeKey{old_cluster, route::NativeNodeId{2}};
  for (const char* rack : {"", "r"}) {
    w.run(w.request({{plain, 0, 0}, {waiting, 0, 0}, {moved, 0, 0}}, {{"RackId", rack}}), {},
          origin);
    const auto to = [&](std::size_t topic) {
      const auto index = w.asked[topic].to.id;
      return static_cast<int>(index);
    };
    REQUIRE(w.asked.size() >= 2);
    if (std::string_view(rack).empty()) {
      for (const auto& ask : w.asked) CHECK(static_cast<int>(ask.to.id) == 1);
    } else {
      CHECK(to(0) == 2);  // plain and waiting
      CHECK(w.asked[0].body["Topics"].array().size() == 2);
      CHECK(to(1) == 1);
    }
  }
  const auto e =
      w.run(w.request({{plain, 0, 0}}, {{"RackId", "r"}}), [](const Task::Ask&, const Value& a) {
        return with_entry(a, {{"PreferredReadReplica", 2}, {"Records", Buffer{}}});
      });
  CHECK(e["PreferredReadReplica"].number() == 2);
  CHECK(w.waits.size() == 1);
}

TEST_CASE("fetch: idle sides are waited for in short rounds, within the client's wait", "[fetch]") {
  Cut20 w;
  const std::vector<Cut20::Want> idle = {{moved, 0, 30}, {plain, 0, 20}};
  auto e = w.run(w.request(idle));
  CHECK(w.waits == std::vector<std::int64_t>{0, 100, 100, 50});
  CHECK(e["HighWatermark"].number() == 30);
  CHECK(e["LastStableOffset"].number() == 30);
  CHECK(w.entry(1)["HighWatermark"].number() == 20);
  w.run(w.request(idle, {{"MaxWaitMs", 0}}));
  CHECK(w.waits == std::vector<std::int64_t>{0});
  w.run(w.request(idle, {{"MinBytes", 0}}));
  CHECK(w.waits == std::vector<std::int64_t>{0});
  w.run(w.request({{moved, 0, 30}, {plain, 0, 15}}));
  CHECK(w.waits == std::vector<std::int64_t>{0});
  // What comes meanwhile ends it.
  e = w.run(w.request(idle), [&](const Task::Ask& ask, const Value& a) {
    if (w.waits.size() == 2 && ask.to.cluster == old_cluster) w.fill(new_cluster, moved, 0, 1);
    return a;
  });
  CHECK(w.offsets(e, 30).size() == 5);
  CHECK(w.waits.size() <= 4);
}

TEST_CASE("fetch: the high watermark is the view's, wherever is read", "[fetch]") {
  Cut20 w;
  CHECK(w.run(w.request({{moved, 0, 0}}))["HighWatermark"].number() == 20);  // new was not heard
  w.run(w.request({{moved, 0, 25}}));
  const auto e = w.run(w.request({{moved, 0, 0}}));
  CHECK(e["HighWatermark"].number() == 30);
  CHECK(e["LastStableOffset"].number() == 30);
  CHECK(e["LogStartOffset"].number() == 0);
  CHECK(w.part(0).shown_end.at == 30);
}

TEST_CASE("fetch: a stale leader is tried once more, then the client looks itself", "[fetch]") {
  Cut20 w;
  const auto refuse = [&](int error) {
    return [&w, error](const Task::Ask&, const Value& a) {
      return error == 0 ? Value() : with_entry(a, {{"ErrorCode", error}, {"Records", Buffer{}}});
    };
  };
  for (const int error : {3, 5, 6, 9, 56, 74, 75, 100, 103, 0}) {
    INFO("error " << error);
    const auto e = w.run(w.request({{moved, 0, 22}}), refuse(error));
    CHECK(e["ErrorCode"].number() == 6);
    CHECK(e["HighWatermark"].number() == -1);
    CHECK(e["Records"].bytes().empty());
    CHECK(w.asked.size() == 2);
    CHECK(w.task->stale(new_cluster));
    CHECK_FALSE(w.task->stale(old_cluster));
  }
  for (const int error : {2, 29, 87, -1}) {
    CHECK(w.run(w.request({{moved, 0, 22}}), refuse(error))["ErrorCode"].number() == error);
  }
  // Before the first cut errors are old's own.
  CHECK(w.run(w.request({{waiting, 0, 1}}), refuse(74))["ErrorCode"].number() == 74);
  CHECK(w.run(w.request({{plain, 0, 1}}), refuse(0))["ErrorCode"].number() == 6);
  // The leader moves and is known by then.
  w.model.log(new_cluster, moved, 0).leader = 2;
  const auto e = w.run(w.request({{moved, 0, 22}}), [&](const Task::Ask&, const Value& a) {
    w.model.refresh();
    return a;
  });
  CHECK(w.offsets(e, 22).size() == 8);
  // No answer at all from one side: the other's data is shown.
  const auto first =
      w.run(w.request({{moved, 0, 22}, {plain, 0, 5}}), [&](const Task::Ask& ask, const Value& a) {
        return ask.to.cluster == new_cluster ? Value() : a;
      });
  CHECK(first["ErrorCode"].number() == 6);
  CHECK_FALSE(w.entry(1)["Records"].bytes().empty());
}

TEST_CASE("fetch: a throttled broker's empty answer is no error", "[fetch]") {
  Cut20 w;
  const auto e = w.run(w.request({{moved, 0, 22}, {plain, 0, 5}}, {{"MaxWaitMs", 0}}),
                       [](const Task::Ask& ask, const Value& a) {
                         const bool throttled = ask.to.cluster == new_cluster;
                         const Value now =
                             messages::with(a, "ThrottleTimeMs", throttled ? 700 : 30);
                         return throttled ? messages::with(now, "Responses", Array{}) : now;
                       });
  CHECK(e["ErrorCode"].number() == 0);
  CHECK(e["HighWatermark"].number() == 20);
  CHECK(w.answer["ThrottleTimeMs"].number() == 700);
}

TEST_CASE("fetch: out of range is a jump inside the log, an error outside of it", "[fetch]") {
  Cut20 w;
  w.cut();  // back to old
  for (int p = 0; p < partitions; ++p) w.fill(old_cluster, moved, p, 1);
  // old [0, 20), new [3, 13) = 20 .. 30, old [20, 25) = 30 .. 35
  w.model.log(new_cluster, moved, 0).start = 10;
  auto e = w.run(w.request({{moved, 0, 21}}));
  CHECK(w.offsets(e, 21) == std::vector<std::int64_t>{25, 26, 27, 28, 29});  // a whole batch
  REQUIRE(w.task->jumps().size() == 1);
  CHECK(w.task->jumps()[0].topic == moved);
  CHECK(w.task->jumps()[0].from.at == 21);
  CHECK(w.task->jumps()[0].to.at == 25);
  CHECK(w.part(0).log_start.at == 0);
  // In the batch over the log start: it comes whole, nothing is missing.
  e = w.run(w.request({{moved, 0, 26}}));
  CHECK(w.offsets(e, 26) == std::vector<std::int64_t>{26, 27, 28, 29});
  CHECK(w.task->jumps().empty());
  // All of it: on in the next segment.
  w.model.log(new_cluster, moved, 0).start = 13;
  e = w.run(w.request({{moved, 0, 21}}));
  CHECK(w.offsets(e, 21) == std::vector<std::int64_t>{30, 31, 32, 33, 34});
  REQUIRE(w.task->jumps().size() == 1);
  CHECK(w.task->jumps()[0].to.at == 30);
  // A closed segment's log has lost its end.
  w.model.log(new_cluster, moved, 0).start = 0;
  w.model.log(new_cluster, moved, 0).end = w.model.log(new_cluster, moved, 0).high_watermark = 6;
  e = w.run(w.request({{moved, 0, 25}}));
  CHECK(w.offsets(e, 25) == std::vector<std::int64_t>{30, 31, 32, 33, 34});
  // Just where it ends now nothing ever comes either.
  e = w.run(w.request({{moved, 0, 23}}));
  CHECK(w.offsets(e, 23) == std::vector<std::int64_t>{30, 31, 32, 33, 34});
  REQUIRE(w.task->jumps().size() == 1);
  CHECK(w.task->jumps()[0].from.at == 23);
  CHECK(w.task->jumps()[0].to.at == 30);
  // Followers that are behind are waited for.
  w.model.log(new_cluster, moved, 0).end = 13;
  e = w.run(w.request({{moved, 0, 23}}));
  CHECK(w.offsets(e, 23).empty());
  CHECK(e["ErrorCode"].number() == 0);
  CHECK(w.task->jumps().empty());
  // Past the end.
  e = w.run(w.request({{moved, 0, 36}}));
  CHECK(e["ErrorCode"].number() == 1);
  // Below the first retained offset: of the first segment, and when that is gone.
  w.model.log(old_cluster, moved, 1).start = 12;
  CHECK(w.run(w.request({{moved, 1, 11}}))["ErrorCode"].number() == 1);
  CHECK(w.part(1).log_start.at == 12);
  CHECK(w.run(w.request({{moved, 1, 12}}))["LogStartOffset"].number() == 12);
  w.model.log(old_cluster, moved, 1).start = 20;
  w.model.log(new_cluster, moved, 1).start = 5;
  CHECK(w.run(w.request({{moved, 1, 15}}))["ErrorCode"].number() == 1);
  CHECK(w.run(w.request({{moved, 1, 21}}))["ErrorCode"].number() == 1);
  CHECK(w.part(1).log_start.at == 22);
  CHECK(w.task->jumps().empty());
}

TEST_CASE("fetch: who waits at the seam reads up to it", "[fetch]") {
  Cut20 w;
  bool waits = true;
  w.at_seam = [&](const TopicLog& t, int) { return waits && t.name == moved; };
  const auto run = [&](const std::vector<Cut20::Want>& wants) {
    w.run(w.request(wants));
    for (const auto& a : w.asked) CHECK((a.api >= 0 || a.to.cluster == old_cluster || !waits));
    return w.paused;
  };
  const auto at = [&](std::int64_t offset) { return w.offsets(w.entry(0), offset); };
  CHECK(run({{moved, 0, 15}}) == 0);
  CHECK(at(15) == std::vector<std::int64_t>{15, 16, 17, 18, 19});
  CHECK_FALSE(w.part(0).drained_at({15}));
  CHECK(w.part(0).drained_at({20}));
  CHECK(run({{moved, 0, 20}}) == 250);  // MaxWaitMs
  CHECK(at(20).empty());
  CHECK(w.entry(0)["ErrorCode"].number() == 0);
  CHECK(w.entry(0)["HighWatermark"].number() == 30);
  // Others are not kept from theirs.
  CHECK(run({{moved, 0, 20}, {plain, 0, 5}}) == 0);
  CHECK_FALSE(w.entry(1)["Records"].bytes().empty());
  waits = false;
  CHECK(run({{moved, 0, 20}}) == 0);
  CHECK(at(20) == std::vector<std::int64_t>{20, 21, 22, 23, 24, 25, 26, 27, 28, 29});
  // Compaction has taken the last of old: it is drained where it stands (rules C2).
  w.model.log(old_cluster, moved, 0).batches.resize(3);
  waits = true;
  run({{moved, 0, 15}});
  CHECK(at(15).empty());
  CHECK(w.part(0).drained_at({15}));
  CHECK_FALSE(w.part(0).drained_at({14}));
}

TEST_CASE("fetch: a candidate end clips the tail, before and after the first cut", "[fetch]") {
  Cut20 w;
  w.part(0).candidate_end = 8;  // native on new: virtual 25
  auto e = w.run(w.request({{moved, 0, 20}}));
  CHECK(w.offsets(e, 20) == std::vector<std::int64_t>{20, 21, 22, 23, 24});
  CHECK(e["HighWatermark"].number() == 25);
  CHECK(e["LastStableOffset"].number() == 25);
  e = w.run(w.request({{moved, 0, 25}, {moved, 1, 22}}));
  CHECK(e["Records"].bytes().empty());
  CHECK(e["ErrorCode"].number() == 0);
  w.part(0).candidate_end.reset();
  CHECK(w.run(w.request({{moved, 0, 25}}))["HighWatermark"].number() == 30);

  w.state.partition(waiting, {}, 0)->candidate_end = 10;
  e = w.run(w.request({{waiting, 0, 0}}));
  CHECK(w.offsets(e, 0).size() == 10);
  CHECK(e["HighWatermark"].number() == 10);
  CHECK(e["LastStableOffset"].number() == 10);
}

TEST_CASE("fetch: aborted transactions begin with their segment at the earliest", "[fetch]") {
  Cut20 w;
  w.model.log(new_cluster, moved, 0).aborted = {{4, 1}, {5, 3}, {6, 9}};
  const auto list = [](const Value& e) {
    std::vector<std::int64_t> out;
    for (const Value& t : e["AbortedTransactions"].array())
      out.push_back(t["FirstOffset"].number());
    return out;
  };
  CHECK(list(w.run(w.request({{moved, 0, 20}}))) == std::vector<std::int64_t>{20, 20, 26});
  w.model.log(old_cluster, moved, 0).aborted = {{4, 19}, {5, 20}, {6, 21}};
  CHECK(list(w.run(w.request({{moved, 0, 10}}))) == std::vector<std::int64_t>{19});
}

TEST_CASE("fetch: what cannot be renumbered is an error that is retried, never skipped",
          "[fetch]") {
  Cut20 w;
  const auto message = record_sets::message(w.random, 4, 0, 1, 30);
  const auto v0 = [&](const Task::Ask&, const Value& a) {
    return with_entry(a, {{"Records", message}});
  };
  CHECK(w.run(w.request({{moved, 0, 21}}), v0)["ErrorCode"].number() == -1);
  CHECK(w.run(w.request({{moved, 0, 4}}), v0)["ErrorCode"].number() == 0);  // virtual = native
  CHECK_FALSE(w.entry(0)["Records"].bytes().empty());
}

TEST_CASE("fetch: partitions that are not there, asked twice or not at all", "[fetch]") {
  Cut20 w;
  CHECK(w.run(w.request({{moved, 77, 0}}))["ErrorCode"].number() == 3);
  CHECK(w.run(w.request({{"nobody", 0, 0}}))["ErrorCode"].number() == 3);
  w.version = 13;
  CHECK(w.run(w.request({{"nobody", 0, 0}}))["ErrorCode"].number() == 100);
  w.run(w.request({{moved, 0, 0}, {moved, 0, 22}}));
  CHECK(w.answer["Responses"].array().size() == 1);
  w.run(w.request({}));
  CHECK(w.answer["Responses"].array().empty());
  CHECK(w.asked.empty());
  // No broker is known.
  const auto task = fetch(w.state, {}, {}, w.request({{plain, 0, 0}, {moved, 0, 22}}));
  CHECK(task->round(0).empty());
  for (const Value& t : task->answer()["Responses"].array()) {
    CHECK(t["Partitions"].array()[0]["ErrorCode"].number() == 6);
  }
}
