// The daemon's command line: run, validate, recover.
#include <cstdio>
#include <string>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "control/config.h"
#include "control/recover.h"
#include "control/run.h"
#include "proxy/net/tls.h"

namespace {

using namespace shunt::control;

constexpr int exit_usage = 2;

constexpr const char* about =
    "Shunt stands between Kafka clients and one or two clusters, and moves running applications\n"
    "from the old to the new one.\n";
constexpr const char* more =
    "The smallest configuration:\n"
    "  clusters:\n"
    "    old: { bootstrap: [kafka-old:9092] }\n"
    "    new: { bootstrap: [kafka-new:9092] }\n"
    "Clients then use 127.0.0.1:9092 as their bootstrap server. `shuntctl status` looks inside.\n"
    "Exit codes: 0 drained, 1 cannot run, 2 usage or configuration.";

constexpr const char* recover_more =
    "Both clusters keep, as committed offsets of the groups __shunt.JOURNAL.MIGRATION, which part "
    "of\n"
    "each partition's log is on which of them. Use this when the journal's folder was lost and\n"
    "`shunt run` refuses to start for it: it reads those groups, checks them against the topics "
    "and\n"
    "their ends, takes every group's position from what it has committed on both, and writes a "
    "new\n"
    "journal. Stop Shunt first; run it again afterwards. Topics and offsets are not changed.\n"
    "What is lost: producer ids as the clusters know them (a batch under way may be written "
    "twice),\n"
    "clients' addresses, moves that were rolled back.\n"
    "Exit codes: 0 rebuilt, 1 it cannot be (said why; nothing is written), 2 usage or "
    "configuration.";

// The file's configuration; false: every problem is on stderr.
bool load_config(const std::string& file, Config& config) {
  Loaded loaded = load(file, default_paths());
  for (const auto& problem : loaded.problems) std::fprintf(stderr, "%s\n", problem.c_str());
  config = std::move(loaded.config);
  if (!loaded.problems.empty()) return false;
  const auto why = shunt::net::TlsContexts{}.load(config.net);
  if (!why.empty()) std::fprintf(stderr, "%s: %s\n", file.c_str(), why.c_str());
  return why.empty();
}

int validate(const Config& config) {
  std::printf("# %s is good. In effect:\n%s", config.file.c_str(), describe(config).c_str());
  return 0;
}

int dispatch(CLI::App& app, const std::string& file, const std::string& journal_id) {
  Config config;
  if (!load_config(file, config)) return exit_usage;
  if (app.got_subcommand("validate")) return validate(config);
  if (app.got_subcommand("recover")) return recover(config, journal_id);
  return run(config, SHUNT_VERSION);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(about, "shunt");
  app.footer(more);
  app.set_version_flag("--version", "shunt " SHUNT_VERSION);
  app.require_subcommand(1);
  std::string file = default_config_file;
  const auto command = [&](const char* name, const char* help) {
    auto* sub = app.add_subcommand(name, help);
    sub->add_option("-c,--config", file, "The configuration file")->capture_default_str();
    return sub;
  };
  command("run", "Run the daemon until SIGTERM or SIGINT, then drain");
  command("validate", "Check the configuration file and print what it means");
  auto* recovery = command("recover", "Rebuild a lost journal from what the clusters keep");
  std::string journal_id;
  recovery->footer(recover_more);
  recovery->add_option("--journal-id", journal_id,
                       "Whose, when the clusters keep several: JOURNAL of the groups' names");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return app.exit(e);  // --help, --version
    const auto extra = app.remaining();
    const bool no_command = app.get_subcommands().empty() && !extra.empty();
    const std::string why = no_command ? "no such command: " + extra.front() : e.what();
    std::fprintf(stderr, "shunt: %s\nnext: shunt --help\n", why.c_str());
    return exit_usage;  // CLI11's own codes never show
  }
  return dispatch(app, file, journal_id);
}
