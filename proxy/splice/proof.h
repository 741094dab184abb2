// What `verify` proves: two clusters' own words against the journal. Values in, a verdict out.
//
// A problem is a plain sentence: what, where, how much. Nothing is a problem that a cluster may do
// by its own rules: retention, compaction, transaction markers.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "proxy/splice/edge.h"
#include "proxy/splice/state.h"

namespace shunt::splice {

struct SegmentProof {
  Segment segment;
  std::int64_t native_end = -1;  // of the open one: the log's end just now
  std::int64_t records = 0;  // native_end - native_start as far as it is still kept; -1: unknown
  // Of the first batch of records behind the seam it begins with and of the last one before the
  // seam it ends with, each with all its bytes as the cluster stores them: CRC-32C. Of both: the
  // CRC-32C of the two sums, four bytes each, big-endian. nullopt: neither is there.
  std::optional<std::uint32_t> crc32c;
};
struct SeamProof {
  std::int64_t at = 0;  // virtual
  std::int64_t old_end = -1, new_start = -1;
  // Virtual offsets of the records next to it in the segments that meet there, by their batches:
  // compaction inside a batch does not show. -1: none is retained, or not written yet.
  std::int64_t last_before = -1, first_after = -1;
};
struct PartitionProof {
  std::string topic;
  std::int32_t partition = -1;
  std::vector<SegmentProof> segments;
  std::vector<SeamProof> seams;
  // Records that came past us to a cluster that was not written to: swept in, or lying there.
  std::int64_t stragglers = 0;
  std::vector<std::string> problems;
};
struct GroupProof {
  std::string group, topic;
  std::int32_t partition = -1;
  std::int64_t position = -1;                           // virtual; -1: none
  std::int64_t old_committed = -1, new_committed = -1;  // native; -1: none
  bool ok = true;
};
struct Proof {
  std::vector<PartitionProof> partitions;
  std::vector<GroupProof> groups;
  std::vector<std::string> problems;
};

// What one cluster says of a topic. Empty error: it has been asked and has it.
struct TopicSaid {
  std::string topic;
  Cluster cluster = Cluster::old_cluster;
  std::string error;
  wire::Uuid known_id{}, id{};  // zero: none
  std::int32_t known_partitions = 0, partitions = 0;
};
std::vector<std::string> problems_of(const TopicSaid& said);

// What one cluster says of a partition's log.
struct LogSaid {
  std::string error;  // why it could not be read; empty: it could
  std::int64_t log_start = -1, log_end = -1;
  // Of what lies behind the end of a cluster that is not written to: the offsets that control
  // batches take there, the producers' ids in that cluster, whether all of it could be read.
  std::int64_t control = 0;
  std::set<std::int64_t> producers;
  bool counted = true;
  bool unread = false;  // a batch at a seam, in time
};
// The batches at a segment's seams.
struct EdgesSaid {
  std::optional<EdgeBatch> first, last;
};
struct PartitionSaid {
  std::string topic;
  std::int32_t partition = -1;
  VirtualLog log;
  std::int64_t shown_end = 0;  // everything shown of it lies below; before the ends were read
  std::int64_t swept = 0;
  bool finished = false;         // what old has is of no interest any more
  LogSaid clusters[2];           // by cluster; one without a segment is not asked
  std::vector<EdgesSaid> edges;  // by segment
};
PartitionProof judge(const PartitionSaid& said);

// Native: where the log of a cluster that is not written to must end; nullopt: it is written to, or
// it has no part of this log.
std::optional<std::int64_t> closed_end(const VirtualLog& log, Cluster c);

// A group's position against what both clusters have committed.
struct GroupSaid {
  std::string group, topic;
  std::int32_t partition = -1;
  VirtualOffset position;
  // Of the position, now and when the clusters were asked: it may move meanwhile, what lies between
  // is right.
  Pair expected, when_asked;
  std::optional<std::int64_t> committed[2];  // by cluster; -1: none; nullopt: not answered
  bool copying = false;                      // new's copy is under way
  bool handed = false;                       // its home is new: old knows nothing of it
};
// `problem`: empty, or what differs. One that did not answer is not ok without a problem of its
// own.
GroupProof judge(const GroupSaid& said, std::string& problem);

}  // namespace shunt::splice
