// None of the brokers of the cluster that is written to can be reached (rules B1).
#include <catch2/catch.hpp>

#include "tests/unit/moving_proxy.h"

using namespace shunt;
using fake::Moving;

namespace {

// Production is at new, whose brokers have all gone; "t" has records at both.
struct Outage : Moving {
  Outage() {
    app = client();
    CHECK(does(app, 1, {{0, 1000, 0, 2}}) == "0 at 0");
    goes(cut());
    CHECK(does(app, 2, {{0, 1000, 2, 2}}) == "0 at 2");
    fresh->stop();
    REQUIRE(until([&] { return !daemon->snapshot().new_cluster.reachable; }));
    app = client();  // the other one was closed with its link
  }
  void leave(bool skip) {
    const auto left = leaving(skip);
    goes(left);
  }
  Call leaving(bool skip) {
    auto e = std::make_shared<fake::Ended>();
    net::UndoRequest request;
    request.without_new = true;
    request.skip_unreachable = skip;
    daemon->operate().undo(request, ending(e));
    return e;
  }
  void back() {
    fresh->start();
    REQUIRE(until([&] { return daemon->snapshot().new_cluster.reachable; }));
  }
  std::size_t events(const std::string& name) const {
    const auto all = daemon->events().since(0);
    return static_cast<std::size_t>(
        std::ranges::count_if(all, [&](const auto& e) { return e.event == name; }));
  }
  // What a reader at `at` is told that it may have: no records, and no error.
  bool waits(std::int64_t at) {
    const auto reader = client();
    reader->send(fetch_frame(1, {{0, at}}));
    REQUIRE(until([&] { return !fetched(*reader, 1).null() || reader->closed; }));
    const bool nothing = reader->closed || fetched(*reader, 1)["Records"].bytes().empty();
    reader->close();
    return nothing;
  }
  std::shared_ptr<fake::Peer> app;
};

}  // namespace

TEST_CASE("Produce waits while no broker of new can be reached, until new is left", "[leave]") {
  Outage p;
  p.app->send(Moving::produce_frame(3, {{0, 1000, 4, 1}}));
  REQUIRE(p.until([&] { return p.held() == 1; }));
  p.quiet();
  CHECK_FALSE(p.app->closed);
  p.leave(false);
  REQUIRE(p.until([&] { return !Moving::said(*p.app, 3).empty(); }));
  CHECK(Moving::said(*p.app, 3) == "0 at 4");
  CHECK(p.held() == 0);
  CHECK(p.olds[0].end == 3);
}

TEST_CASE("Produce waits while no broker of new can be reached, until one is", "[leave]") {
  Outage p;
  p.app->send(Moving::produce_frame(3, {{0, 1000, 4, 1}}));
  const auto gone = p.client();
  gone->send(Moving::produce_frame(1, {{0, 2000, 0, 1}}));
  REQUIRE(p.until([&] { return p.held() == 2; }));
  gone->close();  // sends it again elsewhere
  REQUIRE(p.until([&] { return p.held() == 1; }));
  p.back();
  REQUIRE(p.until([&] { return !Moving::said(*p.app, 3).empty(); }));
  CHECK(Moving::said(*p.app, 3) == "0 at 4");
  CHECK(p.held() == 0);
  CHECK(p.reads(0, 0) == "0:0 2:2 4:4");
}

TEST_CASE("Readers wait for what new has, or jump over it until new is back", "[leave]") {
  Outage p;
  p.leave(false);
  CHECK(p.does(p.app, 3, {{0, 1000, 4, 1}}) == "0 at 4");
  CHECK(p.waits(2));
  CHECK(p.events("new.skipped") == 0);
  const auto skipped = p.leaving(true);
  REQUIRE(p.until([&] { return skipped->over; }));
  CHECK(skipped->went());
  CHECK(p.part(0).skips_new);
  CHECK(p.reads(0, 0) == "0:0 4:4");
  REQUIRE(p.events("unreachable-skipped") == 1);
  const auto said = p.daemon->events().since(0).back();
  REQUIRE(said.keys.size() == 5);
  CHECK(std::get<std::int64_t>(said.keys[4].second) == 2);  // records
  const auto again = p.leaving(true);
  REQUIRE(p.until([&] { return again->over; }));
  CHECK_FALSE(again->went());  // nothing more to do
  p.back();
  REQUIRE(p.until([&] { return !p.part(0).skips_new; }));
  CHECK(p.reads(0, 0) == "0:0 2:2 4:4");
}

TEST_CASE("New is left and jumped over in one command, once", "[leave]") {
  Outage p;
  p.leave(true);
  CHECK(p.does(p.app, 3, {{0, 1000, 4, 1}}) == "0 at 4");
  CHECK(p.reads(0, 0) == "0:0 4:4");
  p.back();
  REQUIRE(p.until([&] { return !p.part(0).skips_new; }));
  p.goes(p.cut());
  CHECK(p.reads(0, 0) == "0:0 2:2 4:4");
}
