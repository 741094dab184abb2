// What the fuzz targets share: how an input names its message, and how a broken promise ends it.
//
// An input for a message is: its API key (a byte), its version (seven bits; the eighth: a
// response), a knob (a byte the target uses as it likes), its body.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "proxy/wire/schema.h"
#include "proxy/wire/walker.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace fuzz {

inline void promise(bool kept, const char* what) {
  if (kept) return;
  std::fprintf(stderr, "broken promise: %s\n", what);
  std::abort();
}

inline shunt::wire::Bytes bytes(const std::uint8_t* data, std::size_t size) {
  return std::as_bytes(std::span(data, size));
}

struct Input {
  const shunt::wire::Message* message = nullptr;  // null: names none
  shunt::wire::Version version = 0;
  std::uint8_t knob = 0;
  shunt::wire::Bytes body;

  Input(const std::uint8_t* data, std::size_t size) {
    if (size < 3) return;
    version = data[1] & 0x7f;
    message =
        (data[1] & 0x80) != 0 ? shunt::wire::response(data[0]) : shunt::wire::request(data[0]);
    if (message != nullptr && !message->valid.contains(version)) message = nullptr;
    knob = data[2];
    body = bytes(data, size).subspan(3);
  }
};

// Numbers that follow from the input alone.
class Dice {
 public:
  explicit Dice(std::uint32_t seed) : state_(seed * 2654435761U + 1) {}
  std::uint32_t below(std::uint32_t n) {
    state_ = state_ * 1664525U + 1013904223U;
    return (state_ >> 8) % n;
  }

 private:
  std::uint32_t state_;
};

}  // namespace fuzz
