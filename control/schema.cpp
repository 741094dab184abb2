// The keys of the configuration file: names, types, ranges. Defaults are in the structs.
#include "control/config.h"

#include "control/units.h"

namespace shunt::control {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

void read_tls(const Section& s, const std::string& base, ClusterTls& tls) {
  s.boolean("enabled", tls.enabled);
  if (s.scalar("ca") != "system") s.path("ca", tls.ca, base);
  s.path("certificate", tls.certificate, base);
  s.path("key", tls.key, base);
  s.boolean("verify", tls.verify);
}

void read_sasl(const Section& s, const std::string& base, ClusterSasl& sasl) {
  s.choice("mechanism", sasl.mechanism, sasl_words());
  s.word("username", sasl.username);
  s.path("password_file", sasl.password_file, base);
  s.path("token_file", sasl.token_file, base);
  s.boolean("replay_plain", sasl.replay_plain);
}

void read_cluster(const Section& s, const std::string& base, net::ClusterSettings& cluster) {
  if (s.has("bootstrap"))
    s.endpoints("bootstrap", cluster.bootstrap);
  else
    s.bad("bootstrap", "missing", "a list such as [kafka-1:9092, kafka-2:9092]");
  read_tls(s.section("tls", {"enabled", "ca", "certificate", "key", "verify"}), base, cluster.tls);
  read_sasl(
      s.section("sasl", {"mechanism", "username", "password_file", "token_file", "replay_plain"}),
      base, cluster.sasl);
}

void read_clusters(const Section& s, const std::string& base, Config& c) {
  const Section::Keys keys = {"bootstrap", "tls", "sasl"};
  if (s.has("old"))
    read_cluster(s.section("old", keys), base, c.net.old_cluster);
  else
    s.bad("old", "missing", "old: { bootstrap: [host:9092] }");
  if (s.has("new")) read_cluster(s.section("new", keys), base, c.net.new_cluster.emplace());
}

void read_listen_tls(const Section& s, const std::string& base, ListenTls& tls) {
  s.endpoint("address", tls.address, 1);
  s.path("certificate", tls.certificate, base);
  s.path("key", tls.key, base);
  s.path("mint_ca", tls.mint_ca, base);
  s.path("mint_key", tls.mint_key, base);
  s.path("client_ca", tls.client_ca, base);
  s.choice("client_auth", tls.client_auth, client_auth_words());
}

void read_advertise(const Section& s, net::Settings& net) {
  s.choice("mode", net.advertise, advertise_words());
  s.word("host", net.advertise_host);
  if (!net.advertise_host.empty() && !is_host(net.advertise_host))
    s.bad("host", '"' + net.advertise_host + "\" is not a host", "a host name or address");
  std::string ports;
  s.word("ports", ports);
  if (ports.empty()) return;
  const auto range = parse_ports(ports);
  if (!range) {
    s.bad("ports", '"' + ports + "\" is not a range of ports", "FIRST-LAST such as 19092-19099");
    return;
  }
  net.advertise_port_first = range->first;
  net.advertise_port_last = range->second;
}

void read_listen(const Section& s, const std::string& base, Config& c) {
  s.endpoint("plain", c.net.plain, 1);
  if (s.scalar("tls") == "off") {
    c.net.tls.address.reset();
  } else {
    read_listen_tls(s.section("tls", {"address", "certificate", "key", "mint_ca", "mint_key",
                                      "client_ca", "client_auth"}),
                    base, c.net.tls);
  }
  read_advertise(s.section("advertise", {"mode", "host", "ports"}), c.net);
}

void read_limits(const Section& s, net::Limits& l) {
  s.integer("connections_max", l.connections_max, 1, 1'000'000);
  s.size("frame_bytes_max", l.frame_bytes_max, 1024, 2147483647);
  s.size("before_auth_frame_bytes_max", l.before_auth_frame_bytes_max, 1024, 2147483647);
  s.integer("in_flight_requests_max", l.in_flight_requests_max, 1, 100'000);
  s.duration("idle", l.idle, 1s, 24h);
  s.duration("progress", l.progress, 100ms, 24h);
  s.duration("connect", l.connect, 100ms, 10min);
  s.duration("drain", l.drain, 0ms, 24h);
}

}  // namespace

void read_schema(Document& doc, const YAML::Node& root, const std::string& base, Config& c) {
  const Section s(doc, root, "",
                  {"clusters", "listen", "control", "journal", "move", "limits", "log"});
  if (s.has("clusters"))
    read_clusters(s.section("clusters", {"old", "new"}), base, c);
  else if (doc.problems.empty())
    s.bad("clusters", "missing", "clusters: { old: { bootstrap: [host:9092] } }");
  read_listen(s.section("listen", {"plain", "tls", "advertise"}), base, c);

  const Section control = s.section("control", {"socket", "group", "http"});
  if (control.scalar("socket") == "off")
    control.bad("socket", "cannot be off: shuntctl speaks through it", "a path");
  else
    control.path("socket", c.socket, base);
  control.word("group", c.group);
  control.endpoint("http", c.http, 0);
  s.path("journal", c.journal, base);

  const Section move = s.section("move", {"hold_limit", "partitions_at_once", "unclear"});
  move.duration("hold_limit", c.net.move.hold_limit, 10ms, hold_limit_max);
  move.integer("partitions_at_once", c.net.move.partitions_at_once, 1, 100'000);
  move.duration("unclear", c.net.move.unclear, 1s, 1h);

  read_limits(
      s.section("limits", {"connections_max", "frame_bytes_max", "before_auth_frame_bytes_max",
                           "in_flight_requests_max", "idle", "progress", "connect", "drain"}),
      c.net.limits);
  const Section log = s.section("log", {"level", "format"});
  log.choice("level", c.level, level_words());
  log.choice("format", c.format, format_words());
}

const std::vector<std::pair<std::string_view, Sasl>>& sasl_words() {
  static const std::vector<std::pair<std::string_view, Sasl>> words = {
      {"none", Sasl::none},
      {"PLAIN", Sasl::plain},
      {"SCRAM-SHA-256", Sasl::scram_sha_256},
      {"SCRAM-SHA-512", Sasl::scram_sha_512},
      {"OAUTHBEARER", Sasl::oauthbearer}};
  return words;
}

const std::vector<std::pair<std::string_view, ClientAuth>>& client_auth_words() {
  static const std::vector<std::pair<std::string_view, ClientAuth>> words = {
      {"none", ClientAuth::none},
      {"request", ClientAuth::request},
      {"require", ClientAuth::require}};
  return words;
}

const std::vector<std::pair<std::string_view, net::Advertise>>& advertise_words() {
  static const std::vector<std::pair<std::string_view, net::Advertise>> words = {
      {"loopback", net::Advertise::loopback}, {"address", net::Advertise::address}};
  return words;
}

const std::vector<std::pair<std::string_view, observe::log::Level>>& level_words() {
  using observe::log::Level;
  static const std::vector<std::pair<std::string_view, Level>> words = {{"trace", Level::trace},
                                                                        {"debug", Level::debug},
                                                                        {"info", Level::info},
                                                                        {"warn", Level::warn},
                                                                        {"error", Level::error}};
  return words;
}

const std::vector<std::pair<std::string_view, observe::log::Format>>& format_words() {
  using observe::log::Format;
  static const std::vector<std::pair<std::string_view, Format>> words = {{"text", Format::text},
                                                                         {"json", Format::json}};
  return words;
}

}  // namespace shunt::control
