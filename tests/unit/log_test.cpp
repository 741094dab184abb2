// Log lines: the two formats, quoting of what peers say, levels, limits.
#include <catch2/catch.hpp>

#include <unistd.h>

#include "proxy/observe/log.h"
#include "proxy/observe/text.h"
#include "tests/unit/scratch.h"

using namespace shunt;
using namespace shunt::observe;

namespace {

template <class F>
std::string lines_of(F work) {
  const std::string lines = test::stderr_of(work);
  log::setup(log::Level::info, log::Format::text);
  return lines;
}

}  // namespace

TEST_CASE("log: text lines are TIME LEVEL EVENT key=value") {
  const std::string line = lines_of([] {
    log::setup(log::Level::info, log::Format::text);
    log::info("client.closed", {{"cause", "idle"},
                                {"n", 7},
                                {"half", 0.5},
                                {"ok", true},
                                {"empty", ""},
                                {"odd", "a b=\"c\"\n\x1b\xff"}});
  });
  REQUIRE(line.size() > 25);
  CHECK(line[10] == 'T');
  CHECK(line[23] == 'Z');
  CHECK(line.substr(24) ==
        " info client.closed cause=idle n=7 half=0.5 ok=true empty=\"\" "
        "odd=\"a b=\\\"c\\\"\\n\\u001b\xEF\xBF\xBD\"\n");
}

TEST_CASE("log: JSON lines have the same keys") {
  const std::string line = lines_of([] {
    log::setup(log::Level::info, log::Format::json);
    log::error("link.failed", {{"node", 3}, {"why", "no \"route\""}, {"ok", false}});
  });
  const auto event = line.find("\"level\"");
  REQUIRE(event != std::string::npos);
  CHECK(line.substr(0, 11) == R"({"time":"20)");
  CHECK(line.substr(event) ==
        "\"level\":\"error\",\"event\":\"link.failed\",\"node\":3,\"why\":\"no \\\"route\\\"\","
        "\"ok\":false}\n");
}

TEST_CASE("log: lines below the level are not written") {
  const std::string lines = lines_of([] {
    log::setup(log::Level::warn, log::Format::text);
    log::debug("a", {});
    log::info("b", {});
    log::warn("c", {});
  });
  CHECK(lines.substr(24) == " warn c\n");
}

TEST_CASE("log: limited lines are one a second per event, and tell how many were left out") {
  const std::string lines = lines_of([] {
    log::setup(log::Level::info, log::Format::text);
    for (int i = 0; i < 50; ++i) log::limited(log::Level::warn, "test.flood", {{"i", i}});
    log::limited(log::Level::warn, "test.other", {});
    ::usleep(1'050'000);
    log::limited(log::Level::warn, "test.flood", {{"i", 50}});
  });
  CHECK(lines.find("test.flood i=0\n") != std::string::npos);
  CHECK(lines.find("i=1\n") == std::string::npos);
  CHECK(lines.find("test.other\n") != std::string::npos);
  CHECK(lines.find("test.flood i=50 suppressed=49\n") != std::string::npos);
}

TEST_CASE("log: a flood of one cause does not hide another, and some kinds have more lines") {
  const std::string lines = lines_of([] {
    log::setup(log::Level::info, log::Format::text);
    for (int i = 0; i < 50; ++i) {
      log::limited(log::Level::warn, "test.closed", {{"cause", "bad_frame"}, {"i", i}});
      log::limited(log::Level::info, "test.closed", {{"cause", "idle"}, {"i", i}}, 3);
    }
    log::limited(log::Level::warn, "test.closed", {{"cause", "link_lost"}, {"i", 50}});
  });
  CHECK(lines.find("cause=bad_frame i=0\n") != std::string::npos);
  CHECK(lines.find("cause=bad_frame i=1\n") == std::string::npos);
  CHECK(lines.find("cause=idle i=2\n") != std::string::npos);
  CHECK(lines.find("cause=idle i=3\n") == std::string::npos);
  CHECK(lines.find("cause=link_lost i=50\n") != std::string::npos);
}

TEST_CASE("text: times and UTF-8") {
  CHECK(rfc3339(0) == "1970-01-01T00:00:00.000Z");
  CHECK(rfc3339(1769850902007) == "2026-01-31T09:15:02.007Z");
  CHECK(rfc3339(-1) == "1969-12-31T23:59:59.999Z");
  const std::string r = "\xEF\xBF\xBD";
  struct Case {
    std::string in, out;
  };
  for (const auto& [in, out] : std::vector<Case>{{"plain", "plain"},
                                                 {"ü€😀", "ü€😀"},
                                                 {"\xC3", r},
                                                 {"a\xC3\x28z", "a" + r + "(z"},
                                                 {"\xC0\xAF", r + r},
                                                 {"\xED\xA0\x80", r + r + r},
                                                 {"\xF4\x90\x80\x80", r + r + r + r},
                                                 {"\xE2\x82", r + r},
                                                 {"\xFF", r}})
    CHECK(clean_utf8(in) == out);
}
