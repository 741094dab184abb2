// Produce while its topic is cut over, through the daemon: held, drained, judged, renamed.
#include <catch2/catch.hpp>

#include "tests/unit/moving_proxy.h"

using namespace shunt;
using fake::Blocker;
using fake::CloseCause;
using fake::Moving;
using namespace std::chrono_literals;

namespace {

constexpr auto produce = Moving::produce, api_versions = Moving::api_versions;

}  // namespace

TEST_CASE("a cut holds Produce, and lets it go to new as if nothing had been", "[cut]") {
  Moving p;
  const auto app = p.client();
  CHECK(p.does(app, 1, {{0, 1000, 0, 5}}) == "0 at 0");
  Blocker blocker(p);
  const auto moved = p.cut();
  REQUIRE(p.at("S3"));
  app->send(Moving::produce_frame(2, {{0, 1000, 5, 5}}));
  app->send(Moving::produce_frame(3, {{0, 1000, 10, 1}}));
  p.quiet();
  CHECK(p.held() == 1);  // the one behind it is not read
  CHECK(p.olds.asked(produce) == 2);
  CHECK(p.news.asked(produce) == 0);
  CHECK_FALSE(moved->over);
  blocker.release();
  p.goes(moved);
  REQUIRE(p.until([&] { return !Moving::said(*app, 3).empty(); }));
  CHECK(Moving::said(*app, 2) == "0 at 5");
  CHECK(Moving::said(*app, 3) == "0 at 10");
  CHECK(p.held() == 0);
  CHECK(p.olds.asked(produce) == 2);
  // In new's name for the producer, its sequences as they were; the model checks the CRC.
  REQUIRE(p.news[0].batches.size() == 3);
  const auto &first = p.news[0].batches[1], &second = p.news[0].batches[2];
  CHECK(first.producer >= 5000);
  CHECK(second.producer == first.producer);
  CHECK(first.epoch == 0);
  CHECK(first.sequence == 5);
  CHECK(second.sequence == 10);
  CHECK(first.base == 3);

  CHECK(moved->moved.to == route::Cluster::new_cluster);
  CHECK(moved->moved.move == "m1.2");
  REQUIRE(moved->moved.partitions.size() == 2);
  const auto& told = moved->moved.partitions[0];
  CHECK(told.old_end == 5);
  CHECK(told.new_start == 3);
  CHECK(told.virtual_start == 5);
  CHECK(told.producers == 1);

  // Back, and on again: a new name each time, one log for all.
  p.goes(p.undo());
  CHECK(p.does(app, 4, {{0, 1000, 11, 2}}) == "0 at 11");
  CHECK(p.olds[0].batches.back().producer >= 2000);
  CHECK(p.olds[0].batches.back().sequence == 11);
  p.goes(p.cut());
  CHECK(p.does(app, 5, {{0, 1000, 13, 1}}) == "0 at 13");
  CHECK(p.news[0].batches.back().producer != first.producer);
  CHECK(p.reads(0, 0) == "0:0 5:5 10:10 11:11 13:13");
  CHECK(p.reads(1, 0) == "0:-1");
}

TEST_CASE("acks=0 is drained by a request behind it that has an answer", "[cut]") {
  Moving p;
  const auto app = p.client();
  app->send(Moving::produce_frame(1, {{0, -1, -1, 2}}, 0));
  REQUIRE(p.until([&] { return p.olds[0].end == 2; }));
  p.olds.keep(api_versions);
  const auto moved = p.cut();
  REQUIRE(p.until([&] { return p.olds.kept.size() == 1; }));
  app->send(Moving::produce_frame(2, {{0, -1, -1, 2}}, 0));
  p.quiet();
  CHECK(p.daemon->operate().step() == "S3");
  CHECK(p.olds.kept.size() == 1);  // asked once
  CHECK(p.held() == 1);
  p.olds.answer_kept();
  p.goes(moved);
  REQUIRE(p.until([&] { return p.news[0].end == 5; }));
  CHECK(p.olds[0].end == 2);
  CHECK(app->frames.empty());
  CHECK(p.does(app, 3, {{0}}) == "0 at 4");  // the connection goes on
  // The other way the links to new are asked.
  p.news.keep(api_versions);
  app->send(Moving::produce_frame(4, {{0}}, 0));
  const auto back = p.undo();
  REQUIRE(p.until([&] { return p.news.kept.size() == 1; }));
  p.news.answer_kept();
  p.goes(back);
  CHECK(p.reads(0, 0) == "0:-1 2:-1 4:-1 5:-1");
}

TEST_CASE("acks=0 of a client that has gone is drained too", "[cut]") {
  Moving p;
  const auto app = p.client();
  p.olds.keep(api_versions);
  app->send(Moving::produce_frame(1, {{0, -1, -1, 2}}, 0));
  REQUIRE(p.until([&] { return p.olds[0].end == 2; }));
  app->close_when_sent();
  REQUIRE(p.until([&] { return p.connections() == 0; }));
  const auto moved = p.cut();
  REQUIRE(p.at("S3"));
  p.quiet();
  CHECK(p.daemon->operate().step() == "S3");
  p.olds.answer_kept();
  p.goes(moved);
  CHECK(p.links() == 0);
}

TEST_CASE("a client that goes while it is held: dropped, but for acks=0", "[cut]") {
  const struct {
    const char* why;
    int acks;
    bool reset;
    std::int64_t arrive;  // of two, sent one behind the other
  } rows[] = {{"acks=all", -1, false, 0}, {"acks=1", 1, false, 0}, {"acks=0", 0, false, 2}};
  for (const auto& row : rows) {
    INFO(row.why);
    Moving p;
    Blocker blocker(p);
    const auto moved = p.cut();
    REQUIRE(p.at("S3"));
    const auto app = p.client();
    app->send(Moving::produce_frame(1, {{0}}, row.acks));
    app->send(Moving::produce_frame(2, {{0}}, row.acks));
    REQUIRE(p.until([&] { return p.held() == 1; }));
    app->close_when_sent();
    p.quiet();
    blocker.release();
    p.goes(moved);
    CHECK(p.until([&] { return p.connections() == 1; }));  // the blocker's
    CHECK(p.news[0].end == 3 + row.arrive);
    CHECK(p.olds[0].end == 0);
    CHECK(p.held() == 0);
    CHECK(p.closed(CloseCause::client_closed) == 1);
  }
}

TEST_CASE("a client that is gone while its Produce is at the broker is waited for", "[cut]") {
  for (const bool reset : {false, true}) {
    INFO((reset ? "reset" : "FIN"));
    Moving p;
    Blocker blocker(p);
    if (reset)
      blocker.client->reset();
    else
      blocker.client->close();
    if (reset) REQUIRE(p.until([&] { return p.connections() == 0; }));
    p.quiet();
    CHECK(p.links() == 1);
    const auto moved = p.cut();
    REQUIRE(p.at("S3"));
    p.quiet();
    CHECK(p.daemon->operate().step() == "S3");
    blocker.release();
    p.goes(moved);
    CHECK(p.part(1).log.tail().start.at == 1);
    CHECK(p.until([&] { return p.links() == 0 && p.connections() == 0; }));
  }
}

TEST_CASE("two batches of an id: the second waits until new has the first", "[cut]") {
  for (const bool two_clients : {false, true}) {
    INFO((two_clients ? "over two connections" : "over one"));
    Moving p;
    const auto app = p.client(), second = two_clients ? p.client() : app;
    CHECK(p.does(app, 1, {{0, 1000, 0, 5}}) == "0 at 0");
    p.goes(p.cut());
    p.news.keep(produce);
    app->send(Moving::produce_frame(2, {{0, 1000, 5, 1}}));
    REQUIRE(p.until([&] { return p.news.kept.size() == 1; }));
    second->send(Moving::produce_frame(3, {{0, 1000, 6, 1}}));
    CHECK(p.until([&] { return p.held() == 1; }));
    p.quiet();
    CHECK(p.news.kept.size() == 1);
    p.news.answer_kept();
    REQUIRE(p.until([&] { return !Moving::said(*second, 3).empty(); }));
    CHECK(Moving::said(*app, 2) == "0 at 5");
    CHECK(Moving::said(*second, 3) == "0 at 6");
    // From here on new checks itself, and several may be on their way.
    p.news.keep(produce);
    app->send(Moving::produce_frame(4, {{0, 1000, 7, 1}}));
    app->send(Moving::produce_frame(5, {{0, 1000, 8, 1}}));
    CHECK(p.until([&] { return p.news.kept.size() == 2; }));
    p.news.answer_kept();
    CHECK(p.until([&] { return Moving::said(*app, 5) == "0 at 8"; }));
  }
}

TEST_CASE("a first batch that new refuses is not a first one", "[cut]") {
  Moving p;
  const auto app = p.client();
  CHECK(p.does(app, 1, {{0, 1000, 0, 5}}) == "0 at 0");
  p.goes(p.cut());
  CHECK(p.does(app, 2, {{0, 1000, 7, 1}}) == "0: error 45");  // said by us: new does not know it
  CHECK(p.news.asked(produce) == 0);
  p.news.keep(produce);
  app->send(Moving::produce_frame(3, {{0, 1000, 5, 1}}));
  app->send(Moving::produce_frame(4, {{0, 1000, 6, 1}}));
  REQUIRE(p.until([&] { return p.news.kept.size() == 1; }));
  const auto refused = std::exchange(p.news.kept, {}).front();
  p.news.keeps = nullptr;
  refused.answer(wire::Struct{
      {"Responses",
       wire::Array{wire::Struct{
           {"Name", "t"},
           {"PartitionResponses",
            wire::Array{wire::Struct{{"Index", 0}, {"ErrorCode", 6}, {"BaseOffset", -1}}}}}}}});
  // The next one is judged as a first one: it has a gap before it, until that is filled.
  REQUIRE(p.until([&] { return !Moving::said(*app, 4).empty(); }));
  CHECK(Moving::said(*app, 3) == "0: error 6");
  CHECK(Moving::said(*app, 4) == "0: error 45");
  CHECK(p.does(app, 5, {{0, 1000, 5, 1}}) == "0 at 5");
  CHECK(p.does(app, 6, {{0, 1000, 6, 1}}) == "0 at 6");
}

TEST_CASE("a repeat of what old holds is answered with its offset, and written nowhere", "[cut]") {
  Moving p;
  const auto app = p.client();
  for (int i = 0; i < 6; ++i)
    CHECK(p.does(app, i + 1, {{0, 1000, i * 5, 5}}) == "0 at " + std::to_string(i * 5));
  p.goes(p.cut());
  CHECK(p.does(app, 11, {{0, 1000, 25, 5}}) == "0 at 25");
  CHECK(p.does(app, 12, {{0, 1000, 5, 5}}) == "0 at 5");
  CHECK(p.does(app, 13, {{0, 1000, 0, 5}}) == "0: error 45");  // the sixth: nobody remembers
  CHECK(p.news.asked(produce) == 0);
  // Together with one that is none, of the other partition and of this one.
  CHECK(p.does(app, 14, {{0, 1000, 25, 5}, {1, 1000, 0, 2}}) == "0 at 25, 1 at 0");
  CHECK(p.news.asked(produce) == 1);
  CHECK(p.does(app, 15, {{0, 1000, 30, 5}}) == "0 at 30");
  CHECK(p.does(app, 16, {{0, 1000, 25, 5}}) == "0 at 25");
  CHECK(p.does(app, 17, {{0, 1000, 30, 5}}) == "0 at 30");  // new's own repeat
  // A large one: its partitions are judged one by one.
  CHECK(p.does(app, 18, {{0, 1000, 30, 5, 0, 800'000}, {1, 1000, 2, 2, 0, 800'000}}) ==
        "0 at 30, 1 at 2");
  CHECK(p.does(app, 19, {{0, 1000, 25, 5, 0, 800'000}, {1, 1000, 4, 2, 0, 800'000}}) ==
        "0 at 25, 1 at 4");
  CHECK(p.reads(0, 0) == "0:0 5:5 10:10 15:15 20:20 25:25 30:30");
  CHECK(p.reads(1, 0) == "0:0 2:2 4:4");
}

TEST_CASE("producer ids are drawn as needed, also behind the cut", "[cut]") {
  Moving p;
  p.news.ids_refused = 3;  // the coordinator is loading: asked again
  p.goes(p.cut());
  CHECK(p.news.ids_refused == 0);
  const auto app = p.client();
  std::set<std::int64_t> drawn;
  for (int i = 0; i < 20; ++i) {  // more than were drawn beforehand
    INFO(i);
    CHECK(p.does(app, i + 1, {{0, 7000 + i, 0, 1}}) == "0 at " + std::to_string(i));
    drawn.insert(p.news[0].batches.back().producer);
  }
  CHECK(drawn.size() == 20);
  CHECK(*drawn.begin() >= 5000);
  CHECK(*drawn.rbegin() < 7000);
}

TEST_CASE("what is under way of a producer goes over one connection at a time", "[cut]") {
  Moving p;
  const auto before = p.client(), behind = p.client();
  p.olds.keep(Moving::produce);
  before->send(Moving::produce_frame(1, {{0, 1000, 0, 5}}));
  REQUIRE(p.until([&] { return p.olds.kept.size() == 1; }));
  p.olds.keeps = nullptr;
  behind->send(Moving::produce_frame(1, {{0, 1000, 5, 5}}));
  REQUIRE(p.until([&] { return p.held() == 1; }));
  CHECK(p.olds.asked(Moving::produce) == 1);
  SECTION("until it is answered") {
    p.olds.answer_kept();
    REQUIRE(p.until([&] { return !Moving::said(*behind, 1).empty(); }));
    CHECK(Moving::said(*before, 1) == "0 at 0");
    CHECK(Moving::said(*behind, 1) == "0 at 5");
  }
  SECTION("until its client has given it up: what it sends again must not wait for a dead link") {
    before->close();
    REQUIRE(p.until([&] { return !Moving::said(*behind, 1).empty(); }));
    CHECK(p.olds.kept.size() == 1);
  }
}
