// The operator's command line: asks the daemon over its Unix socket and shows the answer.
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>

#include <unistd.h>
#include <CLI/App.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "control/client.h"
#include "control/ctl_commands.h"
#include "control/ctl_show.h"
#include "control/units.h"
#include "control/views.h"

namespace {

namespace json = boost::json;
using namespace shunt::control;

// contract.md: one list for all commands.
enum Exit {
  done = 0,
  failed = 1,
  usage = 2,
  blocked = 3,
  aborted = 4,
  timed_out = 5,
  unreachable = 6
};

constexpr const char* about =
    "Moves running applications from the old to the new cluster, and looks inside.\n";

volatile std::sig_atomic_t interrupted = 0;

int exit_of(const Failure& f) {
  if (f.code == "timed_out" || f.code == "interrupted") return timed_out;
  if (f.code == "usage") return usage;
  return f.code == "unreachable" ? unreachable : failed;
}

int exit_of(unsigned status, const json::object& body) {
  if (body.contains("aborted_at") && body.at("aborted_at").is_string()) return aborted;
  if (status == 200)
    return body.contains("ok") && body.at("ok") == json::value(false) ? failed : done;
  if (status == 202) return timed_out;
  if (status == 400) return usage;
  return status == 409 ? blocked : failed;
}

void print_json(const json::object& o) { std::printf("%s\n", json::serialize(o).c_str()); }

// A sentence for people.
void say(const Failure& f) {
  std::fprintf(stderr, "shuntctl: %s%s%s\n", f.message.c_str(), f.where.empty() ? "" : ": ",
               f.where.c_str());
  if (!f.next.empty()) std::fprintf(stderr, "next: %s\n", f.next.c_str());
}

// What is wrong on this side: a sentence; with -o json also the error object on stdout.
int report(const Options& o, const Failure& f) {
  if (o.json_output()) print_json(error_view(f));
  say(f);
  return exit_of(f);
}

std::string text_of(const json::object& o, std::string_view key) {
  const auto* v = o.if_contains(key);
  return v && v->is_string() ? std::string(v->get_string()) : std::string();
}

// The error object of an answer, or one made from its status.
Failure failure_of(unsigned status, const json::value& body) {
  if (status == 202)
    return {"running", "still running: the daemon goes on", text_of(body.get_object(), "move"),
            "shuntctl status -w, or shuntctl events -f"};
  const auto* error = body.is_object() ? body.get_object().if_contains("error") : nullptr;
  if (!error || !error->is_object())
    return {"failed", "the daemon answered HTTP " + std::to_string(status), "",
            "is it of the same version? shuntctl status"};
  const json::object& e = error->get_object();
  return {text_of(e, "code"), text_of(e, "message"), text_of(e, "where"), text_of(e, "next")};
}

std::string why_not_ready(const Options& o, Deadline deadline) {
  Failure failure;
  const auto answer = call(o.socket, "GET", "/readyz", "", deadline, failure);
  if (!answer || answer->status == 200) return "";
  json::error_code ec;
  return failure_of(answer->status, json::parse(answer->body, ec)).message;
}

bool use_color(const Options& o) {
  return !o.no_color && !std::getenv("NO_COLOR") && ::isatty(STDOUT_FILENO);
}

std::string show(const std::string& command, const json::object& body, const Options& o,
                 Deadline deadline) {
  const bool color = use_color(o);
  if (command == "topics") return show_topics(body, color);
  if (command == "groups") return show_groups(body, color);
  if (command == "clients") return show_clients(body, color);
  if (command == "lag") return show_lag(body, color);
  if (command == "verify") return show_proof(body, color);
  if (command == "plan") return show_plan(body, color);
  if (command.starts_with("move ") || command == "undo") return show_moved(body, color);
  if (command == "finish") return show_finished(body, color);
  if (command == "offsets translate") return show_offset(body, color);
  if (command != "status") return show_migration_answer(command, body, color);
  const bool ready = body.contains("ready") && body.at("ready") == json::value(true);
  return show_status(body, ready ? "" : why_not_ready(o, deadline), color);
}

// Prints an answer: the daemon's object as it is, or for people. The exit code.
int print(const std::string& command, unsigned status, const json::value& body, const Options& o,
          Deadline deadline) {
  const Failure failure = status == 200 ? Failure() : failure_of(status, body);
  if (!body.is_object()) return report(o, failure);
  const json::object& answer = body.get_object();
  // A plan with blockers and a cut that aborted are told in full, too.
  const bool whole = status == 200 || answer.contains("steps") || answer.contains("aborted_at");
  if (o.json_output()) {
    print_json(answer);
  } else if (whole) {
    if (o.watch && ::isatty(STDOUT_FILENO)) std::printf("\033[H\033[2J");
    std::printf("%s", show(command, answer, o, deadline).c_str());
  }
  if (status != 200) say(failure);
  if (!whole) std::fprintf(stderr, "%s", show_checks(list(answer, "blockers")).c_str());
  return std::fflush(stdout) == 0 ? exit_of(status, answer) : static_cast<int>(failed);
}

// Asks once and prints the answer.
int ask(const std::string& command, const Options& o, Deadline deadline) {
  Call asked = call_of(command, o);
  std::string sent;
  if (asked.method == "POST") {
    if (deadline) {  // the daemon ends the waiting, and says which move goes on; else we do
      constexpr std::chrono::milliseconds year = std::chrono::hours(24 * 365);  // the most it takes
      asked.body["wait_ms"] = std::min(*parse_duration(o.timeout), year).count();
      *deadline += std::chrono::seconds(1);
    }
    sent = json::serialize(asked.body);
  }
  Failure failure;
  const auto answer = call(o.socket, asked.method, asked.target, sent, deadline, failure);
  if (!answer) return report(o, failure);
  json::error_code ec;
  const json::value body = json::parse(answer->body, ec);
  if (ec && answer->status == 200)
    return report(o, {"failed", "the daemon's answer is not JSON", o.socket,
                      "is it another program's socket?"});
  return print(command, answer->status, body, o, deadline);
}

// False: the deadline has passed, or Ctrl-C came.
bool sleep_until(std::chrono::milliseconds pause, Deadline deadline) {
  using namespace std::chrono;
  if (deadline) {
    const auto left = ceil<milliseconds>(*deadline - steady_clock::now());
    pause = std::clamp(left, milliseconds(0), pause);
  }
  const auto ms = pause.count();
  const timespec t{ms / 1000, (ms % 1000) * 1'000'000};
  ::nanosleep(&t, nullptr);
  return !interrupted && (!deadline || steady_clock::now() < *deadline);
}

// Every second, until the deadline or Ctrl-C.
int watch(const std::string& command, const Options& o, Deadline deadline) {
  for (;;) {
    if (const int code = ask(command, o, deadline); code != done) return code;
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
    if (answer->status != 200) {
      json::error_code ec;
      return print("events", answer->status, json::parse(answer->body, ec), o, deadline);
    }
    o.since = print_events(answer->body, o.since, o);
    if (!o.follow) return done;
    if (!sleep_until(std::chrono::milliseconds(200), deadline)) return timed_out;
  }
}

void end_waiting_on_signals() {
  struct sigaction action {};
  action.sa_handler = [](int) { interrupted = 1; };  // without SA_RESTART: calls return EINTR
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
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
  return o.watch ? watch(command, o, deadline) : ask(command, o, deadline);
}
