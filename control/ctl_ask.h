// One question to the daemon and what its answer means: exit codes, failures, waiting.
#pragma once

#include <chrono>
#include <string>

#include <boost/json/object.hpp>

#include "control/client.h"
#include "control/ctl_commands.h"
#include "control/failure.h"

namespace shunt::control {

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
int exit_of(const Failure& failure);
int exit_of(unsigned status, const boost::json::object& body);

// What the daemon said.
struct Said {
  unsigned status = 0;       // 0: nothing, and `failure` says why
  bool is_object = false;    // of old versions and other programs: perhaps not
  boost::json::object body;  // the JSON object
  Failure failure;           // unless status is 200: its error, or one made from the status
  bool good() const { return status == 200; }
  int exit() const { return status == 0 ? exit_of(failure) : exit_of(status, body); }
};
// With a deadline a POST is answered by the daemon when that comes, with the move that goes on.
Said ask(const Call& call, const Options& options, Deadline deadline);

std::string text_of(const boost::json::object& o, std::string_view key);
void print_json(const boost::json::object& o);
void say(const Failure& failure);  // a sentence for people
bool use_color(const Options& options);

// From now on SIGINT and SIGTERM end waiting only.
void end_waiting_on_signals();
bool interrupted();
// False: the deadline has passed, or a signal came.
bool sleep_until(std::chrono::milliseconds pause, Deadline deadline);

}  // namespace shunt::control
