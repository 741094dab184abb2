// Broken brokers, row by row: the client that waits for such an answer sees its connection end,
// others notice nothing, memory stays bounded.
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

constexpr wire::ApiKey list_offsets = 2, metadata = 3, find_coordinator = 10;

Value offsets(int partition) {
  return Struct{{"ReplicaId", -1},
                {"Topics", Array{Struct{{"Name", "t"},
                                        {"Partitions", Array{Struct{{"PartitionIndex", partition},
                                                                    {"Timestamp", -1}}}}}}}};
}

// What a client asks of broker 1; one answer streams, one is held whole and translated.
struct Question {
  const char* what;
  wire::ApiKey api;
  int version;
  Value body, answer;
};
const Question questions[] = {
    {"ListOffsets", list_offsets, 6, offsets(0), Struct{{"ThrottleTimeMs", 4}}},
    {"FindCoordinator", find_coordinator, 3, Struct{{"Key", "g"}},
     Struct{{"NodeId", 1}, {"Host", "a.native.host"}, {"Port", 9092}}},
};

// In flexible versions: size, correlation id, the header's tags, throttle time, then the body.
constexpr std::size_t header_tags = 8;

Buffer replaced(const Buffer& b, std::size_t at, std::size_t n, std::string_view by) {
  Buffer out(b.begin(), b.begin() + static_cast<std::ptrdiff_t>(at));
  const Buffer with = fake::bytes_of(by);
  out.insert(out.end(), with.begin(), with.end());
  out.insert(out.end(), b.begin() + static_cast<std::ptrdiff_t>(at + n), b.end());
  wire::seal(out);
  return out;
}

struct Lie {
  const char* what;
  std::function<Buffer(Buffer)> instead;  // of the right answer
  CloseCause cause;
  bool ends = false;  // then the broker closes
};

std::vector<Lie> lies() {
  using enum CloseCause;
  const auto sized = [](std::int32_t n) {
    return [n](Buffer b) {
      wire::store(b.data(), n);
      return b;
    };
  };
  const auto text = [](std::string_view t) {
    return [t](const Buffer&) { return fake::bytes_of(t); };
  };
  return {
      {"length 0", sized(0), bad_answer},
      {"length 3", sized(3), bad_answer},
      {"length -1", sized(-1), bad_answer},
      {"another correlation id",
       [](Buffer b) {
         b[7] = std::byte{99};
         return b;
       },
       bad_answer},
      {"length 2^31-1, another correlation id",
       [](Buffer b) {
         b[7] = std::byte{99};
         wire::store(b.data(), std::int32_t{0x7fffffff});
         return b;
       },
       bad_answer},
      {"a body cut short",
       [](Buffer b) {
         b.erase(b.end() - 1, b.end());
         wire::seal(b);
         return b;
       },
       bad_answer},
      {"a body too long",
       [](Buffer b) {
         b.push_back(std::byte{0});
         wire::seal(b);
         return b;
       },
       bad_answer},
      {"2^31 header tags",
       [](const Buffer& b) { return replaced(b, header_tags, 1, "\xff\xff\xff\xff\x07"); },
       bad_answer},
      {"a header tag of 2^31 bytes",
       [](const Buffer& b) { return replaced(b, header_tags, 1, "\x01\x63\xff\xff\xff\xff\x07"); },
       bad_answer},
      {"2^31 tags",
       [](const Buffer& b) { return replaced(b, b.size() - 1, 1, "\xff\xff\xff\xff\x07"); },
       bad_answer},
      {"a tag of 2^31 bytes",
       [](const Buffer& b) { return replaced(b, b.size() - 1, 1, "\x01\x63\xff\xff\xff\xff\x07"); },
       bad_answer},
      {"HTTP", text("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"), bad_answer},
      {"a TLS alert", text(std::string_view("\x15\x03\x01\x00\x02\x02\x46", 7)), link_lost, true},
      {"closed before an answer", [](const Buffer&) { return Buffer{}; }, link_lost, true},
      {"closed in its size", [](const Buffer& b) { return Buffer(b.begin(), b.begin() + 2); },
       link_lost, true},
      {"closed in mid answer", [](const Buffer& b) { return Buffer(b.begin(), b.end() - 1); },
       link_lost, true},
  };
}

// Asks broker 2 all the time, over a connection of its own.
struct Honest {
  explicit Honest(Proxy& proxy) : p(proxy), peer(proxy.client()) {
    p.old[2].on = [](const Asked& a) { a.answer(Struct{{"ThrottleTimeMs", 4}}); };
  }
  bool served() {
    peer->send(request_frame(list_offsets, 5, ++asked, offsets(1)));
    return p.until([&] { return peer->closed || peer->frames.size() == asked; }) && !peer->closed;
  }
  Proxy& p;
  std::shared_ptr<fake::Peer> peer;
  std::uint32_t asked = 0;
};

}  // namespace

TEST_CASE("broken brokers: a wrong answer ends its client's connection alone",
          "[session][hostile]") {
  Proxy p(2);
  Honest honest(p);
  REQUIRE(honest.served());
  const auto files = Proxy::open_files();
  const auto before = fake::allocated();
  for (const auto& q : questions) {
    for (const auto& lie : lies()) {
      INFO(q.what << ": " << lie.what);
      auto& asked = p.old[1].asked;
      asked.clear();
      const auto closed = p.closed(lie.cause);
      const auto client = p.client();
      client->send(request_frame(q.api, q.version, 1, q.body));
      REQUIRE(p.until([&] { return asked.size() == 1; }));
      const Asked a = asked[0];
      if (Buffer b = lie.instead(a.frame(q.answer)); !b.empty()) a.peer->send(std::move(b));
      if (lie.ends) a.peer->close_when_sent();
      REQUIRE(p.until([&] { return client->closed; }));
      CHECK(p.closed(lie.cause) == closed + 1);
      CHECK(client->frames.empty());  // nothing that could be taken for an answer
      REQUIRE(p.until([&] { return a.peer->closed; }));
      CHECK(honest.served());
    }
  }
  p.old[1].asked.clear();
  REQUIRE(p.until([&] { return p.connections() == 1 && p.links() == 1; }));
  p.quiet();
  CHECK(Proxy::open_files() <= files);
  CHECK(fake::allocated() < before + (4 << 20));
}

TEST_CASE("broken brokers: 2^31-1 elements are refused, whatever is announced",
          "[session][hostile]") {
  Proxy p(2);
  Honest honest(p);
  for (const bool large : {false, true}) {  // a frame of the right size; of 2^31-1 bytes
    INFO(large);
    p.old[1].asked.clear();
    const auto before = fake::allocated();
    const auto client = p.client();
    client->send(request_frame(list_offsets, 5, 1, offsets(0)));
    REQUIRE(p.until([&] { return p.old[1].asked.size() == 1; }));
    const Asked a = p.old[1].asked[0];
    Buffer b = a.frame(Struct{{"ThrottleTimeMs", 4}});
    wire::store(b.data() + 12, std::int32_t{0x7fffffff});  // of topics
    if (large) wire::store(b.data(), std::int32_t{0x7fffffff});
    b.resize(b.size() + 1000);
    a.peer->send(std::move(b));
    REQUIRE(p.until([&] { return client->closed; }));
    CHECK(p.closed(CloseCause::bad_answer) == (large ? 2 : 1));
    CHECK(fake::allocated() < before + (1 << 20));
    CHECK(honest.served());
  }
}

TEST_CASE("broken brokers: an answer that must be held whole has a limit", "[session][hostile]") {
  Proxy p(2);
  Honest honest(p);
  const auto before = fake::allocated();
  const auto client = p.client();
  client->send(request_frame(find_coordinator, 3, 1, Struct{{"Key", "g"}}));
  REQUIRE(p.until([&] { return p.old[1].asked.size() == 1; }));
  const Asked a = p.old[1].asked[0];
  Buffer b = a.frame(Struct{{"NodeId", 1}});
  wire::store(b.data(), static_cast<std::int32_t>(net::whole_answer_bytes_max + 1));
  a.peer->send(std::move(b));
  REQUIRE(p.until([&] { return client->closed; }));
  CHECK(p.closed(CloseCause::answer_too_large) == 1);
  CHECK(fake::allocated() < before + (1 << 20));
  CHECK(honest.served());
}

TEST_CASE("broken brokers: one that stops, or crawls, in mid answer is not waited for",
          "[session][hostile]") {
  net::Limits limits;
  limits.progress = 1s;
  const struct {
    const char* what;
    std::size_t at_once;
    bool crawls;
  } rows[] = {{"half a size", 2, false},
              {"half a header", 6, false},
              {"half an answer", 12, false},
              {"a byte now and then", 1, true}};
  Proxy p(2, limits);
  Honest honest(p);
  std::vector<std::shared_ptr<fake::Peer>> clients;
  const auto waits = p.client();  // for an answer that has not begun: that may take its time
  waits->send(request_frame(list_offsets, 5, 9, offsets(0)));
  auto& asked = p.old[1].asked;
  REQUIRE(p.until([&] { return asked.size() == 1; }));
  for (const auto& row : rows) {
    clients.push_back(p.client());
    clients.back()->send(request_frame(list_offsets, 5, 1, offsets(0)));
    REQUIRE(p.until([&] { return asked.size() == 1 + clients.size(); }));
    const Buffer b = asked.back().frame(Struct{{"ThrottleTimeMs", 4}});
    asked.back().peer->send(
        Buffer(b.begin(), b.begin() + static_cast<std::ptrdiff_t>(row.at_once)));
  }
  const Buffer crawling = asked.back().frame(Struct{{"ThrottleTimeMs", 4}});
  const auto crawler = asked.back().peer;
  std::size_t at = 1;
  auto next = std::chrono::steady_clock::now();
  REQUIRE(p.until(
      [&] {
        if (!crawler->closed && at + 1 < crawling.size() &&
            std::chrono::steady_clock::now() >= next) {
          crawler->send(Buffer(1, crawling[at++]));
          next += 200ms;
        }
        return p.connections() == 2;
      },
      8s));
  for (std::size_t i = 0; i < clients.size(); ++i) {
    INFO(rows[i].what);
    CHECK(p.until([&] { return clients[i]->closed; }));
  }
  CHECK(p.closed(CloseCause::link_lost) == clients.size());
  CHECK(honest.served());
  CHECK_FALSE(waits->closed);
  asked[0].answer(Struct{{"ThrottleTimeMs", 4}});
  CHECK(p.until([&] { return waits->frames.size() == 1; }));
}

TEST_CASE("broken brokers: the daemon's own connection is made anew when answers do not fit",
          "[session][hostile]") {
  Proxy p(2);
  Honest honest(p);
  int lies_told = 0;
  bool lying = true;
  p.old.daemon_asks = [&](const Asked& a) {
    if (!lying || a.header.api != metadata) return false;
    ++lies_told;
    Buffer b = a.frame(p.old.metadata());
    b[7] ^= std::byte{0x55};  // the answer to another request
    a.peer->send(std::move(b));
    return true;
  };
  p.old.drop_daemon();
  REQUIRE(p.until([&] { return lies_told > 2; }, 20s));
  CHECK_FALSE(p.daemon->snapshot().old_cluster.reachable);
  CHECK(p.daemon->snapshot().old_cluster.error.find("not an answer") != std::string::npos);
  const auto since = std::chrono::steady_clock::now();
  const auto so_far = lies_told;
  CHECK(honest.served());
  p.until([&] { return std::chrono::steady_clock::now() - since > 1500ms; });
  CHECK(lies_told - so_far < 10);  // not in a circle
  lying = false;
  CHECK(p.until([&] { return p.daemon->snapshot().old_cluster.reachable; }));
  CHECK(honest.served());
}
