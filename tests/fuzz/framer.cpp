// A stream of frames, cut where the input says: sizes as announced, prefixes ask for more.
#include "proxy/wire/framer.h"

#include "tests/fuzz/allocation.h"
#include "tests/fuzz/target.h"

using namespace shunt::wire;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::AllocationBound bound(0);
  Bytes rest = fuzz::bytes(data, size);
  const std::uint64_t max = size > 0 ? std::uint64_t{1} << (data[0] % 32) : 0;
  while (!rest.empty()) {
    std::uint32_t content = 0xabcdef;
    const Frame found = parse_frame(rest, max, content);
    for (std::size_t n = 0; n < frame_prefix_bytes && n < rest.size(); ++n) {
      std::uint32_t part = 0;
      fuzz::promise(parse_frame(rest.first(n), max, part) == Frame::need_more, "a cut prefix");
    }
    if (found == Frame::need_more) {
      fuzz::promise(rest.size() < frame_prefix_bytes, "a whole prefix says enough");
      break;
    }
    const auto n = load<std::int32_t>(rest.data());
    fuzz::promise((found == Frame::bad_size) == (n < 4), "a frame has four bytes at least");
    if (found == Frame::bad_size) break;
    fuzz::promise((found == Frame::too_large) == (static_cast<std::uint64_t>(n) > max),
                  "the limit");
    if (found == Frame::too_large) break;
    fuzz::promise(content == static_cast<std::uint32_t>(n), "the size as announced");
    if (rest.size() - frame_prefix_bytes < content) break;
    rest = rest.subspan(frame_prefix_bytes + content);
  }
  return 0;
}
