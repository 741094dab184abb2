#include "proxy/wire/edit.h"

#include <algorithm>

namespace shunt::wire {

void Edits::replace(std::uint64_t at, std::uint32_t size, Bytes with) {
  const Edit e{at, size, static_cast<std::uint32_t>(pool_.size()),
               static_cast<std::uint32_t>(with.size())};
  pool_.insert(pool_.end(), with.begin(), with.end());
  const auto place = std::upper_bound(edits_.begin(), edits_.end(), at,
                                      [](std::uint64_t p, const Edit& x) { return p < x.at; });
  edits_.insert(place, e);
}

void Edits::clear() {
  edits_.clear();
  pool_.clear();
}

std::int64_t Edits::growth(std::uint64_t from) const {
  std::int64_t n = 0;
  for (auto e = edits_.rbegin(); e != edits_.rend() && e->at >= from; ++e) {
    n += static_cast<std::int64_t>(e->length) - static_cast<std::int64_t>(e->size);
  }
  return n;
}

bool Edits::keeps_lengths() const {
  return std::all_of(edits_.begin(), edits_.end(),
                     [](const Edit& e) { return e.size == e.length; });
}

void Edits::apply_in_place(std::span<std::byte> body) const {
  for (const Edit& e : edits_) {
    std::copy_n(pool_.data() + e.from, e.length, body.data() + e.at);
  }
}

void Edits::append_to(std::vector<std::byte>& out, Bytes body) const {
  out.reserve(out.size() + body.size() + static_cast<std::size_t>(std::max<std::int64_t>(growth(), 0)));
  std::uint64_t done = 0;
  const auto copy = [&](Bytes b) { out.insert(out.end(), b.begin(), b.end()); };
  for (const Edit& e : edits_) {
    copy(body.subspan(done, e.at - done));
    copy(Bytes(pool_).subspan(e.from, e.length));
    done = e.at + e.size;
  }
  copy(body.subspan(done));
}

}  // namespace shunt::wire
