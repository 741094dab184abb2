// Every route of the API: a request as a value in, an answer as a value out, now or later.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "control/failure.h"
#include "proxy/net/operator.h"
#include "proxy/observe/events.h"
#include "proxy/observe/snapshot.h"

namespace shunt::control {

struct ApiRequest {
  std::string method;      // "GET"
  std::string target;      // "/status?x=y"
  bool on_socket = false;  // the Unix socket; else control.http, which only reads
  std::string body;
  std::string who;  // for the log: "uid=1000"
};

struct ApiAnswer {
  unsigned status = 200;
  std::string body;
  const char* type = "application/json";
  std::string allow;  // 405: what this path takes
  std::string code;   // of the error it holds; "": none
};
// Called once, from the loop, perhaps before answer() returns.
using Reply = std::function<void(const ApiAnswer&)>;

// Where the API looks.
struct ApiSources {
  std::string version, socket;  // socket: the path, for messages
  std::function<observe::Snapshot()> snapshot;
  std::function<std::string()> metrics;    // the page for /metrics
  std::function<std::string()> not_ready;  // a reason of the process itself (drain); "": none
  std::function<net::Operator&()> operate;
  std::function<const observe::Events&()> events;
  // Calls back after that time, unless what it returned has gone. Left empty, the server's own.
  using Later =
      std::function<std::shared_ptr<void>(std::chrono::milliseconds, std::function<void()>)>;
  Later later;
};

// `sources` must live until `reply` has been called.
void answer(const ApiRequest& request, const ApiSources& sources, const Reply& reply);

// An answer with the one error shape.
ApiAnswer error_answer(unsigned status, const Failure& failure);

extern const std::string_view live_page;  // page.cpp: HTML for "/"

}  // namespace shunt::control
