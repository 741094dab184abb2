// What clients have sent of requests that are not whole yet: over all of them no more than a limit,
// or else many that each begin a large request and do not end it take all memory there is.
#pragma once

#include <cstdint>
#include <map>

#include "proxy/net/limits.h"

namespace shunt::net {

class Session;

class Unfinished {
 public:
  // A session's part in it. `began`: changes when another frame begins.
  struct Share {
    std::uint64_t place = 0;  // in the order they began; 0: none
    std::uint64_t began = 0;
    std::size_t bytes = 0;
  };
  void count(Session& session, Share& share, std::uint64_t began, std::size_t bytes) {
    bytes_ += bytes;
    bytes_ -= share.bytes;
    share.bytes = bytes;
    if (share.place != 0 && (bytes == 0 || share.began != began)) {
      sessions_.erase(share.place);
      share.place = 0;
    }
    if (bytes == 0 || share.place != 0) return;
    share.place = ++last_;
    share.began = began;
    sessions_.emplace(share.place, &session);
  }
  // Whose has begun first, while all are too many: honest ones end in a moment. Null: they are not.
  // One alone may be as large as frames may be.
  Session* too_many() const {
    return bytes_ > unfinished_bytes_max && sessions_.size() > 1 ? sessions_.begin()->second
                                                                 : nullptr;
  }
  std::size_t bytes() const { return bytes_; }

 private:
  std::map<std::uint64_t, Session*> sessions_;
  std::uint64_t last_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace shunt::net
