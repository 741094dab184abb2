// Values as people write them, read strictly.
#include "control/units.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <numeric>
#include <span>
#include <utility>

#include <arpa/inet.h>

namespace shunt::control {
namespace {

struct Unit {
  std::string_view name;
  std::int64_t factor;
};
constexpr Unit times[] = {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}};
constexpr Unit sizes[] = {{"", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}};

// An unsigned integer and one of the units.
std::optional<std::int64_t> scaled(std::string_view text, std::span<const Unit> units) {
  const auto digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto number = parse_integer(text.substr(0, digits));
  if (!number) return std::nullopt;
  for (const Unit& u : units) {
    if (u.name != text.substr(digits)) continue;
    if (*number > std::numeric_limits<std::int64_t>::max() / u.factor) return std::nullopt;
    return *number * u.factor;
  }
  return std::nullopt;
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  const auto n = parse_integer(text);
  if (!n || *n < 0 || *n > 65535) return std::nullopt;
  return static_cast<std::uint16_t>(*n);
}

// Edits that turn a into b: insert, delete or replace a letter, swap two neighbours.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before, above(b.size() + 1), row(b.size() + 1);
  std::iota(above.begin(), above.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({replaced, above[j] + 1, row[j - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before = std::exchange(above, row);
  }
  return above.back();
}

}  // namespace

std::optional<std::int64_t> parse_integer(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
  const auto ms = scaled(text, times);
  if (!ms) return std::nullopt;
  return std::chrono::milliseconds(*ms);
}

std::string duration_text(std::chrono::milliseconds d) {
  for (auto u = std::rbegin(times); u != std::rend(times); ++u)
    if (d.count() % u->factor == 0 && d.count() >= u->factor)
      return std::to_string(d.count() / u->factor) + std::string(u->name);
  return std::to_string(d.count()) + "ms";
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
  const auto bytes = scaled(text, sizes);
  if (!bytes) return std::nullopt;
  return static_cast<std::uint64_t>(*bytes);
}

bool is_host(std::string_view text) {
  in6_addr v6{};
  if (inet_pton(AF_INET6, std::string(text).c_str(), &v6) == 1) return true;
  if (text.empty() || text.size() > 253 || text.front() == '.' || text.front() == '-') return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_';
  });
}

bool is_loopback_v4(std::string_view host) {
  in_addr v4{};
  return inet_pton(AF_INET, std::string(host).c_str(), &v4) == 1 && (ntohl(v4.s_addr) >> 24) == 127;
}

bool is_loopback(std::string_view host) {
  return is_loopback_v4(host) || host == "::1" || host == "localhost";
}

std::optional<route::Endpoint> parse_endpoint(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const auto port = parse_port(text.substr(colon + 1));
  const bool brackets = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (brackets) host = host.substr(1, host.size() - 2);
  const bool v6 = host.find(':') != std::string_view::npos;
  if (!port || brackets != v6 || !is_host(host)) return std::nullopt;
  return route::Endpoint{std::string(host), *port};
}

std::string endpoint_text(const route::Endpoint& e) {
  const bool v6 = e.host.find(':') != std::string::npos;
  return (v6 ? "[" + e.host + "]" : e.host) + ":" + std::to_string(e.port);
}

std::optional<Ports> parse_ports(std::string_view text) {
  const auto dash = text.find('-');
  const auto first = parse_port(text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : parse_port(text.substr(dash + 1));
  if (!first || !last || *first == 0 || *last < *first) return std::nullopt;
  return Ports{*first, *last};
}

std::string nearest(std::string_view word, const std::vector<std::string>& candidates) {
  std::string best;
  std::size_t least = std::max<std::size_t>(1, word.size() / 3) + 1;
  for (const auto& c : candidates) {
    const std::size_t d = distance(word, c);
    if (d < least) {
      least = d;
      best = c;
    }
  }
  return best;
}

}  // namespace shunt::control
