// Record batches renumbered in place: against checksums computed whole, and in pieces.
#include "proxy/wire/batch.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <random>
#include <string_view>
#include <vector>

#include "proxy/wire/bytes.h"

using namespace shunt::wire;

namespace {

using Buffer = std::vector<std::byte>;

Bytes of(std::string_view s) { return std::as_bytes(std::span(s)); }

struct Make {
  std::mt19937 random{7};
  int below(int n) { return std::uniform_int_distribution<int>(0, n - 1)(random); }

  Buffer noise(std::size_t n) {
    Buffer b(n);
    for (auto& x : b) x = static_cast<std::byte>(below(256));
    return b;
  }

  Buffer v2(std::size_t payload, std::int64_t producer) {
    Buffer b = noise(batch_header_bytes + payload);
    store(b.data(), std::int64_t{below(1000000)});
    store(b.data() + 8, static_cast<std::int32_t>(b.size() - 12));
    store(b.data() + 16, std::int8_t{2});
    store(b.data() + 43, producer);
    store(b.data() + 17, crc32c(0, Bytes(b).subspan(21)));
    return b;
  }

  Buffer message(std::int8_t magic, std::int8_t codec, std::size_t payload) {
    Buffer b = noise((magic == 1 ? 34U : 26U) + payload);
    store(b.data(), std::int64_t{below(1000000)});
    store(b.data() + 8, static_cast<std::int32_t>(b.size() - 12));
    store(b.data() + 16, magic);
    store(b.data() + 17, codec);
    return b;
  }

  Buffer any() {
    const auto payload = static_cast<std::size_t>(below(below(4) == 0 ? 3000 : 40));
    switch (below(4)) {
      case 0:
        return message(0, 0, payload);
      case 1:
        return message(1, static_cast<std::int8_t>(below(4)), payload);
      default:
        return v2(payload, below(2) == 0 ? -1 : below(5000));
    }
  }
};

BatchHeader header_of(Bytes b) {
  BatchHeader h;
  REQUIRE(parse(b, h) == BatchParse::ok);
  return h;
}

}  // namespace

TEST_CASE("CRC-32C has the values of RFC 3720", "[batch]") {
  for (auto f : {&crc32c, &crc32c_by_table}) {
    CHECK(f(0, of("123456789")) == 0xe3069283U);
    CHECK(f(0, Buffer(32, std::byte{0})) == 0x8a9136aaU);
    CHECK(f(0, Buffer(32, std::byte{0xff})) == 0x62a8ab43U);
    CHECK(f(f(0, of("1234")), of("56789")) == 0xe3069283U);
    CHECK(f(0, {}) == 0);
  }
}

TEST_CASE("both ways to compute it agree", "[batch]") {
  Make make;
  for (int i = 0; i < 300; ++i) {
    const Buffer b = make.noise(static_cast<std::size_t>(make.below(200)));
    REQUIRE(crc32c(5, b) == crc32c_by_table(5, b));
  }
}

TEST_CASE("a changed checksum is the one computed whole", "[batch]") {
  Make make;
  for (int i = 0; i < 500; ++i) {
    Buffer b = make.noise(1 + static_cast<std::size_t>(make.below(5000)));
    const auto old = crc32c(0, b);
    const auto at = static_cast<std::size_t>(make.below(static_cast<int>(b.size())));
    const auto n =
        std::min<std::size_t>(b.size() - at, 1 + static_cast<std::size_t>(make.below(20)));
    Buffer delta = make.noise(n);
    for (std::size_t k = 0; k < n; ++k) b[at + k] ^= delta[k];
    REQUIRE(crc32c_changed(old, delta, b.size() - at - n) == crc32c(0, b));
  }
}

TEST_CASE("any edit of a v2 batch leaves a right checksum and the rest alone", "[batch]") {
  Make make;
  for (int i = 0; i < 1000; ++i) {
    const Buffer before = make.v2(static_cast<std::size_t>(make.below(2000)),
                                  make.below(3) == 0 ? -1 : make.below(100000));
    const BatchHeader h = header_of(before);
    const BatchEdit edit{.offset_shift = make.below(2000000) - 1000000,
                         .set_leader_epoch = make.below(2) == 0,
                         .leader_epoch = make.below(100),
                         .set_producer = make.below(2) == 0,
                         .producer_id = make.below(1 << 30),
                         .producer_epoch = static_cast<std::int16_t>(make.below(32768))};
    Buffer after = before;
    REQUIRE(rewrite(edit, after));
    const BatchHeader n = header_of(after);
    CHECK(n.base_offset == h.base_offset + edit.offset_shift);
    CHECK(n.leader_epoch == (edit.set_leader_epoch ? edit.leader_epoch : h.leader_epoch));
    const bool producer = edit.set_producer && h.producer_id >= 0;
    CHECK(n.producer_id == (producer ? edit.producer_id : h.producer_id));
    CHECK(n.producer_epoch == (producer ? edit.producer_epoch : h.producer_epoch));
    REQUIRE(n.crc == crc32c(0, Bytes(after).subspan(21)));
    REQUIRE(std::equal(before.begin() + 53, before.end(), after.begin() + 53));
    // And back again: the same bytes.
    BatchEdit undo{.offset_shift = -edit.offset_shift,
                   .set_leader_epoch = true,
                   .leader_epoch = h.leader_epoch,
                   .set_producer = true,
                   .producer_id = h.producer_id,
                   .producer_epoch = h.producer_epoch};
    REQUIRE(rewrite(undo, after));
    REQUIRE(after == before);
  }
}

TEST_CASE("message sets: renumbered at the wrapper, or refused", "[batch]") {
  Make make;
  struct Case {
    std::int8_t magic, codec;
    std::int64_t shift;
    bool works;
  };
  for (const auto& c :
       {Case{0, 0, 0, true}, Case{0, 0, 9, true}, Case{0, 1, 0, true}, Case{0, 1, 9, false},
        Case{0, 2, -9, false}, Case{1, 0, 9, true}, Case{1, 1, 9, true}, Case{1, 3, -9, true}}) {
    const Buffer before = make.message(c.magic, c.codec, 20);
    Buffer after = before;
    CHECK(rewrite({.offset_shift = c.shift,
                   .set_leader_epoch = true,
                   .leader_epoch = 3,
                   .set_producer = true,
                   .producer_id = 1,
                   .producer_epoch = 1},
                  after) == c.works);
    CHECK(header_of(after).base_offset == header_of(before).base_offset + (c.works ? c.shift : 0));
    CHECK(std::equal(before.begin() + 8, before.end(), after.begin() + 8));
  }
}

TEST_CASE("headers that cannot be", "[batch]") {
  Make make;
  BatchHeader h;
  Buffer good = make.v2(10, 5);
  for (std::size_t n = 0; n < batch_header_bytes; ++n) {
    CHECK(parse(Bytes(good).first(n), h) == BatchParse::need_more);
    CHECK_FALSE(rewrite({.offset_shift = 1}, std::span(good).first(n)));
  }
  for (int magic : {3, 127, -1, -128}) {
    Buffer b = good;
    store(b.data() + 16, static_cast<std::int8_t>(magic));
    CHECK(parse(b, h) == BatchParse::bad);
    CHECK_FALSE(rewrite({.offset_shift = 1}, b));
  }
  struct Length {
    std::int8_t magic;
    std::int32_t least;
  };
  for (const auto& c : {Length{0, 14}, Length{1, 22}, Length{2, 49}}) {
    Buffer b = good;
    store(b.data() + 16, c.magic);
    for (std::int32_t length : {std::int32_t{-2147483647} - 1, -1, 0, c.least - 1}) {
      store(b.data() + 8, length);
      CHECK(parse(b, h) == BatchParse::bad);
    }
    store(b.data() + 8, c.least);
    CHECK(parse(b, h) == BatchParse::ok);
  }
}

TEST_CASE("offsets at the end of the numbers wrap and are undone", "[batch]") {
  Make make;
  Buffer b = make.v2(3, -1);
  store(b.data(), std::int64_t{0x7fffffffffffffff});
  const Buffer before = b;
  CHECK(rewrite({.offset_shift = 5}, b));
  CHECK(header_of(b).last_offset() != 0);
  CHECK(rewrite({.offset_shift = -5}, b));
  CHECK(b == before);
}

TEST_CASE("a set in pieces is the set as a whole", "[batch]") {
  Make make;
  for (int round = 0; round < 300; ++round) {
    Buffer set;
    std::vector<std::size_t> starts;
    for (int n = make.below(8); n > 0; --n) {
      starts.push_back(set.size());
      const Buffer b = make.any();
      set.insert(set.end(), b.begin(), b.end());
    }
    if (make.below(2) == 0) {  // a partial batch at the end
      const Buffer b = make.any();
      const auto n = static_cast<std::ptrdiff_t>(make.below(static_cast<int>(b.size())));
      set.insert(set.end(), b.begin(), b.begin() + n);
    }
    const BatchEdit edit{
        .offset_shift = 1 + make.below(1000), .set_leader_epoch = true, .leader_epoch = 4};
    Buffer whole = set;
    for (const auto at : starts) REQUIRE(rewrite(edit, std::span(whole).subspan(at)));

    // A stream: a window of bytes that came and did not leave; what is stepped over leaves it.
    BatchCursor cursor(set.size());
    Buffer window, out;
    std::size_t came = 0, found = 0;
    for (;;) {
      BatchHeader h;
      std::size_t advance = 0;
      const auto step = cursor.next(window, h, advance);
      out.insert(out.end(), window.begin(), window.begin() + static_cast<std::ptrdiff_t>(advance));
      window.erase(window.begin(), window.begin() + static_cast<std::ptrdiff_t>(advance));
      REQUIRE(cursor.position() == out.size());
      REQUIRE(step != BatchCursor::Step::bad);
      if (step == BatchCursor::Step::done) break;
      if (step == BatchCursor::Step::batch) {
        REQUIRE(found < starts.size());
        REQUIRE(cursor.position() == starts[found++]);
        REQUIRE(rewrite(edit, window));
      } else {
        REQUIRE(window.size() < batch_header_bytes);
        REQUIRE(came < set.size());
        const auto n = std::min(set.size() - came, 1 + static_cast<std::size_t>(make.below(90)));
        const auto from = set.begin() + static_cast<std::ptrdiff_t>(came);
        window.insert(window.end(), from, from + static_cast<std::ptrdiff_t>(n));
        came += n;
      }
    }
    CHECK(found == starts.size());
    CHECK(window.empty());
    REQUIRE(out == whole);
  }
}

TEST_CASE("what is no record set is found out, once and for all", "[batch]") {
  Make make;
  Buffer set = make.v2(5, 1);
  store(set.data() + 16, std::int8_t{9});
  BatchCursor cursor(set.size());
  BatchHeader h;
  std::size_t advance = 0;
  CHECK(cursor.next(set, h, advance) == BatchCursor::Step::bad);
  CHECK(cursor.next(set, h, advance) == BatchCursor::Step::bad);
}

TEST_CASE("the overflow message of a down-converting broker is a partial batch", "[batch]") {
  // LazyDownConversionRecordsSend: offset -1, a length past the end, zeroes.
  Buffer set(100);
  store(set.data(), std::int64_t{-1});
  store(set.data() + 8, std::int32_t{101});
  BatchCursor cursor(set.size());
  BatchHeader h;
  std::size_t advance = 0;
  CHECK(cursor.next(set, h, advance) == BatchCursor::Step::done);
  CHECK(advance == 100);
}
