// Loopback addresses as text: four decimal numbers, no locale, no resolver.
#include <charconv>

#include "proxy/route/identity.h"

namespace shunt::route {

std::string Address::text() const {
  char out[15];  // "127.255.255.255": what a std::string keeps without allocating
  char* at = out;
  for (int shift = 24; shift >= 0; shift -= 8) {
    if (shift != 24) *at++ = '.';
    at = std::to_chars(at, out + sizeof out, (value >> shift) & 0xff).ptr;
  }
  return {out, at};
}

std::optional<Address> Address::parse(std::string_view text) {
  const char* at = text.data();
  const char* const end = at + text.size();
  std::uint32_t value = 0;
  for (int part = 0; part < 4; ++part) {
    if (part != 0 && (at == end || *at++ != '.')) return std::nullopt;
    const char* const from = at;
    std::uint8_t number = 0;  // from_chars refuses what does not fit
    const auto [next, error] = std::from_chars(at, end, number);
    if (error != std::errc{} || (*from == '0' && next != from + 1)) return std::nullopt;
    at = next;
    value = (value << 8) | number;
  }
  if (at != end || (value >> 24) != 127) return std::nullopt;
  return Address{value};
}

}  // namespace shunt::route
