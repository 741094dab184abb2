// A Produce whose link ended without an answer: a broker may still append it (rules A1).
#include <catch2/catch.hpp>

#include "tests/unit/moving_proxy.h"

using namespace shunt;
using fake::Moving;
using fake::Sent;
using namespace std::chrono_literals;

namespace {

// A broker of old takes the Produce, and closes its link. `appends`: it does so afterwards.
std::shared_ptr<fake::Peer> unanswered(Moving& p, const Sent& batch, bool appends = false) {
  p.olds.keep(Moving::produce);
  const auto app = p.client();
  app->send(Moving::produce_frame(1, {batch}));
  REQUIRE(p.until([&] { return p.olds.kept.size() == 1; }));
  p.olds.kept[0].peer->close();
  REQUIRE(p.until([&] { return app->closed; }));
  p.olds.keeps = nullptr;
  p.olds.kept.clear();
  if (appends) p.olds[batch.partition].append(batch_of(batch));
  return app;
}

}  // namespace

TEST_CASE("an unclear Produce aborts the cut, until its resend is answered", "[cut]") {
  for (const bool started : {true, false}) {
    INFO((started ? "in a migration" : "before it was started"));
    Moving p(500ms, started);
    const Sent batch{0, 1000, 0, 2};
    unanswered(p, batch);
    if (!started) {
      const auto e = p.started();
      REQUIRE(p.until([&] { return e->over; }));
      REQUIRE_FALSE(e->refused);
    }
    const auto moved = p.cut();
    REQUIRE(p.until([&] { return moved->over; }));
    CHECK(moved->moved.aborted_at == "S4");
    CHECK_THAT(moved->moved.reason, Catch::Contains("t-0: a batch of app at 127.0.0.1:"));
    CHECK_THAT(moved->moved.reason, Catch::Contains("producer id 1000"));
    CHECK(p.part(0).unclear.size() == 1);
    const auto again = p.client();
    CHECK(p.does(again, 2, {batch}) == "0 at 0");
    CHECK(p.part(0).unclear.empty());
  }
  Moving p;
  const Sent batch{0, 1000, 0, 2};
  unanswered(p, batch);
  const auto app = p.client();
  CHECK(p.does(app, 2, {batch}) == "0 at 0");
  p.goes(p.cut());
  CHECK(p.does(app, 3, {{0, 1000, 2, 2}}) == "0 at 2");
}

TEST_CASE("a Produce sent before the migration began and lost after it is unclear", "[cut]") {
  Moving p(500ms, false);
  const Sent batch{0, 1000, 0, 2};
  p.olds.keep(Moving::produce);
  const auto app = p.client();
  app->send(Moving::produce_frame(1, {batch}));
  REQUIRE(p.until([&] { return p.olds.kept.size() == 1; }));
  const auto e = p.started();
  REQUIRE(p.until([&] { return e->over; }));
  REQUIRE_FALSE(e->refused);
  p.olds.kept[0].peer->close();
  REQUIRE(p.until([&] { return app->closed; }));
  CHECK(p.part(0).unclear.size() == 1);
  const auto moved = p.cut();
  REQUIRE(p.until([&] { return moved->over; }));
  CHECK(moved->moved.aborted_at == "S4");
}

TEST_CASE("while a cut waits for it, the resend of an unclear batch goes to old", "[cut]") {
  Moving p;
  const Sent batch{0, 1000, 0, 2};
  unanswered(p, batch);
  const auto moved = p.cut();
  REQUIRE(p.at("S4"));
  const auto other = p.client(), app = p.client();
  other->send(Moving::produce_frame(1, {{0}}));
  REQUIRE(p.until([&] { return p.held() == 1; }));
  app->send(Moving::produce_frame(2, {batch}));
  REQUIRE(p.until([&] { return !Moving::said(*app, 2).empty(); }));
  CHECK(Moving::said(*app, 2) == "0 at 0");
  CHECK(p.olds[0].end == 2);
  p.goes(moved);
  REQUIRE(p.until([&] { return !Moving::said(*other, 1).empty(); }));
  CHECK(Moving::said(*other, 1) == "0 at 2");
  CHECK(p.part(0).log.tail().start.at == 2);
}

TEST_CASE("an unclear batch that stands in the log is clear", "[cut]") {
  Moving p;
  const Sent batch{0, 1000, 0, 2};
  unanswered(p, batch, true);
  p.goes(p.cut());
  // Its producer has no answer yet, and sends it again: that is a repeat of what old holds.
  CHECK(p.does(p.client(), 2, {batch}) == "0 at 0");
  CHECK(p.news.asked(Moving::produce) == 0);
}

TEST_CASE("an unclear batch is clear when its leader was followed by another", "[cut]") {
  Moving p;
  unanswered(p, {0, 1000, 0, 2});
  const auto moved = p.cut();
  REQUIRE(p.at("S4"));
  p.quiet();
  CHECK_FALSE(moved->over);
  ++p.old.leader_epoch;
  p.goes(moved);
  CHECK(p.does(p.client(), 2, {{0, 1000, 0, 2}}) == "0 at 0");
  CHECK(p.news[0].end == 5);
}

TEST_CASE("a resend under way keeps the seam behind it, though its first sending has become clear",
          "[cut]") {
  Moving p;
  const Sent batch{0, 1000, 0, 2};
  unanswered(p, batch);
  const auto moved = p.cut();
  REQUIRE(p.at("S4"));
  p.olds.keep(Moving::produce);
  const auto app = p.client();
  app->send(Moving::produce_frame(2, {batch}));
  REQUIRE(p.until([&] { return p.olds.kept.size() == 1; }));
  ++p.old.leader_epoch;  // the first one will never be appended now; this one may
  p.quiet();
  CHECK_FALSE(moved->over);
  p.olds.answer_kept();
  p.goes(moved);
  REQUIRE(p.until([&] { return !Moving::said(*app, 2).empty(); }));
  CHECK(Moving::said(*app, 2) == "0 at 0");
  CHECK(p.part(0).log.tail().start.at == 2);
  CHECK(p.part(0).resent_unanswered == 0);
}

TEST_CASE("a resend that fails leaves its batch unclear", "[cut]") {
  Moving p(500ms);
  const Sent batch{0, 1000, 0, 2};
  unanswered(p, batch);
  p.olds.keep(Moving::produce);
  const auto app = p.client();
  app->send(Moving::produce_frame(2, {batch}));
  REQUIRE(p.until([&] { return p.olds.kept.size() == 1; }));
  p.olds.kept[0].answer(wire::Struct{
      {"Responses",
       wire::Array{wire::Struct{
           {"Name", "t"},
           {"PartitionResponses",
            wire::Array{wire::Struct{{"Index", 0}, {"ErrorCode", 7}, {"BaseOffset", -1}}}}}}}});
  REQUIRE(p.until([&] { return !Moving::said(*app, 2).empty(); }));
  CHECK(p.part(0).unclear.size() == 1);
  p.olds.keeps = nullptr;
  const auto moved = p.cut();
  REQUIRE(p.until([&] { return moved->over; }));
  CHECK(moved->moved.aborted_at == "S4");
}
