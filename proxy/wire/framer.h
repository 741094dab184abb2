// The four bytes in front of every frame.
#pragma once

#include "proxy/wire/bytes.h"
#include "proxy/wire/walker.h"

namespace shunt::wire {

constexpr std::size_t frame_prefix_bytes = 4;

enum class Frame : std::uint8_t { ok, need_more, bad_size, too_large };

// Reads a frame's size (of its content, without the prefix). `max`: the largest content allowed.
// Kafka: a size is an int32; a request or answer has at least 4 bytes (an answer's correlation id).
inline Frame parse_frame(Bytes bytes, std::uint64_t max, std::uint32_t& content) {
  if (bytes.size() < frame_prefix_bytes) return Frame::need_more;
  const auto n = load<std::int32_t>(bytes.data());
  if (n < 4) return Frame::bad_size;
  content = static_cast<std::uint32_t>(n);
  return content > max ? Frame::too_large : Frame::ok;
}

}  // namespace shunt::wire
