// The limits that the other tests of sessions do not reach: a broker that does not answer the
// telephone, and file descriptors.
#include <sys/resource.h>
#include <catch2/catch.hpp>

#include "tests/unit/proxy_under_test.h"

using namespace shunt;
using fake::Asked;
using fake::CloseCause;
using fake::Proxy;
using fake::request_frame;
using wire::Array;
using wire::Struct;
using wire::Value;
using namespace std::chrono_literals;

namespace {

constexpr wire::ApiKey produce = 0, list_offsets = 2;

Value offsets(int partition) {
  return Struct{{"ReplicaId", -1},
                {"Topics", Array{Struct{{"Name", "t"},
                                        {"Partitions", Array{Struct{{"PartitionIndex", partition},
                                                                    {"Timestamp", -1}}}}}}}};
}

// A port that takes no connection and refuses none: its backlog is full.
struct Silent {
  explicit Silent(fake::asio::io_context& io, std::uint16_t port) : acceptor(io, fake::tcp::v4()) {
    acceptor.set_option(fake::tcp::acceptor::reuse_address(true));
    acceptor.bind({fake::asio::ip::address_v4::loopback(), port});
    acceptor.listen(0);
    for (int i = 0; i < 4; ++i) {
      waiting.push_back(std::make_unique<fake::tcp::socket>(io));
      waiting.back()->async_connect(acceptor.local_endpoint(), [](fake::Error) {});
    }
  }
  fake::tcp::acceptor acceptor;
  std::vector<std::unique_ptr<fake::tcp::socket>> waiting;
};

// The soft limit on descriptors, for as long as it lives.
struct Descriptors {
  explicit Descriptors(std::size_t most) {
    ::getrlimit(RLIMIT_NOFILE, &before);
    rlimit now = before;
    now.rlim_cur = most;
    ::setrlimit(RLIMIT_NOFILE, &now);
  }
  ~Descriptors() { ::setrlimit(RLIMIT_NOFILE, &before); }
  rlimit before{};
};

}  // namespace

TEST_CASE("limits.connect: a broker that does not answer the connection is given up",
          "[session][hostile]") {
  net::Limits limits;
  limits.connect = 1s;
  Proxy p(1, limits, 1);
  Silent silent(p.io, p.old.dead[0].second);
  p.quiet();
  p.old[1].on = [](const Asked& a) { a.answer(Struct{{"ThrottleTimeMs", 8}}); };
  const auto asks = p.client(), writes = p.client(), beside = p.client();
  asks->send(request_frame(list_offsets, 5, 1, offsets(1)));
  const Value batch = Struct{
      {"Acks", 0},
      {"TopicData", Array{Struct{{"Name", "t"},
                                 {"PartitionData",
                                  Array{Struct{{"Index", 1}, {"Records", fake::Buffer(9)}}}}}}}};
  writes->send(request_frame(produce, 7, 1, batch));
  beside->send(request_frame(list_offsets, 5, 2, offsets(0)));
  REQUIRE(p.until([&] { return beside->frames.size() == 1; }));
  CHECK(asks->frames.empty());
  CHECK_FALSE(writes->closed);
  // Another one answers in its place; what cannot be answered ends the connection.
  REQUIRE(p.until([&] { return asks->frames.size() == 1 && writes->closed; }, 8s));
  CHECK(p.closed(CloseCause::link_refused) == 1);
}

TEST_CASE("few file descriptors: new clients wait, those that are here reach their brokers",
          "[session][hostile]") {
  Proxy p(2);
  for (auto& b : p.old.brokers)
    b->on = [](const Asked& a) { a.answer(Struct{{"ThrottleTimeMs", 8}}); };
  // Connected and known before; its links are not opened yet.
  std::vector<std::shared_ptr<fake::Peer>> honest;
  for (int i = 0; i < 4; ++i) honest.push_back(p.client());
  REQUIRE(p.until([&] { return p.connections() == 4; }));
  const auto files = Proxy::open_files();
  std::vector<std::shared_ptr<fake::Peer>> crowd;
  constexpr std::size_t more = 60;  // sockets of the crowd are in this process, too
  {
    const Descriptors few(files + 2 * more);
    const auto kept = (files + 2 * more) / 4;
    for (std::size_t i = 0; i < more; ++i) crowd.push_back(p.client());
    std::int64_t here = 0;
    REQUIRE(p.until(
        [&] { return std::exchange(here, p.connections()) == p.connections() && here > 4; }));
    p.quiet();
    const auto accepted = p.connections();
    CHECK(accepted < static_cast<std::int64_t>(more));
    CHECK(Proxy::open_files() <= files + 2 * more - kept + 4);
    // Each opens two links, with a descriptor at either end.
    for (auto& c : honest) {
      c->send(request_frame(list_offsets, 5, 1, offsets(0)));
      c->send(request_frame(list_offsets, 5, 2, offsets(1)));
    }
    CHECK(p.until([&] {
      return std::ranges::all_of(honest, [](const auto& c) { return c->frames.size() == 2; });
    }));
    CHECK(p.connections() == accepted);
    // Some of the crowd leave: others come in, without anybody's help.
    for (std::size_t i = 0; i < more / 2; ++i) crowd[i]->close();
    CHECK(
        p.until([&] { return p.connections() == 4 + static_cast<std::int64_t>(more - more / 2); }));
  }
  for (auto& c : honest) CHECK_FALSE(c->closed);
  CHECK(p.closed(CloseCause::too_many_connections) == 0);
  for (auto& c : crowd) c->close();
  for (auto& c : honest) c->close();
  CHECK(p.until([&] { return p.connections() == 0 && p.links() == 0; }));
}
