#include "proxy/wire/merge.h"

#include <algorithm>
#include <map>
#include <string>

#include "proxy/wire/bytes.h"
#include "proxy/wire/split.h"

namespace shunt::wire {
namespace {

class Merger {
 public:
  Merger(const std::vector<Parts>& parts, std::vector<std::byte>& out)
      : parts_(parts), base_(parts.front()), out_(out), start_(out.size()) {}

  void run() {
    copy(base_, 0, base_.array().at);
    if (base_.levels() == 2 || two_levels_anywhere()) topics();
    else list();
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

  bool two_levels_anywhere() const {
    return std::any_of(parts_.begin(), parts_.end(), [](const Parts& p) { return p.levels() == 2; });
  }

  void list() {
    std::int64_t count = 0;
    for (const Parts& p : parts_) count += static_cast<std::int64_t>(p.leaves().size());
    put_count(out_, base_.flexible(), count);
    for (const Parts& p : parts_) {
      for (const Leaf& l : p.leaves()) copy(p, l.begin, l.end);
    }
  }

  // Topics by name or id, each with all its partitions.
  void topics() {
    struct Piece { const Parts* parts; const Outer* outer; };
    std::vector<std::vector<Piece>> groups;
    std::map<std::pair<std::string_view, Uuid>, std::size_t> places;
    for (const Parts& p : parts_) {
      for (const Outer& o : p.outers()) {
        const auto [at, fresh] = places.try_emplace({o.topic, o.topic_id}, groups.size());
        if (fresh) groups.emplace_back();
        groups[at->second].push_back({&p, &o});
      }
    }
    put_count(out_, base_.flexible(), static_cast<std::int64_t>(groups.size()));
    for (const auto& group : groups) {
      const Piece& first = group.front();
      copy(*first.parts, first.outer->begin, first.outer->inner.at);
      std::int64_t count = 0;
      for (const Piece& g : group) count += g.outer->leaves;
      put_count(out_, base_.flexible(), count);
      for (const Piece& g : group) copy(*g.parts, g.outer->inner.at + g.outer->inner.size, g.outer->inner.end);
      copy(*first.parts, first.outer->inner.end, first.outer->end);
    }
  }

  // Writes the scalars outside the arrays: `grown` is what the arrays grew by.
  void patch(std::int64_t grown) {
    const auto place = [&](const Found& f) {
      const auto at = static_cast<std::int64_t>(f.at);
      return out_.data() + start_ + (f.at < base_.array().at ? at : at + grown);
    };
    if (const Found& t = base_.top(Role::throttle_ms); t.present) {
      std::int64_t most = t.number;
      for (const Parts& p : parts_) most = std::max(most, p.top(Role::throttle_ms).number);
      store(place(t), static_cast<std::int32_t>(most));
    }
    if (const Found& e = base_.top(Role::error); e.present && e.number == 0) {
      for (const Parts& p : parts_) {
        if (p.top(Role::error).number == 0) continue;
        store(place(e), static_cast<std::int16_t>(p.top(Role::error).number));
        break;
      }
    }
    if (const Found& s = base_.top(Role::session_id); s.present) {
      store(place(s), std::int32_t{0});
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
  for (std::size_t i = 0; i < bodies.size(); ++i) {
    if (const char* why = parts[i].parse(answer, version, bodies[i])) return why;
    if (parts[i].levels() == 0) return "this version's answer has nothing to merge";
    if (parts[i].array().count < 0) return "a list to merge is null";
  }
  Merger(parts, out).run();
  return nullptr;
}

}  // namespace shunt::wire
