// Every limit of the data path, with its default; unit last.
#pragma once

#include <chrono>
#include <cstddef>

namespace shunt::net {

// What the configuration may change (contract.md, `limits`).
struct Limits {
  std::size_t connections_max = 10000;
  std::size_t frame_bytes_max = 104857600;  // of a request; answers stream
  std::size_t before_auth_frame_bytes_max = 524288;
  std::size_t in_flight_requests_max = 64;  // per client connection
  std::chrono::milliseconds idle = std::chrono::minutes(10);
  std::chrono::milliseconds progress = std::chrono::seconds(30);
  std::chrono::milliseconds connect = std::chrono::seconds(10);
  std::chrono::milliseconds drain = std::chrono::seconds(25);
};

// What it may not.
constexpr std::size_t read_buffer_bytes = 256 * 1024;  // one per thread (performance.md)
constexpr std::size_t whole_request_bytes_max =
    1280 * 1024;  // a Produce above is streamed in parts
constexpr std::size_t held_request_bytes_max =
    16 * 1024 * 1024;  // any other request: it must be held whole (a broker's own are below 2 MiB)
constexpr std::size_t leaves_max = 100'000;  // partitions or names in a request: each costs memory
constexpr std::size_t unfinished_bytes_max =
    32 * 1024 * 1024;  // of all clients' requests that are not whole yet (unfinished.h)
constexpr std::size_t requests_at_once_max = 16;  // of a client; then it is the others' turn,
constexpr auto requests_at_once_time =
    std::chrono::microseconds(100);  // or after this, whichever comes first
constexpr std::size_t progress_bytes_min =
    64 * 1024;  // in limits.progress, of a frame that does not end (frame_progress.h)
constexpr std::size_t descriptors_kept_max =
    1024;  // for links: a quarter of all, no more than that
constexpr std::size_t whole_answer_bytes_max =
    256 * 1024 * 1024;                                      // an answer that must be held whole
constexpr std::size_t split_fetch_bytes_max = 1024 * 1024;  // asked of each side of a split Fetch

static_assert(read_buffer_bytes >= 64 * 1024, "a token of the walker must fit (strings: 32 KiB)");
static_assert(whole_request_bytes_max > read_buffer_bytes);
static_assert(held_request_bytes_max > whole_request_bytes_max);
static_assert(unfinished_bytes_max > held_request_bytes_max);

}  // namespace shunt::net
