#include "tests/sim/planted.h"

#include <algorithm>

namespace shunt::sim::planted {

using wire::Array;
using wire::Struct;
using wire::Value;

const route::Shift* Unclipped::at(std::string_view topic, const wire::Uuid& id,
                                  std::int32_t partition) {
  const auto* s = rest_->at(topic, id, partition);
  if (s == nullptr) return nullptr;
  shift_ = *s;
  shift_.native_end = route::Shift::no_end;
  return &shift_;
}

std::optional<std::int64_t> Unclipped::shown(wire::Role role, std::int64_t native) {
  if (role == wire::Role::log_end || role == wire::Role::stable_end) return native + shift_.offset;
  return rest_->shown(role, native);
}

Value fetched(Proxy& proxy, const Exchange&, const Value& answer) {
  const bool lacks = proxy.sim.has(Bug::fetch_lacks_partition);
  const bool falls = proxy.sim.has(Bug::high_watermark_falls);
  if (!lacks && !falls) return answer;
  Array topics;
  for (const Value& t : answer["Responses"].array()) {
    Array partitions;
    bool any = false;
    for (const Value& p : t["Partitions"].array()) any |= !p["Records"].bytes().empty();
    for (const Value& p : t["Partitions"].array()) {
      const auto read = read_batches(p["Records"].bytes());
      if (lacks && any && read.empty()) continue;
      if (!falls || read.empty()) {
        partitions.push_back(p);
        continue;
      }
      const auto* log = proxy.splice.partition(
          topic_name, {}, static_cast<std::int32_t>(p["PartitionIndex"].number()));
      const auto& s = log->log.segments()[log->log.at({read.front().header.base_offset})];
      partitions.push_back(s.open() ? p : Value(p.fields().set("HighWatermark", s.end().at)));
    }
    topics.push_back(t.fields().set("Partitions", std::move(partitions)));
  }
  return answer.fields().set("Responses", std::move(topics));
}

Value committed(Proxy& proxy, const Value& request, const Value& home, const Value& shown) {
  if (!proxy.sim.has(Bug::torn_pair_sum)) return shown;
  const std::string group(request["GroupId"].text());
  Array topics;
  for (const Value& t : home["Topics"].array()) {
    Array partitions;
    for (const Value& p : t["Partitions"].array()) {
      const auto index = static_cast<std::int32_t>(p["PartitionIndex"].number());
      const auto* log = proxy.splice.partition(topic_name, {}, index);
      const auto* known = proxy.splice.commit(group, topic_name, index);
      const auto x = p["CommittedOffset"].number();
      if (log == nullptr || !log->log.spliced() || known == nullptr || x < 0) {
        partitions.push_back(p);
        continue;
      }
      const auto y = log->log.pair(known->at).in_new, y0 = log->log.pair({0}).in_new;
      partitions.push_back(
          p.fields().set("CommittedOffset", x + y - y0).set("CommittedLeaderEpoch", -1));
    }
    topics.push_back(t.fields().set("Partitions", std::move(partitions)));
  }
  return shown.fields().set("Topics", std::move(topics));
}

splice::Record written(Proxy& proxy, const splice::Record& r,
                       const std::vector<splice::PartitionReading>& readings) {
  const auto* sealed = std::get_if<splice::CutSealed>(&r);
  if (sealed == nullptr) return r;
  splice::CutSealed changed = *sealed;
  for (auto& s : changed.seams) {
    const auto& tail = proxy.splice.partition(s.topic, {}, s.partition)->log.tail();
    if (proxy.sim.has(Bug::seam_off_by_one) && s.native_end > tail.native_start) --s.native_end;
    if (!proxy.sim.has(Bug::epoch_base)) continue;
    for (const auto& reading : readings) {
      if (reading.partition == s.partition) s.epoch_last = reading.from.leader_epoch;
    }
  }
  return changed;
}

splice::Record left(Proxy& proxy, const splice::Record& r) {
  const auto* sealed = std::get_if<splice::CutSealed>(&r);
  if (sealed == nullptr || !proxy.sim.has(Bug::new_dead_at_undo)) return r;
  splice::CutSealed changed = *sealed;
  for (auto& s : changed.seams) {
    const auto& log = *proxy.splice.partition(s.topic, {}, s.partition);
    s.native_end =
        std::max(log.log.tail().native(log.high_watermark).at, log.log.tail().native_start);
  }
  return changed;
}

void read(Proxy& proxy, std::vector<splice::PartitionReading>& readings) {
  for (auto& r : readings) {
    if (proxy.sim.has(Bug::high_watermark_for_log_end)) {
      for (auto* side : {&r.from, &r.to}) {
        side->log_end = side->high_watermark;
        side->epoch_end = -1;
      }
    }
    if (proxy.sim.has(Bug::abort_marker_after_s4)) r.from.last_stable = r.from.log_end;
    if (proxy.sim.has(Bug::end_below_shown)) {
      proxy.splice.partition(r.topic, {}, r.partition)->shown_end = {0};
    }
  }
}

}  // namespace shunt::sim::planted
