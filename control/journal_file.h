// One file of the journal as bytes: records framed by length and CRC-32C, and a scan over them.
//
//   +--------+--------+----------- ...
//   | length | crc    | JSON            both big-endian; crc over the length's bytes and the JSON
//   +--------+--------+----------- ...
//
// Pure: bytes in, values out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace shunt::control {

constexpr std::size_t record_head_bytes = 8;
constexpr std::size_t record_bytes_max = 1 << 20;  // of its JSON

// The record with its head. `json` is at most record_bytes_max bytes.
std::string frame(std::string_view json);

struct Scan {
  enum class End : std::uint8_t {
    clean,  // the file ends with a whole record
    torn,   // it ends with a record that was not written whole: nothing valid follows `good_bytes`
    bad,    // a record at `good_bytes` is damaged, or refused, and what follows cannot be trusted
  };
  End end = End::clean;
  std::uint64_t good_bytes = 0;  // whole, accepted records
  std::string problem;           // why, for torn and bad
};

// Calls `accept` for each record's JSON in order; it answers "" or why the record cannot be used.
Scan scan(std::string_view bytes, const std::function<std::string(std::string_view json)>& accept);

}  // namespace shunt::control
