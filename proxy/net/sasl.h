// The client's side of SASL, for links that Shunt logs in by itself: PLAIN (RFC 4616),
// SCRAM-SHA-256 and -512 (RFC 5802, 7677) and OAUTHBEARER (RFC 7628, KIP-255). Messages only; no
// sockets.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "proxy/net/settings.h"

namespace shunt::net {

// The word of SaslHandshake; "" for none.
std::string_view mechanism_name(Sasl mechanism);

struct Credentials {
  Sasl mechanism = Sasl::none;
  std::string username, password;
  std::string token_file;  // OAUTHBEARER: read at each login, whoever renews it just writes it
  // What the files of `sasl` hold, without a newline at the end. `key` is "clusters.old.sasl".
  // Null: `why` says "KEY: FILE: problem; what to do". A file that everybody may read is refused.
  static std::shared_ptr<const Credentials> read(const ClusterSasl& sasl, const std::string& key,
                                                 std::string& why);
};

// One login: what to send next, and whether the server has proved what it must.
class SaslLogin {
 public:
  enum class State : std::uint8_t { send, done, failed };
  struct Step {
    State state = State::failed;
    std::string text;  // to send, or why it failed
  };
  virtual ~SaslLogin() = default;
  virtual Step begin() = 0;
  virtual Step take(std::string_view from_server) = 0;
  // `nonce`: printable, without commas, random and used once.
  static std::unique_ptr<SaslLogin> make(const Credentials& credentials, std::string nonce);
};

// A secret's file, without a newline at its end. False: `why` is "FILE: problem; what to do".
bool read_secret(const std::string& file, std::string& secret, std::string& why);

}  // namespace shunt::net
