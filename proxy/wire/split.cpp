#include "proxy/wire/split.h"

#include <algorithm>

#include "proxy/wire/bytes.h"

namespace shunt::wire {
namespace {
std::string_view chars(Bytes b) { return {reinterpret_cast<const char*>(b.data()), b.size()}; }
}  // namespace

// Follows one walk and files what it meets into the Parts.
class PartsReader {
 public:
  PartsReader(Parts& p) : p_(p) {}

  void take(const Token& t) {
    switch (t.kind) {
      case TokenKind::array: return array(t);
      case TokenKind::element: return element(t);
      case TokenKind::end_array: return end_array(t);
      case TokenKind::scalar:
      case TokenKind::text:
      case TokenKind::blob: return field(t);
      default: return;
    }
  }

 private:
  void array(const Token& t) {
    if (!t.field->split) return;
    const ArraySpan a{.at = t.at, .size = t.size, .count = t.number, .end = t.at + t.size};
    if (p_.levels_ == 0) {
      p_.array_ = a;
      p_.levels_ = 1;
      outer_field_ = t.field;
    } else if (t.field != outer_field_) {
      // The second level: what was collected as leaves so far was topics.
      if (p_.levels_ == 1) p_.levels_ = 2;
      p_.outers_.back().inner = a;
      inner_field_ = t.field;
    }
    if (t.number >= 0) open_.push_back(t.field);
  }

  void element(const Token& t) {
    if (!t.field->split) return;
    if (t.field == outer_field_) {
      end_outer(t.at);
      p_.outers_.push_back(
          {.begin = t.at, .first_leaf = static_cast<std::uint32_t>(p_.leaves_.size())});
      end_leaf(t.at);
      if (!two_levels()) begin_leaf(t.at);
    } else {
      end_leaf(t.at);
      begin_leaf(t.at);
    }
  }

  void end_array(const Token& t) {
    if (!t.field->split) return;
    end_leaf(t.at);
    if (t.field == outer_field_) {
      end_outer(t.at);
      p_.array_.end = t.at;
    } else {
      p_.outers_.back().inner.end = t.at;
    }
    open_.pop_back();
  }

  // Two levels show in the schema: does the outer array's struct hold another split array?
  bool two_levels() const {
    if (outer_field_->type != Type::structure) return false;
    const auto inside = fields_of(*outer_field_);
    return std::any_of(inside.begin(), inside.end(),
                       [](const Field& f) { return f.array && f.split; });
  }

  void begin_leaf(std::uint64_t at) {
    p_.leaves_.push_back(
        {.begin = at, .outer = static_cast<std::uint32_t>(p_.outers_.size() - 1)});
    in_leaf_ = true;
    ++p_.outers_.back().leaves;
  }
  void end_leaf(std::uint64_t at) {
    if (in_leaf_) p_.leaves_.back().end = at;
    in_leaf_ = false;
  }
  void end_outer(std::uint64_t at) {
    if (!p_.outers_.empty() && p_.outers_.back().end == 0) p_.outers_.back().end = at;
  }

  void field(const Token& t) {
    if (in_leaf_) return leaf_field(t);
    if (!open_.empty()) return outer_field(t);
    if (t.field->role == Role::none) return;
    Found& f = p_.top_[static_cast<std::size_t>(t.field->role)];
    if (f.present) return;
    f = {.present = true, .number = t.number, .text = chars(t.content), .at = t.at};
  }

  void outer_field(const Token& t) {
    Outer& o = p_.outers_.back();
    if (t.field->role == Role::topic_name) o.topic = chars(t.content);
    if (t.field->role == Role::topic_id) {
      std::copy(t.content.begin(), t.content.end(), o.topic_id.begin());
    }
  }

  void leaf_field(const Token& t) {
    Leaf& l = p_.leaves_.back();
    switch (t.field->role) {
      case Role::partition:
        if (l.partition < 0) l.partition = static_cast<std::int32_t>(t.number);
        break;
      case Role::group_id:
      case Role::transactional_id:
      case Role::resource_name:
        if (l.name_size != 0) break;
        l.name = chars(t.content);
        l.name_at = t.at;
        l.name_size = t.size;
        break;
      case Role::resource_type: l.resource_type = static_cast<std::int8_t>(t.number); break;
      case Role::records: l.records_bytes = t.number; break;
      case Role::max_bytes: l.max_bytes_at = t.at; break;
      default: break;
    }
  }

  Parts& p_;
  const Field* outer_field_ = nullptr;
  const Field* inner_field_ = nullptr;
  std::vector<const Field*> open_;
  bool in_leaf_ = false;
};

void Parts::clear() {
  top_.fill({});
  levels_ = 0;
  array_ = {};
  outers_.clear();
  leaves_.clear();
}

const char* Parts::parse(const Message& message, Version version, Bytes body) {
  clear();
  body_ = body;
  Walker walker(message, version, body.size());
  flexible_ = walker.flexible();
  PartsReader reader(*this);
  for (;;) {
    const Token t = walker.next(body.subspan(walker.position()));
    if (t.kind == TokenKind::done) break;
    if (t.kind == TokenKind::bad) return walker.error();
    if (t.kind == TokenKind::need_more) return "the body ends early";
    reader.take(t);
  }
  if (levels_ == 1) {
    // An empty outer list of a two-level message is one level with nothing in it.
    for (Leaf& l : leaves_) l.outer = 0;
    outers_.clear();
  }
  return nullptr;
}

void put_count(std::vector<std::byte>& out, bool flexible, std::int64_t count) {
  if (flexible) put_varint(out, static_cast<std::uint32_t>(count + 1));
  else put(out, static_cast<std::int32_t>(count));
}

void Parts::append_selected(const std::vector<std::uint32_t>& chosen, std::uint32_t wanted,
                            std::vector<std::byte>& out) const {
  const auto copy = [&](std::uint64_t from, std::uint64_t to) {
    out.insert(out.end(), body_.begin() + static_cast<std::ptrdiff_t>(from),
               body_.begin() + static_cast<std::ptrdiff_t>(to));
  };
  const auto leaves_of = [&](std::size_t first, std::size_t n) {
    std::int64_t count = 0;
    for (std::size_t i = first; i < first + n; ++i) count += chosen[i] == wanted ? 1 : 0;
    return count;
  };
  const auto copy_leaves = [&](std::size_t first, std::size_t n) {
    for (std::size_t i = first; i < first + n; ++i) {
      if (chosen[i] == wanted) copy(leaves_[i].begin, leaves_[i].end);
    }
  };
  copy(0, array_.at);
  if (levels_ == 1) {
    put_count(out, flexible_, leaves_of(0, leaves_.size()));
    copy_leaves(0, leaves_.size());
  } else {
    std::int64_t outers = 0;
    for (const Outer& o : outers_) outers += leaves_of(o.first_leaf, o.leaves) > 0 ? 1 : 0;
    put_count(out, flexible_, outers);
    for (const Outer& o : outers_) {
      const auto n = leaves_of(o.first_leaf, o.leaves);
      if (n == 0) continue;
      copy(o.begin, o.inner.at);
      put_count(out, flexible_, n);
      copy_leaves(o.first_leaf, o.leaves);
      copy(o.inner.end, o.end);
    }
  }
  copy(array_.end, body_.size());
}

}  // namespace shunt::wire
