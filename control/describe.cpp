// Every key of the configuration with the value in effect, as a file that means the same.
#include "control/config.h"

#include "control/units.h"

namespace shunt::control {
namespace {

template <class T>
std::string word(const std::vector<std::pair<std::string_view, T>>& words, T value) {
  for (const auto& [text, v] : words)
    if (v == value) return std::string(text);
  return "?";
}

// A YAML double-quoted scalar where a plain one could be misread.
std::string scalar(const std::string& text) {
  if (text.empty()) return "none";
  const bool plain = text.find_first_not_of(
                         "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                         "0123456789/._-") == std::string::npos;
  if (plain) return text;
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

std::string address(const std::optional<route::Endpoint>& e) {
  return e ? '"' + endpoint_text(*e) + '"' : "off";
}

std::string truth(bool value) { return value ? "true" : "false"; }

std::string cluster(const char* name, const net::ClusterSettings& c) {
  std::string list;
  for (const auto& e : c.bootstrap) list += (list.empty() ? "" : ", ") + address(e);
  return std::string("  ") + name + ":\n    bootstrap: [" + list + "]\n" +
         "    tls: { enabled: " + truth(c.tls.enabled) + ", ca: " + scalar(c.tls.ca) +
         ", certificate: " + scalar(c.tls.certificate) + ", key: " + scalar(c.tls.key) +
         ", verify: " + truth(c.tls.verify) + " }\n" +
         "    sasl: { mechanism: " + word(sasl_words(), c.sasl.mechanism) +
         ", username: " + scalar(c.sasl.username) +
         ", password_file: " + scalar(c.sasl.password_file) +
         ", token_file: " + scalar(c.sasl.token_file) +
         ", replay_plain: " + truth(c.sasl.replay_plain) + " }\n";
}

std::string listen(const Config& c) {
  std::string ports = "none";
  if (c.net.advertise_port_first != 0)
    ports = std::to_string(c.net.advertise_port_first) + '-' +
            std::to_string(c.net.advertise_port_last);
  return "listen:\n  plain: " + address(c.net.plain) +
         "\n  tls: { address: " + address(c.net.tls.address) +
         ", certificate: " + scalar(c.net.tls.certificate) + ", key: " + scalar(c.net.tls.key) +
         ", mint_ca: " + scalar(c.net.tls.mint_ca) + ", mint_key: " + scalar(c.net.tls.mint_key) +
         ", client_ca: " + scalar(c.net.tls.client_ca) +
         ", client_auth: " + word(client_auth_words(), c.net.tls.client_auth) + " }\n" +
         "  advertise: { mode: " + word(advertise_words(), c.net.advertise) +
         ", host: " + scalar(c.net.advertise_host) + ", ports: " + ports + " }\n";
}

std::string limits(const net::Limits& l) {
  return "limits:\n  connections_max: " + std::to_string(l.connections_max) +
         "\n  frame_bytes_max: " + std::to_string(l.frame_bytes_max) +
         "\n  before_auth_frame_bytes_max: " + std::to_string(l.before_auth_frame_bytes_max) +
         "\n  in_flight_requests_max: " + std::to_string(l.in_flight_requests_max) +
         "\n  idle: " + duration_text(l.idle) + "\n  progress: " + duration_text(l.progress) +
         "\n  connect: " + duration_text(l.connect) + "\n  drain: " + duration_text(l.drain) + '\n';
}

}  // namespace

std::string describe(const Config& c) {
  std::string out = "clusters:\n" + cluster("old", c.net.old_cluster);
  if (c.net.new_cluster)
    out += cluster("new", *c.net.new_cluster);
  else
    out += "  # no `new`: passage only, nothing can be moved\n";
  out += listen(c);
  out += "control: { socket: " + scalar(c.socket) + ", group: " + scalar(c.group) +
         ", http: " + address(c.http) + " }\n";
  out += "journal: " + scalar(c.journal) + '\n';
  out += "move: { hold_limit: " + duration_text(c.net.move.hold_limit) +
         ", partitions_at_once: " + std::to_string(c.net.move.partitions_at_once) +
         ", unclear: " + duration_text(c.net.move.unclear) + " }\n";
  out += limits(c.net.limits);
  out += "log: { level: " + word(level_words(), c.level) +
         ", format: " + word(format_words(), c.format) + " }\n";
  return out;
}

}  // namespace shunt::control
