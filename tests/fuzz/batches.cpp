// Record sets, renumbered while they stream: the same in pieces as in one, sums stay as right.
//
// An input is an edit (flags, shift, epoch, producer: 16 bytes) and a record set.
#include "proxy/wire/batch.h"

#include <algorithm>
#include <vector>

#include "proxy/wire/bytes.h"
#include "tests/fuzz/allocation.h"
#include "tests/fuzz/target.h"

using namespace shunt::wire;

namespace {

constexpr std::size_t edit_bytes = 16;

BatchEdit edit_of(Bytes b) {
  const auto flags = std::to_integer<std::uint8_t>(b[0]);
  return {.offset_shift = (flags & 1) != 0 ? load<std::int64_t>(&b[1]) : 0,
          .set_leader_epoch = (flags & 2) != 0,
          .leader_epoch = load<std::int16_t>(&b[9]),
          .set_producer = (flags & 4) != 0,
          .producer_id = load<std::int32_t>(&b[11]),
          .producer_epoch = std::to_integer<std::int16_t>(b[15])};
}

// How far a v2 batch's checksum is from right; an edit must not change it.
std::uint32_t error_of(Bytes batch) {
  return load<std::uint32_t>(&batch[17]) ^ crc32c(0, batch.subspan(21));
}

struct Result {
  BatchCursor::Step end = BatchCursor::Step::done;
  std::uint64_t batches = 0, refused = 0;
  bool operator==(const Result&) const = default;
};

void edit_one(const BatchEdit& edit, const BatchHeader& h, std::span<std::byte> set, Result& r) {
  ++r.batches;
  const bool here = h.magic == 2 && h.size() <= set.size();
  const auto batch = here ? set.first(h.size()) : set.first(h.header_size());
  const std::uint32_t before = here ? error_of(batch) : 0;
  const bool done = rewrite(edit, batch);
  fuzz::promise(done || (h.magic == 0 && h.compressed() && edit.offset_shift != 0), "refused");
  r.refused += done ? 0 : 1;
  if (here) fuzz::promise(error_of(batch) == before, "a checksum stays as right as it was");
}

// The set arrives in pieces; bytes stepped over leave (they are final).
Result stream(const BatchEdit& edit, std::span<std::byte> set, std::size_t piece) {
  BatchCursor cursor(set.size());
  Result r;
  for (std::size_t came = std::min(piece, set.size());;) {
    const auto at = static_cast<std::size_t>(cursor.position());
    BatchHeader h;
    std::size_t advance = 0;
    r.end = cursor.next(set.first(came).subspan(at), h, advance);
    fuzz::promise(cursor.position() == at + advance && at + advance <= came, "the position");
    if (r.end == BatchCursor::Step::batch) {
      const auto here = set.first(came).subspan(at + advance);
      fuzz::promise(here.size() >= h.header_size(), "a whole header");
      edit_one(edit, h, here, r);
    } else if (r.end == BatchCursor::Step::need_more) {
      fuzz::promise(came - at - advance < batch_header_bytes, "no more than a header is kept");
      fuzz::promise(came < set.size(), "nothing more is wanted than the set");
      came = std::min(came + piece, set.size());
    } else {
      break;
    }
  }
  if (r.end == BatchCursor::Step::done) fuzz::promise(cursor.position() == set.size(), "the end");
  return r;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < edit_bytes) return 0;
  const Bytes input = fuzz::bytes(data, size);
  const BatchEdit edit = edit_of(input);
  const Bytes set = input.subspan(edit_bytes);
  std::vector<std::byte> whole(set.begin(), set.end()), pieces = whole;
  const fuzz::AllocationBound bound(0);
  const Result once = stream(edit, whole, whole.size());
  const Result parts = stream(edit, pieces, 1 + data[0] / 8U);
  fuzz::promise(once == parts && whole == pieces, "pieces end as the whole does");
  if (once.end != BatchCursor::Step::done || once.refused > 0) return 0;
  if (edit.set_leader_epoch || edit.set_producer) return 0;
  BatchEdit undo = edit;
  undo.offset_shift = static_cast<std::int64_t>(0 - static_cast<std::uint64_t>(edit.offset_shift));
  stream(undo, whole, whole.size());
  fuzz::promise(std::ranges::equal(whole, set), "shifted back");
  return 0;
}
