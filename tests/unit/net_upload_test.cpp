// A Produce that streams through in parts while its topic is cut over.
#include <catch2/catch.hpp>

#include "tests/unit/moving_proxy.h"

using namespace shunt;
using fake::Blocker;
using fake::Buffer;
using fake::Moving;
using namespace std::chrono_literals;

TEST_CASE("a large Produce that has begun finishes at old, its next partition waits", "[cut]") {
  for (const int acks : {-1, 0}) {
    INFO("acks " << acks);
    Moving p;
    const auto app = p.client();
    const Buffer frame =
        Moving::produce_frame(7, {{0, 1000, 0, 3, 0, 900'000}, {1, 1000, 0, 4, 0, 900'000}}, acks);
    const auto half = frame.begin() + 400'000;
    app->send(Buffer(frame.begin(), half));
    REQUIRE(p.until([&] { return app->sent == 400'000 && p.links() == 1; }));
    p.quiet();
    const auto moved = p.cut();
    REQUIRE(p.at("S3"));
    p.quiet();
    CHECK(p.daemon->operate().step() == "S3");
    app->send(Buffer(half, frame.end()));
    p.goes(moved);
    REQUIRE(p.until([&] { return p.news[1].end == 7; }));
    CHECK(p.olds[0].end == 3);
    CHECK(p.olds[1].end == 0);
    CHECK(p.news[0].end == 3);
    CHECK(p.news[1].batches.back().producer >= 5000);
    if (acks != 0) {
      REQUIRE(p.until([&] { return !app->frames.empty(); }));
      CHECK(Moving::said(*app, 7) == "0 at 0, 1 at 0");
    }
    CHECK(p.does(app, 8, {{0, 1000, 3, 1}, {1, 1000, 4, 1}}) == "0 at 3, 1 at 4");
  }
}

TEST_CASE("a large Produce in one piece is held as a small one is", "[cut]") {
  Moving p;
  Blocker blocker(p);
  const auto moved = p.cut();
  REQUIRE(p.at("S3"));
  const auto app = p.client();
  app->send(Moving::produce_frame(7, {{0, -1, -1, 3, 0, 16'000'000}}));
  REQUIRE(p.until([&] { return p.held() == 1; }));
  p.quiet();
  CHECK(app->sent < 16'000'000);  // it is not read
  blocker.release();
  p.goes(moved);
  REQUIRE(p.until([&] { return !app->frames.empty(); }));
  CHECK(Moving::said(*app, 7) == "0 at 0");
  CHECK(p.news[0].batches.back().bytes.size() > 16'000'000);
}

TEST_CASE("a frame that its client does not finish aborts after half the limit", "[cut]") {
  for (const int acks : {-1, 0}) {
    INFO("acks " << acks);
    Moving p(2s);
    const auto app = p.client();
    const Buffer frame = Moving::produce_frame(7, {{0, -1, -1, 3, 0, 2'000'000}}, acks);
    const auto half = frame.begin() + 400'000;
    app->send(Buffer(frame.begin(), half));
    REQUIRE(p.until([&] { return app->sent == 400'000 && p.links() == 1; }));
    p.quiet();
    const auto moved = p.cut();
    REQUIRE(p.until([&] { return moved->over; }));
    CHECK(moved->moved.aborted_at == "S3");
    CHECK(moved->moved.reason.starts_with("app at 127.0.0.1:"));
    CHECK(moved->moved.reason.ends_with(", half sent"));
    CHECK(moved->moved.held_ms_max >= 1000);
    CHECK(moved->moved.held_ms_max < 2000);
    app->send(Buffer(half, frame.end()));
    REQUIRE(p.until([&] { return p.olds[0].end == 3; }));
    p.goes(p.cut());
    CHECK(p.does(app, 8, {{0}}) == "0 at 3");
  }
  // A small one is here until it is whole: nobody waits for it.
  Moving p(2s);
  const auto app = p.client();
  const Buffer frame = Moving::produce_frame(7, {{.partition = 0, .payload = 500'000}});
  const auto half = frame.begin() + 400'000;
  app->send(Buffer(frame.begin(), half));
  REQUIRE(p.until([&] { return app->sent == 400'000; }));
  p.quiet();
  p.goes(p.cut());
  app->send(Buffer(half, frame.end()));
  REQUIRE(p.until([&] { return p.news[0].end == 4; }));
  CHECK(p.olds[0].end == 0);
}

TEST_CASE("a client that dies in the middle of a frame leaves nothing unclear", "[cut]") {
  for (const std::int64_t id : {-1, 1000}) {
    INFO("producer id " << id);
    Moving p(3s);
    const auto app = p.client();
    const Buffer frame = Moving::produce_frame(7, {{0, id, 0, 3, 0, 2'000'000}});
    app->send(Buffer(frame.begin(), frame.begin() + 400'000));
    REQUIRE(p.until([&] { return app->sent == 400'000 && p.links() == 1; }));
    p.quiet();
    app->reset();
    REQUIRE(p.until([&] { return p.links() == 0; }));
    p.goes(p.cut());
    CHECK(p.does(p.client(), 8, {{0, id, 0, 3}}) == "0 at 0");
    CHECK(p.olds[0].end == 0);
  }
}

TEST_CASE("a producer of large requests alone is known as one of ours", "[cut]") {
  Moving p;
  const auto app = p.client();
  CHECK(p.does(app, 1, {{0, 1000, 0, 3, 0, 2'000'000}}) == "0 at 0");
  p.goes(p.cut());
  CHECK(p.does(app, 2, {{0, 1000, 3, 3, 0, 2'000'000}}) == "0 at 3");
}

TEST_CASE("what we ask ourselves never goes into the middle of a part", "[cut]") {
  Moving p;
  const auto app = p.client();
  // Of both brokers: we ask them again and again until there is something.
  app->send(Moving::fetch_frame(3, {{0, 0}, {1, 0}}, 20'000));
  REQUIRE(p.until([&] { return p.olds.asked(Moving::fetch) == 2; }));
  const Buffer frame = Moving::produce_frame(4, {{0, 1000, 0, 3, 0, 2'000'000}});
  const auto half = frame.begin() + 400'000;
  app->send(Buffer(frame.begin(), half));
  REQUIRE(p.until([&] { return p.olds.asked(Moving::fetch) >= 3; }));
  p.quiet();
  app->send(Buffer(half, frame.end()));
  REQUIRE(p.until([&] { return !Moving::said(*app, 4).empty(); }));
  CHECK(Moving::said(*app, 4) == "0 at 0");
  CHECK(Moving::fetched(*app, 3)["Records"].bytes().size() > 2'000'000);
}
