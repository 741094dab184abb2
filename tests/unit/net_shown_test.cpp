// What clients see of a cut: polls that go on, fetch sessions, Metadata, commits.
#include <catch2/catch.hpp>

#include "tests/unit/moving_proxy.h"

using namespace shunt;
using fake::Moving;
using fake::request_frame;
using wire::Array;
using wire::Struct;
using wire::Value;
using namespace std::chrono_literals;

namespace {

// Partition 0's leader and its epoch, as clients see them.
std::pair<std::int64_t, std::int64_t> leader(Moving& p) {
  const auto client = p.client();
  client->send(request_frame(Moving::metadata, 9, 1, Struct{{"Topics", nullptr}}));
  REQUIRE(p.until([&] { return !client->frames.empty(); }));
  const auto answer = Moving::read(*client, 1, Moving::metadata, 9);
  REQUIRE(answer["ClusterId"].text() == "the-old-cluster");
  REQUIRE(answer["Brokers"].array().size() == 4);
  const Value part = answer["Topics"].array()[0]["Partitions"].array()[0];
  return {part["LeaderId"].number(), part["LeaderEpoch"].number()};
}

// The migration begins while old still owes a reader's poll its answer.
void start_over_a_poll(Moving& p, fake::Peer& reader, std::int64_t at) {
  p.olds.keep(Moving::fetch);
  reader.send(Moving::fetch_frame(1, {{0, at}}, 20'000));
  REQUIRE(p.until([&] { return p.olds.kept.size() == 1; }));
  p.olds.keeps = [](const fake::Asked&) { return false; };
  const auto begun = p.started();
  REQUIRE(p.until([&] { return begun->over; }));
}

}  // namespace

TEST_CASE("a poll that is parked at the flip goes on at the other cluster", "[cut]") {
  Moving p;
  const auto app = p.client(), reader = p.client();
  CHECK(p.does(app, 1, {{0, 1000, 0, 5}}) == "0 at 0");
  p.olds.keep(Moving::fetch);
  reader->send(Moving::fetch_frame(1, {{0, 5}}, 20'000));
  REQUIRE(p.until([&] { return p.olds.kept.size() == 1; }));
  p.olds.keeps = [](const fake::Asked&) { return false; };
  p.goes(p.cut());
  CHECK(p.until([&] { return p.news.asked(Moving::fetch) >= 1; }));
  CHECK(reader->frames.empty());
  CHECK(p.does(app, 2, {{0, 1000, 5, 5}}) == "0 at 5");
  REQUIRE(p.until([&] { return !reader->frames.empty(); }));
  const auto entry = Moving::fetched(*reader, 1);
  wire::BatchHeader b;
  REQUIRE(wire::parse(entry["Records"].bytes(), b) == wire::BatchParse::ok);
  CHECK(b.base_offset == 5);
  CHECK(b.base_sequence == 5);
  CHECK(entry["HighWatermark"].number() == 10);
  // What old says of it late is nobody's any more; the connection goes on.
  p.olds.answer_kept();
  p.quiet();
  CHECK(reader->frames.size() == 1);
  reader->send(Moving::fetch_frame(2, {{0, 0}}, 20'000));
  REQUIRE(p.until([&] { return reader->frames.size() == 2; }));
  CHECK(Moving::fetched(*reader, 2)["HighWatermark"].number() == 10);
}

TEST_CASE("a cut waits for polls asked before its migration", "[cut]") {
  Moving p(9s, false);
  const auto reader = p.client();
  start_over_a_poll(p, *reader, 0);
  const auto cut = p.cut();
  REQUIRE(p.at("S1"));
  CHECK_FALSE(p.until([&] { return cut->over; }, 100ms));
  CHECK(p.daemon->operate().step() == "S1");
  p.olds[0].fill(1);
  p.olds.answer_kept();
  p.goes(cut);
  CHECK(reader->frames.size() == 1);
  CHECK_FALSE(reader->closed);
}

TEST_CASE("a poll asked before the migration began shows nothing past the seam", "[cut]") {
  Moving p(9s, false, 0ms);
  const auto app = p.client(), reader = p.client();
  CHECK(p.does(app, 1, {{0, 1000, 0, 5}}) == "0 at 0");
  start_over_a_poll(p, *reader, 5);
  p.goes(p.cut());
  p.olds[0].append(fake::batch_of({0, -1, -1, 1}));  // somebody writes past us
  p.olds.answer_kept();
  REQUIRE(p.until([&] { return reader->closed; }));  // it asks again, and is told by the segments
  CHECK(reader->frames.empty());
}

TEST_CASE("a large answer makes way for what an earlier request has still to ask", "[cut]") {
  constexpr int out_of_range = 1;
  Moving p;
  const auto app = p.client(), reader = p.client();
  CHECK(p.does(app, 1, {{0, 1000, 0, 5}}) == "0 at 0");
  p.goes(p.cut());
  CHECK(p.does(app, 2, {{0, 1000, 5, 3, 0, 900'000}}) == "0 at 5");
  p.olds.keep(Moving::fetch);
  reader->send(Moving::fetch_frame(1, {{0, 4}}));
  REQUIRE(p.until([&] { return p.olds.kept.size() == 1; }));
  reader->send(Moving::fetch_frame(2, {{0, 5}}));
  REQUIRE(p.until([&] { return p.news.asked(Moving::fetch) == 1; }));
  p.quiet();
  CHECK(reader->frames.empty());
  // Old has lost its last record: the first request goes on at new, over the second one's link.
  p.olds.keeps = nullptr;
  p.olds.kept[0].answer(
      Struct{{"Responses", Array{Struct{{"Topic", "t"},
                                        {"Partitions", Array{Struct{{"PartitionIndex", 0},
                                                                    {"ErrorCode", out_of_range},
                                                                    {"HighWatermark", -1},
                                                                    {"LastStableOffset", -1},
                                                                    {"LogStartOffset", -1}}}}}}}});
  REQUIRE(p.until([&] { return reader->frames.size() == 2; }));
  for (const int correlation : {1, 2}) {
    wire::BatchHeader b;
    const auto entry = Moving::fetched(*reader, correlation);
    REQUIRE(wire::parse(entry["Records"].bytes(), b) == wire::BatchParse::ok);
    CHECK(b.base_offset == 5);
    CHECK(entry["Records"].bytes().size() > 900'000);
  }
}

TEST_CASE("an incremental fetch session is ended once, whoever was asked", "[cut]") {
  Moving p(9s, false);
  const auto reader = p.client();
  const auto session = [&](int correlation) {
    const auto answer = Moving::read(*reader, correlation, Moving::fetch, 11);
    return answer.null() ? -1 : answer["SessionId"].number();
  };
  const auto full = [&](int correlation) {
    const auto frame = Moving::fetch_frame(correlation, {{0, 0}}, 0, 0, 0);
    reader->send(frame);
  };
  p.olds.keep(Moving::fetch);
  full(1);
  REQUIRE(p.until([&] { return p.olds.kept.size() == 1; }));
  p.olds.kept[0].answer(Struct{{"SessionId", 77}});
  REQUIRE(p.until([&] { return session(1) == 77; }));
  p.olds.keeps = nullptr;
  const auto begun = p.started();
  REQUIRE(p.until([&] { return begun->over; }));
  // It says nothing new, so it names nothing: whether it is about our topics only the broker knows.
  reader->send(Moving::fetch_frame(2, {}, 0, 77, 1));
  REQUIRE(p.until([&] { return session(2) == 0; }));
  CHECK(p.olds.asked(Moving::fetch) == 1);
  full(3);
  REQUIRE(p.until([&] { return session(3) == 0; }));
  CHECK(p.olds.asked(Moving::fetch) == 2);
  CHECK(p.old[1].asked.back().value()["SessionEpoch"].number() == -1);
}

TEST_CASE("what retention took of the open segment is jumped over, not an error", "[cut]") {
  Moving p;
  const auto app = p.client(), reader = p.client();
  CHECK(p.does(app, 1, {{0, 1000, 0, 5}}) == "0 at 0");
  p.goes(p.cut());
  for (int i = 0; i < 5; ++i) p.does(app, 2 + i, {{0, 1000, 5 + i}});  // new's own 3 to 7
  CHECK(p.reads(0, 9) == "9:9");                                       // somebody has seen the end
  p.news[0].start = 6;
  reader->send(Moving::fetch_frame(1, {{0, 5}}));
  REQUIRE(p.until([&] { return !Moving::fetched(*reader, 1).null(); }));
  const auto first = Moving::fetched(*reader, 1);  // old has its records still: no reset to them
  CHECK(first["ErrorCode"].number() == 0);
  CHECK(first["Records"].bytes().empty());
  CHECK(first["HighWatermark"].number() == 10);
  CHECK(first["LastStableOffset"].number() == 10);
  CHECK(first["LogStartOffset"].number() == 0);
  reader->send(Moving::fetch_frame(2, {{0, 5}}));
  REQUIRE(p.until([&] { return !Moving::fetched(*reader, 2).null(); }));
  wire::BatchHeader b;
  REQUIRE(wire::parse(Moving::fetched(*reader, 2)["Records"].bytes(), b) == wire::BatchParse::ok);
  CHECK(b.base_offset == 8);
  CHECK(p.daemon->events().since(0).back().event == "retention-gap");
  // Past the end is the client's own business.
  reader->send(Moving::fetch_frame(3, {{0, 11}}));
  REQUIRE(p.until([&] { return !Moving::fetched(*reader, 3).null(); }));
  CHECK(Moving::fetched(*reader, 3)["ErrorCode"].number() == 0);
  reader->send(Moving::fetch_frame(4, {{0, 11}}));
  REQUIRE(p.until([&] { return !Moving::fetched(*reader, 4).null(); }));
  CHECK(Moving::fetched(*reader, 4)["ErrorCode"].number() == 1);
}

TEST_CASE("Metadata shows new's leader behind the flip, in a higher epoch", "[cut]") {
  Moving p;
  const auto before = leader(p);
  CHECK(before == std::pair<std::int64_t, std::int64_t>{1, 5});
  p.goes(p.cut());
  const auto flipped = leader(p);
  CHECK(flipped.first == route::new_node_base + 1);
  CHECK(flipped.second > before.second);
  p.goes(p.undo());
  const auto back = leader(p);
  CHECK(back.first == 1);
  CHECK(back.second > flipped.second);
}

TEST_CASE("a commit is journaled, and copied to the other cluster in its numbers", "[cut]") {
  constexpr wire::ApiKey offset_commit = 8;
  Moving p;
  p.old.coordinators["g"] = 2;
  p.fresh->coordinators["g"] = 1;
  const auto app = p.client(), member = p.client();
  CHECK(p.does(app, 1, {{0, 1000, 0, 5}}) == "0 at 0");
  const auto commit = [&](int correlation, std::int64_t at) {
    member->send(request_frame(
        offset_commit, 7, correlation,
        Struct{
            {"GroupId", "g"},
            {"GenerationIdOrMemberEpoch", 3},
            {"MemberId", "m"},
            {"Topics", Array{Struct{{"Name", "t"},
                                    {"Partitions", Array{Struct{{"PartitionIndex", 0},
                                                                {"CommittedOffset", at},
                                                                {"CommittedMetadata", "x"}}}}}}}}));
    REQUIRE(p.until([&] { return !Moving::read(*member, correlation, offset_commit, 7).null(); }));
    if (!p.part(0).log.spliced()) return;  // its home alone knows it, in the same numbers
    const auto* kept = std::get_if<splice::CommitAccepted>(&p.memory.kept.back());
    REQUIRE(kept != nullptr);  // before the answer
    CHECK(kept->group == "g");
    CHECK(kept->at.at == at);
    CHECK(kept->metadata == "x");
    p.quiet();
  };
  const auto at = [](fake::Logs& logs) {
    const auto found = logs.commits.find({"g", 0});
    return found == logs.commits.end() ? -1 : found->second;
  };
  commit(1, 4);
  CHECK(at(p.olds) == 4);
  p.goes(p.cut());
  CHECK(p.does(app, 2, {{0, 1000, 5, 5}}) == "0 at 5");
  commit(2, 8);  // behind the seam: old has been read to its end
  CHECK(at(p.olds) == 5);
  CHECK(p.until([&] { return at(p.news) == 3 + 3; }));
  commit(3, 2);  // back before it
  CHECK(at(p.olds) == 2);
  CHECK(p.until([&] { return at(p.news) == 3; }));
}

TEST_CASE("a transaction's commits count when it has ended", "[cut]") {
  constexpr wire::ApiKey end_txn = 26, txn_offset_commit = 28;
  Moving p;
  p.old.coordinators["g"] = 1;
  p.old.coordinators["tx"] = 1;
  const auto app = p.client(), member = p.client();
  CHECK(p.does(app, 1, {{0, 1000, 0, 5}}) == "0 at 0");
  p.goes(p.cut());
  CHECK(p.does(app, 2, {{0, 1000, 5, 5}}) == "0 at 5");
  int correlation = 0;
  const auto commit = [&](std::int64_t at) {
    member->send(request_frame(
        txn_offset_commit, 3, ++correlation,
        Struct{{"TransactionalId", "tx"},
               {"GroupId", "g"},
               {"ProducerId", 2500},
               {"GenerationIdOrMemberEpoch", 3},
               {"MemberId", "m"},
               {"Topics", Array{Struct{{"Name", "t"},
                                       {"Partitions", Array{Struct{{"PartitionIndex", 0},
                                                                   {"CommittedOffset", at}}}}}}}}));
    REQUIRE(
        p.until([&] { return !Moving::read(*member, correlation, txn_offset_commit, 3).null(); }));
  };
  const auto end = [&](bool committed) {
    member->send(request_frame(
        end_txn, 1, ++correlation,
        Struct{{"TransactionalId", "tx"}, {"ProducerId", 2500}, {"Committed", committed}}));
    REQUIRE(p.until([&] { return !Moving::read(*member, correlation, end_txn, 1).null(); }));
  };
  const auto place = [&] {
    const auto* c = p.daemon->operate().state().commit("g", "t", 0);
    return c == nullptr ? -1 : c->at.at;
  };
  commit(8);
  CHECK(p.olds.commits[{"g", 0}] == 5);  // the home's own part of the pair
  CHECK(place() == -1);
  end(false);
  CHECK(place() == -1);
  commit(7);
  end(true);
  CHECK(place() == 7);
  commit(9);
  end(true);
  CHECK(place() == 9);
}
