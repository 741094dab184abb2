// The operator's command line: asks the daemon over its Unix socket and shows the answer.
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>

#include <unistd.h>
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "control/client.h"
#include "control/paths.h"
#include "control/table.h"
#include "control/units.h"
#include "control/views.h"

namespace {

namespace json = boost::json;
using namespace shunt::control;

// contract.md: one list for all commands.
enum Exit { done = 0, failed = 1, usage = 2, blocked = 3, timed_out = 5, unreachable = 6 };

constexpr const char* about = "Looks inside a running shunt daemon, and steers it.\n";
constexpr const char* more =
    "Options may stand before or after the command. Durations: 500ms, 2s, 10m, 1h.\n"
    "Examples:\n"
    "  shuntctl status -w                 watch it\n"
    "  shuntctl -o json clients | jq .    for scripts: one JSON object, stable keys\n"
    "Exit codes: 0 done, 1 failed, 2 usage, 3 blocked by a check, 4 aborted and rolled back,\n"
    "5 timed out (still running), 6 daemon unreachable.";

struct Options {
  std::string socket = default_paths().socket;
  std::string output = "table";
  std::string timeout;
  bool no_color = false;
  bool watch = false;
  bool json_output() const { return output == "json"; }
};

volatile std::sig_atomic_t interrupted = 0;

int exit_of(const Failure& f) {
  if (f.code == "timed_out" || f.code == "interrupted") return timed_out;
  if (f.code == "usage") return usage;
  return f.code == "unreachable" ? unreachable : failed;
}

int exit_of(unsigned status) {
  if (status == 400) return usage;
  return status == 409 ? blocked : failed;
}

// A sentence on stderr for people; with -o json also the error object on stdout.
int report(const Options& o, const Failure& f) {
  if (o.json_output()) std::printf("%s\n", json::serialize(error_view(f)).c_str());
  std::fprintf(stderr, "shuntctl: %s%s%s\n", f.message.c_str(), f.where.empty() ? "" : ": ",
               f.where.c_str());
  if (!f.next.empty()) std::fprintf(stderr, "next: %s\n", f.next.c_str());
  return exit_of(f);
}

std::string text_of(const json::object& o, std::string_view key) {
  const auto* v = o.if_contains(key);
  return v && v->is_string() ? std::string(v->get_string()) : std::string();
}

// The error object of an answer, or one made from its status.
Failure failure_of(const CallAnswer& answer, const json::value& body) {
  const auto* error = body.is_object() ? body.get_object().if_contains("error") : nullptr;
  if (!error || !error->is_object())
    return {"failed", "the daemon answered HTTP " + std::to_string(answer.status), "", ""};
  const json::object& e = error->get_object();
  return {text_of(e, "code"), text_of(e, "message"), text_of(e, "where"), text_of(e, "next")};
}

std::string why_not_ready(const Options& o, Deadline deadline) {
  Failure failure;
  const auto answer = call(o.socket, "GET", "/readyz", "", deadline, failure);
  if (!answer || answer->status == 200) return "";
  json::error_code ec;
  return failure_of(*answer, json::parse(answer->body, ec)).message;
}

std::string show(const std::string& command, const json::object& body, const Options& o,
                 Deadline deadline) {
  const bool color = !o.no_color && !std::getenv("NO_COLOR") && ::isatty(STDOUT_FILENO);
  if (command == "topics") return show_topics(body, color);
  if (command == "groups") return show_groups(body, color);
  if (command == "clients") return show_clients(body, color);
  const bool ready = body.contains("ready") && body.at("ready") == json::value(true);
  return show_status(body, ready ? "" : why_not_ready(o, deadline), color);
}

// Asks once and prints the answer.
int ask(const std::string& command, const Options& o, Deadline deadline) {
  Failure failure;
  const auto answer = call(o.socket, "GET", '/' + command, "", deadline, failure);
  if (!answer) return report(o, failure);
  json::error_code ec;
  const json::value body = json::parse(answer->body, ec);
  if (answer->status != 200) {
    const int code = exit_of(answer->status);
    report(o, failure_of(*answer, body));
    return code;
  }
  if (ec || !body.is_object())
    return report(o, {"failed", "the daemon's answer is not JSON", o.socket,
                      "is it another program's socket?"});
  if (o.json_output()) {
    std::printf("%s\n", json::serialize(body).c_str());
  } else {
    if (o.watch && ::isatty(STDOUT_FILENO)) std::printf("\033[H\033[2J");
    std::printf("%s", show(command, body.get_object(), o, deadline).c_str());
  }
  return std::fflush(stdout) == 0 ? done : failed;
}

// Every second, until the deadline or Ctrl-C.
int watch(const std::string& command, const Options& o, Deadline deadline) {
  for (;;) {
    if (const int code = ask(command, o, deadline); code != done) return code;
    timespec pause{1, 0};
    if (deadline) {
      const auto left = *deadline - std::chrono::steady_clock::now();
      const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(left).count();
      if (ns < 1'000'000'000) pause = {0, std::max(0L, static_cast<long>(ns))};
    }
    ::nanosleep(&pause, nullptr);
    if (interrupted || (deadline && std::chrono::steady_clock::now() >= *deadline))
      return timed_out;
  }
}

void end_waiting_on_signals() {
  struct sigaction action {};
  action.sa_handler = [](int) { interrupted = 1; };  // without SA_RESTART: calls return EINTR
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
}

void declare(CLI::App& app, Options& o) {
  app.footer(more);
  app.set_version_flag("--version", "shuntctl " SHUNT_VERSION);
  app.fallthrough();
  app.require_subcommand(1);
  app.add_option("--socket", o.socket, "The daemon's control.socket")
      ->envname("SHUNT_SOCKET")
      ->capture_default_str();
  app.add_option("-o,--output", o.output, "table or json")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  app.add_flag("--no-color", o.no_color, "No colours, also on a terminal");
  app.add_option("--timeout", o.timeout, "Stop waiting after this long (exit 5); default: never")
      ->check([](const std::string& text) {
        return parse_duration(text) ? std::string() : "expected a duration such as 500ms or 2s";
      });
  app.add_subcommand("status", "Where every cluster, topic and group is")
      ->add_flag("-w,--watch", o.watch, "Again every second");
  app.add_subcommand("topics", "Topics and where they are produced to");
  app.add_subcommand("groups", "Consumer groups and where they read");
  app.add_subcommand("clients", "Client software, the API versions it uses, and if new serves it");
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
    const auto extra = app.remaining();
    const bool no_command = app.get_subcommands().empty() && !extra.empty();
    return report(o, {"usage", no_command ? "no such command: " + extra.front() : e.what(), "",
                      "shuntctl --help"});
  }
  end_waiting_on_signals();
  Deadline deadline;
  if (const auto timeout = parse_duration(o.timeout))
    deadline = std::chrono::steady_clock::now() + *timeout;
  const std::string command = app.get_subcommands().front()->get_name();
  return o.watch ? watch(command, o, deadline) : ask(command, o, deadline);
}
