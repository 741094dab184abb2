// Hostile clients, row by row: their connection ends with its cause, nobody else notices.
#include <catch2/catch.hpp>

#include "tests/unit/allocated.h"
#include "tests/unit/hostile_frames.h"
#include "tests/unit/proxy_under_test.h"

using namespace shunt;
using fake::Asked;
using fake::Buffer;
using fake::CloseCause;
using fake::Proxy;
using fake::request_frame;
using wire::Array;
using wire::Struct;
using wire::Value;
using namespace std::chrono_literals;

namespace {

constexpr wire::ApiKey list_offsets = 2, api_versions = 18;

Value offsets() {
  return Struct{
      {"ReplicaId", -1},
      {"Topics",
       Array{Struct{{"Name", "t"},
                    {"Partitions", Array{Struct{{"PartitionIndex", 0}, {"Timestamp", -1}}}}}}}};
}

Value greeting() { return Struct{{"ClientSoftwareName", "test"}, {"ClientSoftwareVersion", "1"}}; }

// An honest client, asking all the time.
struct Honest {
  explicit Honest(Proxy& proxy) : p(proxy), peer(proxy.client()) {
    p.old[1].on = [](const Asked& a) { a.answer(Struct{{"ThrottleTimeMs", 4}}); };
  }
  bool served() {
    peer->send(request_frame(list_offsets, 5, ++asked, offsets()));
    return p.until([&] { return peer->closed || peer->frames.size() == asked; }) && !peer->closed;
  }
  Proxy& p;
  std::shared_ptr<fake::Peer> peer;
  std::uint32_t asked = 0;
};

}  // namespace

TEST_CASE("hostile clients: each ends its own connection, with its cause", "[session][hostile]") {
  Proxy p(1);
  Honest honest(p);
  REQUIRE(honest.served());
  const auto files = Proxy::open_files();
  const auto before = fake::allocated();
  for (const auto& row : fake::hostile_clients()) {
    INFO(row.what);
    const auto closed = p.closed(row.cause);
    const auto asked = p.old[1].asked.size();
    const auto client = p.client();
    client->send(row.sent);
    REQUIRE(p.until([&] { return client->closed; }));
    CHECK(p.closed(row.cause) == closed + 1);
    CHECK(client->received == 0);
    CHECK(p.old[1].asked.size() == asked);  // not a byte of it went on
    CHECK(honest.served());
  }
  REQUIRE(p.until([&] { return p.connections() == 1; }));
  p.quiet();
  CHECK(Proxy::open_files() <= files);
  CHECK(fake::allocated() < before + (4 << 20));
}

TEST_CASE("hostile clients: an ApiVersions of a version of later is answered in v0 (KIP-511)",
          "[session][hostile]") {
  Proxy p(1);
  for (const int version : {99, -1, 32767}) {
    INFO("v" << version);
    const auto client = p.client();
    client->send(fake::raw_request(api_versions, version, Buffer(40, std::byte{0xff})));
    REQUIRE(p.until([&] { return client->frames.size() == 1; }));
    CHECK(client->correlation(0) == 7);
    const Value told = messages::decoded(*wire::response(api_versions), 0,
                                         wire::Bytes(client->frames[0]).subspan(4));
    CHECK(told["ErrorCode"].number() == 35);
    REQUIRE(told["ApiKeys"].array().size() == 1);
    CHECK(told["ApiKeys"].array()[0]["ApiKey"].number() == api_versions);
    CHECK(told["ApiKeys"].array()[0]["MaxVersion"].number() >= 3);
    // It asks again, on the same connection.
    client->send(request_frame(api_versions, 3, 8, greeting()));
    REQUIRE(p.until([&] { return client->frames.size() == 2; }));
  }
}

TEST_CASE("hostile clients: who does not read its answers is not given more of them",
          "[session][hostile]") {
  Proxy p(1);
  Honest honest(p);
  const auto before = fake::allocated();
  const auto deaf = p.client(false);
  Buffer many;
  for (int i = 0; i < 1000; ++i) {
    const Buffer one = request_frame(api_versions, 3, i, greeting());
    many.insert(many.end(), one.begin(), one.end());
  }
  const auto size = many.size();
  const auto told = [&] { return p.daemon->metrics().bytes_moved[1][0]; };
  const auto one = told();
  for (int i = 0; i < 100; ++i) deaf->send(many);  // 10^5 of them, tens of megabytes of answers
  for (std::size_t was = 1; was != deaf->sent;) {  // until it stands still
    was = deaf->sent;
    p.quiet();
  }
  const auto most = told() - one;
  const auto ours = 100 * size - deaf->sent;  // queued in this test
  CHECK(fake::allocated() < before + ours + 4 * net::read_buffer_bytes);
  CHECK(honest.served());
  // Nothing is lost: it is answered in full when it reads.
  deaf->grow_buffers();
  deaf->read();
  REQUIRE(p.until([&] { return deaf->frames.size() == 100'000; }, 60s));
  CHECK(most < deaf->received / 2);  // the systems' buffers took a part
  CHECK(p.connections() == 2);
}

TEST_CASE("hostile clients: 10^5 requests at once are a few at a time among those of others",
          "[session][hostile]") {
  Proxy p(1);
  Honest honest(p);
  const auto flood = p.client();
  std::size_t answers = 0;
  flood->on_frame = [&](const Buffer&) { ++answers; };
  Buffer many;
  for (int i = 0; i < 1000; ++i) {
    const Buffer one = request_frame(api_versions, 3, i, greeting());
    many.insert(many.end(), one.begin(), one.end());
  }
  for (int i = 0; i < 100; ++i) flood->send(many);
  REQUIRE(p.until([&] { return answers > 0; }));
  for (int i = 0; i < 20; ++i) {
    const auto so_far = answers;
    REQUIRE(honest.served());
    // Through proxy and broker and back: a few turns of the loop, each with a few of the flood's.
    CHECK(answers - so_far < 40 * net::requests_at_once_max);
  }
  CHECK(answers < 100'000);
  REQUIRE(p.until([&] { return answers == 100'000; }, 60s));
}

TEST_CASE("hostile clients: a byte now and then is no progress", "[session][hostile]") {
  net::Limits limits;
  limits.progress = 1s;
  Proxy p(1, limits);
  Honest honest(p);
  const Buffer frame = request_frame(list_offsets, 5, 1, offsets());
  const auto slow = p.client();
  std::size_t at = 0;
  auto next = std::chrono::steady_clock::now();
  REQUIRE(p.until(
      [&] {
        if (!slow->closed && at + 1 < frame.size() && std::chrono::steady_clock::now() >= next) {
          slow->send(Buffer(1, frame[at++]));
          next += 100ms;
        }
        return slow->closed;
      },
      8s));
  CHECK(at + 1 < frame.size());
  CHECK(p.closed(CloseCause::no_progress) == 1);
  CHECK(honest.served());
}

TEST_CASE("hostile clients: requests that are not whole take no more than their limit together",
          "[session][hostile]") {
  Proxy p(1);
  Honest honest(p);
  const auto before = fake::allocated();
  // As large as are held whole, all but their last byte.
  Buffer half = fake::raw_request(3, 5, Buffer(net::whole_request_bytes_max - 100));
  half.pop_back();
  std::vector<std::shared_ptr<fake::Peer>> clients;
  constexpr std::size_t enough = 2 * net::unfinished_bytes_max / net::whole_request_bytes_max;
  std::size_t most = 0;
  for (std::size_t i = 0; i < enough; ++i) {
    clients.push_back(p.client());
    clients.back()->send(half);
    REQUIRE(p.until([&] { return clients.back()->sent == half.size(); }));
    CHECK(honest.served());
    most = std::max(most, fake::allocated() - before);
  }
  const auto gone = p.closed(CloseCause::unfinished);
  CHECK(gone >= enough / 2);
  CHECK(gone <= enough / 2 + 2);
  // The first ones have gone, and those that are not large.
  for (std::size_t i = 0; i < enough; ++i) {
    INFO(i << " of " << enough);
    CHECK(p.until([&] { return clients[i]->closed == (i < gone); }, 1s));
  }
  CHECK(most < 2 * net::unfinished_bytes_max + (4 << 20));  // vectors grow by doubling
  for (const auto& c : clients) c->close();
  REQUIRE(p.until([&] { return p.connections() == 1; }));
}

TEST_CASE("a client that has gone is not waited for when brokers do not answer",
          "[session][hostile]") {
  net::Limits limits;
  limits.progress = 1s;
  limits.in_flight_requests_max = 4;
  Proxy p(1, limits);
  for (const int requests : {1, 4}) {  // its FIN is seen; it is not, as it is not read any more
    INFO(requests << " requests unanswered");
    p.old[1].asked.clear();
    const auto client = p.client();
    for (int i = 1; i <= requests; ++i) client->send(request_frame(list_offsets, 5, i, offsets()));
    REQUIRE(p.until([&] { return p.old[1].asked.size() == static_cast<std::size_t>(requests); }));
    client->close();
    REQUIRE(p.until([&] { return p.connections() == 0 && p.links() == 0; }, 6s));
  }
  CHECK(p.closed(CloseCause::client_reset) == 2);
}
