// The walker over any message: within the body, the same in pieces as in one, never done too early.
#include "proxy/wire/walker.h"

#include <algorithm>

#include "tests/fuzz/allocation.h"
#include "tests/fuzz/target.h"

using namespace shunt::wire;

namespace {

// What a walk says, but for where its chunks are cut.
struct Summary {
  TokenKind end = TokenKind::need_more;
  std::uint64_t hash = 1469598103934665603U;
  std::uint64_t tokens = 0, position = 0;
  std::uint64_t follows = 0;  // where bytes begin that follow a request, and 1
  void mix(std::uint64_t v) { hash = (hash ^ v) * 1099511628211U; }
  void mix(Bytes b) {
    for (const std::byte x : b) mix(std::to_integer<std::uint64_t>(x));
  }
  bool operator==(const Summary&) const = default;
};

// Walks `body`, of which at first `piece` bytes are there and then as many more each time.
Summary walk(const Message& m, Version v, Bytes body, std::size_t piece) {
  Walker w(m, v, body.size());
  Summary s;
  std::size_t came = std::min(piece, body.size());
  for (;;) {
    const auto at = static_cast<std::size_t>(w.position());
    const Token t = w.next(body.first(came).subspan(at));
    fuzz::promise(t.at == at, "a token begins at the position");
    if (t.kind == TokenKind::need_more) {
      fuzz::promise(came < body.size(), "nothing more is wanted than the body");
      came = std::min(came + piece, body.size());
      continue;
    }
    s.end = t.kind;
    s.position = w.position();
    if (t.kind == TokenKind::done || t.kind == TokenKind::bad) break;
    fuzz::promise(w.position() == at + t.size && w.position() <= came, "a token within what came");
    fuzz::promise(w.depth() >= 0 && w.depth() <= 24, "depth");
    if (t.kind != TokenKind::chunk) {
      ++s.tokens;
      s.mix(static_cast<std::uint64_t>(t.kind));
      s.mix(t.at);
      s.mix(static_cast<std::uint64_t>(t.number));
    }
    if (t.kind == TokenKind::chunk && t.depth == 0 && s.follows == 0) s.follows = at + 1;
    s.mix(t.content);
    // Tokens without bytes come at most twice per level and element that has bytes.
    fuzz::promise(s.tokens <= 64 + 8 * body.size(), "a walk ends");
  }
  if (s.end == TokenKind::done)
    fuzz::promise(s.position == body.size(), "done at the body's end");
  else
    fuzz::promise(w.error() != nullptr, "a reason");
  fuzz::promise(w.next({}).kind == s.end, "an end is final");
  return s;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::Input in(data, size);
  if (in.message == nullptr) return 0;
  const fuzz::AllocationBound bound(0);
  const Message& m = *in.message;
  const Summary whole = walk(m, in.version, in.body, in.body.size());
  // A bad body may be found bad before or after the token around it: only good ones must agree.
  const Summary pieces = walk(m, in.version, in.body, 1U + in.knob % 61);
  fuzz::promise(pieces.end == whole.end, "pieces end as the whole does");
  if (whole.end != TokenKind::done) return 0;
  fuzz::promise(pieces == whole, "pieces say what the whole says");
  for (std::size_t k = 1; k <= 4 && k <= in.body.size(); ++k) {
    const std::size_t cut = (in.body.size() - k) * (in.knob % 16 + 1U) / 16;
    if (whole.follows != 0 && cut >= whole.follows - 1) continue;
    fuzz::promise(walk(m, in.version, in.body.first(cut), 4096).end == TokenKind::bad,
                  "a shortened body is refused");
  }
  return 0;
}
