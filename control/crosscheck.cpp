// How the values of the configuration file go together.
#include "control/config.h"

#include <algorithm>

#include "control/units.h"

namespace shunt::control {
namespace {

constexpr std::size_t socket_path_max = 107;  // sockaddr_un, less its zero byte

void check_old_and_new(Document& doc, const Config& c) {
  if (!c.net.new_cluster) return;
  for (const auto& e : c.net.new_cluster->bootstrap) {
    const auto& old = c.net.old_cluster.bootstrap;
    if (std::find(old.begin(), old.end(), e) == old.end()) continue;
    doc.add("clusters.new.bootstrap", endpoint_text(e) + " is a broker of old",
            "the brokers of another cluster, or no `new` for passage only");
  }
}

// Every 127.x.y.z on listen.plain's port is ours, and a bootstrap there would call ourselves.
void check_not_ourselves(Document& doc, const Config& c, std::string_view key,
                         const std::vector<route::Endpoint>& bootstrap) {
  const auto check = [&](const std::optional<route::Endpoint>& listener, const char* name) {
    if (!listener) return;
    for (const auto& e : bootstrap) {
      const bool same =
          e.host == listener->host || (is_loopback(e.host) && is_loopback(listener->host));
      if (e.port == listener->port && same)
        doc.add(key, endpoint_text(e) + " is Shunt's own listener (" + name + ")",
                "the brokers' own addresses");
    }
  };
  check(c.net.plain, "listen.plain");
  if (c.net.tls.on()) check(c.net.tls.address, "listen.tls");
}

void check_loopback_mode(Document& doc, const Config& c) {
  if (c.net.plain && !is_loopback_v4(c.net.plain->host))
    doc.add("listen.plain",
            c.net.plain->host + " is not in 127.0.0.0/8, where advertise.mode loopback lives",
            "127.0.0.1:PORT, or advertise.mode: address");
  if (!c.net.advertise_host.empty())
    doc.add("listen.advertise.host", "has no effect in mode loopback", "mode: address, or no host");
  if (c.net.advertise_port_first != 0)
    doc.add("listen.advertise.ports", "has no effect in mode loopback",
            "mode: address, or no ports");
}

void check_address_mode(Document& doc, const Config& c) {
  const auto& net = c.net;
  if (net.advertise_host.empty())
    doc.add("listen.advertise.host", "missing", "the host name clients reach this machine by");
  if (net.advertise_port_first == 0)
    doc.add("listen.advertise.ports", "missing",
            "FIRST-LAST such as 19092-19099, one port per node of both clusters");
  const auto check_listener = [&](const std::optional<route::Endpoint>& listener, const char* key) {
    if (!listener) return;
    const bool holds =
        net.advertise_port_first <= listener->port && listener->port <= net.advertise_port_last;
    if (!holds) return;
    const auto port = std::to_string(listener->port);
    if (listener->host == net.advertise_host)
      doc.add("listen.advertise.ports",
              "a node would be shown at " + net.advertise_host + ":" + port + ", which is " + key +
                  " itself, and kafkajs receives nothing when a node has its bootstrap's address",
              "a range of ports that nothing else uses");
    else
      doc.add("listen.advertise.ports", "the range contains " + port + ", the port of " + key,
              "a range of ports that nothing else uses");
  };
  check_listener(net.plain, "listen.plain");
  if (c.net.tls.on()) check_listener(c.net.tls.address, "listen.tls");
  if (c.http && net.advertise_port_first <= c.http->port && c.http->port <= net.advertise_port_last)
    doc.add("listen.advertise.ports",
            "the range contains " + std::to_string(c.http->port) + ", the port of control.http",
            "a range of ports that nothing else uses");
}

void check_control(Document& doc, const Config& c) {
  if (c.http && !is_loopback(c.http->host))
    doc.add("control.http", c.http->host + " is not loopback", "127.0.0.1:PORT, [::1]:PORT or off");
  if (c.http && c.net.plain && c.http->port == c.net.plain->port)
    doc.add("control.http", "the port of listen.plain, which takes all of 127.0.0.0/8",
            "another port");
  if (c.http && c.net.tls.on() && c.http->port == c.net.tls.address->port)
    doc.add("control.http", "the port of listen.tls, which takes all of 127.0.0.0/8",
            "another port");
  if (c.socket.empty()) doc.add("control.socket", "none, and shuntctl needs it", "a path");
  if (c.socket.size() > socket_path_max)
    doc.add("control.socket",
            "the path has " + std::to_string(c.socket.size()) + " bytes: " + c.socket,
            "at most " + std::to_string(socket_path_max) + " bytes, the system's limit");
  if (c.journal.empty()) doc.add("journal", "none, and moves need it", "a folder");
}

void check_cluster_access(Document& doc, const std::string& key, const net::ClusterSettings& a) {
  if (a.tls.certificate.empty() != a.tls.key.empty())
    doc.add(key + ".tls", "certificate and key go together", "both, or none of them");
  const bool scram =
      a.sasl.mechanism == Sasl::scram_sha_256 || a.sasl.mechanism == Sasl::scram_sha_512;
  if (scram || (a.sasl.mechanism == Sasl::plain && !a.sasl.replay_plain)) {
    if (a.sasl.username.empty()) doc.add(key + ".sasl.username", "missing", "the user's name");
    if (a.sasl.password_file.empty())
      doc.add(key + ".sasl.password_file", "missing", "a file that holds the password");
  }
  if (a.sasl.mechanism == Sasl::oauthbearer && a.sasl.token_file.empty())
    doc.add(key + ".sasl.token_file", "missing", "a file that holds the token");
  const auto& t = a.tls;
  if (!t.enabled && (t.ca != "system" || !t.certificate.empty() || !t.verify))
    doc.add(key + ".tls.enabled", "false, and other keys of tls are set", "true, or none of them");
  if (a.sasl.mechanism != Sasl::none)
    doc.add(key + ".sasl.mechanism", "SASL is not in this version yet", "none");
}

void check_listen_tls(Document& doc, const Config& c) {
  const auto& tls = c.net.tls;
  if (tls.certificate.empty() != tls.key.empty())
    doc.add("listen.tls", "certificate and key go together", "both, or none of them");
  if (tls.mint_ca.empty() != tls.mint_key.empty())
    doc.add("listen.tls", "mint_ca and mint_key go together", "both, or none of them");
  if (tls.client_auth != ClientAuth::none && tls.client_ca.empty())
    doc.add("listen.tls.client_ca", "missing", "the CA of the clients' certificates");
  if (!tls.certificate.empty() && !tls.mint_ca.empty())
    doc.add("listen.tls", "certificate and mint_ca: which one is to be shown?", "one of them");
  if (!tls.on() && (!tls.client_ca.empty() || tls.client_auth != ClientAuth::none))
    doc.add("listen.tls", "client certificates without a certificate of our own",
            "mint_ca and mint_key, or certificate and key");
  if (!tls.certificate.empty() && c.net.advertise == net::Advertise::loopback)
    doc.add("listen.tls.certificate",
            "no certificate names all of 127.0.0.0/8, where advertise.mode loopback shows nodes",
            "mint_ca and mint_key (`shuntctl ca` makes them), or advertise.mode: address");
  if (!tls.on()) return;
  if (c.net.plain && c.net.plain->port == tls.address->port)
    doc.add("listen.tls.address", "the port of listen.plain", "another port");
  if (c.net.advertise == net::Advertise::loopback && !is_loopback_v4(tls.address->host))
    doc.add("listen.tls.address",
            tls.address->host + " is not in 127.0.0.0/8, where advertise.mode loopback lives",
            "127.0.0.1:PORT, or advertise.mode: address");
}

}  // namespace

void cross_check(Document& doc, const Config& c) {
  check_old_and_new(doc, c);
  check_not_ourselves(doc, c, "clusters.old.bootstrap", c.net.old_cluster.bootstrap);
  if (c.net.new_cluster)
    check_not_ourselves(doc, c, "clusters.new.bootstrap", c.net.new_cluster->bootstrap);
  check_cluster_access(doc, "clusters.old", c.net.old_cluster);
  if (c.net.new_cluster) check_cluster_access(doc, "clusters.new", *c.net.new_cluster);
  if (!c.net.plain && !c.net.tls.on())
    doc.add("listen.plain", "off, and listen.tls is off too: no client could connect",
            "one listener");
  if (c.net.advertise == net::Advertise::loopback)
    check_loopback_mode(doc, c);
  else
    check_address_mode(doc, c);
  check_listen_tls(doc, c);
  check_control(doc, c);
  if (c.net.limits.before_auth_frame_bytes_max > c.net.limits.frame_bytes_max)
    doc.add("limits.before_auth_frame_bytes_max", "above limits.frame_bytes_max",
            "at most " + std::to_string(c.net.limits.frame_bytes_max));
}

}  // namespace shunt::control
