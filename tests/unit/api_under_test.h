// A made-up data path and the API's routes before it, without sockets.
#pragma once

#include <catch2/catch.hpp>

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/json/parse.hpp>

#include "control/routes.h"
#include "proxy/observe/log.h"
#include "tests/unit/fake_operator.h"

namespace shunt::test {

using namespace shunt::control;

inline std::string keys(const boost::json::value& v) {
  std::string out;
  for (const auto& [key, value] : v.as_object()) out += (out.empty() ? "" : " ") + std::string(key);
  return out;
}

// A data path and the API before it.
struct Api {
  FakeOperator op;
  observe::Events events;
  observe::Snapshot snapshot;
  std::function<void()> timer;  // what wait_ms would call
  std::optional<std::chrono::milliseconds> waits;
  ApiSources sources;
  std::vector<ApiAnswer> answers;

  Api() {
    observe::log::setup(observe::log::Level::error, observe::log::Format::text);
    snapshot.ready = true;
    snapshot.topics = {{"orders", 2}, {"other", 3}};
    sources.socket = "/s.sock";
    sources.snapshot = [this] { return snapshot; };
    sources.metrics = [] { return std::string(); };
    sources.not_ready = [] { return std::string(); };
    sources.operate = [this]() -> net::Operator& { return op; };
    sources.events = [this]() -> const observe::Events& { return events; };
    sources.later = [this](std::chrono::milliseconds after, std::function<void()> call) {
      waits = after;
      timer = std::move(call);
      return std::make_shared<int>(0);
    };
  }
  ~Api() { observe::log::setup(observe::log::Level::info, observe::log::Format::text); }

  void ask(const std::string& method, const std::string& target, const std::string& body = "") {
    ApiRequest r;
    r.method = method;
    r.target = target;
    r.on_socket = true;
    r.body = body;
    answer(r, sources, [this](const ApiAnswer& a) { answers.push_back(a); });
  }
  ApiAnswer get(const std::string& target) {
    ask("GET", target);
    REQUIRE(!answers.empty());
    return answers.back();
  }
  ApiAnswer post(const std::string& target, const std::string& body) {
    ask("POST", target, body);
    REQUIRE(!answers.empty());
    return answers.back();
  }
  boost::json::value got(const std::string& target) { return boost::json::parse(get(target).body); }
};

}  // namespace shunt::test
