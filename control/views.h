// What the proxy shows of itself, as the API's JSON (contract.md, JSON).
//
// Every key is always there; unknown is null. Names that peers chose are made valid UTF-8.
#pragma once

#include <string>

#include <boost/json/object.hpp>

#include "control/failure.h"
#include "control/json.h"
#include "proxy/observe/snapshot.h"
#include "proxy/splice/state.h"

namespace shunt::control {

// `migration`: the object of migration_view.h, or null.
boost::json::object status_view(const observe::Snapshot& s, const splice::State& state,
                                boost::json::value migration, const std::string& version,
                                observe::UnixMillis now);
boost::json::object topics_view(const observe::Snapshot& s, const splice::State& state);
boost::json::object groups_view(const observe::Snapshot& s, const splice::State& state);
boost::json::object clients_view(const observe::Snapshot& s);

// {"api":1,"error":{code,message,where,next}}; an empty where or next is null.
boost::json::object error_view(const Failure& failure);

}  // namespace shunt::control
