#include "proxy/wire/edit.h"

#include <algorithm>

namespace shunt::wire {

constexpr std::size_t copy_kept_max = 64 * 1024;

void Edits::replace(std::uint64_t at, std::uint32_t size, Bytes with) {
  if (size == with.size() && !body_.empty()) {
    if (copy_.empty()) copy_.assign(body_.begin(), body_.end());
    std::copy(with.begin(), with.end(), copy_.begin() + static_cast<std::ptrdiff_t>(at));
    return;
  }
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
  body_ = {};
  // What one large body needed is not kept for all later ones.
  if (copy_.capacity() > copy_kept_max) copy_ = {};
  copy_.clear();
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
  std::copy(copy_.begin(), copy_.end(), body.begin());
  for (const Edit& e : edits_) {
    std::copy_n(pool_.data() + e.from, e.length, body.data() + e.at);
  }
}

void Edits::append_to(std::vector<std::byte>& out, Bytes body) const {
  if (!copy_.empty()) body = copy_;
  out.reserve(out.size() + body.size() +
              static_cast<std::size_t>(std::max<std::int64_t>(growth(), 0)));
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
