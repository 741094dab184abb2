// Aligned columns and cells made safe for a terminal.
#include "control/table.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

namespace shunt::control {
namespace {

namespace json = boost::json;

// Columns a text takes: code points, near enough.
std::size_t width(const std::string& s) {
  return static_cast<std::size_t>(
      std::count_if(s.begin(), s.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string safe(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    // C1 controls are 0xC2 0x80..0x9F in UTF-8, and some terminals obey them.
    const bool c1 =
        c == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0;
    if (c < 0x20 || c == 0x7F || c1)
      out += '?';
    else
      out += text[i];
    if (c1) ++i;
  }
  return out;
}

}  // namespace

std::string Table::text(bool color) const {
  std::vector<std::size_t> widths;
  for (const auto& h : heads_) widths.push_back(width(h));
  for (const auto& r : rows_)
    for (std::size_t i = 0; i < r.size(); ++i) widths[i] = std::max(widths[i], width(r[i]));
  const auto line = [&](const std::vector<std::string>& cells) {
    std::string out;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      out += cells[i];
      if (i + 1 < cells.size()) out.append(widths[i] - width(cells[i]) + 2, ' ');
    }
    return out;
  };
  std::string out = color ? "\033[1m" + line(heads_) + "\033[0m\n" : line(heads_) + '\n';
  for (const auto& r : rows_) out += line(r) + '\n';
  return out;
}

std::string cell(const json::value& v) {
  if (v.is_null()) return "-";
  if (v.is_bool()) return v.get_bool() ? "yes" : "no";
  if (v.is_string()) return v.get_string().empty() ? "-" : safe(v.get_string());
  if (!v.is_array()) return safe(json::serialize(v));
  std::string out;
  for (const auto& item : v.get_array()) out += (out.empty() ? "" : ",") + cell(item);
  return out.empty() ? "-" : out;
}

std::string cell(const json::object& o, std::string_view key) {
  const auto* v = o.if_contains(key);
  return v ? cell(*v) : "-";
}

std::string age(std::int64_t ms) {
  constexpr std::array<std::pair<std::int64_t, const char*>, 4> units = {
      {{86400, "d"}, {3600, "h"}, {60, "m"}, {1, "s"}}};
  std::int64_t s = ms / 1000;
  std::string out;
  int parts = 0;
  for (const auto& [seconds, name] : units) {
    if (parts == 2 || (s < seconds && !(seconds == 1 && parts == 0))) {
      if (parts > 0) break;
      continue;
    }
    out += std::to_string(s / seconds) + name;
    s %= seconds;
    ++parts;
  }
  return out;
}

std::string bytes_text(std::int64_t bytes) {
  constexpr const char* units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= 1024 && unit + 1 < std::size(units); ++unit) value /= 1024;
  char text[32];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
  return text;
}

}  // namespace shunt::control
