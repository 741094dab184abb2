// Big-endian numbers and Kafka's unsigned varints in raw bytes.
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace shunt::wire {

template <std::integral T>
T load(const std::byte* at) {
  std::make_unsigned_t<T> v = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    v = static_cast<std::make_unsigned_t<T>>((sizeof(T) > 1 ? v << 8 : 0) |
                                             std::to_integer<std::uint8_t>(at[i]));
  }
  return static_cast<T>(v);
}

template <std::integral T>
void store(std::byte* at, T value) {
  auto v = static_cast<std::make_unsigned_t<T>>(value);
  for (std::size_t i = sizeof(T); i-- > 0;) {
    at[i] = static_cast<std::byte>(v & 0xff);
    if constexpr (sizeof(T) > 1) v = static_cast<std::make_unsigned_t<T>>(v >> 8);
  }
}

template <std::integral T>
void put(std::vector<std::byte>& out, T value) {
  const auto at = out.size();
  out.resize(at + sizeof(T));
  store(out.data() + at, value);
}

// Bytes of `value` as an unsigned varint: 1 to 5.
constexpr std::uint32_t varint_size(std::uint32_t value) {
  return value == 0 ? 1U : static_cast<std::uint32_t>((std::bit_width(value) + 6) / 7);
}

inline void put_varint(std::vector<std::byte>& out, std::uint32_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<std::byte>(value | 0x80));
  out.push_back(static_cast<std::byte>(value));
}

}  // namespace shunt::wire
