#include "proxy/route/produce_stream.h"

#include <algorithm>

#include "proxy/wire/batch.h"
#include "proxy/wire/bytes.h"
#include "proxy/wire/framer.h"
#include "proxy/wire/split.h"

namespace shunt::route {

using wire::Bytes;
using wire::Role;
using wire::Token;
using wire::TokenKind;

ProduceStream::ProduceStream(const wire::RequestHeader& header, Bytes content_head,
                             std::uint64_t body_size)
    : walker_(*wire::request(header.api), header.version, body_size),
      flexible_(walker_.flexible()),
      head_(content_head.begin(), content_head.end()) {}

void ProduceStream::keep(const Token& t, Bytes bytes) {
  auto& into = place_ == Place::before ? fixed_ : place_ == Place::topic ? topic_key_ : leaf_key_;
  into.insert(into.end(), bytes.begin(), bytes.end());
  switch (t.field->role) {
    case Role::acks:
      acks_ = static_cast<std::int16_t>(t.number);
      return;
    case Role::transactional_id:
      transactional_id_.assign(reinterpret_cast<const char*>(t.content.data()), t.content.size());
      return;
    case Role::topic_name:
      topic_.assign(reinterpret_cast<const char*>(t.content.data()), t.content.size());
      return;
    case Role::topic_id:
      std::copy(t.content.begin(), t.content.end(), topic_id_.begin());
      return;
    case Role::partition:
      partition_ = static_cast<std::int32_t>(t.number);
      return;
    default:
      return;
  }
}

// The head of the request that carries this one partition.
ProduceStream::Step ProduceStream::part(const Token& records) {
  out_.assign(wire::frame_prefix_bytes, std::byte{0});
  const auto add = [&](const std::vector<std::byte>& b) {
    out_.insert(out_.end(), b.begin(), b.end());
  };
  add(head_);
  add(fixed_);
  wire::put_count(out_, flexible_, 1);
  add(topic_key_);
  wire::put_count(out_, flexible_, 1);
  add(leaf_key_);
  wire::put_count(out_, flexible_, records.number);
  const std::int64_t tail = flexible_ ? 3 : 0;  // no tagged fields: partition, topic, request
  const auto size =
      static_cast<std::int64_t>(out_.size()) - 4 + std::max<std::int64_t>(records.number, 0) + tail;
  if (size > 0x7fffffff) {
    error_ = "a partition's records are larger than a frame can be";
    return {.kind = Kind::bad, .bytes = {}};
  }
  wire::store(out_.data(), static_cast<std::int32_t>(size));
  place_ = Place::records;
  open_ = true;
  return {.kind = Kind::begin, .bytes = out_};
}

ProduceStream::Step ProduceStream::next(Bytes rest) {
  if (open_ && place_ != Place::records) {  // the records are through: close the part
    open_ = false;
    out_.assign(flexible_ ? 3 : 0, std::byte{0});
    return {.kind = Kind::end, .bytes = out_};
  }
  if (announce_ >= 0) {
    const auto wanted = std::min<std::int64_t>(announce_, wire::batch_header_bytes);
    if (static_cast<std::int64_t>(rest.size()) < wanted) return {};
    announce_ = -1;
    return {.kind = Kind::begin, .bytes = out_};
  }
  for (;;) {
    const Token t = walker_.next(rest);
    const Bytes bytes = rest.first(t.size);
    rest = rest.subspan(t.size);
    switch (t.kind) {
      case TokenKind::need_more:
        return {};
      case TokenKind::done:
        return {.kind = Kind::done, .bytes = {}};
      case TokenKind::bad:
        return {.kind = Kind::bad, .bytes = {}};
      case TokenKind::element:
        if (!t.field->split) break;
        // Topics are structs with an array of partitions inside; partitions have none.
        if (wire::fields_of(*t.field).back().array && place_ != Place::leaf) {
          place_ = Place::topic;
          topic_key_.clear();
          topic_.clear();
        } else {
          place_ = Place::leaf;
          leaf_key_.clear();
        }
        break;
      case TokenKind::end_array:
        if (t.field->split) place_ = Place::topic;
        break;
      case TokenKind::scalar:
      case TokenKind::text:
        keep(t, bytes);
        break;
      case TokenKind::blob:
        if (t.field->role != Role::records) break;
        if (const Step s = part(t); s.kind == Kind::bad) return s;
        if (t.number > 0) {
          announce_ = t.number;
          return next(rest);
        }
        place_ = Place::leaf;  // null or empty: the part ends at once
        return {.kind = Kind::begin, .bytes = out_};
      case TokenKind::chunk:
        if (!open_ || place_ != Place::records) break;  // an unknown tagged field: not passed on
        if (t.last) place_ = Place::leaf;
        return {.kind = Kind::chunk, .bytes = bytes};
      default:
        break;
    }
  }
}

}  // namespace shunt::route
