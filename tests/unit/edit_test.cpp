// Replacements in a body, against the same done to a string.
#include "proxy/wire/edit.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>
#include <string>

#include "tests/unit/messages.h"

using namespace shunt::wire;
using messages::text;

namespace {

Bytes bytes(std::string_view s) { return std::as_bytes(std::span(s)); }

struct Change {
  std::uint64_t at;
  std::uint32_t size;
  std::string with;
};

std::string applied(std::string body, std::vector<Change> changes) {
  std::ranges::sort(changes, std::greater<>(), &Change::at);
  for (const Change& c : changes) body.replace(c.at, c.size, c.with);
  return body;
}

}  // namespace

TEST_CASE("edits: a table", "[edit]") {
  const struct {
    std::vector<Change> changes;
    const char* after;
    std::int64_t growth;
    bool keeps;
  } rows[] = {
      {{}, "0123456789", 0, true},
      {{{0, 1, "A"}}, "A123456789", 0, true},
      {{{9, 1, "Z"}}, "012345678Z", 0, true},
      {{{3, 2, "abcd"}}, "012abcd56789", 2, false},
      {{{3, 2, ""}}, "01256789", -2, false},
      {{{10, 0, "end"}}, "0123456789end", 3, false},
      {{{0, 0, "begin"}}, "begin0123456789", 5, false},
      {{{0, 10, ""}}, "", -10, false},
      {{{5, 1, "xx"}, {1, 2, "y"}}, "0y34xx6789", 0, false},  // out of order; lengths cancel out
      {{{5, 1, "x"}, {4, 1, "y"}, {6, 1, "z"}}, "0123yxz789", 0, true},
  };
  for (const auto& row : rows) {
    INFO(row.after);
    Edits e;
    for (const auto& c : row.changes) e.replace(c.at, c.size, bytes(c.with));
    std::vector<std::byte> out(1, std::byte{'>'});
    e.append_to(out, bytes("0123456789"));
    CHECK(text(out) == ">" + std::string(row.after));
    CHECK(e.growth() == row.growth);
    CHECK(e.keeps_lengths() == row.keeps);
    CHECK(e.empty() == row.changes.empty());
    e.clear();
    CHECK(e.empty());
    out.clear();
    e.append_to(out, bytes("0123456789"));
    CHECK(text(out) == "0123456789");
  }
}

TEST_CASE("edits: any that do not overlap, in any order", "[edit]") {
  std::mt19937 random(11);
  const auto below = [&](std::size_t n) { return random() % n; };
  for (int round = 0; round < 400; ++round) {
    INFO("round " << round);
    std::string body(below(200), '.');
    for (char& c : body) c = static_cast<char>('a' + below(26));
    std::vector<Change> changes;
    const bool same_length = round % 4 == 0;
    for (std::size_t at = below(5); at < body.size(); at += 1 + below(9)) {
      const auto size = std::min<std::size_t>(1 + below(6), body.size() - at);
      changes.push_back(
          {at, static_cast<std::uint32_t>(size), std::string(same_length ? size : below(9), 'X')});
      at += size;
    }
    std::shuffle(changes.begin(), changes.end(), random);
    Edits e;
    for (const auto& c : changes) e.replace(c.at, c.size, bytes(c.with));

    std::vector<std::byte> out;
    e.append_to(out, bytes(body));
    const auto expected = applied(body, changes);
    REQUIRE(text(out) == expected);
    REQUIRE(e.growth() ==
            static_cast<std::int64_t>(expected.size()) - static_cast<std::int64_t>(body.size()));
    const auto from = below(body.size() + 1);
    std::int64_t grown = 0;
    for (const auto& c : changes) {
      if (c.at >= from) grown += static_cast<std::int64_t>(c.with.size()) - c.size;
    }
    REQUIRE(e.growth(from) == grown);
    if (!same_length) continue;
    REQUIRE(e.keeps_lengths());
    std::vector<std::byte> place(bytes(body).begin(), bytes(body).end());
    e.apply_in_place(place);
    REQUIRE(place == out);
  }
}
