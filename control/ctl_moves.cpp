// What shuntctl shows people of plans, moves, proof, progress and events.
#include <boost/json/array.hpp>

#include "control/ctl_show.h"

namespace shunt::control {
namespace {

namespace json = boost::json;

const json::object* object_of(const json::object& o, std::string_view key) {
  const auto* v = o.if_contains(key);
  return v ? v->if_object() : nullptr;
}

std::string ms(const json::object& o, std::string_view key) {
  const std::string n = cell(o, key);
  return n == "-" ? n : n + " ms";
}

// "  WHAT: everything in it", a line per item.
std::string lines(const json::object& o, std::string_view key, const std::string& what) {
  std::string out;
  for (const auto& item : list(o, key)) out += what + ": " + cell(item) + '\n';
  return out;
}

}  // namespace

std::string show_checks(const json::array& checks) {
  std::string out;
  for (const auto& item : checks) {
    if (!item.is_object()) continue;
    const json::object& c = item.get_object();
    out += cell(c, "verdict") + "  " + cell(c, "id") + "  " + cell(c, "target") + ": " +
           cell(c, "reason") + '\n';
    if (cell(c, "fix") != "-") out += "      fix: " + cell(c, "fix") + '\n';
  }
  return out;
}

std::string show_migration(const json::object& m, bool color) {
  std::string out = "migration " + cell(m, "id") + ": " + bold(cell(m, "state"), color) +
                    ", scheme " + cell(m, "scheme") + ", topics " + cell(m, "topics") + '\n';
  if (cell(m, "step") != "-") out += "step " + cell(m, "step") + " is running\n";
  const Table t = rows(list(m, "moves"), {"MOVE", "KIND", "TO", "AT", "UNDONE", "ABORTED", "WHY"},
                       {"move", "kind", "to", "at", "undone", "aborted_at", "reason"});
  if (!t.empty()) out += t.text(color);
  if (cell(m, "next") != "-") out += "next: " + cell(m, "next") + '\n';
  return out;
}

std::string show_migration_answer(const std::string& command, const json::object& answer,
                                  bool color) {
  const json::object* m = object_of(answer, "migration");
  if (!m) return command + ": done\n";
  if (command == "start")
    return "started migration " + cell(*m, "id") + ": scheme " + cell(*m, "scheme") + ", topics " +
           cell(*m, "topics") + ". Nothing has moved yet.\nnext: " + cell(*m, "next") + '\n';
  return show_migration(*m, color);
}

std::string show_plan(const json::object& p, bool color) {
  std::string out = "scheme " + cell(p, "scheme") + " for " + cell(p, "topics") + '\n';
  out += "order promised: " + cell(p, "order_promised") + '\n';
  out += "producers held for about: " + ms(p, "hold_ms_expected") + "\n\n";
  out += rows(list(p, "steps"), {"STEP", "WHAT HAPPENS", "COMMAND", "GATE"},
              {"n", "action", "command", "gate"})
             .text(color);
  const Table history =
      rows(list(p, "history_left_on_old"), {"TOPIC", "RECORDS ON OLD ONLY"}, {"topic", "records"});
  if (!history.empty()) out += '\n' + history.text(color);
  if (!list(p, "blockers").empty())
    out += '\n' + bold("in the way:", color, "31") + '\n' + show_checks(list(p, "blockers"));
  return out;
}

namespace {

std::string show_groups_moved(const json::object& m, bool color) {
  if (cell(m, "changed") != "yes") return "nothing to do: that is where they read already\n";
  const bool on = cell(m, "to") == "new";
  std::string out = "groups " + bold(on ? "may read new" : "wait at the seam", color) + " (move " +
                    cell(m, "move") + ")\n";
  Table t({"GROUP", "FROM", "TO", "TOPIC", "PARTITION", "POSITION", "IN", "CROSSED"});
  for (const auto& item : list(m, "groups")) {
    const json::object* g = item.if_object();
    if (!g) continue;
    if (list(*g, "partitions").empty())
      t.row({cell(*g, "group"), cell(*g, "from"), cell(*g, "to"), "-", "-", "-", "-", "-"});
    for (const auto& each : list(*g, "partitions")) {
      const json::object* p = each.if_object();
      const json::object* at = p ? object_of(*p, "position") : nullptr;
      if (!at) continue;
      t.row({cell(*g, "group"), cell(*g, "from"), cell(*g, "to"), cell(*p, "topic"),
             cell(*p, "partition"), cell(*at, "virtual"), cell(*at, "cluster"),
             cell(*p, "crossed")});
    }
  }
  return t.empty() ? out : out + t.text(color);
}

}  // namespace

std::string show_moved(const json::object& m, bool color) {
  if (cell(m, "kind") == "fetch") return show_groups_moved(m, color);
  const std::string to = cell(m, "to");
  std::string out;
  if (cell(m, "aborted_at") != "-")
    out = bold("aborted", color, "31") + " at " + cell(m, "aborted_at") +
          ", rolled back: " + cell(m, "reason") + '\n';
  else if (cell(m, "changed") != "yes")
    out = "nothing to do: production goes to " + to + " already\n";
  else
    out = "production goes to " + bold(to, color) + " (move " + cell(m, "move") +
          "); producers were held for " + ms(m, "held_ms_max") + " at most\n";
  std::int64_t unclear = 0;
  for (const auto& item : list(m, "partitions")) {
    const json::value* n = item.is_object() ? item.get_object().if_contains("unclear") : nullptr;
    if (n && n->is_int64()) unclear += n->get_int64();
  }
  if (unclear > 0)
    out += std::to_string(unclear) +
           " batches had no answer yet: those that consumers had seen may be written twice\n";
  Table t({"TOPIC", "PARTITION", "OLD END", "NEW START", "VIRTUAL", "HELD", "PRODUCERS"});
  for (const auto& item : list(m, "partitions")) {
    const json::object* p = item.if_object();
    if (p)
      t.row({cell(*p, "topic"), cell(*p, "partition"), cell(*p, "old_end"), cell(*p, "new_start"),
             cell(*p, "virtual_start"), ms(*p, "held_ms"), cell(*p, "producers")});
  }
  return t.empty() ? out : out + t.text(color);
}

std::string show_proof(const json::object& p, bool color) {
  Table segments({"TOPIC", "PARTITION", "CLUSTER", "VIRTUAL", "NATIVE", "END", "RECORDS", "CRC32C",
                  "STRAGGLERS"});
  std::string problems = lines(p, "problems", "problem");
  for (const auto& item : list(p, "partitions")) {
    const json::object* one = item.if_object();
    if (!one) continue;
    const std::string name = cell(*one, "topic") + ' ' + cell(*one, "partition");
    problems += lines(*one, "problems", "problem: " + name);
    for (const auto& each : list(*one, "segments"))
      if (const json::object* s = each.if_object())
        segments.row({cell(*one, "topic"), cell(*one, "partition"), cell(*s, "cluster"),
                      cell(*s, "virtual_start"), cell(*s, "native_start"), cell(*s, "native_end"),
                      cell(*s, "records"), cell(*s, "crc32c"), cell(*one, "stragglers")});
  }
  const Table groups =
      rows(list(p, "groups"),
           {"GROUP", "TOPIC", "PARTITION", "POSITION", "COMMITTED ON OLD", "ON NEW", "OK"},
           {"group", "topic", "partition", "position", "old_committed", "new_committed", "ok"});
  std::string out;
  if (!segments.empty()) out += segments.text(color) + '\n';
  if (!groups.empty()) out += groups.text(color) + '\n';
  const bool ok = cell(p, "ok") == "yes";
  return out + problems + (ok ? bold("ok", color, "32") : bold("not ok", color, "31")) + '\n';
}

std::string show_finished(const json::object& f, bool color) {
  const Table groups =
      rows(list(f, "groups"), {"GROUP", "MEMBERS", "HANDOVER MS"}, {"group", "members", "handover_ms"});
  std::string out;
  const auto* m = object_of(f, "migration");
  if (!groups.empty()) out += groups.text(color) + '\n';
  if (m) out += "migration " + cell(*m, "id") + ' ' + bold(cell(*m, "state"), color, "32") + '\n';
  const bool needed = cell(f, "old_needed") == "yes";
  out += needed ? "old is still needed:\n" + lines(f, "old_needed_by", "  ")
                : std::string("old may be switched off\n");
  return out;
}

std::string show_lag(const json::object& answer, bool color) {
  Table t({"GROUP", "TOPIC", "PARTITION", "POSITION", "END", "LAG", "OLD NEXT", "OLD END",
           "NEW NEXT", "NEW END", "MEMBER"});
  for (const auto& item : list(answer, "groups")) {
    const json::object* g = item.if_object();
    if (!g) continue;
    for (const auto& each : list(*g, "partitions")) {
      const json::object* p = each.if_object();
      const json::object* in_old = p ? object_of(*p, "old") : nullptr;
      const json::object* in_new = p ? object_of(*p, "new") : nullptr;
      if (!in_old || !in_new) continue;
      t.row({cell(*g, "group"), cell(*p, "topic"), cell(*p, "partition"), cell(*p, "position"),
             cell(*p, "end"), cell(*p, "lag"), cell(*in_old, "next"), cell(*in_old, "end"),
             cell(*in_new, "next"), cell(*in_new, "end"), cell(*p, "client_id")});
    }
    t.row({cell(*g, "group"), "all", "", "", "", cell(*g, "lag"), "", "", "", "", ""});
  }
  return t.empty() ? "no groups with positions\n" : t.text(color);
}

std::string show_offset(const json::object& o, bool color) {
  Table t({"TOPIC", "PARTITION", "VIRTUAL", "OLD", "NEW", "IN"});
  t.row({cell(o, "topic"), cell(o, "partition"), cell(o, "virtual"), cell(o, "old"), cell(o, "new"),
         cell(o, "in")});
  return t.text(color);
}

// Like a line of the log: when, what, then its own keys.
std::string show_event(const json::object& e) {
  std::string out = cell(e, "time") + ' ' + cell(e, "event");
  for (const auto& [key, value] : e) {
    const bool known = key == "api" || key == "seq" || key == "time" || key == "event";
    if (!known && !value.is_null()) out += ' ' + std::string(key) + '=' + cell(value);
  }
  return out + '\n';
}

}  // namespace shunt::control
