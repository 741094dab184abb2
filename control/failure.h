// What went wrong, as one value: the API's error shape, the log's fields and the CLI's sentence.
#pragma once

#include <string>

namespace shunt::control {

struct Failure {
  std::string code;     // stable snake_case, for scripts: "port_taken"
  std::string message;  // what and why, a sentence
  std::string where;    // the key, file, address it is about
  std::string next;     // what to do next
};

}  // namespace shunt::control
