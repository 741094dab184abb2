// The migration's records as JSON and back (README.md lists their keys).
//
// In the journal each is an object with `v`, `type` and `time` in front, as in records.h. Times
// `at_ms` are Unix milliseconds.
#pragma once

#include <optional>
#include <string_view>

#include <boost/json/object.hpp>

#include "control/record_keys.h"
#include "proxy/splice/records.h"

namespace shunt::control {

// With `type`; without `v` and `time`.
boost::json::object to_json(const splice::Record& record);

// nullopt: `type` is none of the migration's. What is wrong with the keys is in keys.problem.
std::optional<splice::Record> read_splice_record(std::string_view type, Reader& keys);

}  // namespace shunt::control
