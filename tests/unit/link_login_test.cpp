// A link that logs in before it is open, plain and over TLS.
#include <catch2/catch.hpp>

#include <boost/asio/io_context.hpp>

#include "control/ca.h"
#include "proxy/net/link.h"
#include "tests/unit/fake_login.h"
#include "tests/unit/scratch.h"

using namespace shunt;
using net::Link;
using net::Stream;
using net::tcp;

namespace {

struct Owner : Link::Owner {
  void link_readable(const std::shared_ptr<Link>&) override { ++readable; }
  void link_drained(const std::shared_ptr<Link>&) override {}
  void link_failed(const std::shared_ptr<Link>&, const std::string& why) override { failed = why; }
  int readable = 0;
  std::string failed;
};

// One broker that takes one connection, wants a login, and keeps what comes behind it.
struct Scene {
  explicit Scene(bool with_tls, const std::string& password = "secret")
      : acceptor(io, tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0)) {
    net::Dialer dialer{resolver};
    auto c = std::make_shared<net::Credentials>();
    *c = {net::Sasl::plain, "user", password, ""};
    dialer.login = c;
    if (with_tls) {
      control::MadeCa made;
      control::Failure failure;
      REQUIRE(control::make_ca(folder.path(), {}, 5, made, failure));
      net::ListenTls listen;
      listen.mint_ca = made.certificate;
      listen.mint_key = made.key;
      net::ClusterTls trusting;
      trusting.ca = made.certificate;
      std::string why;
      server = net::TlsServer::make(listen, why);
      dialer.tls = net::TlsClient::make(trusting, "", why);
      REQUIRE(server);
      REQUIRE(dialer.tls);
    }
    owner = std::make_shared<Owner>();
    link = std::make_shared<Link>(io, owner, route::NodeKey{});
    link->send(request);  // waits until it is open
    link->open(dialer, {"127.0.0.1", acceptor.local_endpoint().port()});
    acceptor.async_accept([this](net::ErrorCode e, tcp::socket socket) {
      REQUIRE_FALSE(e);
      stream = std::make_unique<Stream>(std::move(socket));
      if (!server) return listen();
      stream->handshake(server->session(), [this](const std::string& why) {
        CHECK(why.empty());
        listen();
      });
    });
  }
  void listen() {
    stream->when_readable([this](net::ErrorCode e) {
      if (e) return;
      std::vector<std::byte> chunk(4096);
      const auto r = stream->read(chunk);
      if (r.state == Stream::State::closed || r.state == Stream::State::reset) return;
      in.insert(in.end(), chunk.begin(), chunk.begin() + static_cast<std::ptrdiff_t>(r.bytes));
      answer();
      listen();
    });
  }
  void answer() {
    while (!behind && in.size() >= wire::frame_prefix_bytes) {
      const auto total =
          wire::frame_prefix_bytes + static_cast<std::size_t>(wire::load<std::int32_t>(in.data()));
      if (in.size() < total) return;
      const std::vector<std::byte> frame(in.begin(),
                                         in.begin() + static_cast<std::ptrdiff_t>(total));
      if (frame == request) {
        behind = true;
        return;
      }
      in.erase(in.begin(), in.begin() + static_cast<std::ptrdiff_t>(total));
      auto content = broker.answer(frame);
      std::vector<std::byte> out(wire::frame_prefix_bytes + content.size());
      std::ranges::copy(content, out.begin() + wire::frame_prefix_bytes);
      wire::seal(out);
      CHECK(stream->write(out).bytes == out.size());
    }
  }
  template <class F>
  bool until(F holds) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!holds() && std::chrono::steady_clock::now() < end)
      io.run_one_for(std::chrono::milliseconds(50));
    return holds();
  }
  static inline const std::vector<std::byte> request{std::byte{0}, std::byte{0}, std::byte{0},
                                                     std::byte{1}, std::byte{42}};
  test::Scratch folder;
  boost::asio::io_context io;
  net::Resolver resolver{io};
  tcp::acceptor acceptor;
  fake::LoginBroker broker;
  std::shared_ptr<net::TlsServer> server;
  std::unique_ptr<Stream> stream;
  std::shared_ptr<Owner> owner;
  std::shared_ptr<Link> link;
  std::vector<std::byte> in;
  bool behind = false;  // the request has come, after the login
};

}  // namespace

TEST_CASE("link: what is to be sent waits until it has logged in", "[sasl]") {
  for (const bool tls : {false, true}) {
    INFO("TLS " << tls);
    Scene s(tls);
    REQUIRE(s.until([&] { return s.behind; }));
    CHECK(s.link->connected());
    CHECK(s.broker.asked == std::vector<std::string>{"ApiVersions v0", "SaslHandshake v1 PLAIN",
                                                     "SaslAuthenticate v2"});
    CHECK(s.owner->failed.empty());
    s.link->close();
  }
}

TEST_CASE("link: a login that is refused is a link that failed", "[sasl]") {
  for (const bool tls : {false, true}) {
    INFO("TLS " << tls);
    Scene s(tls, "wrong");
    REQUIRE(s.until([&] { return !s.owner->failed.empty(); }));
    CHECK(s.owner->failed.find("login: Invalid username or password") != std::string::npos);
    CHECK_FALSE(s.link->connected());
    CHECK_FALSE(s.behind);
    s.link->close();
  }
}
