// Every script with a failure at each of its bytes: brokers and clients that go away, stall or lie.
#include <catch2/catch.hpp>

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

constexpr wire::ApiKey produce = 0, list_offsets = 2, metadata = 3, find_coordinator = 10;

Value offsets() {
  return Struct{
      {"ReplicaId", -1},
      {"Topics",
       Array{Struct{{"Name", "t"},
                    {"Partitions", Array{Struct{{"PartitionIndex", 0}, {"Timestamp", -1}}}}}}}};
}

Value produce_of(int acks) {
  return Struct{
      {"Acks", acks},
      {"TopicData",
       Array{Struct{
           {"Name", "t"},
           {"PartitionData", Array{Struct{{"Index", 0}, {"Records", Buffer(9, std::byte{7})}},
                                   Struct{{"Index", 1}, {"Records", Buffer(9, std::byte{7})}}}}}}}};
}

}  // namespace

TEST_CASE("a broker that goes away after any number of an answer's bytes", "[session]") {
  const struct {
    const char* why;
    wire::ApiKey api;
    int version;
    Value body, answer;
    bool streams;  // what is there may be passed on, as far as it goes
  } rows[] = {
      {"an answer that streams", list_offsets, 5, offsets(), Struct{{"ThrottleTimeMs", 4}}, true},
      {"an answer that is held whole", find_coordinator, 3, Struct{{"Key", "g"}},
       Struct{{"NodeId", 1}, {"Host", "a.native.host"}, {"Port", 9092}}, false},
  };
  for (const auto& row : rows) {
    Proxy p(1);
    const auto files = Proxy::open_files();
    std::size_t size = 1;
    for (std::size_t n = 0; n < size; ++n) {
      INFO(row.why << ", " << n << " bytes");
      auto& asked = p.old[1].asked;
      asked.clear();
      const auto lost = p.closed(CloseCause::link_lost);
      const auto client = p.client();
      client->send(request_frame(list_offsets, 5, 1, offsets()));
      client->send(request_frame(row.api, row.version, 2, row.body));
      client->send(request_frame(list_offsets, 5, 3, offsets()));
      REQUIRE(p.until([&] { return asked.size() == 3; }));
      const Buffer first = asked[0].frame(Struct{{"ThrottleTimeMs", 77}});
      Buffer cut = asked[1].frame(row.answer);
      const Buffer whole = cut;
      size = whole.size();
      cut.resize(n);
      asked[0].peer->send(first);
      if (n > 0) asked[0].peer->send(cut);
      asked[0].peer->close_when_sent();
      REQUIRE(p.until([&] { return client->closed; }));
      CHECK(p.closed(CloseCause::link_lost) == lost + 1);
      // The answer before it is whole; of the other nothing that could be taken for an answer.
      REQUIRE(client->frames.size() == 1);
      CHECK(client->correlation(0) == 1);
      CHECK(client->received == first.size() + client->rest.size());
      CHECK(client->rest.size() <= (row.streams ? n : 0));
      CHECK(std::equal(client->rest.begin(), client->rest.end(), whole.begin()));
      asked.clear();
      REQUIRE(p.until([&] { return p.connections() == 0 && p.links() == 0; }));
    }
    p.quiet();
    CHECK(Proxy::open_files() <= files);
  }
}

TEST_CASE("a client that goes away after any number of a request's bytes", "[session]") {
  for (const int acks : {-1, 0}) {
    Proxy p(2);
    const Buffer frame = request_frame(produce, 7, 1, produce_of(acks));
    const auto files = Proxy::open_files();
    for (const bool reset : {false, true}) {
      for (std::size_t n = 0; n <= frame.size(); ++n) {
        INFO("acks=" << acks << ", " << n << " of " << frame.size() << " bytes, then "
                     << (reset ? "RST" : "FIN"));
        const auto clean = p.closed(CloseCause::client_closed),
                   dirty = p.closed(CloseCause::client_reset);
        const auto client = p.client();
        if (n > 0)
          client->send(Buffer(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(n)));
        REQUIRE(p.until([&] { return client->sent == n && p.connections() == 1; }));
        if (reset)
          client->reset();
        else
          client->close();
        const bool owed = n == frame.size() && acks != 0 && !reset;
        if (owed) {  // half closed, for all we know: it stays until it has its answer
          REQUIRE(p.until([&] { return !p.old[1].asked.empty() && !p.old[2].asked.empty(); }));
          CHECK(p.connections() == 1);
          for (const int id : {1, 2}) p.old[id].asked.back().answer(Struct{});
        }
        REQUIRE(p.until([&] { return p.connections() == 0; }));
        p.io.poll();
        if (n == frame.size() && acks != 0 && reset && p.links() > 0) {
          // It has gone, its request has not: what becomes of that must be known (rules A1).
          REQUIRE(p.until([&] { return !p.old[1].asked.empty() && !p.old[2].asked.empty(); }));
          for (const int id : {1, 2}) p.old[id].asked.back().answer(Struct{});
          REQUIRE(p.until([&] { return p.links() == 0; }));
        }
        CHECK(p.links() == 0);
        const bool whole = n == 0 || n == frame.size();
        if (!reset)
          CHECK(p.closed(whole ? CloseCause::client_closed : CloseCause::client_reset) ==
                (whole ? clean : dirty) + 1);
      }
    }
    REQUIRE(p.until([&] { return p.old[1].open() == 0 && p.old[2].open() == 0; }));
    p.old[1].asked.clear();
    p.old[2].asked.clear();
    p.quiet();
    CHECK(Proxy::open_files() <= files);
  }
}

TEST_CASE("a client that goes away while its answer is under way", "[session]") {
  Proxy p(2);
  for (const bool reset : {false, true}) {
    for (std::size_t n = 0; n < 8; ++n) {
      INFO(n << " bytes of the answer" << (reset ? ", then RST" : ""));
      p.old[1].asked.clear();
      const auto client = p.client();
      client->send(request_frame(list_offsets, 5, 1, offsets()));
      REQUIRE(p.until([&] { return p.old[1].asked.size() == 1; }));
      const Asked a = p.old[1].asked[0];
      const Buffer frame = a.frame(Struct{{"ThrottleTimeMs", 4}});
      const auto cut = frame.begin() + static_cast<std::ptrdiff_t>(n);
      if (n > 0) a.peer->send(Buffer(frame.begin(), cut));
      p.io.poll();
      if (reset)
        client->reset();
      else
        client->close();
      a.peer->send(Buffer(cut, frame.end()));  // the rest comes all the same
      REQUIRE(p.until([&] { return p.connections() == 0; }));
      REQUIRE(p.until([&] { return a.peer->closed; }));
      CHECK(p.links() == 0);
    }
  }
}

TEST_CASE("brokers that lie", "[session]") {
  const auto frame = [](const Asked& a, auto change) {
    Buffer b = a.frame(Struct{{"ThrottleTimeMs", 4}});
    change(b);
    return b;
  };
  const struct {
    const char* why;
    std::function<void(Buffer&)> change;
  } rows[] = {
      {"another correlation id", [](Buffer& b) { b[7] = std::byte{99}; }},
      {"a size below 4", [](Buffer& b) { b[3] = std::byte{3}; }},
      {"a negative size", [](Buffer& b) { b[0] = std::byte{0xff}; }},
      {"a count past the end", [](Buffer& b) { b[12] = std::byte{0x70}; }},
      {"bytes too many",
       [](Buffer& b) {
         b.push_back(std::byte{0});
         wire::seal(b);
       }},
      {"an answer too many", [](Buffer& b) { b.insert(b.end(), b.begin(), b.end()); }},
  };
  for (const auto& row : rows) {
    INFO(row.why);
    Proxy p(1);
    const auto client = p.client();
    client->send(request_frame(list_offsets, 5, 1, offsets()));
    REQUIRE(p.until([&] { return p.old[1].asked.size() == 1; }));
    const Asked a = p.old[1].asked[0];
    a.peer->send(frame(a, row.change));
    REQUIRE(p.until([&] { return client->closed; }));
    CHECK(p.closed(CloseCause::bad_answer) == 1);
  }
}

TEST_CASE("clients that say what cannot be", "[session]") {
  net::Limits limits;
  limits.frame_bytes_max = 1000;
  Proxy p(1, limits);
  const auto bytes = [](std::initializer_list<int> list) {
    Buffer b;
    for (const int i : list) b.push_back(static_cast<std::byte>(i));
    return b;
  };
  const auto head = [](int api, int version) {
    Buffer b(4);
    wire::put(b, static_cast<wire::ApiKey>(api));
    wire::put(b, static_cast<wire::Version>(version));
    wire::put(b, std::int32_t{1});
    wire::put(b, std::int16_t{-1});
    wire::put(b, std::int32_t{0});
    wire::seal(b);
    return b;
  };
  const struct {
    const char* why;
    Buffer sent;
    CloseCause cause;
  } rows[] = {
      {"size 3", bytes({0, 0, 0, 3, 1, 2, 3}), CloseCause::bad_frame},
      {"a negative size", bytes({255, 255, 255, 255}), CloseCause::bad_frame},
      {"a frame above the limit", bytes({0, 0, 3, 233}), CloseCause::frame_too_large},
      {"a TLS hello", bytes({0x16, 3, 1, 2, 0, 1, 0}), CloseCause::frame_too_large},
      {"half a header", bytes({0, 0, 0, 6, 0, 3, 0, 1, 0, 0}), CloseCause::bad_frame},
      {"an API nobody knows", head(900, 0), CloseCause::unknown_api},
      {"an API between brokers", head(4, 0), CloseCause::unknown_api},
      {"a version of later", head(metadata, 99), CloseCause::unsupported_version},
      {"Produce before v3", head(produce, 2), CloseCause::unsupported_version},
      {"a body that is none", head(list_offsets, 5), CloseCause::bad_request},
  };
  for (const auto& row : rows) {
    INFO(row.why);
    const auto before = p.closed(row.cause);
    const auto client = p.client();
    client->send(row.sent);
    REQUIRE(p.until([&] { return client->closed; }));
    CHECK(p.closed(row.cause) == before + 1);
    CHECK(client->received == 0);
  }
  CHECK(p.old[1].asked.empty());
}

TEST_CASE("no progress within its limit ends a connection; waiting for an answer does not",
          "[session]") {
  net::Limits limits;
  limits.progress = 100ms;
  Proxy p(1, limits);
  const Buffer frame = request_frame(list_offsets, 5, 1, offsets());
  const auto waits = p.client();
  waits->send(frame);
  REQUIRE(p.until([&] { return p.old[1].asked.size() == 1; }));
  const auto stalls = p.client();
  stalls->send(Buffer(frame.begin(), frame.end() - 1));
  const auto asked_at = [&] { return p.old[1].asked.size(); };

  // A client that does not read a large answer.
  const auto deaf = p.client(false);
  deaf->send(request_frame(list_offsets, 5, 9, offsets()));
  REQUIRE(p.until([&] { return asked_at() == 2; }));
  Array many;
  const std::string name(1000, 'n');
  for (int i = 0; i < 40000; ++i) many.push_back(Struct{{"Name", name}});
  p.old[1].asked[1].answer(Struct{{"Topics", std::move(many)}});
  REQUIRE(p.until([&] { return stalls->closed && p.closed(CloseCause::no_progress) == 2; }, 20s));
  CHECK(p.connections() == 1);
  CHECK_FALSE(waits->closed);
  p.old[1].asked[0].answer(Struct{{"ThrottleTimeMs", 4}});
  REQUIRE(p.until([&] { return waits->frames.size() == 1; }));
}

TEST_CASE("idle connections end at their limit", "[session]") {
  net::Limits limits;
  limits.idle = 100ms;
  Proxy p(1, limits);
  const auto client = p.client();
  REQUIRE(p.until([&] { return client->closed; }));
  CHECK(p.closed(CloseCause::idle) == 1);
}

TEST_CASE("connections above their limit are refused, the others stay", "[session]") {
  net::Limits limits;
  limits.connections_max = 2;
  Proxy p(1, limits);
  const auto a = p.client(), b = p.client();
  REQUIRE(p.until([&] { return p.connections() == 2; }));
  const auto c = p.client();
  REQUIRE(p.until([&] { return c->closed; }));
  CHECK(p.closed(CloseCause::too_many_connections) == 1);
  a->send(request_frame(list_offsets, 5, 1, offsets()));
  REQUIRE(p.until([&] { return p.old[1].asked.size() == 1; }));
  CHECK_FALSE(b->closed);
}
