// Why a client connection or a link ended: one list feeds the closing log line, the metric's label
// and the tests.
#pragma once

#include <cstdint>
#include <string_view>

namespace shunt::observe {

enum class CloseCause : std::uint8_t {
  client_closed,        // the client ended it between requests
  client_reset,         // the client ended it with requests unanswered or half sent
  idle,                 // nothing for limits.idle
  no_progress,          // a peer neither read nor sent for limits.progress in mid-frame
  frame_too_large,      // a request above limits.frame_bytes_max
  bad_frame,            // a size or header that cannot be
  bad_request,          // a body that is not a message of its version
  unknown_api,          // a request key that is not offered
  unsupported_version,  // a version that is not offered
  unfinished,  // all clients' requests in the making were too large; this one's began first
  too_many_connections,  // limits.connections_max
  not_loopback,          // a connection to an address that is not loopback
  tls_failed,            // the TLS handshake with the client did not succeed
  link_refused,          // a broker could not be reached
  link_lost,             // a broker ended a link with answers outstanding
  bad_answer,            // a broker sent what is not an answer to what was asked
  answer_too_large,      // an answer that must be held whole is above its limit
  drain,                 // Shunt is stopping
  internal,              // a bug: said with details in the log
};

constexpr std::string_view name(CloseCause c) {
  constexpr std::string_view names[] = {
      "client_closed", "client_reset",         "idle",
      "no_progress",   "frame_too_large",      "bad_frame",
      "bad_request",   "unknown_api",          "unsupported_version",
      "unfinished",    "too_many_connections", "not_loopback",
      "tls_failed",    "link_refused",         "link_lost",
      "bad_answer",    "answer_too_large",     "drain",
      "internal"};
  return names[static_cast<std::size_t>(c)];
}
constexpr int close_causes = static_cast<int>(CloseCause::internal) + 1;

}  // namespace shunt::observe
