// shuntctl's commands: their options and help, and the call of the API each one makes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <boost/json/object.hpp>

namespace CLI {
class App;
}

namespace shunt::control {

struct Options {
  std::string socket, output = "table", timeout;
  bool no_color = false;
  bool watch = false, follow = false;
  int scheme = 0;
  std::vector<std::string> topics;
  std::string to = "new", migration, group, at, from = "virtual";
  bool accept_history = false, accept_stragglers = false;
  std::string move;
  bool without_new = false, skip_unreachable = false;
  bool all = false, wait = false;
  std::uint64_t since = 0;
  std::string canary, soak = "60s";  // run
  std::optional<std::int64_t> max_lag;
  bool yes = false, no_finish = false;
  std::string out = ".";  // ca
  std::vector<std::string> names;
  int days = 3650;
  bool json_output() const { return output == "json"; }
};

void declare(CLI::App& app, Options& options);
// The command that was given: "move produce".
std::string command_of(const CLI::App& app);

struct Call {
  std::string method, target;
  boost::json::object body;  // POST only
};
Call call_of(const std::string& command, const Options& options);

}  // namespace shunt::control
