#include "proxy/splice/proof.h"

#include <algorithm>
#include <array>

#include "proxy/wire/bytes.h"

namespace shunt::splice {
namespace {

std::string number(std::int64_t n) { return std::to_string(n); }
std::string text(Cluster c) { return std::string(route::name(c)); }
std::string counted(std::int64_t n, const char* what) {
  return number(n) + " " + what + (n == 1 ? "" : "s");
}

std::string listed(const std::set<std::int64_t>& ids) {
  constexpr std::size_t named_max = 5;
  std::string out;
  std::size_t n = 0;
  for (const auto id : ids) {
    if (n++ == named_max) return out + ", ...";
    out += (out.empty() ? "" : ", ") + number(id);
  }
  return out;
}

// One checksum of two.
std::uint32_t joined(std::uint32_t first, std::uint32_t last) {
  std::array<std::byte, 8> both{};
  wire::store(both.data(), static_cast<std::int32_t>(first));
  wire::store(both.data() + 4, static_cast<std::int32_t>(last));
  return wire::crc32c(0, both);
}

// What is wrong with a batch next to a seam; empty: nothing.
std::string fault(const EdgeBatch& b, const Segment& s) {
  const auto where =
      "the batch at " + number(b.first) + " to " + number(b.last) + " on " + text(s.cluster);
  if (!b.intact) return where + " does not fit its own checksum: the cluster has damaged it";
  if (b.first < s.native_start || b.last >= s.native_end)
    return where + " lies across a seam: it is not of one segment";
  return {};
}

class Judge {
 public:
  explicit Judge(const PartitionSaid& said) : said_(said) {
    out_.topic = said.topic;
    out_.partition = said.partition;
    out_.stragglers = said.swept;
  }

  PartitionProof take() && {
    const auto& segments = said_.log.segments();
    for (const auto c : {Cluster::old_cluster, Cluster::new_cluster}) {
      const bool gone = said_.finished && c == Cluster::old_cluster;
      if (said_.log.next_native(c) && !gone) cluster(c);
    }
    for (std::size_t i = 0; i < segments.size(); ++i) segment(i);
    for (std::size_t i = 0; i + 1 < segments.size(); ++i) seam(i);
    return std::move(out_);
  }

 private:
  const LogSaid& said(Cluster c) const { return said_.clusters[static_cast<std::size_t>(c)]; }
  void problem(std::string what) { out_.problems.push_back(std::move(what)); }

  void cluster(Cluster c) {
    const LogSaid& log = said(c);
    if (!log.error.empty()) return problem(text(c) + " could not be read: " + log.error);
    if (log.unread) problem("the batches at a seam could not be read from " + text(c));
    const auto closed = closed_end(said_.log, c);
    const Segment& tail = said_.log.tail();
    const auto least = closed.value_or(tail.native_start);
    if (log.log_end < least) {
      return problem(text(c) + "'s log ends at " + number(log.log_end) +
                     ", its part of this log at " + number(least) + ": " +
                     counted(least - log.log_end, "record") + " lost there");
    }
    if (closed) return behind(c, *closed, log);
    const auto end = tail.shown(log.log_end).at;
    if (end < said_.shown_end) {
      problem(text(c) + "'s log ends at virtual " + number(end) +
              ", clients have been shown it up to " + number(said_.shown_end) + ": " +
              counted(said_.shown_end - end, "record") + " lost there");
    }
  }

  // Records behind the end of a cluster that is not written to: somebody writes past us.
  void behind(Cluster c, std::int64_t end, const LogSaid& log) {
    const auto records = log.log_end - end - log.control;
    if (records <= 0) return;
    out_.stragglers += records;
    std::string who;
    if (!log.producers.empty()) who = "; producer ids there: " + listed(log.producers);
    problem(counted(records, "record") + (log.counted ? "" : " or fewer") + " behind the end of " +
            text(c) + "'s part (" + number(end) + "; its log ends at " + number(log.log_end) +
            "): a producer goes past Shunt" + who);
  }

  void segment(std::size_t i) {
    const Segment& s = said_.log.segments()[i];
    const LogSaid& log = said(s.cluster);
    SegmentProof p;
    p.segment = s;
    const bool known = log.error.empty();
    if (s.open())
      p.native_end = known ? log.log_end : -1;
    else
      p.native_end = s.native_end;
    p.records = -1;
    if (known) {
      const auto kept =
          std::min(p.native_end, log.log_end) - std::max(s.native_start, log.log_start);
      p.records = std::max<std::int64_t>(kept, 0);
    }
    if (i < said_.edges.size()) {
      std::string last_fault;
      for (const auto* b : {&said_.edges[i].first, &said_.edges[i].last}) {
        if (!*b) continue;
        p.crc32c = p.crc32c ? joined(*p.crc32c, (*b)->crc32c) : (*b)->crc32c;
        const auto why = fault(**b, s);
        if (!why.empty() && why != last_fault) problem(why);
        last_fault = why;
      }
    }
    out_.segments.push_back(std::move(p));
  }

  void seam(std::size_t i) {
    const Segment &before = said_.log.segments()[i], &after = said_.log.segments()[i + 1];
    SeamProof p;
    p.at = after.start.at;
    for (const Segment* s : {&before, &after}) {
      const auto native = s == &before ? s->native_end : s->native_start;
      (s->cluster == Cluster::old_cluster ? p.old_end : p.new_start) = native;
    }
    if (i + 1 < said_.edges.size()) {
      const auto kept = std::max(said(after.cluster).log_start, after.native_start);
      if (const auto& b = said_.edges[i].last)
        p.last_before = before.shown(std::min(b->last, before.native_end - 1)).at;
      if (const auto& b = said_.edges[i + 1].first)
        p.first_after = after.shown(std::max(b->first, kept)).at;
    }
    out_.seams.push_back(p);
  }

  const PartitionSaid& said_;
  PartitionProof out_;
};

}  // namespace

std::optional<std::int64_t> closed_end(const VirtualLog& log, Cluster c) {
  if (log.tail().cluster == c) return std::nullopt;
  return log.next_native(c);
}

std::vector<std::string> problems_of(const TopicSaid& said) {
  const auto where = "topic " + said.topic + " on " + text(said.cluster);
  if (!said.error.empty()) return {where + ": " + said.error};
  std::vector<std::string> out;
  const wire::Uuid none{};
  if (said.known_id != none && said.id != none && said.id != said.known_id) {
    out.push_back(where +
                  ": its topic id has changed: it was deleted and created anew, the "
                  "migration's segments are void there");
  }
  if (said.partitions != said.known_partitions) {
    out.push_back(where + ": it has " + counted(said.partitions, "partition") + ", the migration " +
                  number(said.known_partitions));
  }
  return out;
}

PartitionProof judge(const PartitionSaid& said) { return Judge(said).take(); }

GroupProof judge(const GroupSaid& said, std::string& problem) {
  GroupProof out;
  out.group = said.group;
  out.topic = said.topic;
  out.partition = said.partition;
  out.position = said.position.at;
  out.old_committed = said.committed[0].value_or(-1);
  out.new_committed = said.committed[1].value_or(-1);
  problem.clear();
  for (const auto c : {Cluster::old_cluster, Cluster::new_cluster}) {
    if (said.handed && c == Cluster::old_cluster) continue;  // it knows nothing of the group
    const auto& has = said.committed[static_cast<std::size_t>(c)];
    const bool copy = c == Cluster::new_cluster && said.copying;
    const auto [least, most] = std::minmax({said.expected.of(c), said.when_asked.of(c)});
    if (has && (copy || (*has >= least && *has <= most))) continue;
    out.ok = false;
    if (!has) continue;
    problem += (problem.empty() ? "group " + said.group + ", " + said.topic + "-" +
                                      number(said.partition) + ": "
                                : std::string("; ")) +
               text(c) + " has " + (*has < 0 ? std::string("nothing") : number(*has)) +
               " committed, its position " + number(said.position.at) + " is " +
               number(said.expected.of(c)) + " there";
  }
  return out;
}

}  // namespace shunt::splice
