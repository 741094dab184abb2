// TLS: what is wrong with files is named, minted leaves are what a client that checks them takes,
// and a Stream of TLS carries what a plain one does.
#include <catch2/catch.hpp>

#include <boost/asio/io_context.hpp>
#include <random>

#include "control/ca.h"
#include "proxy/net/stream.h"
#include "tests/unit/scratch.h"

using namespace shunt;
using net::Stream;
using net::tcp;

namespace {

// A CA as `shuntctl ca` makes it.
struct Ca {
  explicit Ca(const std::vector<std::string>& names = {}) {
    control::Failure failure;
    const bool ok = control::make_ca(folder.path(), names, 30, made, failure);
    INFO(failure.message);
    REQUIRE(ok);
  }
  net::ListenTls listen() const {
    net::ListenTls l;
    l.mint_ca = made.certificate;
    l.mint_key = made.key;
    return l;
  }
  net::ClusterTls trusting() const {
    net::ClusterTls t;
    t.enabled = true;
    t.ca = made.certificate;
    return t;
  }
  test::Scratch folder;
  control::MadeCa made;
};

std::shared_ptr<net::TlsServer> server(const net::ListenTls& files) {
  std::string why;
  auto out = net::TlsServer::make(files, why);
  INFO(why);
  REQUIRE(out);
  return out;
}
std::shared_ptr<net::TlsClient> client(const net::ClusterTls& files) {
  std::string why;
  auto out = net::TlsClient::make(files, "clusters.old.tls", why);
  INFO(why);
  REQUIRE(out);
  return out;
}

// A connection over loopback to `address`, both ends as Streams, with small socket buffers: what is
// written does not fit.
struct Connection {
  explicit Connection(const std::string& address = "127.0.0.1") {
    tcp::acceptor acceptor(io, tcp::endpoint(boost::asio::ip::make_address(address), 0));
    tcp::socket dialled(io);
    dialled.connect(acceptor.local_endpoint());
    auto taken = acceptor.accept();
    for (auto* s : {&dialled, &taken}) {
      s->set_option(boost::asio::socket_base::send_buffer_size(20000));
      s->set_option(boost::asio::socket_base::receive_buffer_size(20000));
    }
    near = std::make_unique<Stream>(std::move(dialled));
    far = std::make_unique<Stream>(std::move(taken));
  }
  // What both sides say of the handshake: "", "" when it succeeds.
  std::pair<std::string, std::string> shake(const net::TlsClient& c, const net::TlsServer& s,
                                            const std::string& host) {
    std::optional<std::string> at_near, at_far;
    near->handshake(c.session(host), [&](const std::string& why) {
      at_near = why;
      if (!why.empty()) near->close();
    });
    far->handshake(s.session(), [&](const std::string& why) {
      at_far = why;
      if (!why.empty()) far->close();
    });
    while ((!at_near || !at_far) && io.run_one_for(std::chrono::seconds(5)) > 0) {
    }
    REQUIRE(at_near);
    REQUIRE(at_far);
    return {*at_near, *at_far};
  }
  boost::asio::io_context io;
  std::unique_ptr<Stream> near, far;
};

// Carries bytes one way, in pieces of random sizes, as sessions do: a head and what follows it,
// what does not fit waits for when_writable; reads into buffers of random sizes after
// when_readable.
struct Carrier {
  Carrier(Stream& from, Stream& to, std::size_t total, unsigned seed)
      : from_(from), to_(to), random_(seed), sent(total) {
    for (auto& b : sent) b = static_cast<std::byte>(random_());
    send();
    receive();
  }
  std::size_t up_to(std::size_t most) { return 1 + random_() % most; }
  void send() {
    while (done_ < sent.size()) {
      const auto left = wire::Bytes(sent).subspan(done_);
      const auto size = std::max(pending_, std::min(left.size(), up_to(100000)));
      const auto head = pending_ > 0 ? size : std::min(size, up_to(200));
      const auto r = from_.write(left.first(head), left.subspan(head, size - head));
      REQUIRE((r.state == Stream::State::ok || r.state == Stream::State::later));
      done_ += r.bytes;
      pending_ = size - r.bytes;
      if (r.bytes == size) continue;
      return from_.when_writable([this](net::ErrorCode e) {
        if (!e) send();
      });
    }
  }
  void receive() {
    to_.when_readable([this](net::ErrorCode e) {
      if (e) return;
      std::vector<std::byte> buffer(up_to(100000));
      const auto r = to_.read(buffer);
      REQUIRE((r.state == Stream::State::ok || r.state == Stream::State::later));
      got.insert(got.end(), buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(r.bytes));
      if (got.size() < sent.size()) receive();
    });
  }
  Stream& from_;
  Stream& to_;
  std::mt19937 random_;
  std::size_t done_ = 0, pending_ = 0;
  std::vector<std::byte> sent, got;
};

}  // namespace

TEST_CASE("tls: what is wrong with the files is named", "[tls]") {
  const Ca ca, other;
  const auto junk = ca.folder.write("junk.pem", "nothing\n");
  const auto leaf = ca.folder.path("leaf.pem");
  const auto run = [&](const std::string& command) {
    REQUIRE(std::system((command + " 2>/dev/null >&2").c_str()) == 0);
  };
  run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 5 -subj /CN=x "
      "-addext basicConstraints=CA:FALSE -addext subjectAltName=DNS:kafka.example,DNS:b "
      "-keyout " +
      leaf + ".key -out " + leaf);
  struct Case {
    net::ListenTls files;
    std::string why;
  };
  net::ListenTls l;
  std::vector<Case> cases;
  const auto mint = [&](const std::string& c, const std::string& k, const std::string& why) {
    net::ListenTls files;
    files.mint_ca = c, files.mint_key = k;
    cases.push_back({files, why});
  };
  mint("/none.pem", ca.made.key, "listen.tls.mint_ca: /none.pem: no such file");
  mint(junk, ca.made.key, "listen.tls.mint_ca: " + junk + ": no start line");
  mint(leaf, leaf + ".key", "listen.tls.mint_ca: " + leaf + ": not a CA's certificate");
  mint(ca.made.certificate, other.made.key,
       "listen.tls.mint_key: " + other.made.key + ": key values mismatch");
  mint(ca.made.certificate, junk, "listen.tls.mint_key: " + junk + ": ");
  l.certificate = "/none.pem", l.key = leaf + ".key";
  cases.push_back({l, "listen.tls.certificate: /none.pem: "});
  l.certificate = leaf, l.key = other.made.key;
  cases.push_back({l, "listen.tls.key: " + other.made.key + ": key values mismatch"});
  l.key = leaf + ".key", l.client_auth = net::ClientAuth::require, l.client_ca = junk;
  cases.push_back({l, "listen.tls.client_ca: " + junk + ": "});
  for (const auto& c : cases) {
    std::string why;
    CHECK_FALSE(net::TlsServer::make(c.files, why));
    INFO(why);
    CHECK(why.starts_with(c.why));
    CHECK(why.find("; ") != std::string::npos);  // what to do
  }
  l.client_auth = net::ClientAuth::none;
  const auto whole = server(l);
  CHECK(whole->names("kafka.example"));
  CHECK_FALSE(whole->names("a"));
  CHECK(whole->named() == "kafka.example, b");

  // All of a configuration, or nothing.
  net::Settings s;
  s.tls = ca.listen();
  net::TlsContexts contexts;
  CHECK(contexts.load(s).empty());
  const auto before = contexts.listen;
  s.old_cluster.tls.enabled = true;
  s.old_cluster.tls.ca = junk;
  CHECK(contexts.load(s).starts_with("clusters.old.tls.ca: " + junk + ": "));
  CHECK(contexts.listen == before);
  s.old_cluster.tls.enabled = false;
  s.tls = l, s.advertise = net::Advertise::address, s.advertise_host = "elsewhere";
  CHECK(contexts.load(s) ==
        "listen.advertise.host: elsewhere is not a name of " + leaf +
            " (which has: kafka.example, b); clients that check names would not connect");
}

TEST_CASE("tls: a leaf is minted for the address that was dialled and the name that was asked for",
          "[tls]") {
  const Ca ca({"kafka.example"});
  const auto s = server(ca.listen());
  const auto c = client(ca.trusting());
  struct Case {
    std::string address, host, near;
  };
  const std::vector<Case> cases = {
      {"127.0.0.1", "127.0.0.1", ""},
      {"127.31.2.250", "127.31.2.250", ""},
      {"127.0.0.1", "127.0.0.2", "IP address mismatch"},
      {"127.0.0.1", "localhost", ""},
      {"127.4.4.4", "b1.kafka.example", ""},
      {"::1", "::1", ""},
      {"127.0.0.1", "evil.example", "hostname mismatch"},  // not permitted: not in the leaf
      {"127.0.0.1", "not a name", "hostname mismatch"},
  };
  for (const auto& one : cases) {
    INFO(one.address << " as " << one.host);
    Connection connection(one.address);
    const auto [near, far] = connection.shake(*c, *s, one.host);
    CHECK(near.empty() == one.near.empty());
    INFO(near);
    CHECK(near.find(one.near) != std::string::npos);
    CHECK(far.empty() == one.near.empty());
  }
  const Ca other;
  Connection untrusted;
  const auto [near, far] = untrusted.shake(*client(other.trusting()), *s, "127.0.0.1");
  INFO(near);
  CHECK(near.find("unable to get local issuer certificate") != std::string::npos);
  CHECK(far.find("does not trust our certificate") != std::string::npos);
}

TEST_CASE("tls: a client's certificate is asked for, and its subject known", "[tls]") {
  const Ca ca;
  const auto key = ca.folder.path("app.key"), cert = ca.folder.path("app.pem");
  REQUIRE(
      std::system(("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 5 "
                   "-subj /O=shop/CN=app -keyout " +
                   key + " -out " + cert + " 2>/dev/null")
                      .c_str()) == 0);
  auto files = ca.listen();
  files.client_auth = net::ClientAuth::require;
  files.client_ca = cert;
  const auto s = server(files);
  auto with = ca.trusting();
  with.certificate = cert, with.key = key;
  Connection shown;
  CHECK(shown.shake(*client(with), *s, "127.0.0.1") == std::pair<std::string, std::string>{});
  CHECK(shown.far->peer_subject() == "CN=app,O=shop");
  Connection none;
  CHECK(
      none.shake(*client(ca.trusting()), *s, "127.0.0.1")
          .second.find("peer did not return a certificate (a client certificate is asked for?)") !=
      std::string::npos);
  std::vector<std::byte> buffer(10);
  Stream::Result r;  // TLS 1.3 tells the client after its handshake
  none.near->when_readable([&](net::ErrorCode) { r = none.near->read(buffer); });
  none.io.restart();
  none.io.run_for(std::chrono::seconds(2));
  CHECK(r.state == Stream::State::reset);
  CHECK(none.near->problem("").find("a client certificate is asked for") != std::string::npos);

  files.client_auth = net::ClientAuth::request;
  Connection anonymous;
  CHECK(anonymous.shake(*client(ca.trusting()), *server(files), "127.0.0.1").second.empty());
  CHECK(anonymous.far->peer_subject().empty());
}

TEST_CASE("tls: a stream carries both ways what does not fit its socket", "[tls]") {
  const Ca ca;
  const auto s = server(ca.listen());
  const auto c = client(ca.trusting());
  for (unsigned seed = 1; seed <= 6; ++seed) {
    INFO("seed " << seed);
    Connection connection;
    REQUIRE(connection.shake(*c, *s, "127.0.0.1") == std::pair<std::string, std::string>{});
    constexpr std::size_t size = 2 << 20;
    Carrier there(*connection.near, *connection.far, size, seed);
    Carrier back(*connection.far, *connection.near, size, seed + 100);
    connection.io.restart();
    connection.io.run_for(std::chrono::seconds(20));
    CHECK((there.got == there.sent));
    CHECK((back.got == back.sent));
    // The farewell is an end, not a failure.
    connection.near->close();
    std::vector<std::byte> buffer(10);
    Stream::Result r;
    connection.far->when_readable([&](net::ErrorCode) { r = connection.far->read(buffer); });
    connection.io.restart();
    connection.io.run_for(std::chrono::seconds(5));
    CHECK(r.state == Stream::State::closed);
  }
}

TEST_CASE("shuntctl ca: what it may sign for, and what it does not write over", "[tls]") {
  const Ca ca({"kafka.example", "10.1.2.3"});
  CHECK(ca.made.names ==
        std::vector<std::string>{"127.0.0.0/8", "::1", "localhost", "kafka.example", "10.1.2.3"});
  CHECK((std::filesystem::status(ca.made.key).permissions() & std::filesystem::perms::mask) ==
        (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write));
  control::MadeCa made;
  control::Failure failure;
  CHECK_FALSE(control::make_ca(ca.folder.path(), {}, 30, made, failure));
  CHECK(failure.where == ca.made.key);
  CHECK(failure.message == "File exists");
  const test::Scratch fresh;
  CHECK_FALSE(control::make_ca(fresh.path(), {"a,DNS:b"}, 30, made, failure));
  CHECK(failure.message == "\"a,DNS:b\" is neither a DNS name nor an address");
  CHECK_FALSE(control::make_ca(fresh.path(), {}, 0, made, failure));
  CHECK(std::filesystem::is_empty(fresh.path()));
}
