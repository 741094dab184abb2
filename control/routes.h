// Every route of the API: a request as a value in, an answer as a value out.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "control/failure.h"
#include "proxy/observe/snapshot.h"

namespace shunt::control {

struct ApiRequest {
  std::string method;      // "GET"
  std::string target;      // "/status?x=y"
  bool on_socket = false;  // the Unix socket; else control.http, which only reads
};

struct ApiAnswer {
  unsigned status = 200;
  std::string body;
  const char* type = "application/json";
  std::string allow;  // 405: what this path takes
};

// Where the API looks. The functions are called once per request at most.
struct ApiSources {
  std::string version, socket;  // socket: the path, for messages
  std::function<observe::Snapshot()> snapshot;
  std::function<std::string()> metrics;    // the page for /metrics
  std::function<std::string()> not_ready;  // a reason of the process itself (drain); "": none
};

ApiAnswer answer(const ApiRequest& request, const ApiSources& sources);

// An answer with the one error shape.
ApiAnswer error_answer(unsigned status, const Failure& failure);

extern const std::string_view live_page;  // page.cpp: HTML for "/"

}  // namespace shunt::control
