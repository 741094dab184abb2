// The operator's command line: asks the daemon over its Unix socket and shows the answer.
#include <algorithm>
#include <cstdio>
#include <string>

#include <unistd.h>
#include <CLI/App.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "control/ca.h"
#include "control/client.h"
#include "control/ctl_ask.h"
#include "control/ctl_commands.h"
#include "control/ctl_run.h"
#include "control/ctl_show.h"
#include "control/units.h"
#include "control/views.h"

namespace {

namespace json = boost::json;
using namespace shunt::control;

constexpr const char* about =
    "Moves running applications from the old to the new cluster, and looks inside.\n";

// What is wrong on this side: a sentence; with -o json also the error object on stdout.
int report(const Options& o, const Failure& f) {
  if (o.json_output()) print_json(error_view(f));
  say(f);
  return exit_of(f);
}

std::string why_not_ready(const Options& o, Deadline deadline) {
  const Said said = ask({"GET", "/readyz", {}}, o, deadline);
  return said.status == 0 || said.good() ? "" : said.failure.message;
}

std::string show(const std::string& command, const json::object& body, const Options& o,
                 Deadline deadline) {
  const bool color = use_color(o);
  if (command == "topics") return show_topics(body, color);
  if (command == "groups") return show_groups(body, color);
  if (command == "clients") return show_clients(body, color);
  if (command == "lag") return show_lag(body, color);
  if (command == "verify") return show_proof(body, color);
  if (command == "history") return show_history(body, color);
  if (command == "plan") return show_plan(body, color);
  if (command.starts_with("move ") || command == "undo") return show_moved(body, color);
  if (command == "finish") return show_finished(body, color);
  if (command == "offsets translate") return show_offset(body, color);
  if (command != "status") return show_migration_answer(command, body, color);
  const bool ready = body.contains("ready") && body.at("ready") == json::value(true);
  return show_status(body, ready ? "" : why_not_ready(o, deadline), color);
}

// Prints an answer: the daemon's object as it is, or for people. The exit code.
int print(const std::string& command, const Said& said, const Options& o, Deadline deadline) {
  if (!said.is_object) return report(o, said.failure);
  // A plan with blockers and a cut that aborted are told in full, too.
  const json::object& answer = said.body;
  const bool whole = said.good() || answer.contains("steps") || answer.contains("aborted_at");
  if (o.json_output()) {
    print_json(answer);
  } else if (whole) {
    if (o.watch && ::isatty(STDOUT_FILENO)) std::printf("\033[H\033[2J");
    std::printf("%s", show(command, answer, o, deadline).c_str());
  }
  if (!said.good()) say(said.failure);
  if (!whole) std::fprintf(stderr, "%s", show_checks(list(answer, "blockers")).c_str());
  return std::fflush(stdout) == 0 ? said.exit() : static_cast<int>(failed);
}

// The newest move that stands: what this operator sees, and means to take back. Another one may be
// about to do the same. "": there is none, or nobody says.
std::string newest_move(const Options& o, Deadline deadline) {
  const Said seen = ask(call_of("status", o), o, deadline);
  const auto* m = seen.good() ? seen.body.if_contains("migration") : nullptr;
  const auto* object = m ? m->if_object() : nullptr;
  std::string out;
  for (const auto& item : object ? list(*object, "moves") : json::array()) {
    const json::object* move = item.if_object();
    if (!move || move->at("undone") == json::value(true)) continue;
    if (move->at("undoes").is_null() && move->at("aborted_at").is_null())
      out = text_of(*move, "move");
  }
  return out;
}

// Asks once and prints the answer.
int ask_and_print(const std::string& command, Options o, Deadline deadline) {
  if (command == "undo" && !o.without_new && o.move.empty()) o.move = newest_move(o, deadline);
  return print(command, ask(call_of(command, o), o, deadline), o, deadline);
}

// Makes a CA; nobody is asked.
int ca(const Options& o) {
  MadeCa made;
  Failure failure;
  if (!make_ca(o.out, o.names, o.days, made, failure)) return report(o, failure);
  json::array names;
  std::string list;
  for (const auto& name : made.names) {
    names.emplace_back(name);
    list += (list.empty() ? "" : ", ") + name;
  }
  if (o.json_output())
    print_json({{"api", 1},
                {"certificate", made.certificate},
                {"key", made.key},
                {"names", std::move(names)},
                {"not_after", made.not_after}});
  else
    std::printf(
        "certificate  %s   for the applications to trust\nkey          %s   keep it secret\n"
        "good for     %s\nuntil        %s\n"
        "next: listen: { tls: { mint_ca: %s, mint_key: %s } } in shunt.yaml, then start Shunt\n",
        made.certificate.c_str(), made.key.c_str(), list.c_str(), made.not_after.c_str(),
        made.certificate.c_str(), made.key.c_str());
  return done;
}

// Every second, until the deadline or Ctrl-C.
int watch(const std::string& command, const Options& o, Deadline deadline) {
  for (;;) {
    if (const int code = ask_and_print(command, o, deadline); code != done) return code;
    if (!sleep_until(std::chrono::seconds(1), deadline)) return timed_out;
  }
}

// Prints events, one a line; the number of the last one.
std::uint64_t print_events(const std::string& all, std::uint64_t last, const Options& o) {
  std::size_t at = 0;
  while (at < all.size()) {
    const auto end = std::min(all.find('\n', at), all.size());
    json::error_code ec;
    const json::value event = json::parse(all.substr(at, end - at), ec);
    at = end + 1;
    if (ec || !event.is_object()) continue;
    const json::object& e = event.get_object();
    if (const auto* seq = e.if_contains("seq")) last = seq->to_number<std::uint64_t>(ec);
    if (o.json_output())
      print_json(e);
    else
      std::printf("%s", show_event(e).c_str());
  }
  std::fflush(stdout);
  return last;
}

int events(Options o, Deadline deadline) {
  for (;;) {
    Failure failure;
    const Call asked = call_of("events", o);
    const auto answer = call(o.socket, asked.method, asked.target, "", deadline, failure);
    if (!answer) return report(o, failure);
    if (answer->status != 200) return ask_and_print("events", o, deadline);
    o.since = print_events(answer->body, o.since, o);
    if (!o.follow) return done;
    if (!sleep_until(std::chrono::milliseconds(200), deadline)) return timed_out;
  }
}

}  // namespace

int main(int argc, char** argv) {
  Options o;
  CLI::App app(about, "shuntctl");
  declare(app, o);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return app.exit(e);
    const auto extra = app.remaining(true);
    std::string command = command_of(app);
    if (!command.empty()) command += ' ';
    const bool group = command.empty() || command == "move " || command == "offsets ";
    const bool no_command = group && !extra.empty();
    return report(
        o, {"usage", no_command ? "no such command: " + command + extra.front() : e.what(), "",
            "shuntctl " + command + "--help"});
  }
  end_waiting_on_signals();
  Deadline deadline;
  if (const auto timeout = parse_duration(o.timeout))
    deadline = std::chrono::steady_clock::now() + *timeout;
  const std::string command = command_of(app);
  if (command == "events") return events(o, deadline);
  if (command == "run") return run_scheme(o, deadline);
  if (command == "ca") return ca(o);
  return o.watch ? watch(command, o, deadline) : ask_and_print(command, o, deadline);
}
