// Values of the API's JSON.
#include "control/json.h"

#include "proxy/observe/text.h"

namespace shunt::control {

namespace json = boost::json;

json::object begin_object() {
  json::object out;
  out["api"] = api_version;
  return out;
}

json::value text(std::string_view s) { return json::value(observe::clean_utf8(s)); }
json::value known(std::string_view s) { return s.empty() ? json::value(nullptr) : text(s); }
json::value known(std::int64_t n) { return n < 0 ? json::value(nullptr) : json::value(n); }
json::value time_of(std::int64_t unix_ms) { return json::value(observe::rfc3339(unix_ms)); }

json::array texts(const std::vector<std::string>& all) {
  return objects(all, [](const std::string& s) { return text(s); });
}

json::object check_object(const net::Check& c) {
  json::object out;
  out["id"] = text(c.id);
  out["verdict"] = text(c.verdict);
  out["target"] = known(c.target);
  out["reason"] = known(c.reason);
  out["fix"] = known(c.fix);
  return out;
}

json::object error_object(std::string_view code, std::string_view message, std::string_view where,
                          std::string_view next) {
  json::object out;
  out["code"] = text(code);
  out["message"] = text(message);
  out["where"] = known(where);
  out["next"] = known(next);
  return out;
}

}  // namespace shunt::control
