// A large Produce cut into requests of one partition each, as its bytes arrive.
#include "proxy/route/produce_stream.h"

#include <catch2/catch.hpp>
#include <random>

#include "proxy/wire/bytes.h"
#include "tests/unit/golden.h"
#include "tests/unit/messages.h"

using namespace shunt;
using route::ProduceStream;
using Kind = ProduceStream::Kind;
using messages::decoded;
using messages::encoded;
using wire::Array;
using wire::Struct;
using wire::Value;
using Buffer = std::vector<std::byte>;

namespace {

const wire::Message& produce = *wire::request(0);

struct Cut {
  Kind end = Kind::need_more;
  std::vector<Buffer> frames;      // whole ones, size in front
  std::vector<std::string> names;  // "topic/partition" as the stream told when each began
  bool in_order = true;            // begin, chunks, end, begin ...
  std::uint64_t position = 0;
  std::int16_t acks = 0;
};

Buffer header(int version) {
  Buffer frame;
  wire::begin_request(produce, static_cast<wire::Version>(version), 77, "client", frame);
  return {frame.begin() + 4, frame.end()};
}

// Feeds `body` (announced as `size` bytes) in pieces of up to `most`.
Cut cut(int version, const Buffer& body, std::uint64_t size, std::size_t most, std::uint32_t seed) {
  const Buffer head = header(version);
  wire::RequestHeader h;
  REQUIRE(wire::parse(head, head.size() + size, h) == wire::Parse::ok);
  ProduceStream stream(h, head, size);
  std::mt19937 random(seed);
  Cut result;
  std::size_t have = 0;
  bool open = false;
  for (;;) {
    const auto from = static_cast<std::size_t>(stream.position());
    const auto step = stream.next(wire::Bytes(body).subspan(from, have - from));
    REQUIRE(stream.position() <= have);
    const auto add = [&] {
      result.frames.back().insert(result.frames.back().end(), step.bytes.begin(), step.bytes.end());
    };
    result.end = step.kind;
    result.position = stream.position();
    result.acks = stream.acks();
    switch (step.kind) {
      case Kind::begin:
        result.in_order &= !open;
        open = true;
        result.frames.emplace_back();
        result.names.push_back(stream.topic() + "/" + std::to_string(stream.partition()));
        add();
        break;
      case Kind::chunk:
        result.in_order &= open;
        REQUIRE(open);
        add();
        break;
      case Kind::end:
        result.in_order &= open;
        REQUIRE(open);
        open = false;
        add();
        break;
      case Kind::need_more:
        if (have == body.size()) return result;
        have = std::min(body.size(), have + 1 + random() % most);
        break;
      case Kind::done:
        result.in_order &= !open;
        return result;
      case Kind::bad:
        return result;
    }
  }
}

// Unknown tagged fields are not passed on.
Struct bare(const Value& v) {
  Struct s;
  for (const auto& [name, value] : v.fields()) {
    if (name != "_unknown") s.set(name, value);
  }
  return s;
}

// The parts a body must become: one tree each, with everything outside as it was.
std::vector<Value> expected_parts(const Value& body) {
  std::vector<Value> parts;
  for (const Value& t : body["TopicData"].array()) {
    for (const Value& p : t["PartitionData"].array()) {
      Struct leaf = bare(p), topic = bare(t), all = bare(body);
      topic.set("PartitionData", Array{leaf});
      parts.push_back(all.set("TopicData", Array{topic}));
    }
  }
  return parts;
}

void check_parts(int version, const Buffer& body, std::size_t most, std::uint32_t seed) {
  INFO("v" << version << ", pieces of up to " << most << ", seed " << seed);
  const Cut c = cut(version, body, body.size(), most, seed);
  REQUIRE(c.end == Kind::done);
  CHECK(c.in_order);
  CHECK(c.position == body.size());
  const Value tree = decoded(produce, version, body);
  CHECK(c.acks == tree["Acks"].number());
  const auto expected = expected_parts(tree);
  REQUIRE(c.frames.size() == expected.size());
  const Buffer head = header(version);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    INFO("part " << i);
    const wire::Bytes frame = c.frames[i];
    REQUIRE(frame.size() >= 4 + head.size());
    CHECK(wire::load<std::int32_t>(frame.data()) == static_cast<std::int32_t>(frame.size() - 4));
    CHECK(std::equal(head.begin(), head.end(), frame.begin() + 4));
    if (!(decoded(produce, version, frame.subspan(4 + head.size())) == expected[i])) {
      FAIL_CHECK("another request");
    }
    const Value topic = expected[i]["TopicData"].array()[0];
    CHECK(c.names[i] == std::string(topic["Name"].text()) + "/" +
                            std::to_string(topic["PartitionData"].array()[0]["Index"].number()));
  }
}

Value records(std::size_t n) {
  Buffer b(n);
  for (std::size_t i = 0; i < n; ++i) b[i] = static_cast<std::byte>(i * 31 % 251);
  return b;
}

wire::Uuid uuid(int n) {
  wire::Uuid id{};
  id[7] = static_cast<std::byte>(n);
  return id;
}

Value request_of(int version, std::vector<std::vector<Value>> topics, const char* transaction) {
  Array list;
  for (std::size_t t = 0; t < topics.size(); ++t) {
    Array leaves;
    for (std::size_t p = 0; p < topics[t].size(); ++p) {
      leaves.push_back(Struct{{"Index", static_cast<int>(p * 3)}, {"Records", topics[t][p]}});
    }
    Struct topic{{"PartitionData", std::move(leaves)}};
    if (version >= 13)
      topic.set("TopicId", uuid(static_cast<int>(t) + 1));
    else
      topic.set("Name", "topic-" + std::to_string(t));
    list.push_back(std::move(topic));
  }
  return Struct{{"TransactionalId", transaction == nullptr ? Value() : Value(transaction)},
                {"Acks", static_cast<int>(topics.size()) % 3 - 1},
                {"TimeoutMs", 1234},
                {"TopicData", std::move(list)}};
}

}  // namespace

TEST_CASE("produce stream: parts of one partition each, whole and in order", "[produce]") {
  const std::vector<std::vector<std::vector<Value>>> shapes = {
      {},
      {{}},
      {{}, {}},
      {{records(1)}},
      {{nullptr}},
      {{records(0)}},
      {{nullptr, records(0), records(200), nullptr}, {}, {records(0)}, {records(5000), records(1)}},
      {{records(126), records(127), records(128)}, {records(16383), records(70000)}},
      {{records(3)}, {records(4)}, {records(5)}, {nullptr}}};
  for (int v = produce.valid.first; v <= produce.valid.last; ++v) {
    for (const auto& shape : shapes) {
      for (const char* transaction : {static_cast<const char*>(nullptr), "", "txn"}) {
        const Buffer body = encoded(produce, v, request_of(v, shape, transaction));
        for (const std::size_t most : {1U, 50U, 4096U, 1000000U}) {
          if (most == 1 && body.size() > 30000) continue;
          check_parts(v, body, most, 3);
        }
      }
    }
  }
}

TEST_CASE("produce stream: golden frames", "[produce]") {
  std::uint32_t seed = 0;
  for (const auto& f : golden::frames()) {
    if (f.message != &produce) continue;
    for (int v = f.versions.first; v <= f.versions.last; ++v) {
      INFO(f.what());
      for (const std::size_t most : {1U, 7U, 100000U}) check_parts(v, f.body, most, ++seed);
    }
  }
}

TEST_CASE("produce stream: an id of a topic is told", "[produce]") {
  const Buffer body = encoded(produce, 13, request_of(13, {{records(4)}, {records(4)}}, nullptr));
  const Buffer head = header(13);
  wire::RequestHeader h;
  REQUIRE(wire::parse(head, head.size() + body.size(), h) == wire::Parse::ok);
  ProduceStream s(h, head, body.size());
  std::vector<wire::Uuid> ids;
  for (Kind k = Kind::need_more; k != Kind::done;) {
    k = s.next(wire::Bytes(body).subspan(s.position())).kind;
    REQUIRE(k != Kind::bad);
    if (k == Kind::begin) ids.push_back(s.topic_id());
  }
  CHECK(ids == std::vector<wire::Uuid>{uuid(1), uuid(2)});
}

TEST_CASE("produce stream: every truncation waits or is refused, with no part too many",
          "[produce]") {
  for (const int v : {3, 8, 9, 12, 13}) {
    const Buffer body =
        encoded(produce, v, request_of(v, {{records(20), nullptr}, {records(9)}}, "t"));
    for (std::size_t n = 0; n < body.size(); ++n) {
      INFO("v" << v << ", " << n << " of " << body.size() << " bytes");
      const Buffer part(body.begin(), body.begin() + static_cast<std::ptrdiff_t>(n));
      const Cut waits = cut(v, part, body.size(), 1000, 1);
      CHECK(waits.end == Kind::need_more);
      CHECK(waits.frames.size() <= 3);
      CHECK(cut(v, part, n, 1000, 1).end == Kind::bad);
    }
  }
}

TEST_CASE("produce stream: garbage never crashes it, nor makes parts larger than what came",
          "[produce]") {
  std::mt19937 random(99);
  for (int round = 0; round < 3000; ++round) {
    const int v = 3 + static_cast<int>(random() % 11);
    Buffer body =
        encoded(produce, v, request_of(v, {{records(random() % 60), nullptr}, {records(3)}}, "t"));
    for (auto n = 1 + random() % 4; n > 0; --n)
      body[random() % body.size()] = static_cast<std::byte>(random());
    const Cut c = cut(v, body, body.size(), 1 + random() % 40, static_cast<std::uint32_t>(round));
    REQUIRE(c.end != Kind::need_more);  // all bytes are there: through, or refused
    std::size_t bytes = 0;
    for (const auto& f : c.frames) bytes += f.size();
    REQUIRE(bytes <= body.size() + c.frames.size() * (body.size() + 64));
  }
}
