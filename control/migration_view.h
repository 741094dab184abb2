// Migrations, moves and plans as the API's JSON (contract.md, JSON).
#pragma once

#include <string>

#include <boost/json/object.hpp>

#include "proxy/net/operator.h"

namespace shunt::control {

// The migration a step belongs to: the one that moved last; null: none.
const splice::Migration* latest(const splice::State& state);

// `step`: the one that runs now; empty: none.
boost::json::object migration_object(const splice::Migration& m, const net::Operator& op);
// {"api":1,"migration":{..}}; null when there is no such migration.
boost::json::object migration_view(const std::string& id, const net::Operator& op);

// `finish`, beyond the contract: does anything here still need old, and what.
boost::json::object finished_view(const net::Finished& finished, const net::Operator& op);
boost::json::object plan_view(const net::Plan& plan);
boost::json::object moved_view(const net::ProduceMoved& moved);
boost::json::object moved_view(const net::GroupsMoved& moved, const splice::State& state);

}  // namespace shunt::control
