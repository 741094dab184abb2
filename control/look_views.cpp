// What looking in shows: proof, progress, events.
#include "control/look_views.h"

#include <algorithm>

#include "control/json.h"

namespace shunt::control {
namespace {

namespace json = boost::json;
using json::object;

object segment(const net::SegmentProof& p) {
  object out;
  out["cluster"] = route::name(p.segment.cluster);
  out["virtual_start"] = p.segment.start.at;
  out["native_start"] = p.segment.native_start;
  out["native_end"] = known(p.segment.open() ? p.native_end : p.segment.native_end);
  out["records"] = known(p.records);
  if (p.crc32c)
    out["crc32c"] = *p.crc32c;
  else
    out["crc32c"] = nullptr;
  return out;
}

object seam(const net::SeamProof& s) {
  object out;
  out["virtual"] = s.at;
  out["old_end"] = known(s.old_end);
  out["new_start"] = known(s.new_start);
  out["last_before"] = known(s.last_before);
  out["first_after"] = known(s.first_after);
  return out;
}

object partition(const net::PartitionProof& p) {
  object out;
  out["topic"] = text(p.topic);
  out["partition"] = p.partition;
  out["segments"] = objects(p.segments, segment);
  out["seams"] = objects(p.seams, seam);
  out["stragglers"] = p.stragglers;
  out["problems"] = texts(p.problems);
  return out;
}

object group(const net::GroupProof& g) {
  object out;
  out["group"] = text(g.group);
  out["topic"] = text(g.topic);
  out["partition"] = g.partition;
  out["position"] = known(g.position);
  out["old_committed"] = known(g.old_committed);
  out["new_committed"] = known(g.new_committed);
  out["ok"] = g.ok;
  return out;
}

bool ok(const net::Proof& p) {
  return p.problems.empty() &&
         std::all_of(p.partitions.begin(), p.partitions.end(),
                     [](const auto& one) { return one.problems.empty(); }) &&
         std::all_of(p.groups.begin(), p.groups.end(), [](const auto& g) { return g.ok; });
}

std::int64_t lag_of(std::int64_t position, std::int64_t end) {
  return position < 0 || end < 0 ? -1 : std::max<std::int64_t>(end - position, 0);
}

object side(const net::PartitionLag::Side& s) {
  object out;
  out["next"] = known(s.next);
  out["end"] = known(s.end);
  out["lag"] = known(lag_of(s.next, s.end));
  return out;
}

object partition_lag(const net::PartitionLag& p) {
  object out;
  out["topic"] = text(p.topic);
  out["partition"] = p.partition;
  out["position"] = known(p.position);
  out["end"] = known(p.end);
  out["lag"] = known(lag_of(p.position, p.end));
  out["old"] = side(p.in_old);
  out["new"] = side(p.in_new);
  out["drained"] = p.drained;
  out["commit_behind"] = known(p.commit_behind);
  out["member_id"] = known(p.member_id);
  out["client_id"] = known(p.client_id);
  return out;
}

// A sum with an unknown part is unknown: a script that waits for 0 must not see it too early.
object group_lag(const net::GroupLag& g) {
  std::int64_t sum = 0;
  for (const auto& p : g.partitions) {
    const auto lag = lag_of(p.position, p.end);
    sum = sum < 0 || lag < 0 ? -1 : sum + lag;
  }
  object out;
  out["group"] = text(g.group);
  out["lag"] = known(sum);
  out["partitions"] = objects(g.partitions, partition_lag);
  return out;
}

}  // namespace

object proof_view(const net::Proof& p) {
  object out = begin_object();
  out["ok"] = ok(p);
  out["partitions"] = objects(p.partitions, partition);
  out["groups"] = objects(p.groups, group);
  out["problems"] = texts(p.problems);
  return out;
}

object lag_view(const std::vector<net::GroupLag>& groups) {
  object out = begin_object();
  out["groups"] = objects(groups, group_lag);
  return out;
}

object event_object(const observe::Event& e) {
  object out = begin_object();
  out["seq"] = e.seq;
  out["time"] = time_of(e.time_ms);
  out["event"] = text(e.event);
  out["migration"] = known(e.migration);
  out["step"] = known(e.step);
  for (const auto& [key, value] : e.keys) {
    if (const auto* words = std::get_if<std::string>(&value)) out[key] = text(*words);
    if (const auto* number = std::get_if<std::int64_t>(&value)) out[key] = *number;
    if (const auto* yes = std::get_if<bool>(&value)) out[key] = *yes;
  }
  return out;
}

}  // namespace shunt::control
