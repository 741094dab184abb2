#include "proxy/net/sasl.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <sstream>
#include <vector>

#include <sys/stat.h>

namespace shunt::net {
namespace {

using Step = SaslLogin::Step;
using State = SaslLogin::State;

Step failed(std::string why) { return {State::failed, std::move(why)}; }

const unsigned char* bytes(std::string_view s) {
  return reinterpret_cast<const unsigned char*>(s.data());
}

std::string base64(std::string_view raw) {
  std::string out(4 * ((raw.size() + 2) / 3) + 1, '\0');
  const int n = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()), bytes(raw),
                                static_cast<int>(raw.size()));
  out.resize(static_cast<std::size_t>(n));
  return out;
}

// Empty: it is none.
std::string from_base64(std::string_view text) {
  if (text.empty() || text.size() % 4 != 0) return {};
  std::string out(text.size() / 4 * 3, '\0');
  const int n = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()), bytes(text),
                                static_cast<int>(text.size()));
  if (n < 0) return {};
  const auto padding = text.ends_with("==") ? 2U : text.ends_with('=') ? 1U : 0U;
  out.resize(static_cast<std::size_t>(n) - padding);
  return out;
}

class Plain : public SaslLogin {
 public:
  explicit Plain(const Credentials& c) : c_(c) {}
  Step begin() override {
    return {State::send, std::string(1, '\0') + c_.username + '\0' + c_.password};
  }
  Step take(std::string_view) override { return {State::done, {}}; }

 private:
  const Credentials c_;
};

class OAuthBearer : public SaslLogin {
 public:
  explicit OAuthBearer(const Credentials& c) : file_(c.token_file) {}
  Step begin() override {
    std::string token, why;
    if (!read_secret(file_, token, why)) return failed(why);
    return {State::send,
            "n,,\x01"
            "auth=Bearer " +
                token + "\x01\x01"};
  }
  // Success is empty; anything else says what is wrong with the token, as JSON.
  Step take(std::string_view from_server) override {
    if (from_server.empty()) return {State::done, {}};
    return failed("the token is refused: " + std::string(from_server));
  }

 private:
  const std::string file_;
};

class Scram : public SaslLogin {
 public:
  Scram(const Credentials& c, std::string nonce)
      : c_(c),
        nonce_(std::move(nonce)),
        digest_(c.mechanism == Sasl::scram_sha_256 ? EVP_sha256() : EVP_sha512()) {}

  Step begin() override {
    std::string name;
    for (const char ch : c_.username) {
      if (ch == ',')
        name += "=2C";
      else if (ch == '=')
        name += "=3D";
      else
        name += ch;
    }
    first_ = "n=" + name + ",r=" + nonce_;
    return {State::send, "n,," + first_};
  }

  Step take(std::string_view from_server) override {
    if (attribute(from_server, 'e').data() != nullptr)
      return failed("refused: " + std::string(attribute(from_server, 'e')));
    return proof_sent_ ? verify(from_server) : prove(from_server);
  }

 private:
  static constexpr int iterations_min = 4096;     // Kafka's own minimum
  static constexpr int iterations_max = 1 << 20;  // ours: a server must not keep us computing

  static std::string_view attribute(std::string_view message, char name) {
    while (!message.empty()) {
      const auto end = std::min(message.find(','), message.size());
      const auto one = message.substr(0, end);
      if (one.size() >= 2 && one[0] == name && one[1] == '=') return one.substr(2);
      message.remove_prefix(std::min(end + 1, message.size()));
    }
    return {};
  }

  std::string hmac(std::string_view key, std::string_view data) const {
    unsigned char out[EVP_MAX_MD_SIZE];
    unsigned int n = 0;
    HMAC(digest_, key.data(), static_cast<int>(key.size()), bytes(data), data.size(), out, &n);
    return {reinterpret_cast<const char*>(out), n};
  }

  std::string hash(std::string_view data) const {
    unsigned char out[EVP_MAX_MD_SIZE];
    unsigned int n = 0;
    EVP_Digest(data.data(), data.size(), out, &n, digest_, nullptr);
    return {reinterpret_cast<const char*>(out), n};
  }

  Step prove(std::string_view server_first) {
    const auto nonce = attribute(server_first, 'r');
    const auto salt = from_base64(attribute(server_first, 's'));
    const auto count = attribute(server_first, 'i');
    int iterations = 0;
    std::from_chars(count.data(), count.data() + count.size(), iterations);
    if (!nonce.starts_with(nonce_) || nonce.size() == nonce_.size())
      return failed("the server's nonce does not continue ours");
    if (salt.empty() || iterations < iterations_min || iterations > iterations_max)
      return failed("the server's salt or iterations cannot be: " + std::string(server_first));
    const auto size = static_cast<std::size_t>(EVP_MD_get_size(digest_));
    std::string salted(size, '\0');
    PKCS5_PBKDF2_HMAC(c_.password.data(), static_cast<int>(c_.password.size()), bytes(salt),
                      static_cast<int>(salt.size()), iterations, digest_, static_cast<int>(size),
                      reinterpret_cast<unsigned char*>(salted.data()));
    const auto without_proof = "c=biws,r=" + std::string(nonce);
    const auto all = first_ + "," + std::string(server_first) + "," + without_proof;
    const auto client_key = hmac(salted, "Client Key");
    auto proof = hmac(hash(client_key), all);
    for (std::size_t i = 0; i < size; ++i) proof[i] = static_cast<char>(proof[i] ^ client_key[i]);
    expected_ = hmac(hmac(salted, "Server Key"), all);
    proof_sent_ = true;
    return {State::send, without_proof + ",p=" + base64(proof)};
  }

  Step verify(std::string_view server_final) const {
    const auto signature = from_base64(attribute(server_final, 'v'));
    const bool same = signature.size() == expected_.size() &&
                      CRYPTO_memcmp(signature.data(), expected_.data(), signature.size()) == 0;
    return same ? Step{State::done, {}}
                : failed("the server does not know the password: its signature is wrong");
  }

  const Credentials c_;
  const std::string nonce_;
  const EVP_MD* const digest_;
  std::string first_, expected_;
  bool proof_sent_ = false;
};

}  // namespace

std::string_view mechanism_name(Sasl mechanism) {
  switch (mechanism) {
    case Sasl::plain:
      return "PLAIN";
    case Sasl::scram_sha_256:
      return "SCRAM-SHA-256";
    case Sasl::scram_sha_512:
      return "SCRAM-SHA-512";
    case Sasl::oauthbearer:
      return "OAUTHBEARER";
    default:
      return "";
  }
}

bool read_secret(const std::string& file, std::string& secret, std::string& why) {
  struct stat at {};
  if (::stat(file.c_str(), &at) != 0) {
    why = file + ": " + std::strerror(errno) + "; a file that holds the secret";
    return false;
  }
  if ((at.st_mode & S_IROTH) != 0) {
    why = file + ": everybody may read it; chmod o-r " + file;
    return false;
  }
  std::ifstream in(file, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  secret = text.str();
  if (!in) {
    why = file + ": cannot be read; a file that this user may read";
    return false;
  }
  while (secret.ends_with('\n') || secret.ends_with('\r')) secret.pop_back();
  if (!secret.empty()) return true;
  why = file + ": empty; a file that holds the secret";
  return false;
}

std::shared_ptr<const Credentials> Credentials::read(const ClusterSasl& sasl,
                                                     const std::string& key, std::string& why) {
  auto out = std::make_shared<Credentials>();
  out->mechanism = sasl.mechanism;
  out->username = sasl.username;
  out->token_file = sasl.token_file;
  const bool by_token = sasl.mechanism == Sasl::oauthbearer;
  std::string token;
  const auto& file = by_token ? sasl.token_file : sasl.password_file;
  if (read_secret(file, by_token ? token : out->password, why)) return out;
  why = key + (by_token ? ".token_file: " : ".password_file: ") + why;
  return nullptr;
}

std::unique_ptr<SaslLogin> SaslLogin::make(const Credentials& c, std::string nonce) {
  switch (c.mechanism) {
    case Sasl::plain:
      return std::make_unique<Plain>(c);
    case Sasl::oauthbearer:
      return std::make_unique<OAuthBearer>(c);
    default:
      return std::make_unique<Scram>(c, std::move(nonce));
  }
}

}  // namespace shunt::net
