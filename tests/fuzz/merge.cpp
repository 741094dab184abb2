// Two answers of any kind made one: a message with the elements of both, or a reason.
//
// An input: as for one message, with the first answer's size (two bytes) before the two bodies.
#include "proxy/wire/merge.h"

#include <algorithm>
#include <vector>

#include "proxy/wire/bytes.h"
#include "proxy/wire/split.h"
#include "tests/fuzz/allocation.h"
#include "tests/fuzz/target.h"

using namespace shunt::wire;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::Input in(data, size);
  if (in.message == nullptr || in.message->request || in.body.size() < 2) return 0;
  const Bytes both = in.body.subspan(2);
  const auto first = std::min<std::size_t>(both.size(), load<std::uint16_t>(in.body.data()));
  const Bytes bodies[] = {both.first(first), both.subspan(first)};
  std::vector<std::byte> out;
  const std::vector<std::byte> before = out;
  const char* problem = nullptr;
  {
    const fuzz::AllocationBound bound(in.body.size());
    problem = merge(*in.message, in.version, bodies, out);
  }
  if (problem != nullptr) {
    fuzz::promise(out == before, "nothing is written where nothing can be merged");
    return 0;
  }
  Parts merged, a, b;
  fuzz::promise(merged.parse(*in.message, in.version, out) == nullptr, "a message");
  a.parse(*in.message, in.version, bodies[0]);
  b.parse(*in.message, in.version, bodies[1]);
  fuzz::promise(merged.leaf_count() == a.leaf_count() + b.leaf_count(), "all elements");
  return 0;
}
