// Verify, lag, events and translated offsets as the API's JSON (contract.md, JSON).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "control/failure.h"
#include "proxy/net/operator.h"
#include "proxy/observe/events.h"
#include "proxy/observe/snapshot.h"

namespace shunt::control {

boost::json::object proof_view(const net::Proof& proof);
boost::json::object lag_view(const std::vector<net::GroupLag>& groups);
boost::json::object event_object(const observe::Event& event);

// "TOPIC:PARTITION:OFFSET".
struct OffsetAsked {
  std::string topic;
  std::int32_t partition = -1;
  std::int64_t offset = -1;
  std::string from = "virtual";  // or "old", "new"
};
std::optional<OffsetAsked> parse_offset(std::string_view text);
// Where an offset is in each log. nullopt: `failure` says what is not known.
std::optional<boost::json::object> offset_view(const OffsetAsked& asked,
                                               const observe::Snapshot& snapshot,
                                               const splice::State& state, Failure& failure);

}  // namespace shunt::control
