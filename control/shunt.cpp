// The daemon's command line: run, validate, recover.
#include <cstdio>
#include <string>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "control/config.h"
#include "control/run.h"

namespace {

using namespace shunt::control;

constexpr int exit_failed = 1, exit_usage = 2;

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

// The file's configuration; false: every problem is on stderr.
bool load_config(const std::string& file, Config& config) {
  Loaded loaded = load(file, default_paths());
  for (const auto& problem : loaded.problems) std::fprintf(stderr, "%s\n", problem.c_str());
  config = std::move(loaded.config);
  return loaded.problems.empty();
}

int validate(const Config& config) {
  std::printf("# %s is good. In effect:\n%s", config.file.c_str(), describe(config).c_str());
  return 0;
}

int recover(const Config& config) {
  std::fprintf(stderr,
               "shunt: recover is not in this version yet: without migrations the journal %s holds "
               "only hints. Move it away and start again; clients get new addresses.\n",
               config.journal.c_str());
  return exit_failed;
}

int dispatch(CLI::App& app, const std::string& file) {
  Config config;
  if (!load_config(file, config)) return exit_usage;
  if (app.got_subcommand("validate")) return validate(config);
  if (app.got_subcommand("recover")) return recover(config);
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
    app.add_subcommand(name, help)
        ->add_option("-c,--config", file, "The configuration file")
        ->capture_default_str();
  };
  command("run", "Run the daemon until SIGTERM or SIGINT, then drain");
  command("validate", "Check the configuration file and print what it means");
  command("recover", "Rebuild a lost journal from what the clusters keep");
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
  return dispatch(app, file);
}
