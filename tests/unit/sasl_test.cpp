// SASL's client side against the examples of the RFCs, and servers that do not know the password.
#include <catch2/catch.hpp>

#include <filesystem>

#include "proxy/net/sasl.h"
#include "tests/unit/scratch.h"

using namespace shunt;
using net::Sasl;
using net::SaslLogin;
using State = net::SaslLogin::State;

namespace {

net::Credentials of(Sasl mechanism, const std::string& user, const std::string& password) {
  return {mechanism, user, password, ""};
}

// RFC 7677, 3; the one of SHA-512 was computed with Python's hashlib for the same words.
struct Example {
  Sasl mechanism;
  std::string server_first, client_final, server_final;
};
const std::string nonce = "rOprNGfwEbeRWgbNEkqO";
const std::string whole_nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
const std::vector<Example> examples = {
    {Sasl::scram_sha_256, "r=" + whole_nonce + ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
     "c=biws,r=" + whole_nonce + ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
     "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="},
    {Sasl::scram_sha_512, "r=" + whole_nonce + ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
     "c=biws,r=" + whole_nonce +
         ",p=gMGXRcevScNtxZ6/"
         "8lQYpGtnsNAc3mGcmNomv+xnoOMw+3R2xNJdMNnzMlTN8PPC6wdp6dybEmDYXYTxwnYPJQ==",
     "v=ZQnYEgWQMFmmsM8aQMF0nDDCy/AgCzkwk8CmMZYcMg0vSVlKDanekLtifDSeVGT4+5ZxXnJq199RVG2rR7N7Zw=="},
};

}  // namespace

TEST_CASE("sasl: SCRAM as in the RFC's example", "[sasl]") {
  for (const auto& e : examples) {
    INFO(net::mechanism_name(e.mechanism));
    const auto login = SaslLogin::make(of(e.mechanism, "user", "pencil"), nonce);
    auto step = login->begin();
    CHECK(step.state == State::send);
    CHECK(step.text == "n,,n=user,r=" + nonce);
    step = login->take(e.server_first);
    CHECK(step.state == State::send);
    CHECK(step.text == e.client_final);
    CHECK(login->take(e.server_final).state == State::done);

    // A server that does not know the password cannot make the signature.
    const auto fooled = SaslLogin::make(of(e.mechanism, "user", "pencil"), nonce);
    fooled->begin();
    fooled->take(e.server_first);
    step = fooled->take("v=AAAATRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    CHECK(step.state == State::failed);
    CHECK(step.text.find("signature") != std::string::npos);
  }
}

TEST_CASE("sasl: SCRAM refuses what cannot be", "[sasl]") {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "nonce"},
      {"r=" + nonce + ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "nonce"},  // nothing of the server's
      {"r=" + whole_nonce + ",s=,i=4096", "salt or iterations"},
      {"r=" + whole_nonce + ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1", "salt or iterations"},
      {"r=" + whole_nonce + ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=2000000000", "salt or iterations"},
      {"r=" + whole_nonce + ",s=!!!!,i=4096", "salt or iterations"},
      {"e=unknown-user", "refused: unknown-user"},
      {"", "nonce"},
  };
  for (const auto& [text, why] : cases) {
    INFO(text);
    const auto login = SaslLogin::make(of(Sasl::scram_sha_256, "user", "pencil"), nonce);
    login->begin();
    const auto step = login->take(text);
    CHECK(step.state == State::failed);
    CHECK(step.text.find(why) != std::string::npos);
  }
  // What stands for itself in a name is escaped.
  CHECK(SaslLogin::make(of(Sasl::scram_sha_256, "a=b,c", "p"), "x")->begin().text ==
        "n,,n=a=3Db=2Cc,r=x");
}

TEST_CASE("sasl: PLAIN and OAUTHBEARER", "[sasl]") {
  const auto plain = SaslLogin::make(of(Sasl::plain, "user", "secret"), "");
  CHECK(plain->begin().text == std::string("\0user\0secret", 12));
  CHECK(plain->take("").state == State::done);

  const test::Scratch folder;
  const auto file = folder.write("token", "ab.cd.\n");
  std::filesystem::permissions(file, std::filesystem::perms::owner_all);
  net::Credentials c{Sasl::oauthbearer, "", "", file};
  const auto bearer = SaslLogin::make(c, "");
  CHECK(bearer->begin().text ==
        "n,,\x01"
        "auth=Bearer ab.cd.\x01\x01");
  const auto refused = bearer->take(R"({"status":"invalid_token"})");
  CHECK(refused.state == State::failed);
  CHECK(refused.text.find("invalid_token") != std::string::npos);
  CHECK(SaslLogin::make(c, "")->take("").state == State::done);
  std::filesystem::remove(file);
  CHECK(SaslLogin::make(c, "")->begin().state == State::failed);
}

TEST_CASE("sasl: secrets come from files that not everybody may read", "[sasl]") {
  const test::Scratch folder;
  const auto file = folder.write("password", "pencil\n");
  using std::filesystem::perms;
  std::filesystem::permissions(file, perms::owner_read | perms::others_read);
  net::ClusterSasl sasl;
  sasl.mechanism = Sasl::scram_sha_512;
  sasl.username = "user";
  sasl.password_file = file;
  std::string why;
  CHECK_FALSE(net::Credentials::read(sasl, "clusters.old.sasl", why));
  CHECK(why ==
        "clusters.old.sasl.password_file: " + file + ": everybody may read it; chmod o-r " + file);
  std::filesystem::permissions(file, perms::owner_read | perms::group_read);
  const auto read = net::Credentials::read(sasl, "clusters.old.sasl", why);
  REQUIRE(read);
  CHECK(read->password == "pencil");
  sasl.password_file = folder.write("empty", "\n");
  std::filesystem::permissions(sasl.password_file, perms::owner_read);
  CHECK_FALSE(net::Credentials::read(sasl, "clusters.old.sasl", why));
  CHECK(why.find(": empty; ") != std::string::npos);
  sasl.password_file = "/none";
  CHECK_FALSE(net::Credentials::read(sasl, "clusters.old.sasl", why));
  CHECK(why.starts_with("clusters.old.sasl.password_file: /none: No such file"));
}
