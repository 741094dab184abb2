// New has failed and is left without being asked (rules B1): what its producers are told, and what
// becomes of the records it had taken once it is back.
#include <catch2/catch.hpp>

#include "tests/unit/moving_proxy.h"

using namespace shunt;
using fake::Moving;
using fake::Sent;
using namespace std::chrono_literals;

namespace {

constexpr auto new_one = splice::Cluster::new_cluster;

// Production is at new, which has taken the batch "0, 1000, 4, 3" and does not say so.
struct Left : Moving {
  Left() {
    const auto app = client();
    CHECK(does(app, 1, {{0, 1000, 0, 2}}) == "0 at 0");
    goes(cut());
    CHECK(does(app, 2, {{0, 1000, 2, 2}}) == "0 at 2");
    news.keep(produce);
    app->send(produce_frame(3, {unsaid}));
    REQUIRE(until([&] { return news.kept.size() == 1; }));
    const auto request = news.kept[0].value();
    const auto part = request["TopicData"].array()[0]["PartitionData"].array()[0];
    CHECK(news[0].append(part["Records"].bytes()).second == 5);
    leave();
    CHECK(app->closed);  // its client asks again: nobody will answer it
    news.keeps = nullptr;
  }
  void leave() {
    left = std::make_shared<fake::Ended>();
    net::UndoRequest request;
    request.without_new = true;
    daemon->operate().undo(request, ending(left));
    goes(left);
  }
  bool swept() {
    return until([&] { return part(0).log.next_native(new_one) == 8; });
  }

  const Sent unsaid{0, 1000, 4, 3};
  Call left;
};

}  // namespace

TEST_CASE("without new: production goes on at old, with what new did not answer", "[leave]") {
  Left p;
  CHECK(p.left->moved.to == splice::Cluster::old_cluster);
  REQUIRE(p.left->moved.partitions.size() == 2);
  CHECK(p.left->moved.partitions[0].new_start == 5);
  CHECK(p.left->moved.partitions[0].virtual_start == 4);
  CHECK(p.left->moved.partitions[0].unclear == 1);
  CHECK(p.left->moved.partitions[1].unclear == 0);
  const auto app = p.client();
  CHECK(p.does(app, 1, {p.unsaid}) == "0 at 4");
  CHECK(p.does(app, 2, {{0, 1000, 7, 1}}) == "0 at 7");
  // New has the first of them too: nobody is shown it again.
  REQUIRE(p.swept());
  CHECK(p.part(0).stragglers == 0);
  CHECK(p.does(app, 3, {{0, 1000, 8, 1}}) == "0 at 8");
  CHECK(p.reads(0, 0) == "0:0 2:2 4:4 7:7 8:8");
}

TEST_CASE("without new: what nobody sends again is swept in, and its resend is answered",
          "[leave]") {
  Left p;
  REQUIRE(p.swept());
  CHECK(p.part(0).stragglers == 3);
  CHECK(p.reads(0, 0) == "0:0 2:2 4:4");
  const auto app = p.client();
  CHECK(p.does(app, 1, {p.unsaid}) == "0 at 4");
  CHECK(p.olds[0].end == 2);
  CHECK(p.does(app, 2, {{0, 1000, 7, 1}}) == "0 at 7");
  CHECK(p.reads(0, 0) == "0:0 2:2 4:4 7:7");
}

TEST_CASE("without new: of one producer's batches only the repeats are passed over", "[leave]") {
  Left p;
  const auto foreign = fake::batch_of({.partition = 0, .records = 2});
  p.news[0].append(foreign);  // behind it: of somebody who goes past us
  CHECK(p.does(p.client(), 1, {p.unsaid}) == "0 at 4");
  REQUIRE(p.until([&] { return p.part(0).log.next_native(new_one) == 10; }));
  CHECK(p.part(0).stragglers == 2);
  CHECK(p.reads(0, 0) == "0:0 2:2 4:4 7:-1");
}

TEST_CASE("without new: a batch that is being sent again is not swept in meanwhile", "[leave]") {
  Left p;
  p.olds.keep(Moving::produce);
  const auto app = p.client();
  app->send(Moving::produce_frame(1, {p.unsaid}));
  REQUIRE(p.until([&] { return p.olds.kept.size() == 1; }));
  int looked = 0;
  p.news.keeps = [&looked](const fake::Asked& a) {
    looked += a.header.api == Moving::fetch;
    return false;
  };
  REQUIRE(p.until([&] { return looked >= 2; }));
  CHECK(p.part(0).log.next_native(new_one) == 5);
  p.olds.answer_kept();
  REQUIRE(p.swept());
  CHECK(p.part(0).stragglers == 0);
  CHECK(p.reads(0, 0) == "0:0 2:2 4:4");
}

TEST_CASE("without new: no cut to new passes what is not swept in yet", "[leave]") {
  Left p;
  p.news.keep(Moving::fetch);
  const auto moved = p.cut();
  REQUIRE(p.until([&] { return moved->over; }));
  CHECK(moved->moved.aborted_at == "S4");
  CHECK_THAT(moved->moved.reason, Catch::Contains("not swept in yet"));
  const auto app = p.client();
  CHECK(p.does(app, 1, {p.unsaid}) == "0 at 4");
  p.news.answer_kept();
  REQUIRE(p.swept());
  p.goes(p.cut());
  CHECK(p.does(app, 2, {{0, 1000, 7, 1}}) == "0 at 7");
  CHECK(p.reads(0, 0) == "0:0 2:2 4:4 7:7");
}
