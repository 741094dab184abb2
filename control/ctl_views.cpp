// What shuntctl shows people of the daemon's answers.
#include "control/ctl_show.h"

#include <boost/json/array.hpp>

namespace shunt::control {
namespace {

namespace json = boost::json;

std::int64_t number(const json::object& o, std::string_view key) {
  const auto* v = o.if_contains(key);
  if (v && v->is_int64()) return v->get_int64();
  if (v && v->is_uint64()) return static_cast<std::int64_t>(v->get_uint64());
  return 0;
}

std::string clusters(const json::object& status, bool color) {
  Table t({"CLUSTER", "REACHABLE", "BROKERS", "ID", "ERROR"});
  const auto* all = status.if_contains("clusters");
  if (!all || !all->is_object()) return "";
  for (const auto& [name, value] : all->get_object()) {
    if (!value.is_object()) continue;
    const json::object& c = value.get_object();
    t.row({std::string(name), cell(c, "reachable"), cell(c, "brokers"), cell(c, "cluster_id"),
           cell(c, "error")});
  }
  return t.text(color);
}

}  // namespace

const json::array& list(const json::object& o, std::string_view key) {
  static const json::array none;
  const auto* v = o.if_contains(key);
  return v && v->is_array() ? v->get_array() : none;
}

Table rows(const json::array& all, std::vector<std::string> heads,
           const std::vector<const char*>& keys) {
  Table t(std::move(heads));
  for (const auto& item : all) {
    if (!item.is_object()) continue;
    std::vector<std::string> cells;
    for (const char* key : keys) cells.push_back(cell(item.get_object(), key));
    t.row(std::move(cells));
  }
  return t;
}

std::string bold(const std::string& text, bool color, const char* code) {
  return color ? std::string("\033[") + code + 'm' + text + "\033[0m" : text;
}

std::string show_status(const json::object& s, const std::string& not_ready, bool color) {
  const bool ready = cell(s, "ready") == "yes";
  std::string out = "shunt " + cell(s, "version") + "  " +
                    bold(ready ? "ready" : "not ready", color, ready ? "32" : "31") + "  up " +
                    age(number(s, "uptime_ms")) + "  " + cell(s, "connections") + " connections\n";
  if (!ready && !not_ready.empty()) out += "why: " + not_ready + '\n';
  out += '\n' + clusters(s, color);
  if (const auto* m = s.if_contains("migration"); m && m->is_object())
    out += '\n' + show_migration(m->get_object(), color);
  if (!list(s, "topics").empty()) out += '\n' + show_topics(s, color);
  if (!list(s, "groups").empty()) out += '\n' + show_groups(s, color);
  return out;
}

std::string show_topics(const json::object& answer, bool color) {
  const auto t = rows(list(answer, "topics"),
                      {"TOPIC", "PARTITIONS", "PRODUCE", "SEGMENTS", "STRAGGLERS", "MIGRATION"},
                      {"topic", "partitions", "produce", "segments", "stragglers", "migration"});
  return t.empty() ? "no topics seen yet\n" : t.text(color);
}

std::string show_groups(const json::object& answer, bool color) {
  const auto t = rows(
      list(answer, "groups"),
      {"GROUP", "STATE", "PROTOCOL", "MEMBERS", "OUTSIDE", "COORDINATOR", "FETCH", "LAG"},
      {"group", "state", "protocol", "members", "members_outside", "coordinator", "fetch", "lag"});
  return t.empty() ? "no groups seen yet\n" : t.text(color);
}

std::string show_clients(const json::object& answer, bool color) {
  Table t({"ID", "CLIENT", "SOFTWARE", "ADDRESS", "CONNECTIONS", "GROUPS", "IN", "OUT", "APIS",
           "NEW SERVES IT"});
  for (const auto& item : list(answer, "clients")) {
    if (!item.is_object()) continue;
    const json::object& c = item.get_object();
    std::string software = cell(c, "software");
    if (cell(c, "software_version") != "-") software += ' ' + cell(c, "software_version");
    std::string apis;
    for (const auto& a : list(c, "apis"))
      if (a.is_object())
        apis += (apis.empty() ? "" : " ") + cell(a.get_object(), "name") + ":v" +
                cell(a.get_object(), "version");
    std::string served = cell(c, "served_by_new");
    if (served == "-") served = "unknown";
    if (!list(c, "why_not").empty()) served += ": " + cell(c, "why_not");
    t.row({cell(c, "id"), cell(c, "client_id"), software, cell(c, "address"),
           cell(c, "connections"), cell(c, "groups"), bytes_text(number(c, "bytes_in")),
           bytes_text(number(c, "bytes_out")), apis.empty() ? "-" : apis, served});
  }
  return t.empty() ? "no clients\n" : t.text(color);
}

}  // namespace shunt::control
