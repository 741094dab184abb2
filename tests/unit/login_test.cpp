// A link's login, frame by frame, at brokers of several ages and moods.
#include <catch2/catch.hpp>

#include "proxy/net/login.h"
#include "proxy/wire/framer.h"
#include "proxy/wire/header.h"
#include "tests/unit/messages.h"

using namespace shunt;
using net::Login;
using net::Sasl;
using State = net::Login::Step::State;
using wire::Array;
using wire::Struct;
using wire::Value;

namespace {

constexpr wire::ApiKey sasl_handshake = 17, api_versions = 18, sasl_authenticate = 36;

// A broker that serves these versions at most (-1: not at all) and takes the password "secret".
struct Broker {
  int handshake = 1, authenticate = 2;
  std::vector<std::string> mechanisms = {"PLAIN", "SCRAM-SHA-256"};
  std::int64_t lifetime_ms = 0;
  std::vector<std::string> asked{};  // "SaslHandshake v1 PLAIN"
  bool raw = false;                // what comes next has no header

  std::vector<std::byte> answer(wire::Bytes frame) {
    const auto content = frame.subspan(wire::frame_prefix_bytes);
    if (raw) {
      const bool right = std::string_view(reinterpret_cast<const char*>(content.data()),
                                          content.size()) == std::string_view("\0user\0secret", 12);
      asked.emplace_back(right ? "raw, right" : "raw, wrong");
      return {};
    }
    wire::RequestHeader h;
    REQUIRE(wire::parse(content, content.size(), h) == wire::Parse::ok);
    const auto& request = *wire::request(h.api);
    const auto body = messages::decoded(request, h.version, content.subspan(h.size));
    asked.push_back(std::string(wire::api_name(h.api)) + " v" + std::to_string(h.version));
    Value out;
    if (h.api == api_versions) {
      Array keys;
      const auto serves = [&](wire::ApiKey api, int newest) {
        if (newest >= 0) keys.push_back(Struct{{"ApiKey", api}, {"MaxVersion", newest}});
      };
      serves(sasl_handshake, handshake);
      serves(sasl_authenticate, authenticate);
      out = Struct{{"ApiKeys", std::move(keys)}};
    } else if (h.api == sasl_handshake) {
      const auto wanted = body["Mechanism"].text();
      asked.back() += " " + std::string(wanted);
      Array all;
      for (const auto& m : mechanisms) all.emplace_back(m);
      const bool known = std::ranges::find(mechanisms, wanted) != mechanisms.end();
      out = Struct{{"ErrorCode", mechanisms.empty() ? 34
                                 : known            ? 0
                                                    : 33},
                   {"Mechanisms", std::move(all)}};
      raw = known && h.version == 0;
    } else {
      const auto bytes = body["AuthBytes"].bytes();
      const bool right = std::string_view(reinterpret_cast<const char*>(bytes.data()),
                                          bytes.size()) == std::string_view("\0user\0secret", 12);
      out = Struct{{"ErrorCode", right ? 0 : 58},
                   {"ErrorMessage", right ? Value() : Value("Invalid username or password")},
                   {"SessionLifetimeMs", lifetime_ms}};
    }
    std::vector<std::byte> bytes;
    const auto& message = *wire::response(h.api);
    wire::begin_answer(message, h.version, h.correlation, bytes);
    REQUIRE(wire::encode(message, h.version, out, bytes) == nullptr);
    wire::seal(bytes);
    return {bytes.begin() + wire::frame_prefix_bytes, bytes.end()};
  }
};

Login login_of(Sasl mechanism, const std::string& password = "secret") {
  auto c = std::make_shared<net::Credentials>();
  *c = {mechanism, "user", password, ""};
  return {c, [] { return std::string("nonce"); }};
}

// Until it is over; what it says then.
Login::Step carried(Login& login, Broker& broker, Login::Step step) {
  for (int i = 0; i < 10 && step.state == State::send; ++i)
    step = login.take(broker.answer(step.frame));
  return step;
}

}  // namespace

TEST_CASE("login: at brokers of all ages", "[sasl]") {
  struct Case {
    Broker broker;
    std::vector<std::string> asked;
    bool again;
  };
  const std::vector<Case> cases = {
      {{.handshake = 1, .authenticate = 2},
       {"ApiVersions v0", "SaslHandshake v1 PLAIN", "SaslAuthenticate v2"},
       true},
      {{.handshake = 1, .authenticate = 0},  // Kafka 1.0
       {"ApiVersions v0", "SaslHandshake v1 PLAIN", "SaslAuthenticate v0"},
       false},
      {{.handshake = 0, .authenticate = -1},  // Kafka 0.10
       {"ApiVersions v0", "SaslHandshake v0 PLAIN", "raw, right"},
       false},
      {{.handshake = 7, .authenticate = 9},  // one to come
       {"ApiVersions v0", "SaslHandshake v1 PLAIN", "SaslAuthenticate v2"},
       true},
  };
  for (auto one : cases) {
    auto login = login_of(Sasl::plain);
    const auto end = carried(login, one.broker, login.begin());
    INFO(end.why);
    CHECK(end.state == State::done);
    CHECK(one.broker.asked == one.asked);
    CHECK(login.can_again() == one.again);
    CHECK(login.lifetime().count() == 0);
  }
}

TEST_CASE("login: once more, on the connection as it is", "[sasl]") {
  Broker broker{.lifetime_ms = 10000};
  auto login = login_of(Sasl::plain);
  CHECK(carried(login, broker, login.begin()).state == State::done);
  CHECK(login.lifetime() == std::chrono::seconds(10));
  broker.asked.clear();
  broker.lifetime_ms = 5000;
  CHECK(carried(login, broker, login.again()).state == State::done);
  CHECK(broker.asked == std::vector<std::string>{"SaslHandshake v1 PLAIN", "SaslAuthenticate v2"});
  CHECK(login.lifetime() == std::chrono::seconds(5));
}

TEST_CASE("login: what is refused is said", "[sasl]") {
  const auto fails = [](Broker broker, Sasl mechanism, const std::string& password) {
    auto login = login_of(mechanism, password);
    const auto end = carried(login, broker, login.begin());
    CHECK(end.state == State::failed);
    return end.why;
  };
  CHECK(fails({}, Sasl::plain, "other") == "login: Invalid username or password");
  CHECK(fails({}, Sasl::scram_sha_512, "secret") ==
        "login: SCRAM-SHA-512 is not one of the broker's mechanisms: PLAIN, SCRAM-SHA-256");
  CHECK(fails({.mechanisms = {}}, Sasl::plain, "secret") ==
        "login: the broker's port wants no login");
  CHECK(fails({.handshake = -1}, Sasl::plain, "secret") ==
        "login: the broker does not serve SaslHandshake");
  auto login = login_of(Sasl::plain);
  login.begin();
  const std::vector<std::byte> junk(3);
  CHECK(login.take(junk).why == "login: ApiVersionsResponse: not an answer's header");
  CHECK(net::random_nonce().size() == 24);
  CHECK(net::random_nonce() != net::random_nonce());
}
