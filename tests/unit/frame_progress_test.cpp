// What is progress, second by second: a peer that moves too little is as good as silent.
#include <catch2/catch.hpp>

#include "proxy/net/frame_progress.h"

using namespace shunt;
using namespace std::chrono_literals;

TEST_CASE("frame progress: what has begun must end or move enough within the limit", "[hostile]") {
  const struct {
    const char* what;
    bool under_way;
    std::uint64_t bytes_a_second, frames_a_second;
    int gives_up_after;  // seconds; 0: never
  } rows[] = {
      {"nothing has begun", false, 0, 0, 0},
      {"silence", true, 0, 0, 31},
      {"a byte a second", true, 1, 0, 31},
      {"half of what is enough", true, net::progress_bytes_min / 60, 0, 31},
      {"enough", true, net::progress_bytes_min / 30 + 1, 0, 0},
      {"small frames, one behind the other", true, 20, 1, 0},
  };
  for (const auto& row : rows) {
    INFO(row.what);
    net::FrameProgress progress;
    net::FrameProgress::Time now{1000s};
    int second = 0;
    std::uint64_t bytes = 0, frames = 0;
    for (; second < 300; ++second) {
      if (!progress.holds(now, row.under_way, bytes, frames, 30s)) break;
      now += 1s;
      bytes += row.bytes_a_second;
      frames += row.frames_a_second;
    }
    CHECK(second == (row.gives_up_after == 0 ? 300 : row.gives_up_after));
  }
}

TEST_CASE("frame progress: time in which it is for us to go on does not count", "[hostile]") {
  net::FrameProgress progress;
  net::FrameProgress::Time now{1000s};
  for (int second = 0; second < 200; ++second, now += 1s) {
    const bool theirs = second % 25 != 0;  // now and then we do not read
    CHECK(progress.holds(now, theirs, 7, 1, 30s));
  }
}
