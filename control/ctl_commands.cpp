// shuntctl's commands: their options, their help, their calls.
#include "control/ctl_commands.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <boost/json/array.hpp>

#include "control/look_views.h"
#include "control/paths.h"
#include "control/units.h"

namespace shunt::control {
namespace {

namespace json = boost::json;

constexpr const char* more =
    "A migration, from its plan to its proof:\n"
    "  shuntctl plan --scheme 1 --topics 'orders*'     what will happen, and what is in the way\n"
    "  shuntctl start --scheme 1 --topics 'orders*'    make it; nothing moves yet\n"
    "  shuntctl move produce                           the cut: producers write to new\n"
    "  shuntctl verify                                 proof from the two clusters\n"
    "  shuntctl undo                                   and back\n"
    "  shuntctl run --scheme 1 --topics 'orders*' --canary G   all of it, watched, to the finish\n"
    "Options may stand before or after the command; `shuntctl COMMAND --help` has more.\n"
    "LIST: names or globs (* ?), comma-separated or in several options. Durations: 500ms, 2s, "
    "10m.\n"
    "For scripts: -o json, one JSON object with stable keys. A step belongs to the daemon: when\n"
    "--timeout or Ctrl-C ends the waiting, it goes on (`status -w`, `events -f`).\n"
    "Exit codes: 0 done, 1 failed, 2 usage, 3 blocked by a check, 4 aborted and rolled back,\n"
    "5 timed out (still running), 6 daemon unreachable.";

// An empty variable of a shell script must not pass for an option that was not given.
std::string not_empty(const std::string& text) { return text.empty() ? "expected a name" : ""; }

std::string a_duration(const std::string& text) {
  return parse_duration(text) ? std::string() : "expected a duration such as 500ms or 2s";
}

void list_option(CLI::App* to, std::vector<std::string>& topics, const char* help) {
  to->add_option("--topics", topics, help)
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(not_empty)
      ->type_name("LIST");
}

void migration_option(CLI::App* to, Options& o) {
  to->add_option("--migration", o.migration, "Which one; needed only if several are open")
      ->check(not_empty)
      ->type_name("ID");
}

void stragglers_flag(CLI::App* to, Options& o) {
  to->add_flag("--accept-stragglers", o.accept_stragglers,
               "Go on although producers write to old past this proxy");
}

void declare_global(CLI::App& app, Options& o) {
  o.socket = default_paths().socket;
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
      ->check(a_duration);
}

void declare_look(CLI::App& app, Options& o) {
  CLI::App* status = app.add_subcommand("status", "Where every cluster, topic and group is");
  status->add_flag("-w,--watch", o.watch, "Again every second");
  migration_option(status, o);
  app.add_subcommand("topics", "Topics and where they are produced to");
  app.add_subcommand("groups", "Consumer groups and where they read");
  app.add_subcommand("clients", "Client software, the API versions it uses, and if new serves it");
  CLI::App* lag = app.add_subcommand("lag", "How far groups are, on both clusters");
  lag->add_option("--group", o.group, "Only this one")->check(not_empty)->type_name("G");
  app.add_subcommand("verify", "Proof from the two clusters: ends, counts and checksums at seams")
      ->footer("Exit 0: all is well. Exit 1: not, and the problems are named.");
  app.add_subcommand("history", "Migrations, those that are open and those before them");
  CLI::App* events = app.add_subcommand("events", "What happened, one line each");
  events->add_flag("-f,--follow", o.follow, "Go on as they happen");
  events->add_option("--since", o.since, "Only those after this number")->type_name("SEQ");
  events->footer("Example: shuntctl -o json events -f | jq -r .event");

  CLI::App* offsets = app.add_subcommand("offsets", "One offset in both clusters");
  offsets->require_subcommand(1);
  CLI::App* translate = offsets->add_subcommand("translate", "Where an offset is");
  translate->add_option("at", o.at, "TOPIC:PARTITION:OFFSET")
      ->required()
      ->type_name("T:P:O")
      ->check([](const std::string& text) {
        return parse_offset(text) ? std::string() : "expected TOPIC:PARTITION:OFFSET";
      });
  translate->add_option("--from", o.from, "Whose offset it is: virtual (clients'), old or new")
      ->check(CLI::IsMember({"virtual", "old", "new"}))
      ->capture_default_str();
  translate->add_option("--group", o.group, "As this group sees it")
      ->check(not_empty)
      ->type_name("G");
  translate->footer("Example: shuntctl offsets translate orders:3:9041 --from old");
}

void declare_start(CLI::App& app, Options& o) {
  const auto both = [&](const char* name, const char* help, const char* footer) {
    CLI::App* c = app.add_subcommand(name, help);
    c->add_option("--scheme", o.scheme,
                  "1 produce first, 2 consume from both first, 3 mirror the history first")
        ->required()
        ->check(CLI::Range(1, 3));
    list_option(c, o.topics, "Topics that move together");
    c->get_option("--topics")->required();
    c->add_flag("--accept-history", o.accept_history,
                "Go on although records stay on old only (schemes 1 and 2)");
    stragglers_flag(c, o);
    c->footer(footer);
  };
  both("plan", "What will happen, step by step, and what is in the way (exit 3)",
       "Changes nothing. Example: shuntctl plan --scheme 1 --topics orders,payments");
  both("start", "Create a migration, print its id; nothing moves yet",
       "Example: shuntctl start --scheme 1 --topics 'orders*' && shuntctl move produce");
}

constexpr const char* run_footer =
    "Plan, start, the cut, every group drained, the canary, all groups, every lag low, finish. A\n"
    "gate stands between the steps; with --timeout it ends the run when one does not open (exit "
    "5),\n"
    "and what the daemon refuses ends it, too (exit 3): the summary says why and how to go on.\n"
    "The same command again goes on where the migration of these topics stands; so does\n"
    "--migration ID without topics. Ctrl-C ends this command, not the daemon's step.\n"
    "The canary is looked at for half the soak before anything moves, and against that past "
    "judged\n"
    "while it soaks: its lag, its rate, rebalances and errors. If it does badly it is taken back\n"
    "by itself: exit 4, and what was seen.\n"
    "`shuntctl pause` in another terminal makes it wait, `resume` lets it go on.\n"
    "Examples:\n"
    "  shuntctl run --scheme 1 --topics 'orders*' --canary billing --soak 10m --max-lag 500\n"
    "  shuntctl run --scheme 1 --topics orders --yes -o json | jq -r .event\n"
    "  shuntctl run --migration m1 --no-finish --yes";

void declare_run(CLI::App& app, Options& o) {
  CLI::App* run = app.add_subcommand("run", "A whole scheme, with a gate between its steps");
  run->add_option("--scheme", o.scheme, "1 produce first")->check(CLI::Range(1, 3));
  list_option(run, o.topics, "Topics that move together");
  run->add_option("--migration", o.migration, "Go on with this one, without --scheme and --topics")
      ->check(not_empty)
      ->type_name("ID");
  CLI::Option* canary = run->add_option("--canary", o.canary, "This group first, and watch it");
  canary->check(not_empty)->type_name("G");
  run->add_option("--soak", o.soak, "How long the canary is watched")
      ->check(a_duration)
      ->capture_default_str()
      ->needs(canary);
  run->add_option("--max-lag", o.max_lag, "Records a group may be behind; default: 1000")
      ->check(CLI::NonNegativeNumber)
      ->type_name("N");
  run->add_flag("--yes", o.yes, "Do not ask; required without a terminal");
  run->add_flag("--no-finish", o.no_finish, "Stop before the finish, while all can be undone");
  run->add_flag("--accept-history", o.accept_history,
                "Go on although records stay on old only (schemes 1 and 2)");
  stragglers_flag(run, o);
  run->footer(run_footer);
}

void declare_move(CLI::App& app, Options& o) {
  CLI::App* move = app.add_subcommand("move", "Move producers, or consumer groups");
  move->require_subcommand(1);
  CLI::App* produce = move->add_subcommand("produce", "The cut: producers write to the other one");
  produce->add_option("--to", o.to, "new or old")
      ->check(CLI::IsMember({"new", "old"}))
      ->capture_default_str();
  list_option(produce, o.topics, "Only these; default: all of the migration");
  migration_option(produce, o);
  stragglers_flag(produce, o);
  produce->footer(
      "Producers are held for well under a second, no record is lost, repeated or misplaced.\n"
      "Before the seam is written any failure rolls back by itself: exit 4, and why.\n"
      "Example: shuntctl move produce --topics 'orders-*' --timeout 30s");

  CLI::App* fetch = move->add_subcommand("fetch", "Let groups read what is written at new");
  CLI::App* which = fetch->add_option_group("groups");
  which->add_option("--group", o.group, "One group (a canary)")->check(not_empty)->type_name("G");
  which->add_flag("--all", o.all, "All groups, and consumers without one");
  which->require_option(1);
  fetch->add_option("--to", o.to, "new, old or both")
      ->check(CLI::IsMember({"new", "old", "both"}))
      ->capture_default_str();
  fetch->add_flag("--wait", o.wait, "Until they have crossed everywhere");
  migration_option(fetch, o);
  fetch->add_flag("--accept-stragglers", o.accept_stragglers,
                  "Go on although members of the group do not pass this proxy");

  CLI::App* undo = app.add_subcommand("undo", "Take the last move back");
  undo->add_flag("--without-new", o.without_new, "New has failed: go back without asking it");
  undo->add_flag("--skip-unreachable", o.skip_unreachable,
                 "With it: consumers do not wait for records that only new has")
      ->needs("--without-new");
  undo->add_option("--move", o.move,
                   "The move to take back, if nobody has; by default the newest that stands now");
  migration_option(undo, o);
  stragglers_flag(undo, o);
  undo->footer("May be repeated, move by move. Production goes back by a cut of its own.");

  CLI::App* finish = app.add_subcommand("finish", "Old is needed no more; there is no way back");
  finish->footer(
      "Checks everything and names what is unsafe; then every group's coordinator goes to new, in "
      "one\n"
      "rebalance, and so does all else. It says whether old may be switched off.");
  migration_option(finish, o);
  finish->add_flag("--accept-history", o.accept_history,
                   "Go on although compacted topics lose what only old has");

  CLI::App* pause = app.add_subcommand("pause", "Begin no new step");
  pause->footer("A cut before its seam is written aborts; after that it completes.");
  migration_option(pause, o);
  migration_option(app.add_subcommand("resume", "Go on after a pause"), o);
}

void declare_ca(CLI::App& app, Options& o) {
  CLI::App* ca = app.add_subcommand("ca", "Make a CA for listen.tls; the daemon is not asked");
  ca->add_option("--out", o.out, "The folder for shunt-ca.pem and shunt-ca.key")
      ->capture_default_str()
      ->check(not_empty)
      ->type_name("FOLDER");
  ca->add_option("--name", o.names, "Also good for these DNS names, with all below, or addresses")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(not_empty)
      ->type_name("LIST");
  ca->add_option("--days", o.days, "How long")->capture_default_str()->type_name("N");
  ca->footer(
      "Applications that use Shunt's TLS port trust shunt-ca.pem; it can sign for 127.0.0.0/8, "
      "::1,\n"
      "localhost and --name, for nothing else (name constraints). Name the hosts by which they "
      "know\n"
      "their brokers if the port is redirected to Shunt.\n"
      "Then: listen: { tls: { mint_ca: shunt-ca.pem, mint_key: shunt-ca.key } }\n"
      "Example: shuntctl ca --out /etc/shunt --name kafka.example");
}

std::string encoded(const std::string& text) {
  constexpr char digits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                       c == '-' || c == '.' || c == '_' || c == ':';
    if (plain)
      out += c;
    else
      (out += '%', out += digits[byte >> 4], out += digits[byte & 15]);
  }
  return out;
}

struct Body {
  json::object out = json::object();
  void flag(const char* key, bool set) {
    if (set) out[key] = true;
  }
  void text(const char* key, const std::string& value) {
    if (!value.empty()) out[key] = value;
  }
  void list(const char* key, const std::vector<std::string>& values) {
    json::array all;
    for (const auto& v : values) all.emplace_back(v);
    if (!all.empty()) out[key] = std::move(all);
  }
};

Call post(const std::string& target, Body body) { return {"POST", target, std::move(body.out)}; }

Call mutation(const std::string& command, const Options& o) {
  Body b;
  if (command == "plan" || command == "start") {
    b.out["scheme"] = o.scheme;
    b.list("topics", o.topics);
    b.flag("accept_history", o.accept_history);
    b.flag("accept_stragglers", o.accept_stragglers);
    return post(command == "plan" ? "/plan" : "/migrations", std::move(b));
  }
  b.text("migration", o.migration);
  if (command == "pause" || command == "resume") return post('/' + command, std::move(b));
  if (command == "finish") {
    b.flag("accept_history", o.accept_history);
    return post("/finish", std::move(b));
  }
  b.flag("accept_stragglers", o.accept_stragglers);
  if (command == "undo") {
    b.text("move", o.move);
    b.flag("without_new", o.without_new);
    b.flag("skip_unreachable", o.skip_unreachable);
    return post("/undo", std::move(b));
  }
  b.text("to", o.to);
  if (command == "move produce") {
    b.out["kind"] = "produce";
    b.list("topics", o.topics);
  } else {
    b.out["kind"] = "fetch";
    b.text("group", o.group);
    b.flag("all", o.all);
    b.flag("wait", o.wait);
  }
  return post("/move", std::move(b));
}

}  // namespace

void declare(CLI::App& app, Options& o) {
  declare_global(app, o);
  declare_look(app, o);
  declare_start(app, o);
  declare_run(app, o);
  declare_move(app, o);
  declare_ca(app, o);
}

std::string command_of(const CLI::App& app) {
  std::string out;
  for (const CLI::App* at = &app; !at->get_subcommands().empty();) {
    at = at->get_subcommands().front();
    if (!at->get_name().empty()) out += (out.empty() ? "" : " ") + at->get_name();
  }
  return out;
}

Call call_of(const std::string& command, const Options& o) {
  if (command == "status" && !o.migration.empty())
    return {"GET", "/status?migration=" + encoded(o.migration), {}};
  if (command == "lag" && !o.group.empty()) return {"GET", "/lag?group=" + encoded(o.group), {}};
  if (command == "events") return {"GET", "/events?since=" + std::to_string(o.since), {}};
  if (command == "offsets translate")
    return {"GET",
            "/offsets?at=" + encoded(o.at) + "&from=" + o.from +
                (o.group.empty() ? "" : "&group=" + encoded(o.group)),
            {}};
  for (const char* look : {"status", "topics", "groups", "clients", "lag", "verify", "history"})
    if (command == look) return {"GET", '/' + command, {}};
  return mutation(command, o);
}

}  // namespace shunt::control
