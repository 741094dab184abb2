// Asks the daemon, and waits for it.
#include "control/ctl_ask.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include <unistd.h>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "control/units.h"

namespace shunt::control {
namespace {

namespace json = boost::json;

volatile std::sig_atomic_t signalled = 0;

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

}  // namespace

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

Said ask(const Call& asked, const Options& o, Deadline deadline) {
  std::string sent;
  if (asked.method == "POST") {
    json::object body = asked.body;
    if (deadline) {
      using namespace std::chrono;
      constexpr milliseconds year = hours(24 * 365);  // the most it takes
      const auto left = ceil<milliseconds>(*deadline - steady_clock::now());
      body["wait_ms"] = std::clamp(left, milliseconds(0), year).count();
      *deadline += seconds(1);  // for its answer
    }
    sent = json::serialize(body);
  }
  Said out;
  const auto answer = call(o.socket, asked.method, asked.target, sent, deadline, out.failure);
  if (!answer) return out;
  json::error_code ec;
  const json::value body = json::parse(answer->body, ec);
  if (ec && answer->status == 200) {
    out.failure = {"failed", "the daemon's answer is not JSON", o.socket,
                   "is it another program's socket?"};
    return out;
  }
  out.status = answer->status;
  out.is_object = body.is_object();
  if (out.is_object) out.body = body.get_object();
  if (out.status != 200) out.failure = failure_of(out.status, body);
  return out;
}

std::string text_of(const json::object& o, std::string_view key) {
  const auto* v = o.if_contains(key);
  return v && v->is_string() ? std::string(v->get_string()) : std::string();
}

void print_json(const json::object& o) { std::printf("%s\n", json::serialize(o).c_str()); }

void say(const Failure& f) {
  std::fprintf(stderr, "shuntctl: %s%s%s\n", f.message.c_str(), f.where.empty() ? "" : ": ",
               f.where.c_str());
  if (!f.next.empty()) std::fprintf(stderr, "next: %s\n", f.next.c_str());
}

bool use_color(const Options& o) {
  return !o.no_color && !std::getenv("NO_COLOR") && ::isatty(STDOUT_FILENO);
}

void end_waiting_on_signals() {
  struct sigaction action {};
  action.sa_handler = [](int) { signalled = 1; };  // without SA_RESTART: calls return EINTR
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
}

bool interrupted() { return signalled != 0; }

bool sleep_until(std::chrono::milliseconds pause, Deadline deadline) {
  using namespace std::chrono;
  if (deadline) {
    const auto left = ceil<milliseconds>(*deadline - steady_clock::now());
    pause = std::clamp(left, milliseconds(0), pause);
  }
  const auto ms = pause.count();
  const timespec t{ms / 1000, (ms % 1000) * 1'000'000};
  ::nanosleep(&t, nullptr);
  return !interrupted() && (!deadline || steady_clock::now() < *deadline);
}

}  // namespace shunt::control
