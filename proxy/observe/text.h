// Text that peers influence, made safe to print: times, UTF-8, JSON strings, log values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace shunt::observe {

// "2026-01-31T09:15:02.007Z": RFC 3339, UTC, milliseconds. `unix_ms` is milliseconds since 1970.
std::string rfc3339(std::int64_t unix_ms);
std::int64_t unix_ms_now();

// `text` with every byte that is not part of valid UTF-8 replaced by U+FFFD. Client ids and names
// come from peers; JSON must stay JSON.
std::string clean_utf8(std::string_view text);

// Appends `text` as a JSON string with its quotes; control characters escaped, UTF-8 cleaned.
void append_json_string(std::string& out, std::string_view text);

// Appends `text` bare when it is plain printable ASCII without space, quote, = and backslash, else
// as a JSON string: a log line stays one line and can be split again.
void append_log_value(std::string& out, std::string_view text);

}  // namespace shunt::observe
