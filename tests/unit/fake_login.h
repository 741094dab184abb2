// A broker's side of a login, answer by answer.
#pragma once

#include <catch2/catch.hpp>

#include "proxy/wire/framer.h"
#include "proxy/wire/header.h"
#include "tests/unit/messages.h"

namespace fake {

using namespace shunt;
using wire::Array;
using wire::Struct;
using wire::Value;

constexpr wire::ApiKey sasl_handshake = 17, api_versions = 18, sasl_authenticate = 36;

// A broker that serves these versions at most (-1: not at all) and takes the password "secret".
struct LoginBroker {
  int handshake = 1, authenticate = 2;
  std::vector<std::string> mechanisms = {"PLAIN", "SCRAM-SHA-256"};
  std::int64_t lifetime_ms = 0;
  std::vector<std::string> asked{};  // "SaslHandshake v1 PLAIN"
  bool raw = false;                  // what comes next has no header

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

}  // namespace fake
