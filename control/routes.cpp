// Every route of the API in one function.
#include "control/routes.h"

#include <algorithm>
#include <array>

#include <boost/json/serialize.hpp>

#include "control/views.h"
#include "proxy/observe/text.h"

namespace shunt::control {
namespace {

// Promised by the contract, not yet kept.
constexpr std::array<std::string_view, 3> later_reads = {"/lag", "/verify", "/events"};
constexpr std::array<std::string_view, 9> later_mutations = {
    "/check", "/prepare", "/plan", "/migrations", "/move", "/undo", "/pause", "/resume", "/finish"};

bool contains(const auto& all, std::string_view path) {
  return std::find(all.begin(), all.end(), path) != all.end();
}

ApiAnswer json_answer(const boost::json::object& body) {
  return {200, boost::json::serialize(body) + '\n', "application/json", ""};
}

ApiAnswer wrong_method(const ApiRequest& r, const std::string& allow, const std::string& next) {
  ApiAnswer out = error_answer(
      405, {"method_not_allowed", r.method + " does not belong to this path", r.target, next});
  out.allow = allow;
  return out;
}

ApiAnswer not_implemented(const std::string& path) {
  return error_answer(501, {"not_implemented", path + " is not in this version yet", path,
                            "GET /status, /topics, /groups, /clients and /metrics are"});
}

ApiAnswer ready(const ApiSources& sources) {
  std::string reason = sources.not_ready();
  if (reason.empty()) {
    const observe::Snapshot s = sources.snapshot();
    if (!s.ready) reason = s.not_ready_reason.empty() ? "starting" : s.not_ready_reason;
  }
  if (reason.empty()) return {200, "{\"api\":1,\"ready\":true}\n", "application/json", ""};
  return error_answer(503, {"not_ready", reason, "", "wait, or look at `shuntctl status`"});
}

observe::Snapshot snapshot_of(const ApiSources& sources) {
  observe::Snapshot s = sources.snapshot();
  if (!sources.not_ready().empty()) s.ready = false;
  return s;
}

}  // namespace

ApiAnswer error_answer(unsigned status, const Failure& failure) {
  return {status, boost::json::serialize(error_view(failure)) + '\n', "application/json", ""};
}

ApiAnswer answer(const ApiRequest& r, const ApiSources& sources) {
  const std::string path = r.target.substr(0, r.target.find('?'));
  const bool get = r.method == "GET" || r.method == "HEAD";

  if (contains(later_mutations, path)) {
    if (!r.on_socket)
      return wrong_method(r, "",
                          "this address only reads: POST on the Unix socket " + sources.socket);
    if (r.method != "POST") return wrong_method(r, "POST", "use POST");
    return not_implemented(path);
  }
  const bool known = path == "/" || path == "/livez" || path == "/readyz" || path == "/metrics" ||
                     path == "/status" || path == "/topics" || path == "/groups" ||
                     path == "/clients" || contains(later_reads, path);
  if (!known)
    return error_answer(404, {"not_found", "no such path", path,
                              "GET /status /topics /groups /clients /metrics /livez /readyz"});
  if (!get) return wrong_method(r, "GET, HEAD", "use GET");

  if (path == "/") return {200, std::string(live_page), "text/html; charset=utf-8", ""};
  if (path == "/livez") return {200, "{\"api\":1,\"live\":true}\n", "application/json", ""};
  if (path == "/readyz") return ready(sources);
  if (path == "/metrics")
    return {200, sources.metrics(), "text/plain; version=0.0.4; charset=utf-8", ""};
  if (path == "/status")
    return json_answer(status_view(snapshot_of(sources), sources.version, observe::unix_ms_now()));
  if (path == "/topics") return json_answer(topics_view(sources.snapshot()));
  if (path == "/groups") return json_answer(groups_view(sources.snapshot()));
  if (path == "/clients") return json_answer(clients_view(sources.snapshot()));
  return not_implemented(path);
}

}  // namespace shunt::control
