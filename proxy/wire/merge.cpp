#include "proxy/wire/merge.h"

#include <algorithm>
#include <functional>
#include <string_view>
#include <utility>

#include "proxy/wire/bytes.h"
#include "proxy/wire/split.h"

namespace shunt::wire {
namespace {

using Event = SplitWalk::Event;

// A topic of one of the bodies. Small, because there may be one for every twenty bytes.
struct Piece {
  std::uint32_t at = 0;    // where it begins, counted through all bodies
  std::uint32_t next = 0;  // the next piece of the same topic; its own index: none
};

using Key = std::pair<std::string_view, Uuid>;

std::uint32_t hash(const Key& key) {
  const auto* id = reinterpret_cast<const char*>(key.second.data());
  const std::hash<std::string_view> h;
  return static_cast<std::uint32_t>(h(key.first) * 31 + h({id, key.second.size()}));
}

class Merger {
 public:
  Merger(const std::vector<Parts>& parts, std::vector<std::byte>& out)
      : parts_(parts), base_(parts.front()), out_(out), start_(out.size()) {}

  void run() {
    std::size_t all = 0;
    for (const Parts& p : parts_) all += p.body().size();
    out_.reserve(start_ + all + 5);  // a count may take more bytes than each of the counts before
    copy(base_, 0, base_.array().at);
    if (base_.levels() == 2)
      topics();
    else
      list();
    const auto grown = static_cast<std::int64_t>(out_.size() - start_) -
                       static_cast<std::int64_t>(base_.array().end);
    copy(base_, base_.array().end, base_.body().size());
    patch(grown);
  }

 private:
  void copy(const Parts& p, std::uint64_t from, std::uint64_t to) {
    const Bytes b = p.body().subspan(from, to - from);
    out_.insert(out_.end(), b.begin(), b.end());
  }

  void list() {
    std::int64_t count = 0;
    for (const Parts& p : parts_) count += p.leaf_count();
    put_count(out_, base_.flexible(), count);
    for (const Parts& p : parts_) {
      if (p.leaf_count() > 0) copy(p, p.array().at + p.array().size, p.array().end);
    }
  }

  // The body a piece is in, and where it begins there.
  std::pair<const Parts*, std::uint64_t> place(const Piece& piece) const {
    std::uint64_t at = piece.at;
    for (const Parts& p : parts_) {
      if (at < p.body().size()) return {&p, at};
      at -= p.body().size();
    }
    return {};  // cannot be: pieces are within the bodies
  }

  // Up to the topic's leaves (`whole`: to its end).
  Outer outer(const Piece& piece, bool whole) const {
    const auto [parts, at] = place(piece);
    SplitWalk walk(*parts, at);
    Event e = walk.next();
    const Event last = whole ? Event::outer_end : Event::inner;
    while (e != Event::end && e != Event::outer_end && e != last) e = walk.next();
    return walk.outer();
  }

  Key key(const Piece& piece) const {
    const Outer o = outer(piece, false);
    return {o.topic, o.topic_id};
  }

  // The topics of all bodies that have leaves, in the order they are met.
  std::vector<Piece> pieces() const {
    std::vector<Piece> found;
    std::size_t n = 0, before = 0;
    for (const Parts& p : parts_) n += p.topic_count();
    found.reserve(n);
    for (const Parts& p : parts_) {
      SplitWalk walk(p);
      for (Event e = walk.next(); e != Event::end; e = walk.next()) {
        if (e != Event::inner || walk.outer().inner.count <= 0) continue;
        found.push_back({static_cast<std::uint32_t>(before + walk.outer().begin),
                         static_cast<std::uint32_t>(found.size())});
      }
      before += p.body().size();
    }
    return found;
  }

  // Links pieces of the same topic; true in the answer for those that begin such a chain.
  std::vector<bool> link(std::vector<Piece>& found) const {
    struct Entry {
      std::uint32_t hash, index;
    };
    std::vector<Entry> order;
    order.reserve(found.size());
    for (const Piece& p : found) {
      order.push_back({hash(key(p)), static_cast<std::uint32_t>(order.size())});
    }
    std::ranges::sort(order, [&](const Entry& a, const Entry& b) {
      if (a.hash != b.hash) return a.hash < b.hash;
      const Key x = key(found[a.index]), y = key(found[b.index]);
      return x != y ? x < y : a.index < b.index;
    });
    std::vector<bool> first(found.size(), true);
    for (std::size_t i = 1; i < order.size(); ++i) {
      const auto before = order[i - 1].index, here = order[i].index;
      if (order[i - 1].hash != order[i].hash || key(found[before]) != key(found[here])) continue;
      found[before].next = here;
      first[here] = false;
    }
    return first;
  }

  // Topics by name or id, each with all its partitions.
  void topics() {
    std::vector<Piece> found = pieces();
    const std::vector<bool> first = link(found);
    put_count(out_, base_.flexible(), std::ranges::count(first, true));
    for (std::uint32_t i = 0; i < found.size(); ++i) {
      if (!first[i]) continue;
      const auto each = [&](auto see) {
        for (std::uint32_t k = i;; k = found[k].next) {
          see(found[k]);
          if (found[k].next == k) break;
        }
      };
      std::int64_t count = 0;
      each([&](const Piece& p) { count += outer(p, false).inner.count; });
      const Parts& from = *place(found[i]).first;
      const Outer head = outer(found[i], true);
      copy(from, head.begin, head.inner.at);
      put_count(out_, base_.flexible(), count);
      each([&](const Piece& p) {
        const ArraySpan inner = outer(p, true).inner;
        copy(*place(p).first, inner.at + inner.size, inner.end);
      });
      copy(from, head.inner.end, head.end);
    }
  }

  // Writes the scalars outside the arrays: `grown` is what the arrays grew by.
  void patch(std::int64_t grown) {
    const auto stands = [&](const Found& f) {
      const auto at = static_cast<std::int64_t>(f.at);
      return out_.data() + start_ + (f.at < base_.array().at ? at : at + grown);
    };
    if (const Found& t = base_.top(Role::throttle_ms); t.present) {
      std::int64_t most = t.number;
      for (const Parts& p : parts_) most = std::max(most, p.top(Role::throttle_ms).number);
      store(stands(t), static_cast<std::int32_t>(most));
    }
    if (const Found& e = base_.top(Role::error); e.present && e.number == 0) {
      for (const Parts& p : parts_) {
        if (p.top(Role::error).number == 0) continue;
        store(stands(e), static_cast<std::int16_t>(p.top(Role::error).number));
        break;
      }
    }
    if (const Found& s = base_.top(Role::session_id); s.present) {
      store(stands(s), std::int32_t{0});
    }
  }

  const std::vector<Parts>& parts_;
  const Parts& base_;
  std::vector<std::byte>& out_;
  std::size_t start_;
};

}  // namespace

const char* merge(const Message& answer, Version version, std::span<const Bytes> bodies,
                  std::vector<std::byte>& out) {
  std::vector<Parts> parts(bodies.size());
  std::uint64_t all = 0;
  for (std::size_t i = 0; i < bodies.size(); ++i) {
    all += bodies[i].size();
    if (all > 0x7fffffff) return "the answers together are larger than a frame can be";
    if (const char* why = parts[i].parse(answer, version, bodies[i])) return why;
    if (parts[i].levels() == 0) return "this version's answer has nothing to merge";
    if (parts[i].array().count < 0) return "a list to merge is null";
  }
  Merger(parts, out).run();
  return nullptr;
}

}  // namespace shunt::wire
