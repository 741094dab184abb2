#include "proxy/route/offsets.h"

#include <algorithm>

namespace shunt::route {

using wire::Role;

std::int32_t Shift::shown_epoch(std::int32_t native) const {
  if (native < 0) return -1;
  const auto shown = std::int64_t{native} + epoch_base;
  return static_cast<std::int32_t>(std::min<std::int64_t>(shown, epoch_last));
}

std::int64_t Renumbering::fail(const char* why, std::int64_t n) {
  if (error_ == nullptr) error_ = why;
  return n;
}

std::int64_t Renumbering::number(const wire::Token& t) {
  switch (t.field->role) {
    case Role::partition:
      shift_ = offsets_->at(topic_, id_, static_cast<std::int32_t>(t.number));
      hidden_ = false;
      return t.number;
    case Role::error:
      hidden_ = shift_ != nullptr && shift_->refused == nullptr && offsets_->hides(t.number);
      return hidden_ ? 0 : t.number;
    case Role::leader_epoch:
      return shift_ == nullptr ? t.number
                               : shift_->shown_epoch(static_cast<std::int32_t>(t.number));
    case Role::offset:
    case Role::log_end:
    case Role::stable_end:
    case Role::log_start: {
      if (hidden_) return offsets_->known(t.field->role);
      if (shift_ == nullptr || t.number < 0) return t.number;  // -1: none
      if (shift_->refused != nullptr) return fail(shift_->refused, t.number);
      const auto shown = offsets_->shown(t.field->role, t.number);
      return shown ? *shown : fail("an answer reaches past the end of its segment", t.number);
    }
    default:
      return t.number;
  }
}

void Renumbering::begin_records(std::int64_t bytes) {
  if (shift_ == nullptr || bytes <= 0) return;
  if (shift_->refused != nullptr) {
    fail(shift_->refused);
    return;
  }
  if (shift_->same() && shift_->native_end == Shift::no_end) return;
  cursor_ = wire::BatchCursor(static_cast<std::uint64_t>(bytes));
  in_records_ = true;
}

bool Renumbering::batch(const wire::BatchHeader& h, std::span<std::byte> bytes) {
  if (h.base_offset >= shift_->native_end) {
    fail("a batch lies past the end of its segment");
    return false;
  }
  const wire::BatchEdit edit{.offset_shift = shift_->offset,
                             .set_leader_epoch = true,
                             .leader_epoch = shift_->shown_epoch(h.leader_epoch)};
  if (wire::rewrite(edit, bytes)) return true;
  fail("a compressed message set of format 0 cannot be renumbered");
  return false;
}

}  // namespace shunt::route
