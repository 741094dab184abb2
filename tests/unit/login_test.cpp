// A link's login, frame by frame, at brokers of several ages and moods.
#include <catch2/catch.hpp>

#include "proxy/net/login.h"
#include "tests/unit/fake_login.h"

using namespace shunt;
using net::Login;
using net::Sasl;
using State = net::Login::Step::State;

namespace {

Login login_of(Sasl mechanism, const std::string& password = "secret") {
  auto c = std::make_shared<net::Credentials>();
  *c = {mechanism, "user", password, ""};
  return {c, [] { return std::string("nonce"); }};
}

// Until it is over; what it says then.
Login::Step carried(Login& login, fake::LoginBroker& broker, Login::Step step) {
  for (int i = 0; i < 10 && step.state == State::send; ++i)
    step = login.take(broker.answer(step.frame));
  return step;
}

}  // namespace

TEST_CASE("login: at brokers of all ages", "[sasl]") {
  struct Case {
    fake::LoginBroker broker;
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
  fake::LoginBroker broker{.lifetime_ms = 10000};
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
  const auto fails = [](fake::LoginBroker broker, Sasl mechanism, const std::string& password) {
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
