#include "proxy/wire/split.h"

#include <algorithm>

#include "proxy/wire/bytes.h"

namespace shunt::wire {
namespace {

std::string_view chars(Bytes b) { return {reinterpret_cast<const char*>(b.data()), b.size()}; }

// The split array among these fields in this version.
const Field* split_array(std::span<const Field> fields, Version version) {
  const auto it = std::ranges::find_if(
      fields, [&](const Field& f) { return f.array && f.split && f.versions.contains(version); });
  return it == fields.end() ? nullptr : &*it;
}

bool over(const Token& t) {
  return t.kind == TokenKind::done || t.kind == TokenKind::bad || t.kind == TokenKind::need_more;
}

}  // namespace

// A field outside the split arrays.
void Parts::note(const Token& t, bool inside) {
  const bool value =
      t.kind == TokenKind::scalar || t.kind == TokenKind::text || t.kind == TokenKind::blob;
  if (inside || !value || t.field->role == Role::none) return;
  Found& f = top_[static_cast<std::size_t>(t.field->role)];
  if (f.present) return;
  f = {.present = true, .number = t.number, .text = chars(t.content), .at = t.at};
}

const char* Parts::parse(const Message& message, Version version, Bytes body) {
  top_.fill({});
  levels_ = 0;
  leaf_count_ = topic_count_ = 0;
  array_ = {};
  body_ = body;
  version_ = version;
  outer_field_ = split_array(fields_of(message), version);
  inner_field_ = outer_field_ == nullptr ? nullptr : split_array(fields_of(*outer_field_), version);
  const Field* leaf_field = inner_field_ != nullptr ? inner_field_ : outer_field_;
  Walker walker(message, version, body.size());
  flexible_ = walker.flexible();
  bool inside = false;  // the split arrays
  for (;;) {
    const Token t = walker.next(body.subspan(walker.position()));
    if (t.kind == TokenKind::done) return nullptr;
    if (t.kind == TokenKind::bad) return walker.error();
    if (t.kind == TokenKind::need_more) return "the body ends early";
    note(t, inside);
    if (outer_field_ == nullptr) continue;
    if (t.kind == TokenKind::array && t.field == outer_field_) {
      levels_ = inner_field_ != nullptr ? 2 : 1;
      array_ = {.at = t.at, .size = t.size, .count = t.number, .end = t.at + t.size};
      inside = t.number >= 0;
    } else if (t.kind == TokenKind::array && t.field == inner_field_) {
      topic_count_ += t.number > 0 ? 1 : 0;
    } else if (t.kind == TokenKind::element && t.field == leaf_field) {
      ++leaf_count_;
    } else if (t.kind == TokenKind::end_array && t.field == outer_field_) {
      array_.end = t.at;
      inside = false;
    }
  }
}

SplitWalk::SplitWalk(const Parts& p)
    : parts_(&p),
      leaf_field_(p.inner_field_ != nullptr ? p.inner_field_ : p.outer_field_),
      walker_(p.levels_ == 0 ? Walker::in_struct({}, p.version_, false, 0, 0)
                             : Walker::at_value(*p.outer_field_, false, p.version_, p.flexible_,
                                                p.array_.at, p.body_.size())) {}

SplitWalk::SplitWalk(const Parts& p, std::uint64_t at)
    : parts_(&p),
      leaf_field_(p.inner_field_),
      walker_(Walker::in_struct(fields_of(*p.outer_field_), p.version_, p.flexible_, at,
                                p.body_.size())),
      next_outer_(at) {}

bool SplitWalk::end_leaf(std::uint64_t at) {
  if (!in_leaf_) return false;
  leaf_ = reading_;
  leaf_.end = at;
  in_leaf_ = false;
  return true;
}

bool SplitWalk::end_outer(std::uint64_t at) {
  if (!in_outer_) return false;
  outer_.end = at;
  in_outer_ = false;
  return true;
}

SplitWalk::Event SplitWalk::next() {
  if (next_outer_ != 0) {
    outer_ = {.begin = next_outer_};
    next_outer_ = 0;
    in_outer_ = true;
  }
  for (;;) {
    const Token t = walker_.next(parts_->body_.subspan(walker_.position()));
    if (over(t)) return end_outer(walker_.position()) ? Event::outer_end : Event::end;
    if (t.kind == TokenKind::array && t.field == parts_->inner_field_) {
      outer_.inner = {.at = t.at, .size = t.size, .count = t.number, .end = t.at + t.size};
      return Event::inner;
    }
    if (t.kind == TokenKind::element && t.field == leaf_field_) {
      const bool ended = end_leaf(t.at);
      reading_ = {.begin = t.at, .topic = outer_.topic, .topic_id = outer_.topic_id};
      in_leaf_ = true;
      if (ended) return Event::leaf;
    } else if (t.kind == TokenKind::element && t.field == parts_->outer_field_) {
      next_outer_ = t.at;
      if (end_outer(t.at)) return Event::outer_end;
      return next();
    } else if (t.kind == TokenKind::end_array && t.field == leaf_field_) {
      outer_.inner.end = t.at;
      if (end_leaf(t.at)) return Event::leaf;
    } else if (t.kind == TokenKind::end_array && t.field == parts_->outer_field_) {
      if (end_outer(t.at)) return Event::outer_end;
    } else if (t.kind == TokenKind::scalar || t.kind == TokenKind::text ||
               t.kind == TokenKind::blob) {
      field(t);
    }
  }
}

void SplitWalk::field(const Token& t) {
  const Role role = t.field->role;
  if (!in_leaf_) {
    if (role == Role::topic_name) outer_.topic = chars(t.content);
    if (role == Role::topic_id) std::ranges::copy(t.content, outer_.topic_id.begin());
    return;
  }
  Leaf& l = reading_;
  switch (role) {
    case Role::partition:
      if (l.partition < 0) l.partition = static_cast<std::int32_t>(t.number);
      break;
    case Role::group_id:
    case Role::transactional_id:
    case Role::coordinator_key:
    case Role::resource_name:
      if (l.name_size != 0) break;
      l.name = chars(t.content);
      l.name_at = t.at;
      l.name_size = t.size;
      break;
    case Role::resource_type:
      l.resource_type = static_cast<std::int8_t>(t.number);
      break;
    case Role::records:
      l.records_bytes = t.number;
      l.records_at = t.at + t.size;
      break;
    case Role::max_bytes:
      l.max_bytes_at = t.at;
      break;
    default:
      break;
  }
}

void put_count(std::vector<std::byte>& out, bool flexible, std::int64_t count) {
  if (flexible)
    put_varint(out, static_cast<std::uint32_t>(count + 1));
  else
    put(out, static_cast<std::int32_t>(count));
}

void Parts::append_selected(std::span<const Choice> chosen, std::uint32_t wanted,
                            std::vector<std::byte>& out) const {
  using Event = SplitWalk::Event;
  const auto copy = [&](std::uint64_t from, std::uint64_t to) {
    const Bytes b = body_.subspan(from, to - from);
    out.insert(out.end(), b.begin(), b.end());
  };
  // Chosen ones of the `n` leaves that begin with the leaf `first`; -1: to the end.
  const auto selected = [&](std::size_t first, std::int64_t n) {
    const auto some = chosen.subspan(first, static_cast<std::size_t>(std::max<std::int64_t>(n, 0)));
    return static_cast<std::int64_t>(std::ranges::count(some, wanted));
  };
  copy(0, array_.at);
  std::int64_t count = selected(0, leaf_count_);
  if (levels_ == 2) {
    count = 0;
    std::size_t leaf = 0;
    SplitWalk walk(*this);
    for (Event e = walk.next(); e != Event::end; e = walk.next()) {
      if (e == Event::inner) count += selected(leaf, walk.outer().inner.count) > 0 ? 1 : 0;
      if (e == Event::leaf) ++leaf;
    }
  }
  put_count(out, flexible_, count);
  std::size_t leaf = 0;
  std::int64_t here = 0;  // chosen leaves of this topic
  SplitWalk walk(*this);
  for (Event e = walk.next(); e != Event::end; e = walk.next()) {
    const Outer& o = walk.outer();
    switch (e) {
      case Event::inner:
        here = selected(leaf, o.inner.count);
        if (here == 0) break;
        copy(o.begin, o.inner.at);
        put_count(out, flexible_, here);
        break;
      case Event::leaf:
        if (chosen[leaf++] == wanted) copy(walk.leaf().begin, walk.leaf().end);
        break;
      case Event::outer_end:
        if (here > 0) copy(o.inner.end, o.end);
        here = 0;
        break;
      case Event::end:
        break;
    }
  }
  copy(array_.end, body_.size());
}

}  // namespace shunt::wire
