// How a link of ours logs in at a broker: frames out, frames in; no sockets. ApiVersions v0 tells
// what the broker serves, then SaslHandshake and SaslAuthenticate (Kafka 1.0, KIP-152), or the
// mechanism's own messages behind SaslHandshake v0 (Kafka 0.10). Once more for a login that ends
// (KIP-368), without the first question.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "proxy/net/sasl.h"
#include "proxy/wire/value.h"

namespace shunt::net {

class Login {
 public:
  struct Step {
    enum class State : std::uint8_t { send, done, failed } state = State::failed;
    std::vector<std::byte> frame;  // to send, whole
    std::string why;               // it failed
  };
  // `fresh_nonce` is called for each login.
  Login(std::shared_ptr<const Credentials> credentials, std::string (*fresh_nonce)());

  Step begin();
  // Before the broker lets a session end: the same again on the connection as it is.
  Step again();
  // The whole frame of an answer, without its size.
  Step take(wire::Bytes content);
  // Whether the broker wants it again: how long after a login, 0 for never.
  std::chrono::milliseconds lifetime() const { return lifetime_; }
  // The broker serves it; SaslAuthenticate came with Kafka 1.0, lifetimes with 2.2.
  bool can_again() const { return authenticate_ > 0; }

 private:
  enum class At : std::uint8_t { versions, handshake, authenticate };
  Step handshake();
  Step ask(wire::ApiKey api, wire::Version version, const wire::Value& body);
  Step send(SaslLogin::Step step);
  Step take_versions(const wire::Value& answer);
  Step failed(std::string why) const;

  std::shared_ptr<const Credentials> credentials_;
  std::string (*fresh_nonce_)();
  std::unique_ptr<SaslLogin> sasl_;
  At at_ = At::versions;
  wire::Version handshake_ = 0, authenticate_ = -1;  // versions; -1: not served
  std::int32_t correlation_ = 0;
  std::chrono::milliseconds lifetime_{0};
};

// 24 random bytes as text.
std::string random_nonce();

}  // namespace shunt::net
