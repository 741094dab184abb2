// Bodies rewritten as spans: numbers in place, texts by others of any length.
#include "proxy/wire/edit.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "proxy/wire/bytes.h"
#include "tests/fuzz/allocation.h"
#include "tests/fuzz/target.h"

using namespace shunt::wire;

namespace {

struct Counts {
  TokenKind end = TokenKind::bad;
  std::uint64_t tokens = 0, replaced = 0;
};

constexpr std::string_view other = "another-host.example";

// Notes edits for some of a body's fields; a text inside a tagged field keeps its length.
Counts note(const fuzz::Input& in, Edits& edits) {
  Walker w(*in.message, in.version, in.body.size());
  fuzz::Dice dice(in.knob);
  Counts c;
  int tagged = 0;
  std::uint64_t longer = 0;
  edits.begin(in.body);
  for (;;) {
    const Token t = w.next(in.body.subspan(w.position()));
    c.end = t.kind;
    if (t.kind == TokenKind::done || t.kind == TokenKind::bad || t.kind == TokenKind::need_more)
      break;
    ++c.tokens;
    if (t.kind == TokenKind::tag && t.field != nullptr) ++tagged;
    if (t.kind == TokenKind::end_tag) --tagged;
    if (dice.below(3) == 0) continue;
    if (t.kind == TokenKind::scalar) {
      std::array<std::byte, 16> with{};
      with.fill(std::byte{0x5a});
      edits.replace(t.at, t.size, Bytes(with).first(t.size));
      ++c.replaced;
    } else if (t.kind == TokenKind::text && t.number >= 0 && tagged == 0 &&
               longer < in.body.size() / 64) {  // as many as the bound has room for
      ++longer;
      std::array<std::byte, 2 + other.size()> with{};
      const std::size_t n = dice.below(other.size());
      const std::size_t prefix = w.flexible() ? 1 : 2;
      if (w.flexible())
        with[0] = static_cast<std::byte>(n + 1);
      else
        store(with.data(), static_cast<std::int16_t>(n));
      std::ranges::copy(std::as_bytes(std::span(other)).first(n), with.begin() + prefix);
      edits.replace(t.at, t.size, Bytes(with).first(prefix + n));
      ++c.replaced;
    }
  }
  return c;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::Input in(data, size);
  if (in.message == nullptr) return 0;
  const fuzz::AllocationBound bound(in.body.size());
  Edits edits;
  const Counts before = note(in, edits);
  if (before.end != TokenKind::done) return 0;
  fuzz::promise(edits.empty() == (before.replaced == 0), "no edits, nothing replaced");
  std::vector<std::byte> out;
  edits.append_to(out, in.body);
  fuzz::promise(static_cast<std::int64_t>(out.size()) ==
                    static_cast<std::int64_t>(in.body.size()) + edits.growth(),
                "its growth");
  Walker w(*in.message, in.version, out.size());
  std::uint64_t tokens = 0;
  Token t = w.next(out);
  for (; t.kind != TokenKind::done; t = w.next(Bytes(out).subspan(w.position()))) {
    fuzz::promise(t.kind != TokenKind::bad && t.kind != TokenKind::need_more, "still a message");
    ++tokens;
  }
  fuzz::promise(tokens == before.tokens, "the same fields");
  if (edits.keeps_lengths()) {
    std::vector<std::byte> in_place(in.body.begin(), in.body.end());
    edits.apply_in_place(in_place);
    fuzz::promise(in_place == out, "in place as in a copy");
  }
  return 0;
}
