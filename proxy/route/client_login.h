// A client's own login, as it passes through to a broker of its home cluster: what may come before
// it is over, when it is, and who the client then is. The broker judges; nothing here does.
//
// Source: SaslHandshake v0 (Kafka 0.10: the mechanism's messages follow without headers) and v1,
// SaslAuthenticate (KIP-152), again on the same connection (KIP-368).
#pragma once

#include <string>
#include <string_view>

#include "proxy/wire/value.h"

namespace shunt::route {

class ClientLogin {
 public:
  // `wanted`: the home cluster's listener wants a login; else all passes from the beginning.
  explicit ClientLogin(bool wanted) : open_(!wanted) {}

  // The broker has let it in.
  bool open() const { return open_; }
  // Before that: ApiVersions, SaslHandshake and SaslAuthenticate alone.
  bool admits(wire::ApiKey api) const;
  // The client's next frame is a message of the mechanism, without a header.
  bool raw() const { return raw_; }

  // A SaslHandshake as it goes to the broker. A mechanism that is bound to a broker's own name or
  // address cannot be passed on (GSSAPI, AWS_MSK_IAM) and is asked for as one that no broker has.
  wire::Value handshake(wire::Version version, const wire::Value& request);
  // Its answer as the client sees it: without those mechanisms.
  wire::Value handshake_answered(const wire::Value& answer);
  // The mechanism that could not be passed on in the last handshake; empty: it can be.
  const std::string& refused() const { return refused_; }

  // A message of the mechanism, in a SaslAuthenticate or raw.
  void asked(wire::Bytes from_client);
  // The broker's: `error` of SaslAuthenticate, 0 for raw (a broker that refuses one hangs up).
  void answered(std::int64_t error, wire::Bytes from_broker);

  // "alice", as the client has named itself; empty: not known, or not from its messages.
  const std::string& name() const { return name_; }
  // Of PLAIN, to log in elsewhere with it (`sasl.replay_plain`); empty: another mechanism.
  const std::string& password() const { return password_; }

 private:
  enum class Mechanism : std::uint8_t { none, plain, scram, oauthbearer };
  bool open_;
  bool raw_ = false;
  wire::Version version_ = 0;  // of the handshake under way
  Mechanism mechanism_ = Mechanism::none;
  int messages_ = 0;  // of the client's, in this login
  std::string refused_, said_name_, said_password_, name_, password_;
};

}  // namespace shunt::route
