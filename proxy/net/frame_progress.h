// Whether what is on its way from a peer, or to it, comes along: silence is easily seen, a byte a
// second is as bad.
#pragma once

#include <chrono>
#include <cstdint>

#include "proxy/net/limits.h"

namespace shunt::net {

// Asked once a second. What has begun must end, or move by `progress_bytes_min`, within the limit.
class FrameProgress {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // `under_way`: something has begun, and it is for the peer to go on. `bytes`: moved so far;
  // `ended`: changes with every frame. False: the limit is over.
  bool holds(Time now, bool under_way, std::uint64_t bytes, std::uint64_t ended,
             std::chrono::milliseconds limit) {
    if (!under_way || !watching_ || ended != ended_ || bytes - bytes_ >= progress_bytes_min) {
      watching_ = under_way;
      since_ = now;
      bytes_ = bytes;
      ended_ = ended;
    }
    return now - since_ <= limit;
  }

 private:
  bool watching_ = false;
  Time since_{};
  std::uint64_t bytes_ = 0, ended_ = 0;
};

}  // namespace shunt::net
