// Commits over a seam: what the home gets, what is journaled, what comes back.
#include "proxy/splice/commits.h"

#include "tests/unit/spliced.h"

using namespace spliced;
using splice::CommitAccepted;
using splice::CommitForgotten;
using splice::Record;

namespace {

constexpr wire::ApiKey offset_commit = 8, offset_fetch = 9, txn_commit = 28, delete_groups = 42,
                       offset_delete = 47;
constexpr splice::UnixMillis now = 1'700'000'000'000;

// "moved": old [0, 100), new from native 5 on, virtual 100.
World cut_once() {
  World w;
  w.cut("moved", new_one, 100, 5, 7);
  return w;
}

Value position(int partition, std::int64_t at, Value metadata = "m") {
  return Struct{{"PartitionIndex", partition},
                {"CommittedOffset", at},
                {"CommittedLeaderEpoch", 9},
                {"CommittedMetadata", std::move(metadata)}};
}
Value commit_body(Array moved, Array other = {}) {
  return Struct{
      {"GroupId", "g"},
      {"MemberId", "me"},
      {"Topics",
       Array{Struct{{"Name", "moved"}, {"TopicId", uuid(1)}, {"Partitions", std::move(moved)}},
             Struct{{"Name", "other"}, {"TopicId", uuid(2)}, {"Partitions", std::move(other)}}}}};
}
// The home's answer with these errors of "moved", by partition.
Value commit_answer(std::vector<int> errors, bool ids = true) {
  Array parts;
  for (std::size_t i = 0; i < errors.size(); ++i) {
    parts.push_back(Struct{{"PartitionIndex", static_cast<int>(i)}, {"ErrorCode", errors[i]}});
  }
  Struct moved{{"Name", "moved"}, {"Partitions", parts}};
  if (ids) moved.set("TopicId", uuid(1));
  return Struct{{"Topics", Array{moved, Struct{{"Name", "other"}, {"Partitions", parts}}}}};
}

Value through(const wire::Message& m, int version, const Value& v) {
  return messages::decoded(m, version, messages::encoded(m, version, v));
}

Value entry(const Value& topics, std::size_t topic, std::size_t partition) {
  return topics.array()[topic]["Partitions"].array()[partition];
}

std::vector<CommitAccepted> commits(const std::vector<Record>& records) {
  std::vector<CommitAccepted> out;
  for (const Record& r : records) {
    REQUIRE(std::holds_alternative<CommitAccepted>(r));
    out.push_back(std::get<CommitAccepted>(r));
  }
  return out;
}

void journal(World& w, int partition, std::int64_t at, const char* metadata = "kept",
             const char* group = "g", const char* topic = "moved") {
  w.must(CommitAccepted{group, topic, partition, {at}, metadata, now});
}

}  // namespace

TEST_CASE("commits: the home gets its own part of the pair, in every version", "[splice]") {
  const World w = cut_once();
  for (const auto api : {offset_commit, txn_commit}) {
    const auto& m = *wire::request(api);
    for (int v = m.valid.first; v <= m.valid.last; ++v) {
      INFO(m.name << " v" << v);
      const Value body =
          through(m, v, commit_body({position(0, 40), position(1, 130)}, {position(0, 130)}));
      const auto r = splice::commit_request(w.state, api, body);
      const Value native = through(m, v, r.native);
      const Value first = entry(native["Topics"], 0, 0), second = entry(native["Topics"], 0, 1);
      CHECK(first["CommittedOffset"].number() == 40);
      CHECK(second["CommittedOffset"].number() == 100);  // old has been read to its end
      if (!first["CommittedLeaderEpoch"].null()) {
        CHECK(first["CommittedLeaderEpoch"].number() == -1);
      }
      CHECK(second["CommittedMetadata"].text() == "m");
      CHECK(entry(native["Topics"], 1, 0) == entry(body["Topics"], 1, 0));
      CHECK(native["MemberId"] == body["MemberId"]);
      CHECK(r.group == "g");
      REQUIRE(r.positions.size() == 2);
      CHECK(r.positions[1].topic == "moved");
      CHECK(r.positions[1].partition == 1);
      CHECK(r.positions[1].at == 130);
    }
  }
}

TEST_CASE("commits: what is not spliced passes byte by byte", "[splice]") {
  const World before;
  const auto& m = *wire::request(offset_commit);
  for (int v = m.valid.first; v <= m.valid.last; ++v) {
    const auto bytes = messages::encoded(m, v, commit_body({position(0, 40)}, {position(0, 130)}));
    const auto r =
        splice::commit_request(before.state, offset_commit, messages::decoded(m, v, bytes));
    CHECK(messages::encoded(m, v, r.native) == bytes);
    CHECK(r.positions.empty());
  }
}

TEST_CASE("commits: only what the home accepts is journaled, in every version", "[splice]") {
  const World w = cut_once();
  const auto& m = *wire::request(offset_commit);
  for (int v = m.valid.first; v <= m.valid.last; ++v) {
    INFO("v" << v);
    const Value body =
        through(m, v, commit_body({position(0, 40), position(1, 130, nullptr)}, {position(0, 7)}));
    const auto r = splice::commit_request(w.state, offset_commit, body);
    const auto answered = [&](std::vector<int> errors) {
      return commits(splice::accepted(
          r, through(*wire::response(offset_commit), v, commit_answer(std::move(errors))), now));
    };
    const auto both = answered({0, 0});
    REQUIRE(both.size() == 2);
    CHECK(both[0].group == "g");
    CHECK(both[0].topic == "moved");
    CHECK(both[0].at.at == 40);
    CHECK(both[0].metadata == "m");
    CHECK(both[1].partition == 1);
    CHECK(both[1].at.at == 130);
    CHECK(both[1].metadata.empty());  // null is "" to a broker
    CHECK(both[1].time == now);
    REQUIRE(answered({22, 0}).size() == 1);
    CHECK(answered({22, 0})[0].partition == 1);
    CHECK(answered({25, 25}).empty());
    CHECK(answered({}).empty());
  }
}

TEST_CASE("commits: of a transaction count when it has committed", "[splice]") {
  const World w = cut_once();
  const Value body = commit_body({position(0, 130)}).fields().set("TransactionalId", "t");
  const auto r = splice::commit_request(w.state, txn_commit, body);
  CHECK(r.transactional_id == "t");
  const Value answer = through(*wire::response(txn_commit), 3, commit_answer({0}));
  const auto named =
      splice::commit_request(w.state, txn_commit, through(*wire::request(txn_commit), 3, body));
  CHECK(splice::accepted(named, answer, now).empty());
  REQUIRE(splice::pending(named, answer, now).size() == 1);
  CHECK(commits(splice::pending(named, answer, now))[0].at.at == 130);
}

TEST_CASE("commits: -1 is no position", "[splice]") {
  const World w = cut_once();
  const auto& m = *wire::request(offset_commit);
  const auto r =
      splice::commit_request(w.state, offset_commit, through(m, 7, commit_body({position(0, -1)})));
  CHECK(entry(r.native["Topics"], 0, 0)["CommittedOffset"].number() == -1);
  const auto records =
      splice::accepted(r, through(*wire::response(offset_commit), 7, commit_answer({0})), now);
  REQUIRE(records.size() == 1);
  CHECK(std::holds_alternative<CommitForgotten>(records[0]));
}

TEST_CASE("commits: the copy for new", "[splice]") {
  World w;
  const auto copy = [&](std::int64_t at) {
    return splice::copy_of(w.state, {"g", "moved", 0, {at}, "m", now});
  };
  CHECK(copy(40) == std::nullopt);  // new has no part of it yet
  CHECK(splice::copy_of(w.state, {"g", "other", 0, {40}, "m", now}) == std::nullopt);
  w.cut("moved", new_one, 100, 5, 7);
  CHECK(copy(40) == splice::Copy{"g", "moved", 0, 5, "m"});
  CHECK(copy(100) == splice::Copy{"g", "moved", 0, 5, "m"});
  CHECK(copy(130) == splice::Copy{"g", "moved", 0, 35, "m"});
}

namespace {

Value fetched_partition(int index, std::int64_t at, int error = 0, Value metadata = "home") {
  return Struct{{"PartitionIndex", index},
                {"CommittedOffset", at},
                {"CommittedLeaderEpoch", 4},
                {"Metadata", std::move(metadata)},
                {"ErrorCode", error}};
}

struct Fetched {
  Value topics;
  std::vector<splice::CommitDrift> drift;
};

// An OffsetFetch of group g through its bytes, in any version. `all`: the request names no topics.
// `since`: the last commit when it was asked; without: none came meanwhile.
Fetched fetch(const World& w, int version, Array moved, bool all = false, int group_error = 0,
              std::uint64_t since = ~std::uint64_t{0}) {
  const bool batched = version >= 8;
  const auto topic = [&](const char* name, int id, const char* list, Array elements) {
    Struct t{{"Name", name}, {list, std::move(elements)}};
    return batched ? t.set("TopicId", uuid(id)) : t;
  };
  const Value topics = Array{topic("moved", 1, "Partitions", std::move(moved)),
                             topic("other", 9, "Partitions", {fetched_partition(0, 130)})};
  const Value asked = Array{topic("moved", 1, "PartitionIndexes", {0, 1})};
  const Value wanted = all ? Value() : asked;
  const Value request =
      batched ? Struct{{"Groups", Array{Struct{{"GroupId", "h"}, {"Topics", asked}},
                                        Struct{{"GroupId", "g"}, {"Topics", wanted}}}}}
              : Struct{{"GroupId", "g"}, {"Topics", wanted}};
  const Value answer =
      batched
          ? Struct{{"Groups", Array{Struct{{"GroupId", "h"}}, Struct{{"GroupId", "g"},
                                                                     {"Topics", topics},
                                                                     {"ErrorCode", group_error}}}}}
          : Struct{{"Topics", topics}, {"ErrorCode", group_error}};
  const auto got = splice::fetched(w.state, through(*wire::request(offset_fetch), version, request),
                                   through(*wire::response(offset_fetch), version, answer), since);
  const Value shown = through(*wire::response(offset_fetch), version, got.answer);
  if (!batched) return {shown["Topics"], got.drift};
  CHECK(shown["Groups"].array()[0]["Topics"].array().empty());
  return {shown["Groups"].array()[1]["Topics"], got.drift};
}

}  // namespace

TEST_CASE("commits: what a client is told it has committed, in every version", "[splice]") {
  struct Row {
    const char* why;
    std::int64_t journal;  // virtual; -1: none
    std::int64_t home;     // native
    std::int64_t shown;
    const char* metadata;
    bool drift;
  };
  const Row rows[] = {
      {"nothing anywhere", -1, -1, -1, "home", false},
      {"committed before the cut", -1, 40, 40, "home", false},
      {"drained before the cut", -1, 100, 100, "home", false},
      {"in new", 130, 100, 130, "home", false},
      {"at the seam", 100, 100, 100, "home", false},
      {"sought back, journaled", 40, 40, 40, "home", false},
      {"sought back, and past us", 130, 40, 40, "home", true},
      {"went on past us, on old", 40, 70, 70, "home", true},
      {"went to the end past us", 40, 100, 100, "home", true},
      {"expired at home", 130, -1, 130, "kept", false},
  };
  for (int v = 1; v <= 10; ++v) {
    for (const auto& row : rows) {
      INFO("v" << v << ": " << row.why);
      World w = cut_once();
      if (row.journal >= 0) journal(w, 0, row.journal);
      const auto got = fetch(w, v, {fetched_partition(0, row.home), fetched_partition(1, 60)});
      const Value p = entry(got.topics, 0, 0);
      CHECK(p["CommittedOffset"].number() == row.shown);
      CHECK(p["Metadata"].text() == row.metadata);
      if (v >= 5) CHECK(p["CommittedLeaderEpoch"].number() == -1);
      CHECK(entry(got.topics, 0, 1)["CommittedOffset"].number() == 60);
      REQUIRE(got.drift.size() == (row.drift ? 1 : 0));
      if (row.drift) {
        const auto& d = got.drift[0];
        CHECK(d.group == "g");
        CHECK(d.topic == "moved");
        CHECK(d.home == row.home);
        CHECK(d.journal.at == row.journal);
        CHECK(d.shown.at == row.shown);
      }
      // "other" is what the home says.
      CHECK(entry(got.topics, 1, 0)["CommittedOffset"].number() == 130);
      if (v >= 5) CHECK(entry(got.topics, 1, 0)["CommittedLeaderEpoch"].number() == 4);
    }
  }
}

TEST_CASE("commits: a torn pair repeats, it never skips", "[splice]") {
  World w = cut_once();
  w.cut("moved", old_one, 55, 100, 12);  // new [5, 55) is virtual [100, 150), then old from 100
  journal(w, 0, 120);                    // the pair is (100, 20)
  const auto got = fetch(w, 8, {fetched_partition(0, 130)});
  CHECK(entry(got.topics, 0, 0)["CommittedOffset"].number() == 120);
  REQUIRE(got.drift.size() == 1);
  CHECK(got.drift[0].expected == 100);
  CHECK(entry(fetch(cut_once(), 8, {fetched_partition(0, 500)}).topics, 0, 0)["CommittedOffset"]
            .number() == 100);
}

TEST_CASE("commits: what is shown of a drift is where the group goes on", "[splice]") {
  World w = cut_once();
  journal(w, 0, 130);  // (100, 35)
  const auto since = w.state.last_commit();
  const auto got = fetch(w, 8, {fetched_partition(0, 40)}, false, 0, since);
  REQUIRE(got.drift.size() == 1);
  const auto instead = splice::shown_instead(got.drift[0], 7);
  REQUIRE(instead);
  CHECK(instead->at.at == 40);
  CHECK(instead->metadata == "home");
  CHECK(w.state.apply(*instead) == nullptr);
  CHECK(fetch(w, 8, {fetched_partition(0, 40)}).drift.empty());
  // Put elsewhere once more, and asked before that was journaled: it is no newer than the question.
  const auto again = fetch(w, 8, {fetched_partition(0, 60)}, false, 0, since);
  CHECK(entry(again.topics, 0, 0)["CommittedOffset"].number() == 60);
  // It read on to 110, the home took that, we died before the journal had it: not 130 again.
  CHECK(entry(fetch(w, 8, {fetched_partition(0, 100)}).topics, 0, 0)["CommittedOffset"].number() ==
        100);
}

TEST_CASE("commits: one that came after the home was asked is newer than its word", "[splice]") {
  World w = cut_once();
  journal(w, 0, 40);
  const auto since = w.state.last_commit();
  journal(w, 0, 130);
  const auto got = fetch(w, 8, {fetched_partition(0, 40)}, false, 0, since);
  CHECK(entry(got.topics, 0, 0)["CommittedOffset"].number() == 130);
  CHECK(got.drift.empty());
}

TEST_CASE("commits: errors pass, another group's commits do not count", "[splice]") {
  World w = cut_once();
  journal(w, 0, 130);
  journal(w, 1, 140, "theirs", "h");
  auto got = fetch(w, 8, {fetched_partition(0, -1, 88), fetched_partition(1, -1)});
  CHECK(entry(got.topics, 0, 0)["ErrorCode"].number() == 88);
  CHECK(entry(got.topics, 0, 0)["CommittedOffset"].number() == -1);
  CHECK(entry(got.topics, 0, 1)["CommittedOffset"].number() == -1);
  got = fetch(w, 8, {fetched_partition(0, 40)}, false, 16);
  CHECK(entry(got.topics, 0, 0)["CommittedOffset"].number() == 40);
  CHECK(got.drift.empty());
}

TEST_CASE("commits: before the cut an answer passes as it is", "[splice]") {
  World w;
  journal(w, 0, 130);
  const auto got = fetch(w, 8, {fetched_partition(0, 40)});
  CHECK(entry(got.topics, 0, 0)["CommittedOffset"].number() == 40);
  CHECK(entry(got.topics, 0, 0)["CommittedLeaderEpoch"].number() == 4);
}

TEST_CASE("commits: all topics of a group, with what only the journal has", "[splice]") {
  for (const int v : {2, 7, 8, 10}) {
    INFO("v" << v);
    World w({"moved", "lost"});
    w.cut("moved", new_one, 100, 5, 7);
    w.cut("lost", new_one, 100, 5, 7);
    journal(w, 0, 100);
    journal(w, 1, 140);
    journal(w, 0, 150, "kept", "g", "lost");
    const auto got = fetch(w, v, {fetched_partition(0, 100)}, true);
    REQUIRE(got.topics.array().size() == 3);
    CHECK(entry(got.topics, 0, 0)["CommittedOffset"].number() == 100);
    CHECK(entry(got.topics, 0, 1)["CommittedOffset"].number() == 140);
    CHECK(entry(got.topics, 2, 0)["CommittedOffset"].number() == 150);
    CHECK(entry(got.topics, 2, 0)["Metadata"].text() == "kept");
    const Value lost = got.topics.array()[2];
    CHECK((v >= 10 ? lost["TopicId"].uuid() == uuid(2) : lost["Name"].text() == "lost"));
    // One that names its topics gets these alone.
    CHECK(fetch(w, v, {fetched_partition(0, 100)}).topics.array().size() == 2);
  }
}

TEST_CASE("commits: what the home has deleted is forgotten", "[splice]") {
  World w = cut_once();
  journal(w, 0, 130);
  journal(w, 1, 140);
  journal(w, 0, 150, "", "h");
  const Value request = Struct{{"GroupId", "g"}};
  const auto deleted = [&](int error, int first, int second) {
    return splice::forgotten(
        w.state, offset_delete, request,
        Struct{{"ErrorCode", error}, {"Topics", commit_answer({first, second}, false)["Topics"]}});
  };
  CHECK(deleted(0, 0, 0).size() == 2);
  CHECK(deleted(16, 0, 0).empty());
  REQUIRE(deleted(0, 86, 0).size() == 1);
  w.must(deleted(0, 86, 0)[0]);
  CHECK(w.state.commit("g", "moved", 0) != nullptr);
  CHECK(w.state.commit("g", "moved", 1) == nullptr);

  const auto group = [&](const char* id, int error) {
    return splice::forgotten(
        w.state, delete_groups, Struct{},
        Struct{{"Results", Array{Struct{{"GroupId", id}, {"ErrorCode", error}}}}});
  };
  CHECK(group("nobody", 0).empty());
  CHECK(group("g", 68).empty());  // NON_EMPTY_GROUP
  CHECK(group("h", 69).size() == 1);
  REQUIRE(group("g", 0).size() == 1);
  w.must(group("g", 0)[0]);
  CHECK(w.state.commit("g", "moved", 0) == nullptr);
  CHECK(w.state.commit("h", "moved", 0) != nullptr);
}
