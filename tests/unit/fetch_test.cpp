// Consumers that read random virtual logs through Fetch tasks: each record once, in order.
#include "proxy/splice/fetch.h"

#include <catch2/catch.hpp>
#include <set>

#include "tests/unit/splice_world.h"

using namespace shunt;
using namespace shunt::splice;
using namespace splice_world;
using wire::Array;
using wire::Struct;
using wire::Value;

namespace {

// One consumer's partition.
struct Position {
  std::string topic;
  int partition = 0;
  std::int64_t at = 0;
  std::int64_t high_watermark = -1;
  std::vector<Seen> seen;
  std::int64_t error = 0;
};

struct Options {
  wire::Version version = 12;
  std::int64_t max_bytes = 1 << 20, partition_bytes = 1 << 20, max_wait_ms = 250, min_bytes = 1;
  int faults_in = 0;  // one answer in so many is none
};

// One Fetch of all positions, carried out; positions move on. Returns how many rounds it took.
int fetch_once(World& w, std::vector<Position>& all, const Options& o, std::int64_t& now,
               std::vector<Jump>* jumps = nullptr, const std::function<void()>& between = {}) {
  Array topics;
  for (std::size_t i = 0; i < all.size();) {
    Array list;
    const auto topic = all[i].topic;
    for (; i < all.size() && all[i].topic == topic; ++i) {
      list.push_back(Struct{{"Partition", all[i].partition},
                            {"FetchOffset", all[i].at},
                            {"CurrentLeaderEpoch", -1},
                            {"PartitionMaxBytes", o.partition_bytes}});
    }
    topics.push_back(Struct{{"Topic", topic},
                            {"TopicId", w.model.id(old_cluster, topic)},
                            {"Partitions", std::move(list)}});
  }
  const wire::Message& m = *wire::request(1);
  const Value request =
      messages::decoded(m, o.version,
                        messages::encoded(m, o.version,
                                          Struct{{"MaxWaitMs", o.max_wait_ms},
                                                 {"MinBytes", o.min_bytes},
                                                 {"MaxBytes", o.max_bytes},
                                                 {"IsolationLevel", w.random.below(2)},
                                                 {"SessionId", 77},
                                                 {"SessionEpoch", 0},
                                                 {"Topics", std::move(topics)}}));
  const auto task = fetch(w.state, w.model.view(), {}, request);
  const auto began = now;
  int rounds = 0;
  for (auto asks = task->round(now); !asks.empty(); asks = task->round(now)) {
    REQUIRE(++rounds < 40);
    std::vector<Value> answers;
    std::int64_t wait = 0;
    for (const auto& ask : asks) {
      if (ask.api < 0) wait = std::max(wait, ask.body["MaxWaitMs"].number());
      answers.push_back(o.faults_in > 0 && w.random.one_in(o.faults_in)
                            ? Value()
                            : w.model.answer(ask, o.version));
    }
    REQUIRE(wait <= 100);
    REQUIRE((rounds > 1 || wait == 0));
    if (between) between();
    for (std::size_t i = 0; i < asks.size(); ++i) task->take(i, answers[i]);
    now += wait;
  }
  REQUIRE(now - began <= o.max_wait_ms);

  const wire::Message& am = *wire::response(1);
  const Value answer =
      messages::decoded(am, o.version, messages::encoded(am, o.version, task->answer()));
  if (jumps != nullptr) jumps->insert(jumps->end(), task->jumps().begin(), task->jumps().end());
  CHECK(answer["SessionId"].number() == 0);
  CHECK(answer["ErrorCode"].number() == 0);
  std::size_t next = 0, sets = 0, bytes = 0;
  for (const Value& t : answer["Responses"].array()) {
    for (const Value& p : t["Partitions"].array()) {
      REQUIRE(next < all.size());  // in the request's order
      Position& position = all[next++];
      INFO(position.topic << "-" << position.partition << " at " << position.at);
      REQUIRE(p["PartitionIndex"].number() == position.partition);
      if (o.version >= 13)
        REQUIRE(t["TopicId"].uuid() == w.model.id(old_cluster, position.topic));
      else
        REQUIRE(t["Topic"].text() == position.topic);
      position.error = p["ErrorCode"].number();
      const auto set = p["Records"].bytes();
      if (!set.empty()) ++sets;
      bytes += set.size();
      if (position.error != 0) {
        CHECK(set.empty());
        continue;
      }
      const auto mark = p["HighWatermark"].number();
      CHECK(mark >= position.high_watermark);  // it never falls
      CHECK(mark <= w.end(position.topic, position.partition));
      position.high_watermark = mark;
      CHECK(p["LastStableOffset"].number() <= mark);
      const bool spliced = position.topic == moved && w.part(position.partition).log.spliced();
      const auto seen = read(set, position.at, spliced && !between);
      CHECK(position.at <= mark);  // nothing past the end
      position.seen.insert(position.seen.end(), seen.begin(), seen.end());
    }
  }
  REQUIRE(next == all.size());
  CHECK((sets < 2 || bytes <= static_cast<std::size_t>(o.max_bytes)));
  return rounds;
}

std::vector<Position> everything(World& w) {
  std::vector<Position> all;
  for (const auto& topic : {plain, moved, waiting}) {
    for (int p = 0; p < partitions; ++p) {
      if (!w.random.one_in(6)) all.push_back({topic, p, 0, -1, {}, 0});
    }
  }
  return all;
}

Options random_options(Random& random) {
  Options o;
  o.version = static_cast<wire::Version>(4 + random.below(14));
  if (random.one_in(2)) o.max_bytes = 1 + random.below(2000);
  if (random.one_in(3)) o.partition_bytes = 1 + random.below(500);
  if (random.one_in(3)) o.max_wait_ms = random.below(300);
  return o;
}

// The lowest virtual offset that is retained.
std::int64_t first_retained(World& w, int p) {
  for (const Segment& s : w.part(p).log.segments()) {
    const auto start = w.model.log(s.cluster, moved, p).start;
    if (s.native_start < s.native_end && start < s.native_end) {
      return s.shown(std::max(start, s.native_start)).at;
    }
  }
  return w.part(p).log.tail().start.at;
}

}  // namespace

TEST_CASE("fetch: a consumer reads the virtual log, each record once and in order", "[fetch]") {
  for (std::uint32_t seed = 1; seed <= 1000; ++seed) {
    INFO("seed " << seed);
    World w(seed);
    for (int n = w.random.below(5); n > 0; --n) {
      w.produce();
      if (w.random.one_in(3))
        w.sweep();
      else
        w.cut();
    }
    w.produce();
    w.settle();
    for (int p = 0; p < partitions; ++p) {
      for (const auto c : {old_cluster, new_cluster}) {
        Log& log = w.model.log(c, moved, p);
        if (w.random.one_in(2)) log.compact(w.random);
        if (w.random.one_in(3)) log.aborted.emplace_back(3, w.random.below(20));
      }
      if (w.random.one_in(2)) w.retain(moved, p);
    }
    auto all = everything(w);
    for (auto& position : all) {
      if (position.topic != moved) continue;
      const auto first = first_retained(w, position.partition);
      const auto room = w.end(moved, position.partition) - first + 1;
      REQUIRE(room > 0);
      if (w.random.one_in(2)) position.at = first + w.random.below(static_cast<int>(room));
      position.at = std::max(position.at, first);
    }
    const auto begun = all;
    const Options o = random_options(w.random);
    std::int64_t now = 1000;
    for (int quiet = 0; quiet < 3;) {
      const auto before = all;
      fetch_once(w, all, o, now);
      bool any = false;
      for (std::size_t i = 0; i < all.size(); ++i) {
        REQUIRE(all[i].error == 0);
        any = any || all[i].at != before[i].at;
      }
      quiet = any ? 0 : quiet + 1;
    }
    for (std::size_t i = 0; i < all.size(); ++i) {
      INFO(all[i].topic << "-" << all[i].partition << " from " << begun[i].at);
      if (!(all[i].seen == w.records(all[i].topic, all[i].partition, begun[i].at))) {
        FAIL_CHECK("other records: "
                   << all[i].seen.size() << " of "
                   << w.records(all[i].topic, all[i].partition, begun[i].at).size());
      }
      CHECK(all[i].high_watermark == w.end(all[i].topic, all[i].partition));
    }
  }
}

TEST_CASE("fetch: nothing is lost or repeated while cuts, sweeps, faults and retention go on",
          "[fetch]") {
  for (std::uint32_t seed = 1; seed <= 300; ++seed) {
    INFO("seed " << seed);
    World w(seed);
    auto all = everything(w);
    Options o = random_options(w.random);
    o.max_bytes = 1 + w.random.below(3000);
    if (w.random.one_in(2)) o.faults_in = 8;
    // Everything that could ever be read: retention may take it before its reader comes.
    std::map<std::pair<std::string, int>, std::map<std::int64_t, Seen>> ever;
    const auto remember = [&] {
      for (const auto& position : all) {
        for (const Seen& s : w.records(position.topic, position.partition, 0)) {
          const auto [at, added] = ever[{position.topic, position.partition}].emplace(s.at, s);
          if (!added && !(at->second == s)) FAIL("two records of one offset");
        }
      }
    };
    bool retention = false;
    const auto events = [&] {
      w.produce();
      for (auto& c : w.model.clusters) {
        for (auto& [key, log] : c.logs) {
          if (w.random.one_in(2)) log.high_watermark = log.end;
        }
      }
      remember();
      if (w.random.one_in(6)) w.cut();
      if (w.random.one_in(6)) w.sweep();
      if (w.random.one_in(5)) {
        auto& log = w.model.log(w.random.one_in(2) ? old_cluster : new_cluster, moved,
                                w.random.below(partitions));
        log.leader = 3 - log.leader;
      }
      if (w.random.one_in(3)) w.model.refresh();
      if (retention && w.random.one_in(4)) w.retain(moved, w.random.below(partitions));
      remember();
    };
    std::int64_t now = 0;
    std::vector<Jump> jumps;
    for (int n = 0; n < 25; ++n) {
      retention = n > 10 && seed % 2 == 0;
      fetch_once(w, all, o, now, &jumps, [&] {
        if (w.random.one_in(4)) events();
      });
      for (auto& position : all) {
        if (position.error == 1) {  // the client begins anew, at the earliest
          REQUIRE(retention);
          const PartitionLog& log = w.part(position.partition);
          REQUIRE((!log.log.spliced() || position.at < log.log_start.at));
          position.at = first_retained(w, position.partition);
        } else if (position.error != 0) {
          REQUIRE(position.error == 6);
        }
      }
      events();
    }
    w.settle();
    w.model.refresh();
    remember();
    o.faults_in = 0;
    for (int quiet = 0; quiet < 3;) {
      const auto before = all;
      fetch_once(w, all, o, now, &jumps);
      bool any = false;
      for (std::size_t i = 0; i < all.size(); ++i) {
        if (all[i].error == 1) {
          REQUIRE(seed % 2 == 0);
          all[i].at = first_retained(w, all[i].partition);
          any = true;
          continue;
        }
        REQUIRE(all[i].error == 0);
        any = any || all[i].at != before[i].at;
      }
      quiet = any ? 0 : quiet + 1;
    }
    for (const auto& position : all) {
      INFO(position.topic << "-" << position.partition);
      std::vector<Seen> expected;
      for (const auto& [at, s] : ever[{position.topic, position.partition}]) expected.push_back(s);
      if (seed % 2 != 0) {
        if (!(position.seen == expected)) FAIL_CHECK("other records");
        continue;
      }
      // In order, each once, only such as there are; all that are still there.
      std::set<std::int64_t> got;
      std::int64_t last = -1;
      for (const Seen& s : position.seen) {
        if (s.at <= last) FAIL_CHECK("not in order");
        last = s.at;
        got.insert(s.at);
        const auto at = std::ranges::find(expected, s);
        if (at == expected.end()) FAIL_CHECK("a record that never was");
      }
      for (const Seen& s : w.records(position.topic, position.partition, 0, true)) {
        if (!got.contains(s.at)) FAIL_CHECK("a record was left out: " << s.at);
      }
    }
  }
}
