// Log lines of the contract: `TIME LEVEL EVENT key=value...`, or JSON with the same keys; to
// stderr.
//
//   log::info("client.closed", {{"cause", "idle"}, {"address", "127.16.0.3:9092"}});
//
// Values are quoted when they need it. Thread-safe (spdlog underneath). trace and debug lines cost
// a level check when off.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <variant>

namespace shunt::observe::log {

enum class Level : std::uint8_t { trace, debug, info, warn, error };
enum class Format : std::uint8_t { text, json };

struct Field {
  std::string_view key;
  std::variant<std::string_view, std::int64_t, double, bool> value;
  Field(std::string_view k, std::string_view v) : key(k), value(v) {}
  Field(std::string_view k, const char* v) : key(k), value(std::string_view(v)) {}
  Field(std::string_view k, const std::string& v) : key(k), value(std::string_view(v)) {}
  template <class T>
  requires(std::is_arithmetic_v<T>) Field(std::string_view k, T v) : key(k) {
    if constexpr (std::is_same_v<T, bool>)
      value = v;
    else if constexpr (std::is_floating_point_v<T>)
      value = static_cast<double>(v);
    else
      value = static_cast<std::int64_t>(v);
  }
};

void setup(Level level, Format format);
bool enabled(Level level);
void write(Level level, std::string_view event, std::span<const Field> fields);
inline void write(Level level, std::string_view event, std::initializer_list<Field> fields) {
  write(level, event, std::span<const Field>(fields.begin(), fields.size()));
}
inline void debug(std::string_view e, std::initializer_list<Field> f) {
  if (enabled(Level::debug)) write(Level::debug, e, f);
}
inline void info(std::string_view e, std::initializer_list<Field> f) { write(Level::info, e, f); }
inline void info(std::string_view e, std::span<const Field> f) { write(Level::info, e, f); }
inline void warn(std::string_view e, std::initializer_list<Field> f) { write(Level::warn, e, f); }
inline void error(std::string_view e, std::initializer_list<Field> f) { write(Level::error, e, f); }

// At most so many lines a second for what peers can cause at will, of each kind: an event, and its
// cause where the first field is one. The next line that passes carries suppressed=N.
void limited(Level level, std::string_view event, std::initializer_list<Field> fields,
             int lines_per_second = 1);

}  // namespace shunt::observe::log
