// The API's JSON: the contract's keys, exactly; unknown is null; peers' bytes stay JSON.
#include <catch2/catch.hpp>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "control/routes.h"
#include "control/table.h"
#include "control/views.h"
#include "tests/unit/fake_operator.h"

using namespace shunt;
using namespace shunt::control;
namespace json = boost::json;

namespace {

std::string keys(const json::value& v) {
  std::string out;
  for (const auto& [key, value] : v.as_object()) out += (out.empty() ? "" : " ") + std::string(key);
  return out;
}

observe::Snapshot sample() {
  observe::Snapshot s;
  s.ready = true;
  s.started = 1000;
  s.connections = 4;
  s.old_cluster = {true, "abc", true, 2, ""};
  s.new_cluster = {true, "", false, 0, "new: no route"};
  s.topics = {{"orders", 3}};
  s.groups = {{"g", "Stable", "range", 3, 0}, {"unseen", "", "", {}, {}}};
  observe::ClientView c;
  c.id = "c12";
  c.address = "127.0.0.1:4711";
  c.client_id = "app\xff";
  c.groups = {"g"};
  c.since = 1769850902007;
  c.bytes_in = 10;
  c.apis = {{1, "Fetch", 13, 7}};
  c.why_not = {"Fetch v18"};
  s.clients = {c};
  return s;
}

json::value at(const json::object& o, std::string_view pointer) {
  return json::value(o).at_pointer(pointer);
}

ApiSources sources(observe::Snapshot s) {
  static test::FakeOperator op;
  ApiSources out;
  out.operate = []() -> net::Operator& { return op; };
  out.version = "1.2.3";
  out.socket = "/s.sock";
  out.snapshot = [s] { return s; };
  out.metrics = [] { return std::string("shunt_up 1\n"); };
  out.not_ready = [] { return std::string(); };
  return out;
}

ApiAnswer answer_to(const std::string& method, const std::string& target, bool on_socket,
                    const ApiSources& from) {
  ApiRequest r;
  r.method = method;
  r.target = target;
  r.on_socket = on_socket;
  ApiAnswer out;
  answer(r, from, [&](const ApiAnswer& a) { out = a; });
  return out;
}

const splice::State none;

}  // namespace

TEST_CASE("views: status has the contract's keys") {
  const json::object v = status_view(sample(), none, nullptr, "1.2.3", 6000);
  CHECK(keys(v) == "api version uptime_ms ready migration clusters connections topics groups");
  CHECK(at(v, "/api") == 1);
  CHECK(at(v, "/version") == "1.2.3");
  CHECK(at(v, "/uptime_ms") == 5000);
  CHECK(at(v, "/ready") == true);
  CHECK(at(v, "/migration").is_null());
  CHECK(keys(at(v, "/clusters")) == "old new");
  CHECK(json::serialize(at(v, "/clusters/old")) ==
        R"({"cluster_id":"abc","reachable":true,"brokers":2,"error":null})");
  CHECK(json::serialize(at(v, "/clusters/new")) ==
        R"({"cluster_id":null,"reachable":false,"brokers":null,"error":"new: no route"})");
  CHECK(at(v, "/connections") == 4);
}

TEST_CASE("views: a cluster that is not configured is unknown in every key") {
  observe::Snapshot s = sample();
  s.new_cluster = {};
  CHECK(json::serialize(at(status_view(s, none, nullptr, "x", 0), "/clusters/new")) ==
        R"({"cluster_id":null,"reachable":null,"brokers":null,"error":null})");
}

TEST_CASE("views: topics and groups") {
  CHECK(json::serialize(topics_view(sample(), none)) ==
        R"({"api":1,"topics":[{"topic":"orders","partitions":3,"migration":null,"produce":"old",)"
        R"("segments":1,"stragglers":0,"last_cut":null}]})");
  CHECK(json::serialize(groups_view(sample(), none)) ==
        R"({"api":1,"groups":[{"group":"g","state":"Stable","protocol":"range","members":3,)"
        R"("members_outside":0,"coordinator":"old","fetch":"old","lag":null,"drained":null},)"
        R"({"group":"unseen","state":null,"protocol":null,"members":null,"members_outside":null,)"
        R"("coordinator":"old","fetch":"old","lag":null,"drained":null}]})");
}

TEST_CASE("views: clients, with names made valid") {
  CHECK(json::serialize(clients_view(sample())) ==
        R"({"api":1,"clients":[{"id":"c12","address":"127.0.0.1:4711","client_id":"app)"
        "\xEF\xBF\xBD"
        R"(","software":null,"software_version":null,"listener":"plain","principal":null,)"
        R"("groups":["g"],"connections":0,"since":"2026-01-31T09:15:02.007Z","bytes_in":10,)"
        R"("bytes_out":0,"apis":[{"key":1,"name":"Fetch","version":13,"requests":7}],)"
        R"("transactional_ids":[],"served_by_new":null,"why_not":["Fetch v18"]}]})");
}

TEST_CASE("views: the error shape") {
  CHECK(json::serialize(error_view({"code", "what", "", "next"})) ==
        R"({"api":1,"error":{"code":"code","message":"what","where":null,"next":"next"}})");
}

TEST_CASE("routes: every path and method") {
  struct Case {
    const char *method, *target;
    bool socket;
    unsigned status;
    const char* code;
  };
  const std::vector<Case> cases = {
      {"GET", "/status", true, 200, ""},
      {"GET", "/status?x=1", false, 400, "usage"},
      {"HEAD", "/status", false, 200, ""},
      {"GET", "/topics", false, 200, ""},
      {"GET", "/groups", true, 200, ""},
      {"GET", "/clients", false, 200, ""},
      {"GET", "/livez", false, 200, ""},
      {"GET", "/readyz", false, 200, ""},
      {"GET", "/lag", true, 200, ""},
      {"GET", "/verify", false, 200, ""},
      {"GET", "/history", false, 200, ""},
      {"POST", "/prepare", true, 501, "not_implemented"},
      {"POST", "/check", true, 501, "not_implemented"},
      {"POST", "/finish", true, 200, ""},
      {"POST", "/move", false, 405, "method_not_allowed"},
      {"GET", "/move", true, 405, "method_not_allowed"},
      {"POST", "/status", true, 405, "method_not_allowed"},
      {"DELETE", "/", false, 405, "method_not_allowed"},
      {"GET", "/nothing", true, 404, "not_found"},
      {"POST", "/status/", false, 404, "not_found"},
  };
  for (const auto& c : cases) {
    INFO(c.method << ' ' << c.target << (c.socket ? " on the socket" : " on control.http"));
    const ApiAnswer a = answer_to(c.method, c.target, c.socket, sources(sample()));
    CHECK(a.status == c.status);
    const json::value body = json::parse(a.body);
    CHECK(body.at("api") == 1);
    if (*c.code) {
      CHECK(body.at("error").at("code") == c.code);
      CHECK(keys(body.at("error")) == "code message where next");
    } else {
      CHECK(!body.as_object().contains("error"));
    }
    if (a.status == 405)
      CHECK(a.allow == (!c.socket && c.target[1] == 'm'    ? ""
                        : std::string(c.target) == "/move" ? "POST"
                                                           : "GET, HEAD"));
  }
  CHECK(answer_to("GET", "/metrics", false, sources(sample())).body == "shunt_up 1\n");
  CHECK(answer_to("GET", "/", false, sources(sample())).body.starts_with("<!doctype html>"));
}

TEST_CASE("routes: readyz says why not, before readiness and in drain") {
  observe::Snapshot s = sample();
  s.ready = false;
  s.not_ready_reason = "old: no metadata yet";
  ApiAnswer a = answer_to("GET", "/readyz", false, sources(s));
  CHECK(a.status == 503);
  CHECK(json::parse(a.body).at("error").at("message") == "old: no metadata yet");

  ApiSources draining = sources(sample());
  draining.not_ready = [] { return std::string("draining"); };
  a = answer_to("GET", "/readyz", false, draining);
  CHECK(a.status == 503);
  CHECK(json::parse(a.body).at("error").at("message") == "draining");
  a = answer_to("GET", "/status", false, draining);
  CHECK(json::parse(a.body).at("ready") == false);
  CHECK(answer_to("GET", "/livez", false, draining).status == 200);
}

TEST_CASE("tables: aligned, and a client's name cannot steer the terminal") {
  Table t({"A", "LONG"});
  t.row({"ü€", "x"});
  t.row({"1", cell(json::value("\x1b[31mred\xC2\x9B"
                               "2J\n"))});
  CHECK(t.text(false) == "A   LONG\nü€  x\n1   ?[31mred?2J?\n");
  CHECK(t.text(true).starts_with("\033[1mA   LONG\033[0m\n"));
  CHECK(cell(json::value(nullptr)) == "-");
  CHECK(cell(json::parse("[\"a\",1]")) == "a,1");
  CHECK(age(0) == "0s");
  CHECK(age(312'000) == "5m12s");
  CHECK(age(3600'000) == "1h");
  CHECK(age((3 * 86400 + 4 * 3600 + 59) * 1000LL) == "3d4h");
  CHECK(bytes_text(1023) == "1023 B");
  CHECK(bytes_text(1536) == "1.5 KiB");
}
