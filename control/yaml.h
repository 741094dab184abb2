// A YAML file read by a schema: known keys only, every problem with its place.
//
//   Document doc;
//   Section root(doc, node, "", {"clusters", "journal"});   // unknown, duplicate keys: problems
//   root.path("journal", config.journal, base);
//
// Reading goes on after a problem, so that one run names them all.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <yaml-cpp/node/node.h>

#include "proxy/route/node.h"

namespace shunt::control {

// "FILE:LINE:COL: key: problem; expected ..." without the file. Line and column count from 1.
struct Problem {
  int line = 1, column = 1;
  std::string key, problem, expected;
  std::string text(const std::string& file) const;
};

struct Place {
  int line = 1, column = 1;
};

// What was found while reading one file.
struct Document {
  std::vector<Problem> problems;
  std::map<std::string, Place, std::less<>> places;  // of the value of each key that was given

  void add(std::string_view key, Place at, std::string problem, std::string expected);
  // At the key's value, or at the nearest section around it that was given.
  void add(std::string_view key, std::string problem, std::string expected);
  bool given(std::string_view key) const { return places.find(key) != places.end(); }
};

// A map of known keys. A key without a value counts as an empty map where a map belongs.
class Section {
 public:
  using Keys = std::vector<std::string>;
  // `name`: the dotted path of this map, "" for the whole file.
  Section(Document& doc, const YAML::Node& node, std::string name, Keys known);

  bool has(std::string_view key) const { return children_.find(key) != children_.end(); }
  // The map under `key`; an empty one if it was not given.
  Section section(std::string_view key, Keys known) const;
  // The text under `key` if it is a scalar; "" otherwise, and no problem.
  std::string scalar(std::string_view key) const;
  // The text of a scalar; nullopt when not given or, with a problem noted, not a scalar.
  std::optional<std::string> text(std::string_view key, std::string_view expected) const;

  // Each leaves `out` as it is when the key is not given or wrong.
  void boolean(std::string_view key, bool& out) const;
  void integer(std::string_view key, std::size_t& out, std::int64_t min, std::int64_t max) const;
  void size(std::string_view key, std::size_t& out, std::int64_t min, std::int64_t max) const;
  void duration(std::string_view key, std::chrono::milliseconds& out, std::chrono::milliseconds min,
                std::chrono::milliseconds max) const;
  void word(std::string_view key, std::string& out) const;                           // none: empty
  void path(std::string_view key, std::string& out, const std::string& base) const;  // none: empty
  void endpoint(std::string_view key, std::optional<route::Endpoint>& out,           // off: empty
                int port_min) const;
  void endpoints(std::string_view key, std::vector<route::Endpoint>& out) const;
  template <class T>
  void choice(std::string_view key, T& out,
              const std::vector<std::pair<std::string_view, T>>& values) const;

  void bad(std::string_view key, std::string problem, std::string expected) const;
  std::string full(std::string_view key) const;

 private:
  void take(const YAML::Node& node);
  void unknown(const std::string& key, Place at) const;
  int index_of(std::string_view text, const std::vector<std::string_view>& words,
               std::string_view key) const;

  Document& doc_;
  std::string name_;
  Keys known_;
  std::map<std::string, YAML::Node, std::less<>> children_;
};

template <class T>
void Section::choice(std::string_view key, T& out,
                     const std::vector<std::pair<std::string_view, T>>& values) const {
  std::vector<std::string_view> words;
  for (const auto& [word, value] : values) words.push_back(word);
  const auto given = text(key, "one word");
  if (!given) return;
  const int i = index_of(*given, words, key);
  if (i >= 0) out = values[static_cast<std::size_t>(i)].second;
}

}  // namespace shunt::control
