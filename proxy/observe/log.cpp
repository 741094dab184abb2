// Writes log lines to stderr through spdlog; the line itself is made here (contract.md, Log).
#include "proxy/observe/log.h"

#include <map>
#include <mutex>

#include <fmt/format.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

#include "proxy/observe/text.h"

namespace shunt::observe::log {
namespace {

struct State {
  std::shared_ptr<spdlog::logger> logger;
  Format format = Format::text;

  std::mutex mutex;  // of what `limited` counts
  struct Kind {
    std::int64_t second_began_ms = 0;
    int lines = 0;  // in that second
    std::int64_t suppressed = 0;
  };
  std::map<std::string, Kind, std::less<>> kinds;

  State()
      : logger(std::make_shared<spdlog::logger>(
            "shunt", std::make_shared<spdlog::sinks::stderr_sink_mt>())) {
    logger->set_pattern("%v");
  }
};

State& state() {
  static State s;
  return s;
}

constexpr std::string_view name(Level level) {
  constexpr std::string_view names[] = {"trace", "debug", "info", "warn", "error"};
  return names[static_cast<std::size_t>(level)];
}

spdlog::level::level_enum spd(Level level) {
  return static_cast<spdlog::level::level_enum>(level);  // the same order
}
static_assert(static_cast<int>(Level::error) == SPDLOG_LEVEL_ERROR);

void append(std::string& line, const Field& field, Format format) {
  struct Visitor {
    std::string& out;
    Format format;
    void operator()(std::string_view v) const {
      if (format == Format::json)
        append_json_string(out, v);
      else
        append_log_value(out, v);
    }
    void operator()(std::int64_t v) const { fmt::format_to(std::back_inserter(out), "{}", v); }
    void operator()(double v) const {
      if (v == v && v - v == 0)
        fmt::format_to(std::back_inserter(out), "{}", v);
      else
        out += "null";  // JSON has no infinity
    }
    void operator()(bool v) const { out += v ? "true" : "false"; }
  };
  if (format == Format::json) {
    line += ',';
    append_json_string(line, field.key);
    line += ':';
  } else {
    line += ' ';
    line.append(field.key);
    line += '=';
  }
  std::visit(Visitor{line, format}, field.value);
}

void emit(Level level, std::string_view event, std::span<const Field> fields,
          std::int64_t suppressed) {
  State& s = state();
  const std::string time = rfc3339(unix_ms_now());
  std::string line;
  if (s.format == Format::json) {
    line = fmt::format(R"({{"time":"{}","level":"{}","event":)", time, name(level));
    append_json_string(line, event);
  } else {
    line = fmt::format("{} {} {}", time, name(level), event);
  }
  for (const Field& f : fields) append(line, f, s.format);
  if (suppressed > 0) append(line, Field("suppressed", suppressed), s.format);
  if (s.format == Format::json) line += '}';
  s.logger->log(spd(level), spdlog::string_view_t(line.data(), line.size()));
}

std::string kind_of(std::string_view event, std::initializer_list<Field> fields) {
  std::string kind(event);
  if (fields.size() == 0 || fields.begin()->key != "cause") return kind;
  if (const auto* cause = std::get_if<std::string_view>(&fields.begin()->value)) {
    kind += ' ';
    kind += *cause;
  }
  return kind;
}

}  // namespace

void setup(Level level, Format format) {
  state().format = format;
  state().logger->set_level(spd(level));
}

bool enabled(Level level) { return state().logger->should_log(spd(level)); }

void write(Level level, std::string_view event, std::span<const Field> fields) {
  if (enabled(level)) emit(level, event, fields, 0);
}

void limited(Level level, std::string_view event, std::initializer_list<Field> fields,
             int lines_per_second) {
  if (!enabled(level)) return;
  State& s = state();
  std::int64_t suppressed = 0;
  {
    const std::lock_guard lock(s.mutex);
    auto& kind = s.kinds[kind_of(event, fields)];
    const std::int64_t now = unix_ms_now();
    const std::int64_t since = now - kind.second_began_ms;
    if (since < 0 || since >= 1000) {  // a clock that was set back does not silence the log
      kind.second_began_ms = now;
      kind.lines = 0;
    }
    if (kind.lines >= lines_per_second) {
      ++kind.suppressed;
      return;
    }
    ++kind.lines;
    suppressed = std::exchange(kind.suppressed, 0);
  }
  emit(level, event, std::span<const Field>(fields.begin(), fields.size()), suppressed);
}

}  // namespace shunt::observe::log
