// Keys of a journal record: text in UTF-8 or hex, clusters by name, ids in hex.
#include "control/record_keys.h"

#include <algorithm>
#include <optional>

#include "proxy/observe/text.h"

namespace shunt::control {
namespace {

namespace json = boost::json;

std::string hex(std::string_view bytes) {
  constexpr char digits[] = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    out += digits[static_cast<unsigned char>(c) >> 4];
    out += digits[static_cast<unsigned char>(c) & 15];
  }
  return out;
}

std::optional<std::string> unhex(std::string_view text) {
  constexpr std::string_view digits = "0123456789abcdef";
  if (text.size() % 2 != 0) return std::nullopt;
  std::string out;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const auto high = digits.find(text[i]), low = digits.find(text[i + 1]);
    if (high == std::string_view::npos || low == std::string_view::npos) return std::nullopt;
    out += static_cast<char>(high << 4 | low);
  }
  return out;
}

bool is_utf8(std::string_view text) {
  const bool ascii = std::all_of(text.begin(), text.end(), [](char c) { return c >= 0; });
  return ascii || observe::clean_utf8(text) == text;
}

std::string hex_key(std::string_view key) { return std::string(key) + "_hex"; }

}  // namespace

void Writer::text(std::string_view key, std::string_view value) {
  if (is_utf8(value))
    out[key] = value;
  else
    out[hex_key(key)] = hex(value);
}

void Writer::texts(std::string_view key, const std::vector<std::string>& values) {
  const bool clean = std::all_of(values.begin(), values.end(), is_utf8);
  json::array all;
  for (const auto& v : values) all.emplace_back(clean ? v : hex(v));
  out[clean ? std::string(key) : hex_key(key)] = std::move(all);
}

void Writer::uuid(std::string_view key, const wire::Uuid& id) {
  out[key] = hex({reinterpret_cast<const char*>(id.data()), id.size()});
}

std::string Reader::text(std::string_view key) {
  if (const auto* v = in.if_contains(key); v && v->is_string()) return std::string(v->get_string());
  if (const auto* v = in.if_contains(hex_key(key)); v && v->is_string())
    if (auto bytes = unhex(v->get_string())) return *bytes;
  refuse(key);
  return {};
}

std::vector<std::string> Reader::texts(std::string_view key) {
  const auto* plain = in.if_contains(key);
  const auto* v = plain ? plain : in.if_contains(hex_key(key));
  std::vector<std::string> out;
  if (!v || !v->is_array()) return refuse(key), out;
  for (const auto& item : v->get_array()) {
    const auto bytes = !item.is_string() ? std::nullopt
                       : plain           ? std::optional(std::string(item.get_string()))
                                         : unhex(item.get_string());
    if (!bytes) return refuse(key), out;
    out.push_back(*bytes);
  }
  return out;
}

bool Reader::flag(std::string_view key) {
  const auto* v = in.if_contains(key);
  if (!v || !v->is_bool()) return refuse(key), false;
  return v->get_bool();
}

route::Cluster Reader::cluster(std::string_view key) {
  const std::string found = text(key);
  for (const auto c : {route::Cluster::old_cluster, route::Cluster::new_cluster})
    if (found == route::name(c)) return c;
  refuse(key);
  return {};
}

wire::Uuid Reader::uuid(std::string_view key) {
  wire::Uuid out{};
  const auto bytes = unhex(text(key));
  if (!bytes || bytes->size() != out.size()) return refuse(key), out;
  std::transform(bytes->begin(), bytes->end(), out.begin(),
                 [](char c) { return static_cast<std::byte>(c); });
  return out;
}

}  // namespace shunt::control
