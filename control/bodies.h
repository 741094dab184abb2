// What a request to the API says: a mutation's body, or the query of a path.
//
// A body is a JSON object whose keys are the command's long options (with _ or -): true for a flag,
// a list or comma-separated text for a LIST. Every key must be known.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/failure.h"
#include "proxy/net/operator.h"

namespace shunt::control {

struct MoveBody {
  std::string kind = "produce";  // or "fetch"
  net::ProduceRequest produce;
  net::FetchRequest fetch;
  bool both = false;  // fetch: from both clusters at once (scheme 2)
};

// All: nullopt, and `failure` (code "usage", where: the key) says what is wrong. `wait` is set when
// the body has `wait_ms`.
using Wait = std::optional<std::chrono::milliseconds>;
std::optional<net::StartRequest> read_start(std::string_view body, Wait& wait, Failure& failure);
std::optional<MoveBody> read_move(std::string_view body, Wait& wait, Failure& failure);
std::optional<net::UndoRequest> read_undo(std::string_view body, Wait& wait, Failure& failure);
std::optional<net::FinishRequest> read_finish(std::string_view body, Wait& wait, Failure& failure);
// The migration's id; "": the only one.
std::optional<std::string> read_pause(std::string_view body, Wait& wait, Failure& failure);

// "/lag?group=a%20b": the query's values; nullopt: one that is none of `keys`.
using Query = std::map<std::string, std::string>;
std::optional<Query> read_query(std::string_view target, const std::vector<std::string>& keys,
                                Failure& failure);

}  // namespace shunt::control
