// Values of the API's JSON: text made valid UTF-8, unknown as null, times, clusters by name.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "proxy/net/operator.h"

namespace shunt::control {

constexpr int api_version = 1;

boost::json::object begin_object();  // with "api"
boost::json::value text(std::string_view s);
boost::json::value known(std::string_view s);  // empty: null
boost::json::value known(std::int64_t n);      // below 0: null
boost::json::value time_of(std::int64_t unix_ms);
boost::json::array texts(const std::vector<std::string>& all);

// A list of objects: `show` makes one of each item.
template <class T, class Show>
boost::json::array objects(const T& items, Show show) {
  boost::json::array out;
  for (const auto& item : items) out.push_back(show(item));
  return out;
}

boost::json::object check_object(const net::Check& c);
// {code, message, where, next}; an empty where or next is null.
boost::json::object error_object(std::string_view code, std::string_view message,
                                 std::string_view where, std::string_view next);

}  // namespace shunt::control
