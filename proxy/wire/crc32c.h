// CRC-32C (Castagnoli), the checksum of record batches v2. Source: RFC 3720, KIP-98.
#pragma once

#include <cstdint>

#include "proxy/wire/walker.h"

namespace shunt::wire {

// `crc` continues an earlier value (0 to begin).
std::uint32_t crc32c(std::uint32_t crc, Bytes bytes);
// The same without the processor's help; crc32c takes it where there is no SSE 4.2.
std::uint32_t crc32c_by_table(std::uint32_t crc, Bytes bytes);

// The CRC-32C of a message that differs from one with `crc` by `delta` (old XOR new bytes), which
// is followed by `tail_bytes` unchanged bytes. Reads no more than `delta`: the CRC is linear.
std::uint32_t crc32c_changed(std::uint32_t crc, Bytes delta, std::uint64_t tail_bytes);

}  // namespace shunt::wire
