#include "proxy/wire/crc32c.h"

#include <array>
#include <cstring>
#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace shunt::wire {
namespace {

constexpr std::uint32_t polynomial = 0x82f63b78;  // bits reversed: x^31 is bit 0

constexpr std::uint32_t times_x(std::uint32_t p) {
  return (p & 1) != 0 ? (p >> 1) ^ polynomial : p >> 1;
}

// a * b modulo the polynomial; x^0 is the highest bit.
constexpr std::uint32_t multiply(std::uint32_t a, std::uint32_t b) {
  std::uint32_t product = 0;
  for (std::uint32_t bit = 1U << 31; bit != 0; bit >>= 1) {
    if ((a & bit) != 0) product ^= b;
    b = times_x(b);
  }
  return product;
}

// table[k][b]: the remainder of byte b followed by k zero bytes.
constexpr auto make_tables() {
  std::array<std::array<std::uint32_t, 256>, 8> t{};
  for (std::uint32_t b = 0; b < 256; ++b) {
    std::uint32_t crc = b;
    for (int i = 0; i < 8; ++i) crc = times_x(crc);
    t[0][b] = crc;
  }
  for (std::size_t k = 1; k < t.size(); ++k) {
    for (std::size_t b = 0; b < 256; ++b) t[k][b] = (t[k - 1][b] >> 8) ^ t[0][t[k - 1][b] & 0xff];
  }
  return t;
}
constexpr auto tables = make_tables();

// powers[k] = x^(8 * 2^k): what 2^k zero bytes multiply a remainder by.
constexpr auto make_powers() {
  std::array<std::uint32_t, 64> p{};
  p[0] = 1U << 23;  // x^8
  for (std::size_t k = 1; k < p.size(); ++k) p[k] = multiply(p[k - 1], p[k - 1]);
  return p;
}
constexpr auto powers = make_powers();

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) std::uint32_t by_processor(std::uint32_t crc, Bytes bytes) {
  std::uint64_t state = ~crc;
  const auto* at = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 8; left -= 8, at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, at, 8);
    state = _mm_crc32_u64(state, word);
  }
  auto last = static_cast<std::uint32_t>(state);
  for (; left > 0; --left, ++at) last = _mm_crc32_u8(last, std::to_integer<std::uint8_t>(*at));
  return ~last;
}
const bool has_instruction = __builtin_cpu_supports("sse4.2") != 0;
#endif

}  // namespace

std::uint32_t crc32c_by_table(std::uint32_t crc, Bytes bytes) {
  std::uint32_t state = ~crc;
  const auto* at = bytes.data();
  std::size_t left = bytes.size();
  const auto byte = [&](std::size_t i) { return std::to_integer<std::uint32_t>(at[i]); };
  for (; left >= 8; left -= 8, at += 8) {
    state ^= byte(0) | byte(1) << 8 | byte(2) << 16 | byte(3) << 24;
    state = tables[7][state & 0xff] ^ tables[6][(state >> 8) & 0xff] ^
            tables[5][(state >> 16) & 0xff] ^ tables[4][state >> 24] ^ tables[3][byte(4)] ^
            tables[2][byte(5)] ^ tables[1][byte(6)] ^ tables[0][byte(7)];
  }
  for (; left > 0; --left, ++at) state = (state >> 8) ^ tables[0][(state & 0xff) ^ byte(0)];
  return ~state;
}

std::uint32_t crc32c(std::uint32_t crc, Bytes bytes) {
#if defined(__x86_64__)
  if (has_instruction) return by_processor(crc, bytes);
#endif
  return crc32c_by_table(crc, bytes);
}

std::uint32_t crc32c_changed(std::uint32_t crc, Bytes delta, std::uint64_t tail_bytes) {
  // The remainder of the difference alone: begun with 0 and not inverted at its end.
  std::uint32_t change = ~crc32c(~0U, delta);
  for (std::size_t k = 0; tail_bytes != 0 && change != 0; tail_bytes >>= 1, ++k) {
    if ((tail_bytes & 1) != 0) change = multiply(change, powers[k]);
  }
  return crc ^ change;
}

}  // namespace shunt::wire
