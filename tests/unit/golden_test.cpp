// Walker, values and headers against frames from Kafka's own encoder (tests/golden/README.md).
#include <algorithm>
#include <bit>
#include <catch2/catch.hpp>
#include <random>

#include "proxy/wire/bytes.h"
#include "proxy/wire/header.h"
#include "proxy/wire/value.h"
#include "proxy/wire/walker.h"
#include "tests/unit/golden.h"

using namespace shunt::wire;
using golden::Frame;

namespace {

// What a walk met: tokens with the chunks of one blob put together. `end` is the last token's kind.
struct Met {
  TokenKind kind;
  const Field* field;
  std::uint64_t at;
  std::int64_t number;
  std::uint32_t payload;
  int depth;
  std::string content;
  bool operator==(const Met&) const = default;
};
struct Walk {
  TokenKind end;
  std::uint64_t bytes = 0;
  bool in_order = true;  // every token began where the one before it ended
};

// Walks `body`, of which only `feed(have)` bytes are there at first and after each need_more: feed
// is given how many there were and says how many there are now; no more than before ends the walk.
template <class Feed, class Sink>
Walk walk(const Message& m, Version v, Bytes body, std::uint64_t size, Feed feed, Sink sink) {
  Walker walker(m, v, size);
  std::size_t have = feed(0);
  Walk result{};
  for (;;) {
    const auto from = static_cast<std::size_t>(walker.position());
    const Token t = walker.next(body.first(have).subspan(from));
    result.end = t.kind;
    if (t.kind == TokenKind::need_more) {
      const auto more = feed(have);
      if (more <= have) return result;
      have = more;
      continue;
    }
    if (t.kind == TokenKind::bad) return result;
    if (t.kind == TokenKind::done) return result;
    result.in_order &= t.at == from && walker.position() == from + t.size;
    result.bytes += t.size;
    sink(t);
  }
}

constexpr auto ignore = [](const Token&) {};
auto all_of(Bytes body) {
  return [n = body.size()](std::size_t) { return n; };
}

std::vector<Met> met(const Message& m, Version v, Bytes body, auto feed, Walk& result) {
  std::vector<Met> found;
  result = walk(m, v, body, body.size(), feed, [&](const Token& t) {
    if (t.kind == TokenKind::chunk && !found.empty() && found.back().kind == TokenKind::chunk) {
      found.back().content += golden::chars(t.content);
      return;
    }
    found.push_back({t.kind, t.field, t.at, t.number, t.payload, t.depth,
                     std::string(golden::chars(t.content))});
  });
  return found;
}

// Every length below `size`; of a long frame the first and last hundred and some between.
std::vector<std::size_t> prefixes(std::size_t size) {
  std::vector<std::size_t> found;
  const std::size_t step = std::max<std::size_t>(1, size / 211);
  for (std::size_t n = 0; n < size; n += n < 100 || n + 100 > size ? 1 : step) found.push_back(n);
  return found;
}

// Compares sample values with what GoldenFrames.java derives from a field's name and the index of
// the innermost element around it. Problems are gathered, not asserted: there are a million values.
class SampleCheck {
 public:
  void operator()(const Token& t) {
    switch (t.kind) {
      case TokenKind::array:
        if (t.number >= 0) index_.push_back(-1);
        break;
      case TokenKind::element:
        ++index_.back();
        break;
      case TokenKind::end_array:
        index_.pop_back();
        break;
      case TokenKind::scalar:
        check(t, t.field->type == Type::uuid ? uuid(t) : number(t));
        break;
      case TokenKind::text:
        check(t, t.number < 0 || golden::chars(t.content) == text(t));
        break;
      case TokenKind::blob:
        blob_.clear();
        break;
      case TokenKind::chunk:
        blob_ += golden::chars(t.content);
        if (t.last && t.field != nullptr) check(t, blob_ == text(t));
        if (t.last && t.field == nullptr) check(t, blob_ == "unknown");
        if (t.last) blob_.clear();
        break;
      default:
        break;
    }
  }
  std::string problem;
  int values = 0;

 private:
  std::string text(const Token& t) const {
    return std::string(t.field->name) + "." + std::to_string(index_.empty() ? 0 : index_.back());
  }
  bool uuid(const Token& t) const {
    const auto h = golden::fnv(text(t));
    for (std::size_t i = 0; i < 16; ++i) {
      const auto part = i < 8 ? h : ~h;
      if (std::to_integer<std::uint64_t>(t.content[i]) != (part >> (56 - 8 * (i % 8)) & 0xff)) {
        return false;
      }
    }
    return true;
  }
  bool number(const Token& t) const {
    const auto h = golden::fnv(text(t));
    switch (t.field->type) {
      case Type::boolean:
        return t.number == static_cast<std::int64_t>(h & 1);
      case Type::int8:
        return t.number == static_cast<std::int8_t>(h);
      case Type::int16:
        return t.number == static_cast<std::int16_t>(h);
      case Type::uint16:
        return t.number == static_cast<std::uint16_t>(h);
      case Type::int32:
        return t.number == static_cast<std::int32_t>(h);
      case Type::int64:
        return t.number == static_cast<std::int64_t>(h);
      case Type::float64:
        return std::bit_cast<double>(t.number) == static_cast<double>(static_cast<std::int32_t>(h));
      default:
        return false;
    }
  }
  void check(const Token& t, bool good) {
    ++values;
    if (!good && problem.empty()) {
      problem = (t.field ? text(t) : "unknown tag") + " at byte " + std::to_string(t.at);
    }
  }
  std::vector<int> index_;
  std::string blob_;
};

}  // namespace

TEST_CASE("golden: every frame is walked to its end, token by token") {
  for (const Frame& f : golden::frames()) {
    for (int v = f.versions.first; v <= f.versions.last; ++v) {
      const auto w =
          walk(*f.message, static_cast<Version>(v), f.body, f.body.size(), all_of(f.body), ignore);
      if (w.end != TokenKind::done || w.bytes != f.body.size() || !w.in_order) {
        FAIL_CHECK(f.what() << ": " << w.bytes << " of " << f.body.size() << " bytes");
      }
    }
  }
}

TEST_CASE("golden: each value is found in its field") {
  int values = 0;
  for (const Frame& f : golden::frames()) {
    if (f.variant == "empty" || f.variant.starts_with("random")) continue;
    SampleCheck sample;
    walk(*f.message, f.versions.last, f.body, f.body.size(), all_of(f.body),
         [&](const Token& t) { sample(t); });
    values += sample.values;
    if (!sample.problem.empty()) FAIL_CHECK(f.what() << ": " << sample.problem);
  }
  CHECK(values > 50'000);
}

TEST_CASE("golden: what may be null is null in the null frames") {
  for (const Frame& f : golden::frames()) {
    if (f.variant != "null") continue;
    walk(*f.message, f.versions.last, f.body, f.body.size(), all_of(f.body), [&](const Token& t) {
      const bool value = t.kind == TokenKind::text || t.kind == TokenKind::array ||
                         t.kind == TokenKind::blob || t.kind == TokenKind::structure;
      if (!value || t.field == nullptr) return;
      if ((t.number < 0) != t.field->nullable.contains(f.versions.last)) {
        FAIL_CHECK(f.what() << ": " << t.field->name << " = " << t.number);
      }
    });
  }
}

TEST_CASE("golden: a frame that was read is written again byte for byte") {
  for (const Frame& f : golden::frames()) {
    for (int v = f.versions.first; v <= f.versions.last; ++v) {
      const char* problem = nullptr;
      const Value body = decode(*f.message, static_cast<Version>(v), f.body, problem);
      std::vector<std::byte> again;
      if (!problem) problem = encode(*f.message, static_cast<Version>(v), body, again);
      if (problem || again != f.body) {
        FAIL_CHECK(f.what() << " as v" << v << ": " << (problem ? problem : "other bytes"));
      }
    }
  }
}

TEST_CASE("golden: a prefix asks for more, a shortened frame is refused") {
  for (const Frame& f : golden::frames()) {
    const auto v = f.versions.last;
    for (const std::size_t n : prefixes(f.body.size())) {
      const Bytes part = Bytes(f.body).first(n);
      const auto waiting = walk(*f.message, v, part, f.body.size(), all_of(part), ignore);
      const auto cut = walk(*f.message, v, part, n, all_of(part), ignore);
      if (waiting.end != TokenKind::need_more || cut.end != TokenKind::bad) {
        FAIL_CHECK(f.what() << ": " << n << " of " << f.body.size() << " bytes");
      }
    }
  }
}

TEST_CASE("golden: no values come from a shortened frame") {
  for (const Frame& f : golden::frames()) {
    const auto lengths = prefixes(f.body.size());
    for (std::size_t i = 0; i < lengths.size(); i += 1 + lengths.size() / 50) {
      const char* problem = nullptr;
      const Bytes part = Bytes(f.body).first(lengths[i]);
      const auto body = decode(*f.message, f.versions.last, part, problem);
      if (problem == nullptr || !body.null())
        FAIL_CHECK(f.what() << ": " << part.size() << " bytes");
    }
  }
}

TEST_CASE("golden: a frame that arrives in pieces gives the same tokens") {
  std::mt19937 random(7);  // a fixed seed: the same pieces in every run
  for (const Frame& f : golden::frames()) {
    Walk whole{};
    const auto expected = met(*f.message, f.versions.last, f.body, all_of(f.body), whole);
    for (const std::size_t most : {1U, 3U, 40U}) {
      const auto pieces = [&](std::size_t have) {
        return std::min(f.body.size(), have + 1 + random() % most);
      };
      Walk pieced{};
      const auto found = met(*f.message, f.versions.last, f.body, pieces, pieced);
      if (pieced.end != TokenKind::done || found != expected) {
        FAIL_CHECK(f.what() << " in pieces of up to " << most);
      }
    }
  }
}

namespace {

// A line of headers.txt: request|answer, API key, version, header version, variant, bytes.
struct HeaderLine {
  explicit HeaderLine(const std::vector<std::string>& w)
      : request(w[0] == "request"),
        api(static_cast<ApiKey>(std::stoi(w[1]))),
        version(static_cast<Version>(std::stoi(w[2]))),
        header_version(std::stoi(w[3])),
        variant(w[4]),
        bytes(golden::unhex(w[5])) {}
  bool request;
  ApiKey api;
  Version version;
  int header_version;
  std::string variant;
  std::vector<std::byte> bytes;
  std::int32_t correlation() const {
    return static_cast<std::int32_t>(
        golden::fnv(std::string(api_name(api)) + std::to_string(version)));
  }
};

std::string_view client_id(std::string_view variant) {
  return variant == "named" ? "client-1" : variant == "tags" ? "c" : "";
}

std::vector<HeaderLine> header_lines() {
  std::vector<HeaderLine> found;
  for (const auto& words : golden::lines("headers.txt")) found.emplace_back(words);
  return found;
}

}  // namespace

TEST_CASE("golden: request headers are read and written") {
  for (const auto& h : header_lines()) {
    if (!h.request) continue;
    const Message* m = request(h.api);
    INFO(api_name(h.api) << " v" << h.version << " " << h.variant);
    REQUIRE(m != nullptr);
    REQUIRE(flexible_request(*m, h.version) == (h.header_version == 2));
    RequestHeader header;
    std::vector<std::byte> content = h.bytes;
    content.push_back(std::byte{0xee});  // the body
    REQUIRE(parse(content, content.size(), header) == Parse::ok);
    REQUIRE(header.api == h.api);
    REQUIRE(header.version == h.version);
    REQUIRE(header.correlation == h.correlation());
    REQUIRE(header.size == h.bytes.size());
    REQUIRE(header.has_client_id == (h.variant != "null"));
    REQUIRE(header.client_id == client_id(h.variant));
    for (std::size_t n = 0; n < h.bytes.size(); ++n) {
      const Bytes part = Bytes(h.bytes).first(n);
      REQUIRE(parse(part, content.size(), header) == Parse::need_more);
      REQUIRE(parse(part, n, header) == Parse::bad);
    }
    if (h.variant == "named" || h.variant == "empty") {
      std::vector<std::byte> out;
      begin_request(*m, h.version, h.correlation(), client_id(h.variant), out);
      seal(out);
      REQUIRE(load<std::uint32_t>(out.data()) == h.bytes.size());
      REQUIRE(std::equal(out.begin() + 4, out.end(), h.bytes.begin(), h.bytes.end()));
    }
  }
}

TEST_CASE("golden: answer headers are read and written") {
  for (const auto& h : header_lines()) {
    if (h.request) continue;
    const Message* m = response(h.api);
    INFO(api_name(h.api) << " v" << h.version << " " << h.variant);
    REQUIRE(m != nullptr);
    REQUIRE(flexible_answer(*m, h.version) == (h.header_version == 1));
    std::int32_t correlation = 0;
    std::uint32_t size = 0;
    REQUIRE(parse_answer(*m, h.version, h.bytes, h.bytes.size(), correlation, size) == Parse::ok);
    REQUIRE(correlation == h.correlation());
    REQUIRE(size == h.bytes.size());
    for (std::size_t n = 0; n < h.bytes.size(); ++n) {
      const Bytes part = Bytes(h.bytes).first(n);
      REQUIRE(parse_answer(*m, h.version, part, h.bytes.size(), correlation, size) ==
              Parse::need_more);
      REQUIRE(parse_answer(*m, h.version, part, n, correlation, size) == Parse::bad);
    }
    if (h.variant == "plain") {
      std::vector<std::byte> out;
      begin_answer(*m, h.version, h.correlation(), out);
      seal(out);
      REQUIRE(std::equal(out.begin() + 4, out.end(), h.bytes.begin(), h.bytes.end()));
    }
  }
}
