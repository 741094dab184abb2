// A set of API version ranges: intersected, read from a broker's answer, kept as text.
#include <algorithm>
#include <charconv>

#include "proxy/route/versions.h"

namespace shunt::route {
namespace {

constexpr wire::Versions none{};

// Takes a number and the character behind it off `text`; false when they are not there. `until` 0:
// the end of the text.
bool take_number(std::string_view& text, wire::Version& number, char until) {
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc{} || number < 0) return false;
  if (until == 0) {
    text = {};
    return at == end;
  }
  if (at == end || *at != until) return false;
  text.remove_prefix(static_cast<std::size_t>(at - text.data()) + 1);
  return true;
}

}  // namespace

wire::Versions ApiRanges::of(wire::ApiKey api) const {
  return api >= 0 && api < api_key_max ? ranges_[static_cast<std::size_t>(api)] : none;
}

void ApiRanges::set(wire::ApiKey api, wire::Versions v) {
  // One form of "empty", so that equal sets are equal.
  if (v.empty() || v.first < 0) v = none;
  if (api >= 0 && api < api_key_max) ranges_[static_cast<std::size_t>(api)] = v;
}

ApiRanges ApiRanges::intersect(const ApiRanges& other) const {
  ApiRanges both;
  for (wire::ApiKey api = 0; api < api_key_max; ++api) {
    const auto a = of(api), b = other.of(api);
    if (a.empty() || b.empty()) continue;
    both.set(api, {std::max(a.first, b.first), std::min(a.last, b.last)});
  }
  return both;
}

ApiRanges ApiRanges::from(const wire::Value& body) {
  ApiRanges ranges;
  for (const wire::Value& api : body["ApiKeys"].array()) {
    ranges.set(static_cast<wire::ApiKey>(api["ApiKey"].number()),
               {static_cast<wire::Version>(api["MinVersion"].number()),
                static_cast<wire::Version>(api["MaxVersion"].number())});
  }
  return ranges;
}

bool ApiRanges::operator==(const ApiRanges& other) const {
  return std::ranges::equal(ranges_, other.ranges_, [](wire::Versions a, wire::Versions b) {
    return a.first == b.first && a.last == b.last;
  });
}

std::string ApiRanges::text() const {
  std::string out;
  for (wire::ApiKey api = 0; api < api_key_max; ++api) {
    const auto v = of(api);
    if (v.empty()) continue;
    if (!out.empty()) out += ',';
    out += std::to_string(api) + ':' + std::to_string(v.first) + '-' + std::to_string(v.last);
  }
  return out;
}

std::optional<ApiRanges> ApiRanges::parse(std::string_view text) {
  ApiRanges ranges;
  while (!text.empty()) {
    const auto comma = text.find(',');
    std::string_view item = text.substr(0, comma);
    text.remove_prefix(comma == text.npos ? text.size() : comma + 1);
    if (comma != std::string_view::npos && text.empty()) return std::nullopt;  // "...,"
    wire::ApiKey api = 0;
    wire::Versions v;
    if (!take_number(item, api, ':') || !take_number(item, v.first, '-') ||
        !take_number(item, v.last, 0) || v.empty() || api >= api_key_max) {
      return std::nullopt;
    }
    ranges.set(api, v);
  }
  return ranges;
}

}  // namespace shunt::route
