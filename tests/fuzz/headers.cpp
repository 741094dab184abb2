// Headers of requests and answers: every prefix says the same or asks for more.
#include "proxy/wire/header.h"

#include <algorithm>

#include "tests/fuzz/allocation.h"
#include "tests/fuzz/target.h"

using namespace shunt::wire;

namespace {

void request_header(Bytes content) {
  RequestHeader whole;
  const Parse found = parse(content, content.size(), whole);
  fuzz::promise(found != Parse::need_more, "all bytes are there");
  for (std::size_t n = 0; n < std::min<std::size_t>(content.size(), 80); ++n) {
    RequestHeader part;
    const Parse cut = parse(content.first(n), content.size(), part);
    if (found == Parse::bad) {
      fuzz::promise(cut != Parse::ok, "what is bad as a whole is not good in part");
    } else {
      fuzz::promise(cut == (n < whole.size ? Parse::need_more : Parse::ok), "a header in part");
    }
  }
  if (found != Parse::ok) return;
  fuzz::promise(whole.size <= content.size(), "a header within its frame");
  const Message* m = request(whole.api);
  if (m == nullptr || !m->valid.contains(whole.version) || !whole.has_client_id) return;
  // Written again: the same, but for tagged fields.
  std::vector<std::byte> out;
  begin_request(*m, whole.version, whole.correlation, whole.client_id, out);
  const Bytes again = Bytes(out).subspan(4);
  const std::size_t plain = 10 + whole.client_id.size();
  fuzz::promise(again.size() == plain + (flexible_request(*m, whole.version) ? 1 : 0), "its size");
  fuzz::promise(std::ranges::equal(again.first(plain), content.first(plain)), "its bytes");
}

void answer_header(const Message& m, Version v, Bytes content) {
  std::int32_t correlation = 0, again = 0;
  std::uint32_t size = 0, size_again = 0;
  const Parse found = parse_answer(m, v, content, content.size(), correlation, size);
  fuzz::promise(found != Parse::need_more, "all bytes are there");
  if (found != Parse::ok) return;
  fuzz::promise(size >= 4 && size <= content.size(), "a header within its frame");
  for (std::size_t n = 0; n < std::min<std::size_t>(size, 80); ++n) {
    fuzz::promise(
        parse_answer(m, v, content.first(n), content.size(), again, size_again) == Parse::need_more,
        "a header in part");
  }
  fuzz::promise(
      parse_answer(m, v, content.first(size), content.size(), again, size_again) == Parse::ok &&
          again == correlation && size_again == size,
      "the header alone");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::AllocationBound bound(size);
  if (size > 0 && (data[0] & 1) != 0) {
    const fuzz::Input in(data + 1, size - 1);
    if (in.message == nullptr || in.message->request) return 0;
    answer_header(*in.message, in.version, in.body);
  } else if (size > 0) {
    request_header(fuzz::bytes(data, size).subspan(1));
  }
  return 0;
}
