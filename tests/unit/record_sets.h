// Record sets for tests, byte by byte after KIP-98 and KIP-32: random batches of every format.
#pragma once

#include <random>
#include <vector>

#include "proxy/wire/batch.h"
#include "proxy/wire/bytes.h"

namespace record_sets {

using namespace shunt;
using Buffer = std::vector<std::byte>;

class Random {
 public:
  explicit Random(std::uint32_t seed) : random_(seed) {}
  int below(int n) { return std::uniform_int_distribution<int>(0, n - 1)(random_); }
  bool one_in(int n) { return below(n) == 0; }
  Buffer noise(std::size_t n) {
    Buffer b(n);
    for (auto& x : b) x = static_cast<std::byte>(random_());
    return b;
  }

 private:
  std::mt19937 random_;
};

// A v2 batch of `records` offsets from `base` on.
inline Buffer batch(Random& random, std::int64_t base, int records, std::int32_t epoch,
                    std::int64_t producer, std::size_t payload, std::int16_t attributes = 0) {
  Buffer b = random.noise(wire::batch_header_bytes + payload);
  wire::store(b.data(), base);
  wire::store(b.data() + 8, static_cast<std::int32_t>(b.size() - 12));
  wire::store(b.data() + 12, epoch);
  wire::store(b.data() + 16, std::int8_t{2});
  wire::store(b.data() + 21, attributes);
  wire::store(b.data() + 23, std::int32_t{records - 1});
  wire::store(b.data() + 43, producer);
  wire::store(b.data() + 17, wire::crc32c(0, wire::Bytes(b).subspan(21)));
  return b;
}

// A message of format 0 or 1.
inline Buffer message(Random& random, std::int64_t base, std::int8_t magic, std::int8_t codec,
                      std::size_t payload) {
  Buffer b = random.noise((magic == 1 ? 34U : 26U) + payload);
  wire::store(b.data(), base);
  wire::store(b.data() + 8, static_cast<std::int32_t>(b.size() - 12));
  wire::store(b.data() + 16, magic);
  wire::store(b.data() + 17, codec);
  return b;
}

inline bool checksum_holds(wire::Bytes batch) {
  return wire::load<std::uint32_t>(batch.data() + 17) == wire::crc32c(0, batch.subspan(21));
}

inline void append(Buffer& to, const Buffer& more) {
  to.insert(to.end(), more.begin(), more.end());
}

}  // namespace record_sets
