// A client's connection through the daemon, over real sockets: order, back-pressure, streams,
// drain.
#include <catch2/catch.hpp>

#include "tests/unit/allocated.h"
#include "tests/unit/proxy_under_test.h"

using namespace shunt;
using fake::allocated;
using fake::answer_frame;
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

constexpr wire::ApiKey produce = 0, fetch = 1, list_offsets = 2, metadata = 3, heartbeat = 12,
                       describe_groups = 15;

Value offsets_of(std::vector<int> partitions) {
  Array list;
  for (const int p : partitions) list.push_back(Struct{{"PartitionIndex", p}, {"Timestamp", -1}});
  return Struct{{"ReplicaId", -1},
                {"Topics", Array{Struct{{"Name", "t"}, {"Partitions", std::move(list)}}}}};
}

Value produce_of(std::vector<int> partitions, int acks, std::size_t bytes = 20) {
  Array list;
  for (const int p : partitions) {
    list.push_back(Struct{{"Index", p}, {"Records", Buffer(bytes, static_cast<std::byte>(p + 1))}});
  }
  return Struct{{"Acks", acks},
                {"TopicData", Array{Struct{{"Name", "t"}, {"PartitionData", std::move(list)}}}}};
}

Value throttled(int ms) { return Struct{{"ThrottleTimeMs", ms}}; }

// The answer to a Produce as a broker gives it: an entry for each partition it got.
Value produced(const Asked& a) {
  Array list;
  for (const Value& p : a.value()["TopicData"].array()[0]["PartitionData"].array()) {
    list.push_back(Struct{{"Index", p["Index"]}, {"BaseOffset", p["Index"].number() * 10}});
  }
  return Struct{
      {"Responses", Array{Struct{{"Name", "t"}, {"PartitionResponses", std::move(list)}}}}};
}

Value read(const fake::Peer& client, std::size_t i, wire::ApiKey api, int version) {
  const Buffer& frame = client.frames.at(i);
  std::int32_t correlation = 0;
  std::uint32_t head = 0;
  const auto& m = *wire::response(api);
  REQUIRE(wire::parse_answer(m, static_cast<wire::Version>(version), frame, frame.size(),
                             correlation, head) == wire::Parse::ok);
  return messages::decoded(m, version, wire::Bytes(frame).subspan(head));
}

}  // namespace

TEST_CASE("session: answers leave in request order, however brokers answer", "[session]") {
  Proxy p(4);
  std::vector<int> order = {1, 2, 3, 4};
  do {
    INFO("answered in the order " << order[0] << order[1] << order[2] << order[3]);
    for (auto& b : p.old.brokers) b->asked.clear();
    const auto client = p.client();
    for (int i = 1; i <= 4; ++i)
      client->send(request_frame(list_offsets, 5, i, offsets_of({i - 1})));
    REQUIRE(p.until([&] {
      return std::ranges::all_of(p.old.brokers, [](const auto& b) { return b->asked.size() == 1; });
    }));
    // In two pieces each, so that some begin while another's turn is not over.
    for (const bool first : {true, false}) {
      for (const int broker : order) {
        const Asked& a = p.old[broker].asked.front();
        const Buffer frame = a.frame(throttled(broker));
        const auto half = frame.begin() + static_cast<std::ptrdiff_t>(frame.size() / 2);
        a.peer->send(first ? Buffer(frame.begin(), half) : Buffer(half, frame.end()));
        p.io.poll();
      }
    }
    REQUIRE(p.until([&] { return client->frames.size() == 4; }));
    for (std::size_t i = 0; i < 4; ++i) {
      CHECK(client->correlation(i) == static_cast<std::int32_t>(i) + 1);
      CHECK(read(*client, i, list_offsets, 5)["ThrottleTimeMs"].number() ==
            static_cast<int>(i) + 1);
    }
    client->close();
    REQUIRE(p.until([&] { return p.connections() == 0; }));
  } while (std::ranges::next_permutation(order).found);
  CHECK(p.closed(CloseCause::client_closed) == 24);
}

TEST_CASE("session: a request over several leaders is split and its answers merged", "[session]") {
  Proxy p(3);
  for (auto& b : p.old.brokers) b->on = [](const Asked& a) { a.answer(produced(a)); };
  const auto client = p.client();
  client->send(request_frame(produce, 7, 1, produce_of({2, 0, 1, 0}, -1)));
  REQUIRE(p.until([&] { return client->frames.size() == 1; }));
  CHECK(client->correlation(0) == 1);
  std::vector<std::int64_t> indexes;
  const Value merged = read(*client, 0, produce, 7);
  REQUIRE(merged["Responses"].array().size() == 1);
  for (const Value& r : merged["Responses"].array()[0]["PartitionResponses"].array()) {
    indexes.push_back(r["Index"].number());
  }
  CHECK(indexes == std::vector<std::int64_t>{2, 0, 0, 1});
  for (int id = 1; id <= 3; ++id) CHECK(p.old[id].asked.size() == 1);
}

TEST_CASE("session: acks=0 has no answer, and goes to its leader or nowhere", "[session]") {
  Proxy p(2, {}, 1);
  const auto client = p.client();
  client->send(request_frame(produce, 7, 1, produce_of({0}, 0)));
  client->send(request_frame(produce, 7, 2, produce_of({0, 1}, 0)));
  client->send(request_frame(list_offsets, 5, 3, offsets_of({0})));
  client->send(request_frame(list_offsets, 5, 4, offsets_of({1})));
  REQUIRE(p.until([&] { return p.old[1].asked.size() == 3 && p.old[2].asked.size() == 2; }));
  p.old[1].asked[2].answer(throttled(3));
  p.old[2].asked[1].answer(throttled(4));
  REQUIRE(p.until([&] { return client->frames.size() == 2; }));
  CHECK(client->correlation(0) == 3);
  CHECK(client->correlation(1) == 4);

  // Its leader cannot be reached: no other broker gets it, and the client sees its connection end.
  const auto lost = p.client();
  lost->send(request_frame(produce, 7, 1, produce_of({2}, 0)));
  REQUIRE(p.until([&] { return lost->closed; }));
  p.quiet();
  CHECK(p.closed(CloseCause::link_refused) == 1);
  CHECK(p.old[1].asked.size() == 3);
  CHECK(p.old[2].asked.size() == 2);

  // Sent with the client's last breath: it still arrives.
  const auto gone = p.client();
  gone->send(request_frame(produce, 7, 1, produce_of({1}, 0)));
  gone->close_when_sent();
  CHECK(p.until([&] { return p.old[2].asked.size() == 3; }));
}

TEST_CASE("session: what a broker that is not there should answer goes to another", "[session]") {
  Proxy p(2, {}, 1);
  for (auto& b : p.old.brokers) b->on = [&](const Asked& a) { a.answer(p.old.metadata()); };
  // Over the address of the dead node: as a client that knows it would ask.
  const auto first = p.client();
  first->send(request_frame(metadata, 9, 1, Struct{{"Topics", nullptr}}));
  REQUIRE(p.until([&] { return first->frames.size() == 1; }));
  const Value seen = read(*first, 0, metadata, 9);
  REQUIRE(seen["Brokers"].array().size() == 3);
  std::string dead_host;
  for (const Value& b : seen["Brokers"].array()) {
    INFO("node " << b["NodeId"].number());
    CHECK(b["Port"].number() == p.port);
    CHECK(b["Host"].text().starts_with("127."));
    CHECK(b["Host"].text() != "127.0.0.1");  // never the bootstrap, nor a broker
    dead_host = b["Host"].text();
  }
  const auto client = p.client(true, dead_host.c_str());
  client->send(request_frame(metadata, 9, 7, Struct{{"Topics", nullptr}}));
  REQUIRE(p.until([&] { return client->frames.size() == 1; }));
  CHECK(client->correlation(0) == 7);
  // What only the dead one could answer, another one refuses in its own words.
  for (auto& b : p.old.brokers) b->on = [](const Asked& a) { a.answer(throttled(8)); };
  client->send(request_frame(list_offsets, 5, 8, offsets_of({2})));
  REQUIRE(p.until([&] { return client->frames.size() == 2; }));
  CHECK(client->correlation(1) == 8);
}

TEST_CASE("session: no more requests in flight than the limit", "[session]") {
  net::Limits limits;
  limits.in_flight_requests_max = 4;
  Proxy p(1, limits);
  const auto client = p.client();
  for (int i = 1; i <= 10; ++i) client->send(request_frame(list_offsets, 5, i, offsets_of({0})));
  auto& asked = p.old[1].asked;
  for (std::size_t answered = 0; answered < 10; ++answered) {
    INFO(answered << " answered");
    p.quiet();
    CHECK(asked.size() == std::min<std::size_t>(10, answered + 4));
    REQUIRE(asked.size() > answered);
    asked[answered].answer(throttled(0));
  }
  REQUIRE(p.until([&] { return client->frames.size() == 10; }));
  for (std::size_t i = 0; i < 10; ++i)
    CHECK(client->correlation(i) == static_cast<std::int32_t>(i) + 1);
}

TEST_CASE("session: a large answer to a slow client waits at the broker", "[session]") {
  Proxy p(1);
  constexpr std::size_t large = 48 << 20;
  const auto client = p.client(false);
  client->send(request_frame(
      fetch, 11, 1,
      Struct{{"Topics",
              Array{Struct{{"Topic", "t"}, {"Partitions", Array{Struct{{"Partition", 0}}}}}}}}));
  REQUIRE(p.until([&] { return p.old[1].asked.size() == 1; }));
  Buffer records(large);
  for (std::size_t i = 0; i < large; i += 97) records[i] = static_cast<std::byte>(i / 97);
  const Asked& a = p.old[1].asked[0];
  Buffer frame = a.frame(Struct{
      {"Responses",
       Array{Struct{{"Topic", "t"},
                    {"Partitions", Array{Struct{{"PartitionIndex", 0}, {"Records", records}}}}}}}});
  const std::size_t total = frame.size();
  const Buffer expected = frame;
  const auto before = allocated();
  a.peer->send(std::move(frame));
  for (std::size_t was = 1; was != a.peer->sent;) {  // until it stands still
    was = a.peer->sent;
    p.quiet();
  }
  CHECK(a.peer->sent > 0);
  CHECK(a.peer->sent < total / 2);  // the rest is in nobody's memory but the broker's
  const auto grown = allocated() - std::min(allocated(), before);
  CHECK(grown < 2 * net::read_buffer_bytes);

  client->grow_buffers();
  client->read();
  REQUIRE(p.until([&] { return client->frames.size() == 1; }, 60s));
  CHECK(client->received == total);
  CHECK(std::equal(client->frames[0].begin(), client->frames[0].end(), expected.begin() + 4));
  CHECK(p.connections() == 1);
}

TEST_CASE("session: a large Produce streams to its leaders, whatever the limit of requests",
          "[session]") {
  for (const std::size_t in_flight : {1U, 64U}) {
    INFO(in_flight << " in flight at most");
    net::Limits limits;
    limits.in_flight_requests_max = in_flight;
    Proxy p(2, limits);
    for (auto& b : p.old.brokers) b->on = [](const Asked& a) { a.answer(produced(a)); };
    const auto client = p.client();
    client->send(request_frame(produce, 7, 5, produce_of({0, 1, 0}, -1, 900'000)));
    client->send(request_frame(produce, 7, 6, produce_of({1}, -1)));
    REQUIRE(p.until([&] { return client->frames.size() == 2; }));
    CHECK(client->correlation(0) == 5);
    CHECK(client->correlation(1) == 6);
    const Value merged = read(*client, 0, produce, 7);
    REQUIRE(merged["Responses"].array().size() == 1);
    CHECK(merged["Responses"].array()[0]["PartitionResponses"].array().size() == 3);
    REQUIRE(p.old[1].asked.size() == 2);
    REQUIRE(p.old[2].asked.size() == 2);
    const Value part = p.old[1].asked[1].value();
    const Value leaf = part["TopicData"].array()[0]["PartitionData"].array()[0];
    CHECK(leaf["Records"].bytes().size() == 900'000);
    CHECK(leaf["Records"].bytes()[899'999] == std::byte{1});
  }
}

TEST_CASE("session: groups whose coordinators nobody can name are answered by a broker",
          "[session]") {
  Proxy p(2);
  p.old.coordinators = {{"g1", 1}, {"g2", 2}};
  for (auto& b : p.old.brokers) {
    b->on = [](const Asked& a) {
      Array list;
      for (const Value& g : a.value()["Groups"].array()) {
        list.push_back(
            Struct{{"GroupId", g}, {"ErrorCode", g.text().starts_with("lost") ? 15 : 0}});
      }
      a.answer(Struct{{"Groups", std::move(list)}});
    };
  }
  const auto client = p.client();
  const auto ask = [](std::vector<const char*> groups) -> Value {
    return Struct{{"Groups", Array(groups.begin(), groups.end())}};
  };
  client->send(request_frame(describe_groups, 4, 1, ask({"lost-a", "lost-b"})));
  REQUIRE(p.until([&] { return client->frames.size() == 1; }));
  CHECK(p.old.lookups == 2);
  client->send(request_frame(describe_groups, 4, 2, ask({"g2", "lost-a"})));
  REQUIRE(p.until([&] { return client->frames.size() == 2; }));
  std::string groups;
  for (const Value& g : read(*client, 1, describe_groups, 4)["Groups"].array())
    groups += std::string(g["GroupId"].text()) + " ";
  CHECK(groups.find("g2 ") != std::string::npos);
  CHECK(groups.find("lost-a ") != std::string::npos);
  CHECK(p.old.lookups == 4);
  // One that is known is not looked up again; one that a broker denies is.
  p.old[1].on = [](const Asked& a) { a.answer(Struct{{"ErrorCode", 16}}); };
  for (int i = 3; i <= 4; ++i) {
    client->send(request_frame(heartbeat, 3, i, Struct{{"GroupId", "g1"}}));
    REQUIRE(p.until([&] { return client->frames.size() == static_cast<std::size_t>(i); }));
    CHECK(p.old.lookups == 5 + i - 3);  // one for g1, one after its broker had denied it
  }
}

TEST_CASE("session: drain answers what is in flight, and takes nothing new", "[session]") {
  Proxy p(2);
  const auto busy = p.client(), idle = p.client();
  busy->send(request_frame(list_offsets, 5, 1, offsets_of({0})));
  busy->send(request_frame(list_offsets, 5, 2, offsets_of({1})));
  REQUIRE(p.until([&] { return p.old[1].asked.size() == 1 && p.old[2].asked.size() == 1; }));
  bool stopped = false;
  p.daemon->drain([&](bool answered) { stopped = answered; });
  REQUIRE(p.until([&] { return idle->closed; }));
  CHECK_FALSE(stopped);
  CHECK_FALSE(p.daemon->snapshot().ready);
  fake::Error refused;
  fake::tcp::socket late(p.io);
  late.connect({boost::asio::ip::address_v4::loopback(), p.port}, refused);
  CHECK(refused);
  busy->send(request_frame(list_offsets, 5, 3, offsets_of({0})));
  p.old[2].asked[0].answer(throttled(2));
  p.quiet();
  CHECK(busy->frames.empty());
  CHECK_FALSE(stopped);
  p.old[1].asked[0].answer(throttled(1));
  REQUIRE(p.until([&] { return stopped; }));
  REQUIRE(p.until([&] { return busy->closed; }));
  REQUIRE(busy->frames.size() == 2);
  CHECK(busy->correlation(1) == 2);
  CHECK(p.old[1].asked.size() == 1);
  CHECK(p.closed(CloseCause::drain) == 2);
}

TEST_CASE("session: drain ends at its limit", "[session]") {
  net::Limits limits;
  limits.drain = 50ms;
  Proxy p(1, limits);
  const auto client = p.client();
  client->send(request_frame(list_offsets, 5, 1, offsets_of({0})));
  REQUIRE(p.until([&] { return p.old[1].asked.size() == 1; }));
  bool stopped = false, all_answered = true;
  p.daemon->drain([&](bool answered) {
    stopped = true;
    all_answered = answered;
  });
  REQUIRE(p.until([&] { return stopped; }, 3s));
  CHECK_FALSE(all_answered);
  REQUIRE(p.until([&] { return client->closed; }));
  CHECK(client->received == 0);
  CHECK(p.closed(CloseCause::drain) == 1);
}
