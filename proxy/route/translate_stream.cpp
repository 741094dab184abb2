// Answers translated in place as their bytes arrive.
#include <algorithm>
#include <array>

#include "proxy/route/translate.h"
#include "proxy/wire/bytes.h"

namespace shunt::route {

using wire::Role;
using wire::Token;
using wire::TokenKind;

std::size_t StreamTranslator::take(std::span<std::byte> window) {
  const auto start = walker_.position();
  for (;;) {
    const auto at = walker_.position() - start;
    auto rest = window.subspan(at);
    if (numbers_.in_records()) {
      const auto whole = numbers_.records(rest, [&](std::size_t n, const wire::BatchHeader& h) {
        return numbers_.batch(h, rest.subspan(n));
      });
      if (whole == 0 || numbers_.error() != nullptr) return at;
      rest = rest.first(whole);
    }
    const Token t = walker_.next(rest);
    if (t.kind == TokenKind::done) done_ = true;
    if (t.kind == TokenKind::done || t.kind == TokenKind::bad || t.kind == TokenKind::need_more) {
      return at;
    }
    rewrite(t, window.subspan(at, t.size));
    if (numbers_.on()) {
      renumber(t, window.subspan(at, t.size));
      if (numbers_.error() != nullptr) return at;
    }
  }
}

// What is shown in place of a token that rewrite() has seen.
void StreamTranslator::renumber(const Token& t, std::span<std::byte> bytes) {
  if (t.kind == TokenKind::chunk && t.last) numbers_.end_records();
  if (t.field == nullptr || blanking_) return;
  switch (t.kind) {
    case TokenKind::text:
      if (t.field->role == Role::topic_name) numbers_.topic(t);
      return;
    case TokenKind::blob:
      if (t.field->role == Role::records) numbers_.begin_records(t.number);
      return;
    case TokenKind::scalar:
      break;
    default:
      return;
  }
  if (t.field->role == Role::topic_id) {
    wire::Uuid id;
    std::copy(bytes.begin(), bytes.end(), id.begin());
    return numbers_.topic(id);
  }
  const auto number = numbers_.number(t);
  if (number == t.number) return;
  std::array<std::byte, 8> all;
  wire::store(all.data(), number);
  std::copy(all.end() - bytes.size(), all.end(), bytes.begin());
}

void StreamTranslator::rewrite(const Token& t, std::span<std::byte> bytes) {
  if (t.field == nullptr) return;
  if (t.kind == TokenKind::tag && t.field->role == Role::endpoints && t.number < 0x80) {
    // A tag that Kafka has not given: clients step over it. As many bytes as the tag had before.
    bytes[0] |= std::byte{0x7f};
    blanking_ = true;
    return;
  }
  if (t.kind == TokenKind::end_tag && t.field->role == Role::endpoints) blanking_ = false;
  if (blanking_) {
    if (t.kind == TokenKind::text || t.kind == TokenKind::scalar) {
      std::fill(bytes.begin(), bytes.end(), std::byte{0});
    }
    return;
  }
  if (t.kind != TokenKind::scalar) return;
  switch (t.field->role) {
    case Role::error:
      return noticed_.error(t.number);
    case Role::session_id:
      noticed_.fetch_session = static_cast<std::int32_t>(t.number);
      return;
    case Role::node_id:
      wire::store(bytes.data(), static_cast<std::int32_t>(shown(
                                    from_, NativeNodeId{static_cast<std::int32_t>(t.number)})));
      return;
    case Role::topic_id:
      if (from_ == Cluster::new_cluster) {
        wire::Uuid id;
        std::copy(t.content.begin(), t.content.end(), id.begin());
        const auto mapped = naming_.topic_id(from_, id);
        std::copy(mapped.begin(), mapped.end(), bytes.begin());
      }
      return;
    default:
      return;
  }
}

}  // namespace shunt::route
