// What each command of shuntctl shows people of the daemon's answer.
#pragma once

#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "control/table.h"

namespace shunt::control {

// ctl_views.cpp
std::string show_status(const boost::json::object& status, const std::string& not_ready,
                        bool color);
std::string show_topics(const boost::json::object& answer, bool color);
std::string show_groups(const boost::json::object& answer, bool color);
std::string show_clients(const boost::json::object& answer, bool color);
// Helpers: a key's list ({} when there is none); one row per object, one column per key.
const boost::json::array& list(const boost::json::object& o, std::string_view key);
Table rows(const boost::json::array& all, std::vector<std::string> heads,
           const std::vector<const char*>& keys);
std::string bold(const std::string& text, bool color, const char* code = "1");

// ctl_moves.cpp
std::string show_checks(const boost::json::array& checks);
std::string show_migration(const boost::json::object& migration, bool color);
// Of start, pause and resume.
std::string show_migration_answer(const std::string& command, const boost::json::object& answer,
                                  bool color);
std::string show_plan(const boost::json::object& plan, bool color);
std::string show_moved(const boost::json::object& moved, bool color);
std::string show_proof(const boost::json::object& proof, bool color);
std::string show_finished(const boost::json::object& finished, bool color);
std::string show_lag(const boost::json::object& answer, bool color);
std::string show_offset(const boost::json::object& offset, bool color);
std::string show_event(const boost::json::object& event);

}  // namespace shunt::control
