// One offset in the virtual log and in both clusters' own.
#include <algorithm>

#include "control/json.h"
#include "control/look_views.h"
#include "control/units.h"

namespace shunt::control {
namespace {

namespace json = boost::json;
using splice::Cluster;
using splice::VirtualOffset;

Failure unknown(const OffsetAsked& a, const std::string& what, const std::string& next) {
  return {"unknown_offset", what,
          a.topic + ':' + std::to_string(a.partition) + ':' + std::to_string(a.offset), next};
}

// The position that a native one is: of the record there or, where a segment ends, of what follows.
std::optional<VirtualOffset> position(const splice::VirtualLog& log, splice::NativeOffset n) {
  if (const auto at = log.shown(n)) return at;
  for (const auto& s : log.segments())
    if (s.cluster == n.in && s.native_end == n.at) return s.end();
  return std::nullopt;
}

json::object row(const OffsetAsked& a, const splice::VirtualLog& log, VirtualOffset at) {
  const auto native = [&](Cluster c) {
    const auto& all = log.segments();
    const bool there =
        std::any_of(all.begin(), all.end(), [&](const auto& s) { return s.cluster == c; });
    return known(there ? log.pair(at).of(c) : -1);
  };
  json::object out = begin_object();
  out["topic"] = text(a.topic);
  out["partition"] = a.partition;
  out["virtual"] = at.at;
  out["old"] = native(Cluster::old_cluster);
  out["new"] = native(Cluster::new_cluster);
  out["in"] = route::name(log.segments()[log.at(at)].cluster);
  return out;
}

}  // namespace

// From the right: what is in front of the last two colons is the topic.
std::optional<OffsetAsked> parse_offset(std::string_view words) {
  const auto second = words.rfind(':');
  if (second == std::string_view::npos || second == 0) return std::nullopt;
  const auto first = words.rfind(':', second - 1);
  if (first == std::string_view::npos || first == 0) return std::nullopt;
  const auto partition = parse_integer(words.substr(first + 1, second - first - 1));
  const auto offset = parse_integer(words.substr(second + 1));
  if (!partition || *partition < 0 || *partition > INT32_MAX || !offset || *offset < 0)
    return std::nullopt;
  OffsetAsked out;
  out.topic = words.substr(0, first);
  out.partition = static_cast<std::int32_t>(*partition);
  out.offset = *offset;
  return out;
}

std::optional<json::object> offset_view(const OffsetAsked& a, const observe::Snapshot& snapshot,
                                        const splice::State& state, Failure& failure) {
  static const splice::VirtualLog as_it_is;  // of a topic in no migration
  const splice::TopicLog* t = state.topic(a.topic);
  std::int64_t partitions = t ? static_cast<std::int64_t>(t->partitions.size()) : -1;
  for (const auto& seen : snapshot.topics)
    if (!t && seen.topic == a.topic) partitions = seen.partitions;
  if (partitions < 0) {
    failure = unknown(a, "old has no topic " + a.topic, "shuntctl topics");
    return std::nullopt;
  }
  if (a.partition >= partitions) {
    failure = unknown(a, a.topic + " has " + std::to_string(partitions) + " partitions",
                      "partitions count from 0");
    return std::nullopt;
  }
  const auto& log = t ? t->partitions[static_cast<std::size_t>(a.partition)].log : as_it_is;
  if (a.from == "virtual") return row(a, log, {a.offset});
  const Cluster c = a.from == "old" ? Cluster::old_cluster : Cluster::new_cluster;
  if (const auto at = position(log, {c, a.offset})) return row(a, log, *at);
  failure = unknown(a, "no client is shown what " + a.from + " has at " + std::to_string(a.offset),
                    "shuntctl verify lists the segments");
  return std::nullopt;
}

}  // namespace shunt::control
