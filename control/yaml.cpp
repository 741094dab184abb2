// Reads maps of known keys out of YAML and notes every problem with its place.
#include "control/yaml.h"

#include <algorithm>

#include <yaml-cpp/node/convert.h>
#include <yaml-cpp/node/detail/impl.h>
#include <yaml-cpp/node/impl.h>
#include <yaml-cpp/node/iterator.h>

#include "control/paths.h"
#include "control/units.h"

namespace shunt::control {
namespace {

Place place(const YAML::Mark& mark, Place otherwise) {
  if (mark.is_null()) return otherwise;
  return {mark.line + 1, mark.column + 1};  // yaml-cpp counts from 0
}

std::string quoted(std::string_view text) {
  std::string shown(text.substr(0, 60));
  for (char& c : shown)
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7F) c = ' ';
  return '"' + shown + (text.size() > 60 ? "...\"" : "\"");
}

std::string joined(const auto& words, std::string_view between) {
  std::string out;
  for (const auto& w : words) {
    if (!out.empty()) out += between;
    out += w;
  }
  return out;
}

}  // namespace

std::string Problem::text(const std::string& file) const {
  return file + ':' + std::to_string(line) + ':' + std::to_string(column) + ": " + key + ": " +
         problem + "; expected " + expected;
}

void Document::add(std::string_view key, Place at, std::string problem, std::string expected) {
  problems.push_back(
      {at.line, at.column, std::string(key), std::move(problem), std::move(expected)});
}

void Document::add(std::string_view key, std::string problem, std::string expected) {
  std::string_view around = key;
  auto it = places.find(around);
  while (it == places.end() && !around.empty()) {
    const auto dot = around.rfind('.');
    around = dot == std::string_view::npos ? std::string_view() : around.substr(0, dot);
    it = places.find(around);
  }
  add(key, it == places.end() ? Place{} : it->second, std::move(problem), std::move(expected));
}

Section::Section(Document& doc, const YAML::Node& node, std::string name, Keys known)
    : doc_(doc), name_(std::move(name)), known_(std::move(known)) {
  if (!node.IsDefined() || node.IsNull()) return;
  if (node.IsMap()) {
    take(node);
    return;
  }
  doc_.add(name_.empty() ? "file" : name_, place(node.Mark(), {}),
           node.IsScalar() ? quoted(node.Scalar()) + " is not a map" : "a list is not a map",
           "a map with " + joined(known_, ", "));
}

void Section::take(const YAML::Node& node) {
  for (const auto& entry : node) {
    const YAML::Node& key = entry.first;
    const Place at = place(key.Mark(), {});
    if (!key.IsScalar()) {
      doc_.add(name_.empty() ? "file" : name_, at, "a key is not a word", joined(known_, ", "));
      continue;
    }
    const std::string word = key.Scalar();
    if (std::find(known_.begin(), known_.end(), word) == known_.end()) {
      unknown(word, at);
      continue;
    }
    if (!children_.emplace(word, entry.second).second) {  // yaml-cpp lets these pass
      doc_.add(full(word), at, "given twice", "each key once");
      continue;
    }
    doc_.places[full(word)] = entry.second.IsNull() ? at : place(entry.second.Mark(), at);
  }
}

void Section::unknown(const std::string& key, Place at) const {
  const std::string near = nearest(key, known_);
  doc_.add(full(key), at, "unknown key",
           near.empty() ? "one of " + joined(known_, ", ") : full(near));
}

std::string Section::full(std::string_view key) const {
  return name_.empty() ? std::string(key) : name_ + '.' + std::string(key);
}

void Section::bad(std::string_view key, std::string problem, std::string expected) const {
  doc_.add(full(key), std::move(problem), std::move(expected));
}

Section Section::section(std::string_view key, Keys known) const {
  const auto it = children_.find(key);
  return {doc_, it == children_.end() ? YAML::Node(YAML::NodeType::Null) : it->second, full(key),
          std::move(known)};
}

std::string Section::scalar(std::string_view key) const {
  const auto it = children_.find(key);
  return it != children_.end() && it->second.IsScalar() ? it->second.Scalar() : std::string();
}

std::optional<std::string> Section::text(std::string_view key, std::string_view expected) const {
  const auto it = children_.find(key);
  if (it == children_.end()) return std::nullopt;
  if (it->second.IsScalar() && !it->second.Scalar().empty()) return it->second.Scalar();
  const char* problem = it->second.IsMap()        ? "a map does not belong here"
                        : it->second.IsSequence() ? "a list does not belong here"
                                                  : "no value";
  bad(key, problem, std::string(expected));
  return std::nullopt;
}

void Section::boolean(std::string_view key, bool& out) const {
  choice<bool>(key, out, {{"true", true}, {"false", false}});
}

void Section::integer(std::string_view key, std::size_t& out, std::int64_t min,
                      std::int64_t max) const {
  const std::string expected =
      "an integer from " + std::to_string(min) + " to " + std::to_string(max);
  const auto given = text(key, expected);
  if (!given) return;
  const auto value = parse_integer(*given);
  if (!value)
    bad(key, quoted(*given) + " is not an integer", expected);
  else if (*value < min || *value > max)
    bad(key, *given + " is out of range", expected);
  else
    out = static_cast<std::size_t>(*value);
}

void Section::size(std::string_view key, std::size_t& out, std::int64_t min,
                   std::int64_t max) const {
  const std::string expected = "bytes from " + std::to_string(min) + " to " + std::to_string(max) +
                               ", such as 524288, 512KiB or 100MiB";
  const auto given = text(key, expected);
  if (!given) return;
  const auto value = parse_size(*given);
  if (!value)
    bad(key, quoted(*given) + " is not a size", expected);
  else if (static_cast<std::int64_t>(*value) < min || static_cast<std::int64_t>(*value) > max)
    bad(key, *given + " is out of range", expected);
  else
    out = static_cast<std::size_t>(*value);
}

void Section::duration(std::string_view key, std::chrono::milliseconds& out,
                       std::chrono::milliseconds min, std::chrono::milliseconds max) const {
  const std::string expected = "a duration from " + duration_text(min) + " to " +
                               duration_text(max) + ", such as 500ms, 2s, 10m or 1h";
  const auto given = text(key, expected);
  if (!given) return;
  const auto value = parse_duration(*given);
  if (!value)
    bad(key, quoted(*given) + " is not a duration", expected);
  else if (*value < min || *value > max)
    bad(key, *given + " is out of range", expected);
  else
    out = *value;
}

void Section::word(std::string_view key, std::string& out) const {
  if (const auto given = text(key, "a word or none")) out = *given == "none" ? "" : *given;
}

void Section::path(std::string_view key, std::string& out, const std::string& base) const {
  const auto given = text(key, "a path");
  if (!given) return;
  if (*given == "none")
    out.clear();
  else
    out = resolve(base, *given);
}

void Section::endpoint(std::string_view key, std::optional<route::Endpoint>& out,
                       int port_min) const {
  constexpr const char* expected = "address:port such as 127.0.0.1:9092, or off";
  const auto given = text(key, expected);
  if (!given) return;
  if (*given == "off") {
    out.reset();
    return;
  }
  const auto value = parse_endpoint(*given);
  if (!value || value->port < port_min)
    bad(key, quoted(*given) + " is not an address", expected);
  else
    out = *value;
}

void Section::endpoints(std::string_view key, std::vector<route::Endpoint>& out) const {
  constexpr const char* expected = "a list such as [kafka-1:9092, kafka-2:9092]";
  const auto it = children_.find(key);
  if (it == children_.end()) return;
  if (!it->second.IsSequence() || it->second.size() == 0) {
    bad(key, it->second.IsSequence() ? "the list is empty" : "not a list", expected);
    return;
  }
  for (const auto& item : it->second) {
    const auto value = item.IsScalar() ? parse_endpoint(item.Scalar()) : std::nullopt;
    if (value && value->port > 0) {
      out.push_back(*value);
      continue;
    }
    doc_.add(
        full(key), place(item.Mark(), doc_.places[full(key)]),
        (item.IsScalar() ? quoted(item.Scalar()) : std::string("an item")) + " is not host:port",
        expected);
  }
}

int Section::index_of(std::string_view given, const std::vector<std::string_view>& words,
                      std::string_view key) const {
  const auto it = std::find(words.begin(), words.end(), given);
  if (it != words.end()) return static_cast<int>(it - words.begin());
  bad(key, quoted(given) + " is not known here", joined(words, " or "));
  return -1;
}

}  // namespace shunt::control
