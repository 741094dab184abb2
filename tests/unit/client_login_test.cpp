// A client's login as it passes through: what may come, when it is over, who the client is.
#include <catch2/catch.hpp>

#include "proxy/route/client_login.h"

using namespace shunt;
using route::ClientLogin;
using wire::Array;
using wire::Struct;
using wire::Value;

namespace {

constexpr wire::ApiKey fetch = 1, metadata = 3, sasl_handshake = 17, api_versions = 18,
                       sasl_authenticate = 36;

wire::Bytes bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

// A handshake that the broker takes.
void agree(ClientLogin& login, const char* mechanism, int version = 1) {
  const auto request =
      login.handshake(static_cast<wire::Version>(version), Struct{{"Mechanism", mechanism}});
  CHECK(request["Mechanism"].text() == mechanism);
  login.handshake_answered(Struct{{"ErrorCode", 0}, {"Mechanisms", Array{mechanism}}});
}

}  // namespace

TEST_CASE("client login: where none is wanted all passes") {
  const ClientLogin login(false);
  CHECK(login.open());
  CHECK(login.admits(fetch));
  CHECK_FALSE(login.raw());
}

TEST_CASE("client login: over when the broker has said so, not before") {
  struct Turn {
    std::string_view from_client;
    std::int64_t error;
    std::string_view from_broker;
  };
  struct Case {
    const char* mechanism;
    std::vector<Turn> turns;
    bool open;
    std::string name, password;
  };
  using namespace std::string_view_literals;
  const std::vector<Case> cases = {
      {"PLAIN", {{"\0alice\0secret"sv, 0, ""}}, true, "alice", "secret"},
      {"PLAIN", {{"bob\0alice\0secret"sv, 0, ""}}, true, "bob", "secret"},
      {"PLAIN", {{"\0alice\0wrong"sv, 58, ""}}, false, "", ""},
      {"PLAIN",
       {{"\0alice\0wrong"sv, 58, ""}, {"\0alice\0secret"sv, 0, ""}},
       true,
       "alice",
       "secret"},
      {"SCRAM-SHA-256", {{"n,,n=a=2Cb=3D,r=x", 0, "r=xy,s=,i=1"}}, false, "", ""},
      {"SCRAM-SHA-512",
       {{"n,,n=a=2Cb=3D,r=x", 0, "r=xy,s=,i=1"}, {"c=biws,r=xy,p=", 0, "v="}},
       true,
       "a,b=",
       ""},
      {"SCRAM-SHA-256",
       {{"n,,n=alice,r=x", 0, "r=xy,s=,i=1"}, {"c=biws,r=xy,p=", 58, ""}},
       false,
       "",
       ""},
      {"SCRAM-SHA-256",
       {{"n,,n=token-id,r=x,tokenauth=true", 0, "r=xy,s=,i=1"}, {"c=biws,r=xy,p=", 0, "v="}},
       true,
       "",
       ""},
      {"OAUTHBEARER",
       {{"n,,\x01"
         "auth=Bearer x\x01\x01",
         0, ""}},
       true,
       "",
       ""},
      {"OAUTHBEARER",
       {{"n,,\x01"
         "auth=Bearer x\x01\x01",
         0, R"({"status":"invalid_token"})"}},
       false,
       "",
       ""},
  };
  for (const int version : {0, 1}) {
    for (const auto& c : cases) {
      INFO(c.mechanism << " v" << version << " " << c.turns.front().from_client);
      ClientLogin login(true);
      CHECK_FALSE(login.admits(fetch));
      CHECK_FALSE(login.admits(metadata));
      for (const auto api : {sasl_handshake, api_versions, sasl_authenticate})
        CHECK(login.admits(api));
      agree(login, c.mechanism, version);
      CHECK(login.raw() == (version == 0));
      for (const auto& t : c.turns) {
        CHECK_FALSE(login.open());
        login.asked(bytes(t.from_client));
        login.answered(t.error, bytes(t.from_broker));
      }
      CHECK(login.open() == c.open);
      CHECK(login.admits(fetch) == c.open);
      CHECK(login.name() == c.name);
      CHECK(login.password() == c.password);
      if (c.open) CHECK_FALSE(login.raw());
    }
  }
}

TEST_CASE("client login: what is bound to a broker's name is not passed on, nor offered") {
  for (const char* mechanism : {"GSSAPI", "AWS_MSK_IAM", "PLAINER"}) {
    ClientLogin login(true);
    const auto request = login.handshake(1, Struct{{"Mechanism", mechanism}});
    CHECK(request["Mechanism"].text() == std::string("not passed on: ") + mechanism);
    CHECK(login.refused() == mechanism);
    const auto answer = login.handshake_answered(
        Struct{{"ErrorCode", 33}, {"Mechanisms", Array{"GSSAPI", "PLAIN", "AWS_MSK_IAM"}}});
    CHECK(answer["ErrorCode"].number() == 33);
    REQUIRE(answer["Mechanisms"].array().size() == 1);
    CHECK(answer["Mechanisms"].array()[0].text() == "PLAIN");
    login.asked(bytes("x"));
    login.answered(0, {});
    CHECK_FALSE(login.open());
  }
}

TEST_CASE("client login: again on the same connection, which stays open meanwhile") {
  using namespace std::string_view_literals;
  ClientLogin login(true);
  agree(login, "PLAIN");
  login.asked(bytes("\0alice\0secret"sv));
  login.answered(0, {});
  CHECK(login.open());
  agree(login, "PLAIN");
  CHECK(login.open());
  login.asked(bytes("\0alice\0newer"sv));
  CHECK(login.password() == "secret");
  login.answered(0, {});
  CHECK(login.password() == "newer");
}
