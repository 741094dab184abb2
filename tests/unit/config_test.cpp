// The configuration file: defaults, every kind of mistake with its exact message, the examples.
#include <catch2/catch.hpp>

#include <filesystem>

#include "control/config.h"
#include "control/units.h"
#include "tests/unit/scratch.h"

using namespace shunt;
using namespace shunt::control;
using namespace std::chrono_literals;

namespace {

const Paths root_paths{"/run/shunt/control.sock", "/var/lib/shunt/journal", "/etc/shunt"};
const std::string good = "clusters: { old: { bootstrap: [a:9092] } }\n";

Loaded parsed(const std::string& text) { return parse(text, "f.yaml", root_paths); }

std::string all(const std::vector<std::string>& problems) {
  std::string out;
  for (const auto& p : problems) out += p + '\n';
  return out;
}

std::string example(const char* name) {
  return (std::filesystem::path(__FILE__).parent_path() / "../../config" / name).string();
}

}  // namespace

TEST_CASE("config: the smallest file gets the contract's defaults") {
  const auto [c, problems] = parsed(good);
  CHECK(all(problems) == "");
  CHECK(c.net.old_cluster.bootstrap == std::vector<route::Endpoint>{{"a", 9092}});
  CHECK(!c.net.new_cluster);
  CHECK(c.net.plain == route::Endpoint{"127.0.0.1", 9092});
  CHECK(c.net.tls.address == route::Endpoint{"127.0.0.1", 9093});
  CHECK(!c.net.tls.on());
  CHECK(c.net.advertise == net::Advertise::loopback);
  CHECK(c.socket == "/run/shunt/control.sock");
  CHECK(c.http == route::Endpoint{"127.0.0.1", 9644});
  CHECK(c.journal == "/var/lib/shunt/journal");
  CHECK(c.net.move.hold_limit == 2s);
  CHECK(c.net.move.partitions_at_once == 256);
  CHECK(c.net.move.unclear == 30s);
  CHECK(c.net.limits.connections_max == 10000);
  CHECK(c.net.limits.frame_bytes_max == 104857600);
  CHECK(c.net.limits.before_auth_frame_bytes_max == 524288);
  CHECK(c.net.limits.in_flight_requests_max == 64);
  CHECK(c.net.limits.idle == 10min);
  CHECK(c.net.limits.progress == 30s);
  CHECK(c.net.limits.connect == 10s);
  CHECK(c.net.limits.drain == 25s);
  CHECK(c.level == observe::log::Level::info);
  CHECK(c.format == observe::log::Format::text);
}

TEST_CASE("config: every value of a full file arrives") {
  const auto [c, problems] = parsed(
      "clusters:\n"
      "  old: { bootstrap: [a:1, '[::1]:2'] }\n"
      "  new: { bootstrap: [b:3] }\n"
      "listen: { plain: 127.0.0.1:1234, advertise: { mode: address, host: me, ports: 20-29 } }\n"
      "control: { socket: s.sock, group: kafka, http: off }\n"
      "journal: ../j\n"
      "move: { hold_limit: 9s, partitions_at_once: 1, unclear: 1m }\n"
      "limits: { connections_max: 5, frame_bytes_max: 1MiB, before_auth_frame_bytes_max: 2KiB,\n"
      "  in_flight_requests_max: 6, idle: 1h, progress: 500ms, connect: 1s, drain: 0s }\n"
      "log: { level: trace, format: json }\n");
  CHECK(all(problems) == "");
  CHECK(c.net.old_cluster.bootstrap == std::vector<route::Endpoint>{{"a", 1}, {"::1", 2}});
  CHECK(c.net.new_cluster->bootstrap == std::vector<route::Endpoint>{{"b", 3}});
  CHECK(c.net.plain == route::Endpoint{"127.0.0.1", 1234});
  CHECK(c.net.advertise == net::Advertise::address);
  CHECK(c.net.advertise_host == "me");
  CHECK(c.net.advertise_port_first == 20);
  CHECK(c.net.advertise_port_last == 29);
  CHECK(c.socket == "/etc/shunt/s.sock");
  CHECK(c.group == "kafka");
  CHECK(!c.http);
  CHECK(c.journal == "/etc/j");
  CHECK(c.net.move.hold_limit == 9s);
  CHECK(c.net.move.partitions_at_once == 1);
  CHECK(c.net.move.unclear == 1min);
  CHECK(c.net.limits.connections_max == 5);
  CHECK(c.net.limits.frame_bytes_max == 1048576);
  CHECK(c.net.limits.before_auth_frame_bytes_max == 2048);
  CHECK(c.net.limits.in_flight_requests_max == 6);
  CHECK(c.net.limits.idle == 1h);
  CHECK(c.net.limits.progress == 500ms);
  CHECK(c.net.limits.connect == 1s);
  CHECK(c.net.limits.drain == 0s);
  CHECK(c.level == observe::log::Level::trace);
  CHECK(c.format == observe::log::Format::json);
  // describe() says the same again.
  const Loaded again = parse(describe(c), "f.yaml", root_paths);
  CHECK(all(again.problems) == "");
  CHECK(describe(again.config) == describe(c));
}

TEST_CASE("config: planted mistakes, with the exact message") {
  struct Case {
    std::string text, problem;
  };
  const std::string endpoint_list = "expected a list such as [kafka-1:9092, kafka-2:9092]";
  const std::string address = "expected address:port such as 127.0.0.1:9092, or off";
  const std::vector<Case> cases = {
      {"", "f.yaml:1:1: clusters: missing; expected clusters: { old: { bootstrap: [host:9092] } }"},
      {"clusters:\n  new: { bootstrap: [b:1] }\n",
       "f.yaml:2:3: clusters.old: missing; expected old: { bootstrap: [host:9092] }"},
      {"clusters:\n  old: {}\n", "f.yaml:2:8: clusters.old.bootstrap: missing; " + endpoint_list},
      {"clusters: { old: { bootstrap: a:9092 } }\n",
       "f.yaml:1:31: clusters.old.bootstrap: not a list; " + endpoint_list},
      {"clusters: { old: { bootstrap: [] } }\n",
       "f.yaml:1:31: clusters.old.bootstrap: the list is empty; " + endpoint_list},
      {"clusters: { old: { bootstrap: [a:1, b] } }\n",
       "f.yaml:1:37: clusters.old.bootstrap: \"b\" is not host:port; " + endpoint_list},
      {"clusters: { old: { bootstrap: [a:70000] } }\n",
       "f.yaml:1:32: clusters.old.bootstrap: \"a:70000\" is not host:port; " + endpoint_list},
      {"clusters: { old: { bootstrap: [a:1] }, new: { bootstrap: [b:1, a:1] } }\n",
       "f.yaml:1:58: clusters.new.bootstrap: a:1 is a broker of old; expected the brokers of "
       "another cluster, or no `new` for passage only"},
      {"clusters: { old: { bootstrap: [localhost:9092] } }\n",
       "f.yaml:1:31: clusters.old.bootstrap: localhost:9092 is Shunt's own listener "
       "(listen.plain); expected the brokers' own addresses"},
      {good + "limits: { connection_max: 5 }\n",
       "f.yaml:2:11: limits.connection_max: unknown key; expected limits.connections_max"},
      {good + "quux: 1\n",
       "f.yaml:2:1: quux: unknown key; expected one of clusters, listen, control, journal, move, "
       "limits, log"},
      {good + "log: { level: info, level: warn }\n",
       "f.yaml:2:21: log.level: given twice; expected each key once"},
      {good + "clusters: { old: { bootstrap: [b:9092] } }\n",
       "f.yaml:2:1: clusters: given twice; expected each key once"},
      {good + "limits: 5\n",
       "f.yaml:2:9: limits: \"5\" is not a map; expected a map with connections_max, "
       "frame_bytes_max, before_auth_frame_bytes_max, in_flight_requests_max, idle, progress, "
       "connect, drain"},
      {good + "limits: { connections_max: many }\n",
       "f.yaml:2:28: limits.connections_max: \"many\" is not an integer; expected an integer from "
       "1 to 1000000"},
      {good + "limits: { connections_max: 0 }\n",
       "f.yaml:2:28: limits.connections_max: 0 is out of range; expected an integer from 1 to "
       "1000000"},
      {good + "limits: { frame_bytes_max: 1MB }\n",
       "f.yaml:2:28: limits.frame_bytes_max: \"1MB\" is not a size; expected bytes from 1024 to "
       "2147483647, such as 524288, 512KiB or 100MiB"},
      {good + "limits: { frame_bytes_max: 2KiB }\n",
       "f.yaml:2:9: limits.before_auth_frame_bytes_max: above limits.frame_bytes_max; expected at "
       "most 2048"},
      {good + "limits: { idle: 10 }\n",
       "f.yaml:2:17: limits.idle: \"10\" is not a duration; expected a duration from 1s to 24h, "
       "such as 500ms, 2s, 10m or 1h"},
      {good + "limits: { idle: 1.5m }\n",
       "f.yaml:2:17: limits.idle: \"1.5m\" is not a duration; expected a duration from 1s to 24h, "
       "such as 500ms, 2s, 10m or 1h"},
      {good + "limits:\n  idle:\n",
       "f.yaml:3:3: limits.idle: no value; expected a duration from 1s to 24h, such as 500ms, 2s, "
       "10m or 1h"},
      {good + "limits: { idle: [1m] }\n",
       "f.yaml:2:17: limits.idle: a list does not belong here; expected a duration from 1s to 24h, "
       "such as 500ms, 2s, 10m or 1h"},
      {good + "move: { hold_limit: 9001ms }\n",
       "f.yaml:2:21: move.hold_limit: 9001ms is out of range; expected a duration from 10ms to 9s, "
       "such as 500ms, 2s, 10m or 1h"},
      {good + "log: { level: loud }\n",
       "f.yaml:2:15: log.level: \"loud\" is not known here; expected trace or debug or info or "
       "warn or error"},
      {good + "listen: { plain: 9092 }\n",
       "f.yaml:2:18: listen.plain: \"9092\" is not an address; " + address},
      {good + "listen: { plain: '127.0.0.1:0' }\n",
       "f.yaml:2:18: listen.plain: \"127.0.0.1:0\" is not an address; " + address},
      {good + "listen: { plain: 10.0.0.1:9092 }\n",
       "f.yaml:2:18: listen.plain: 10.0.0.1 is not in 127.0.0.0/8, where advertise.mode loopback "
       "lives; expected 127.0.0.1:PORT, or advertise.mode: address"},
      {good + "listen: { plain: off }\n",
       "f.yaml:2:18: listen.plain: off, and listen.tls is off too: no client could connect; "
       "expected one listener"},
      {good + "listen: { advertise: { host: me } }\n",
       "f.yaml:2:30: listen.advertise.host: has no effect in mode loopback; expected mode: "
       "address, or no host"},
      {good + "listen: { advertise: { mode: address, ports: 20-29 } }\n",
       "f.yaml:2:22: listen.advertise.host: missing; expected the host name clients reach this "
       "machine by"},
      {good + "listen: { advertise: { mode: address, host: me } }\n",
       "f.yaml:2:22: listen.advertise.ports: missing; expected FIRST-LAST such as 19092-19099, one "
       "port per node of both clusters"},
      {good + "listen: { advertise: { mode: address, host: 127.0.0.1, ports: 9090-9099 } }\n",
       "f.yaml:2:63: listen.advertise.ports: a node would be shown at 127.0.0.1:9092, which is "
       "listen.plain itself, and kafkajs receives nothing when a node has its bootstrap's address; "
       "expected a range of ports that nothing else uses"},
      {good + "listen: { advertise: { mode: address, host: me, ports: 9090-9099 } }\n",
       "f.yaml:2:56: listen.advertise.ports: the range contains 9092, the port of listen.plain; "
       "expected a range of ports that nothing else uses"},
      {good + "listen: { advertise: { mode: address, host: me, ports: 29-20 } }\n",
       "f.yaml:2:56: listen.advertise.ports: \"29-20\" is not a range of ports; expected "
       "FIRST-LAST such as 19092-19099"},
      {good + "control: { http: 0.0.0.0:9644 }\n",
       "f.yaml:2:18: control.http: 0.0.0.0 is not loopback; expected 127.0.0.1:PORT, [::1]:PORT or "
       "off"},
      {good + "control: { http: 127.0.0.1:9092 }\n",
       "f.yaml:2:18: control.http: the port of listen.plain, which takes all of 127.0.0.0/8; "
       "expected another port"},
      {good + "control: { socket: off }\n",
       "f.yaml:2:20: control.socket: cannot be off: shuntctl speaks through it; expected a path"},
      {good + "listen: { tls: { certificate: c.pem, key: k.pem } }\n",
       "f.yaml:2:31: listen.tls.certificate: no certificate names all of 127.0.0.0/8, where "
       "advertise.mode loopback shows nodes; expected mint_ca and mint_key (`shuntctl ca` makes "
       "them), or advertise.mode: address"},
      {good + "listen: { tls: { mint_ca: c.pem } }\n",
       "f.yaml:2:16: listen.tls: mint_ca and mint_key go together; expected both, or none of them"},
      {good + "listen: { tls: { mint_ca: c, mint_key: k, certificate: c, key: k },\n"
              "  advertise: { mode: address, host: me, ports: 20-29 } }\n",
       "f.yaml:2:16: listen.tls: certificate and mint_ca: which one is to be shown?; expected one "
       "of them"},
      {good + "listen: { tls: { mint_ca: c, mint_key: k, address: 127.0.0.1:9092 } }\n",
       "f.yaml:2:52: listen.tls.address: the port of listen.plain; expected another port"},
      {good + "listen: { tls: { mint_ca: c, mint_key: k, address: 10.0.0.1:9093 } }\n",
       "f.yaml:2:52: listen.tls.address: 10.0.0.1 is not in 127.0.0.0/8, where advertise.mode "
       "loopback lives; expected 127.0.0.1:PORT, or advertise.mode: address"},
      {good + "listen: { tls: { client_ca: c, client_auth: require } }\n",
       "f.yaml:2:16: listen.tls: client certificates without a certificate of our own; expected "
       "mint_ca and mint_key, or certificate and key"},
      {"clusters: { old: { bootstrap: [a:1], tls: { ca: x } } }\n",
       "f.yaml:1:43: clusters.old.tls.enabled: false, and other keys of tls are set; expected "
       "true, "
       "or none of them"},
      {"clusters: { old: { bootstrap: [a:1], sasl: { mechanism: PLAIN, username: u,\n"
       "  password_file: p } } }\n",
       "f.yaml:1:57: clusters.old.sasl.mechanism: SASL is not in this version yet; expected none"},
      {"clusters: { old: { bootstrap: [a:1], sasl: { mechanism: GSSAPI } } }\n",
       "f.yaml:1:57: clusters.old.sasl.mechanism: \"GSSAPI\" is not known here; expected none or "
       "PLAIN or SCRAM-SHA-256 or SCRAM-SHA-512 or OAUTHBEARER"},
      {"clusters: { old: { bootstrap: [a:1], tls: { verify: maybe } } }\n",
       "f.yaml:1:53: clusters.old.tls.verify: \"maybe\" is not known here; expected true or false"},
      {"clusters: [\n",
       "f.yaml:2:1: file: not YAML: end of sequence flow not found; expected YAML"},
      {good + "---\n" + good, "f.yaml:3:1: file: a second document; expected one document"},
      {"- a\n",
       "f.yaml:1:1: file: a list is not a map; expected a map with clusters, listen, "
       "control, journal, move, limits, log"},
  };
  for (const auto& c : cases) {
    INFO(c.text);
    CHECK(all(parsed(c.text).problems) == c.problem + '\n');
  }
}

TEST_CASE("config: all mistakes are told, in the file's order") {
  const auto problems = parsed("log: { level: loud }\n" + good + "jurnal: x\n").problems;
  REQUIRE(problems.size() == 2);
  CHECK(problems[0].starts_with("f.yaml:1:15: log.level:"));
  CHECK(problems[1] == "f.yaml:3:1: jurnal: unknown key; expected journal");
}

TEST_CASE("config: empty sections and listen.tls: off are allowed") {
  const auto loaded = parsed(good + "limits:\nlisten:\n  tls: off\n");
  CHECK(all(loaded.problems) == "");
  CHECK(!loaded.config.net.tls.address);
}

TEST_CASE("config: the examples load, and full.yaml says the defaults") {
  const Loaded minimal = load(example("minimal.yaml"), root_paths);
  const Loaded full = load(example("full.yaml"), root_paths);
  CHECK(all(minimal.problems) == "");
  CHECK(all(full.problems) == "");
  CHECK(describe(minimal.config) == describe(full.config));
}

TEST_CASE("config: paths count from the file, and a file that is not there is told") {
  const test::Scratch scratch;
  const auto file = scratch.write("c.yaml", good + "journal: j/k\n");
  CHECK(load(file, {"", "", ""}).config.journal == scratch.path("j/k"));
  const auto missing = load(scratch.path("no.yaml"), {"", "", ""});
  CHECK(all(missing.problems) == scratch.path("no.yaml") +
                                     ":1:1: file: cannot be read: No such file or directory; "
                                     "expected a readable YAML file (-c FILE)\n");
  CHECK(load(scratch.path(), {"", "", ""}).problems.size() == 1);  // a folder
}

TEST_CASE("units: durations, sizes, addresses") {
  CHECK(parse_duration("0s") == 0ms);
  CHECK(parse_duration("1h") == 1h);
  for (const char* bad : {"", "s", "5", "-1s", "+1s", "1 s", "1d", "1S", "9223372036854775807h",
                          "99999999999999999999ms"})
    CHECK(!parse_duration(bad));
  CHECK(duration_text(90min) == "90m");
  CHECK(duration_text(0ms) == "0ms");
  CHECK(parse_size("2GiB") == 2147483648);
  CHECK(!parse_size("1kib"));
  CHECK(!parse_size("9999999999GiB"));
  CHECK(parse_endpoint("[fe80::1]:9") == route::Endpoint{"fe80::1", 9});
  for (const char* bad : {"", ":1", "a", "a:", "a:x", "a:-1", "::1:9", "[a]:9", "a b:9", "-a:9",
                          "http://a:9", "a:65536"})
    CHECK(!parse_endpoint(bad));
  CHECK(is_loopback_v4("127.1.2.3"));
  CHECK(!is_loopback_v4("128.0.0.1"));
  CHECK(!is_loopback_v4("127.1"));
}
