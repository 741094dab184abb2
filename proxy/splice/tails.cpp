#include "proxy/splice/tails.h"

#include "proxy/splice/ends.h"

namespace shunt::splice {

using wire::Role;

const route::Shift* Tails::at(std::string_view topic, const wire::Uuid& shown_id,
                              std::int32_t partition) {
  log_ = state_.partition(topic, shown_id, partition);
  shift_ = {};
  failed_ = false;
  if (log_ == nullptr) {
    if (from_ == state_.home(topic, shown_id)) return nullptr;
    shift_.refused = "the new cluster answers for a partition that is in no migration";
    return &shift_;
  }
  if (log_->swept > began_) {  // the records stand on both sides of what was swept in
    shift_.refused = "stragglers were swept in while a broker's answer was being passed on";
    return &shift_;
  }
  const auto& segments = log_->log.segments();
  segment_ = segments.size();
  const auto is_it = [&](const Segment& s) { return s.cluster == from_ && s.cut < next_cut_; };
  while (segment_ > 0 && !is_it(segments[segment_ - 1])) --segment_;
  if (segment_ == 0) {
    shift_.refused = "the cluster answers for a partition that has no segment there";
    return &shift_;
  }
  const Segment& s = segments[--segment_];
  shift_.offset = s.start.at - s.native_start;
  shift_.native_end = end_of(*log_, segment_);
  shift_.epoch_base = s.epoch_base;
  shift_.epoch_last = s.epoch_last;
  return &shift_;
}

std::optional<std::int64_t> Tails::shown(Role role, std::int64_t native) {
  switch (role) {
    case Role::log_end:
      if (native > end_of(*log_, segment_)) return std::nullopt;
      return learn_high_watermark(*log_, segment_, native);
    case Role::stable_end:
      return learn_last_stable(*log_, segment_, native);
    case Role::log_start:
      return learn_log_start(*log_, from_, native);
    default: {
      const auto v = log_->log.at_or_after({from_, native});
      if (!v) return -1;
      if (failed_) return v->at;
      log_->show({v->at + 1});
      accepted_.push_back({log_, *v});
      return v->at;
    }
  }
}

bool Tails::hides(std::int64_t error) {
  constexpr std::int64_t offset_out_of_range = 1;
  const bool hidden = error == offset_out_of_range && log_->log.spliced();
  out_of_range_ |= hidden;
  failed_ = error != 0;
  return hidden;
}

std::int64_t Tails::known(Role role) {
  if (role == Role::log_end) return shown_high_watermark(*log_);
  if (role == Role::stable_end) return shown_last_stable(*log_);
  return role == Role::log_start ? log_->log_start.at : -1;
}

}  // namespace shunt::splice
