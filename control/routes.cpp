// Every route of the API in one function.
#include "control/routes.h"

#include <algorithm>
#include <array>

#include <boost/json/serialize.hpp>

#include "control/bodies.h"
#include "control/migration_view.h"
#include "control/operator_routes.h"
#include "control/views.h"
#include "proxy/observe/log.h"
#include "proxy/observe/text.h"

namespace shunt::control {
namespace {

constexpr std::array<std::string_view, 12> reads = {"/",       "/livez",  "/readyz", "/metrics",
                                                    "/status", "/topics", "/groups", "/clients",
                                                    "/lag",    "/verify", "/events", "/offsets"};
constexpr std::array<std::string_view, 9> mutations = {
    "/check", "/prepare", "/plan", "/migrations", "/move", "/undo", "/pause", "/resume", "/finish"};

bool contains(const auto& all, std::string_view path) {
  return std::find(all.begin(), all.end(), path) != all.end();
}

ApiAnswer good(std::string body, const char* type = "application/json") {
  ApiAnswer out;
  out.body = std::move(body);
  out.type = type;
  return out;
}

ApiAnswer json_answer(const boost::json::object& body) {
  return good(boost::json::serialize(body) + '\n');
}

ApiAnswer wrong_method(const ApiRequest& r, const std::string& allow, const std::string& next) {
  ApiAnswer out = error_answer(
      405, {"method_not_allowed", r.method + " does not belong to this path", r.target, next});
  out.allow = allow;
  return out;
}

ApiAnswer not_implemented(const std::string& path) {
  return error_answer(501, {"not_implemented", path + " is not in this version yet", path,
                            "POST /plan, /migrations, /move, /undo, /finish, /pause and /resume are"});
}

ApiAnswer ready(const ApiSources& sources) {
  std::string reason = sources.not_ready();
  if (reason.empty()) {
    const observe::Snapshot s = sources.snapshot();
    if (!s.ready) reason = s.not_ready_reason.empty() ? "starting" : s.not_ready_reason;
  }
  if (reason.empty()) return good("{\"api\":1,\"ready\":true}\n");
  return error_answer(503, {"not_ready", reason, "", "wait, or look at `shuntctl status`"});
}

observe::Snapshot snapshot_of(const ApiSources& sources) {
  observe::Snapshot s = sources.snapshot();
  if (!sources.not_ready().empty()) s.ready = false;
  return s;
}

// The migration that is asked for, or the one that moved last.
ApiAnswer status(const ApiRequest& r, const ApiSources& sources) {
  Failure failure;
  const auto query = read_query(r.target, {"migration"}, failure);
  if (!query) return error_answer(400, failure);
  const net::Operator& op = sources.operate();
  const splice::Migration* m = latest(op.state());
  if (const auto id = query->find("migration"); id != query->end()) {
    m = op.state().migration(id->second);
    if (!m)
      return error_answer(400, {"no_such_migration", "there is no migration " + id->second,
                                id->second, "shuntctl topics shows the migrations"});
  }
  boost::json::value migration;
  if (m) migration = migration_object(*m, op);
  return json_answer(status_view(snapshot_of(sources), op.state(), std::move(migration),
                                 sources.version, observe::unix_ms_now()));
}

ApiAnswer read_now(const std::string& path, const ApiRequest& r, const ApiSources& sources) {
  if (path == "/") return good(std::string(live_page), "text/html; charset=utf-8");
  if (path == "/livez") return good("{\"api\":1,\"live\":true}\n");
  if (path == "/readyz") return ready(sources);
  if (path == "/metrics")
    return good(sources.metrics(), "text/plain; version=0.0.4; charset=utf-8");
  if (path == "/status") return status(r, sources);
  if (path == "/topics")
    return json_answer(topics_view(sources.snapshot(), sources.operate().state()));
  if (path == "/groups")
    return json_answer(groups_view(sources.snapshot(), sources.operate().state()));
  return json_answer(clients_view(sources.snapshot()));
}

// Who did what, and how it ended (contract.md, Log).
Reply logged(const ApiRequest& r, const std::string& path, const Reply& reply) {
  constexpr std::size_t told_max = 300;
  return [who = r.who, what = path + ' ' + r.body.substr(0, told_max), reply](const ApiAnswer& a) {
    observe::log::info("command", {{"who", who},
                                   {"what", what},
                                   {"status", a.status},
                                   {"result", a.code.empty() ? "done" : a.code}});
    reply(a);
  };
}

}  // namespace

ApiAnswer error_answer(unsigned status, const Failure& failure) {
  ApiAnswer out = good(boost::json::serialize(error_view(failure)) + '\n');
  out.status = status;
  out.code = failure.code;
  return out;
}

void answer(const ApiRequest& r, const ApiSources& sources, const Reply& reply) {
  const std::string path = r.target.substr(0, r.target.find('?'));
  const bool get = r.method == "GET" || r.method == "HEAD";

  if (contains(mutations, path)) {
    if (!r.on_socket)
      return reply(wrong_method(
          r, "", "this address only reads: POST on the Unix socket " + sources.socket));
    if (r.method != "POST") return reply(wrong_method(r, "POST", "use POST"));
    const Reply told = logged(r, path, reply);
    if (!answer_mutation(path, r, sources, told)) told(not_implemented(path));
    return;
  }
  if (!contains(reads, path))
    return reply(error_answer(404, {"not_found", "no such path", path,
                                    "GET /status /topics /groups /clients /lag /verify /events "
                                    "/offsets /metrics /livez /readyz"}));
  if (!get) return reply(wrong_method(r, "GET, HEAD", "use GET"));
  if (!answer_look(path, r, sources, reply)) reply(read_now(path, r, sources));
}

}  // namespace shunt::control
