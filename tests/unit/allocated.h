// Bytes that this process has from malloc and has not given back.
#pragma once

#include <malloc.h>

#include <cstddef>

namespace fake {

inline std::size_t allocated() {
  const auto info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

}  // namespace fake
