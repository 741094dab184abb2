// Reads the golden files of tests/golden (its README has the format of the lines).
#pragma once

#include <catch2/catch.hpp>
#include <cstddef>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/wire/schema.h"
#include "proxy/wire/walker.h"

namespace golden {

// The words of each line of a golden file; lines that begin with # are left out.
inline std::vector<std::vector<std::string>> lines(const std::string& file) {
  std::ifstream in(std::string(SHUNT_GOLDEN_DIR) + "/" + file);
  REQUIRE(in);
  std::vector<std::vector<std::string>> found;
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream words(line);
    auto& row = found.emplace_back();
    for (std::string word; words >> word;) row.push_back(word);
  }
  REQUIRE_FALSE(found.empty());
  return found;
}

// "-" is no bytes.
inline std::vector<std::byte> unhex(std::string_view hex) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  std::vector<std::byte> bytes;
  bytes.reserve(hex.size() / 2);
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<std::byte>(digit(hex[i]) * 16 + digit(hex[i + 1])));
  }
  return bytes;
}

// One line of frames.txt: the body is the same in all versions from first to last.
struct Frame {
  const shunt::wire::Message* message;
  shunt::wire::Versions versions;
  std::string variant;
  std::vector<std::byte> body;
  std::string what() const {
    return std::string(message->name) + " v" + std::to_string(versions.first) + "-" +
           std::to_string(versions.last) + " " + variant;
  }
};

inline const shunt::wire::Message* message_named(std::string_view name) {
  for (const auto& m : shunt::wire::messages()) {
    if (name == m.name) return &m;
  }
  return nullptr;
}

inline const std::vector<Frame>& frames() {
  static const std::vector<Frame> all = [] {
    std::vector<Frame> found;
    for (const auto& w : lines("frames.txt")) {
      const auto* message = message_named(w[0]);
      INFO("tests/golden/frames.txt has a message the table has not: " << w[0]);
      REQUIRE(message != nullptr);
      const auto dash = w[1].find('-');
      const auto first = static_cast<shunt::wire::Version>(std::stoi(w[1]));
      const auto last = dash == std::string::npos
                            ? first
                            : static_cast<shunt::wire::Version>(std::stoi(w[1].substr(dash + 1)));
      found.push_back({message, {first, last}, w[2], unhex(w[3])});
    }
    return found;
  }();
  return all;
}

// FNV-1a: sample values are derived from "Field.index".
inline std::uint64_t fnv(std::string_view text) {
  std::uint64_t h = 0xcbf29ce484222325U;
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return h;
}

inline std::string_view chars(shunt::wire::Bytes b) {
  return {reinterpret_cast<const char*>(b.data()), b.size()};
}

}  // namespace golden
