#include "proxy/net/login.h"

#include <openssl/rand.h>

#include <algorithm>

#include "proxy/wire/framer.h"
#include "proxy/wire/header.h"

namespace shunt::net {

using wire::Struct;
using wire::Value;

namespace {

constexpr wire::ApiKey sasl_handshake = 17, api_versions = 18, sasl_authenticate = 36;
constexpr wire::Version handshake_known = 1, authenticate_known = 2;
constexpr std::int64_t unsupported_mechanism = 33, illegal_state = 34, unsupported_version = 35;

std::string text_of(wire::Bytes raw) {
  return {reinterpret_cast<const char*>(raw.data()), raw.size()};
}

}  // namespace

std::string random_nonce() {
  constexpr char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  constexpr unsigned mask = sizeof letters - 2;  // 64 of them
  unsigned char raw[24] = {};
  RAND_bytes(raw, sizeof raw);
  std::string out;
  for (const auto b : raw) out += letters[b & mask];
  return out;
}

Login::Login(std::shared_ptr<const Credentials> credentials, std::string (*fresh_nonce)())
    : credentials_(std::move(credentials)), fresh_nonce_(fresh_nonce) {}

Login::Step Login::failed(std::string why) const {
  return {Step::State::failed, {}, "login: " + std::move(why)};
}

Login::Step Login::ask(wire::ApiKey api, wire::Version version, const Value& body) {
  Step out{Step::State::send, {}, {}};
  const auto& message = *wire::request(api);
  wire::begin_request(message, version, ++correlation_, "shunt", out.frame);
  if (const char* why = wire::encode(message, version, body, out.frame)) return failed(why);
  wire::seal(out.frame);
  return out;
}

Login::Step Login::begin() {
  at_ = At::versions;
  return ask(api_versions, 0, Struct{});
}

Login::Step Login::again() { return handshake(); }

Login::Step Login::handshake() {
  at_ = At::handshake;
  return ask(sasl_handshake, handshake_,
             Struct{{"Mechanism", std::string(mechanism_name(credentials_->mechanism))}});
}

Login::Step Login::take_versions(const Value& answer) {
  const auto error = answer["ErrorCode"].number();
  if (error != 0 && error != unsupported_version)
    return failed("ApiVersions: error " + std::to_string(error));
  handshake_ = -1;
  for (const Value& api : answer["ApiKeys"].array()) {
    const auto newest = api["MaxVersion"].number();
    if (api["ApiKey"].number() == sasl_handshake)
      handshake_ = static_cast<wire::Version>(std::min<std::int64_t>(newest, handshake_known));
    if (api["ApiKey"].number() == sasl_authenticate)
      authenticate_ =
          static_cast<wire::Version>(std::min<std::int64_t>(newest, authenticate_known));
  }
  if (handshake_ < 0) return failed("the broker does not serve SaslHandshake");
  if (authenticate_ < 0) handshake_ = 0;  // the mechanism's own messages
  return handshake();
}

// What the mechanism has to say: as it is, or in a SaslAuthenticate.
Login::Step Login::send(SaslLogin::Step step) {
  if (step.state == SaslLogin::State::failed) return failed(std::move(step.text));
  if (step.state == SaslLogin::State::done) return {Step::State::done, {}, {}};
  at_ = At::authenticate;
  const auto raw = std::as_bytes(std::span(step.text));
  if (authenticate_ >= 0)
    return ask(sasl_authenticate, authenticate_,
               Struct{{"AuthBytes", std::vector<std::byte>(raw.begin(), raw.end())}});
  Step out{Step::State::send, std::vector<std::byte>(wire::frame_prefix_bytes + raw.size()), {}};
  std::ranges::copy(raw, out.frame.begin() + wire::frame_prefix_bytes);
  wire::seal(out.frame);
  return out;
}

Login::Step Login::take(wire::Bytes content) {
  if (at_ == At::authenticate && authenticate_ < 0) return send(sasl_->take(text_of(content)));
  const auto api = at_ == At::versions    ? api_versions
                   : at_ == At::handshake ? sasl_handshake
                                          : sasl_authenticate;
  const wire::Version version = at_ == At::versions    ? wire::Version{0}
                                : at_ == At::handshake ? handshake_
                                                       : authenticate_;
  const auto& message = *wire::response(api);
  std::int32_t correlation = 0;
  std::uint32_t head = 0;
  const char* problem = "not an answer's header";
  Value body;
  if (wire::parse_answer(message, version, content, content.size(), correlation, head) ==
          wire::Parse::ok &&
      correlation == correlation_) {
    problem = nullptr;
    body = wire::decode(message, version, content.subspan(head), problem);
  }
  if (problem != nullptr) return failed(std::string(message.name) + ": " + problem);
  if (at_ == At::versions) return take_versions(body);
  const auto error = body["ErrorCode"].number();
  if (at_ == At::handshake) {
    if (error == illegal_state) return failed("the broker's port wants no login");
    if (error == unsupported_mechanism) {
      std::string all;
      for (const Value& one : body["Mechanisms"].array())
        all += (all.empty() ? "" : ", ") + std::string(one.text());
      return failed(std::string(mechanism_name(credentials_->mechanism)) +
                    " is not one of the broker's mechanisms: " + all);
    }
    if (error != 0) return failed("SaslHandshake: error " + std::to_string(error));
    sasl_ = SaslLogin::make(*credentials_, fresh_nonce_());
    return send(sasl_->begin());
  }
  if (error != 0) {
    const auto& said = body["ErrorMessage"];
    return failed(said.null() ? "error " + std::to_string(error) : std::string(said.text()));
  }
  auto step = send(sasl_->take(text_of(body["AuthBytes"].bytes())));
  if (step.state == Step::State::done)
    lifetime_ = std::chrono::milliseconds(
        authenticate_ > 0 ? std::max<std::int64_t>(body["SessionLifetimeMs"].number(), 0) : 0);
  return step;
}

}  // namespace shunt::net
