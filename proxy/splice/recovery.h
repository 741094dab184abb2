// A lost journal rebuilt from what both clusters keep of it (rules B2).
//
// Values in, records out: groups as they were read, topics, log ends and committed offsets of the
// clusters as they are. What cannot be had back is mapped producer ids, batches before seams, and
// who the clients are.
#pragma once

#include <string>
#include <vector>

#include "proxy/route/topology.h"
#include "proxy/splice/seams.h"

namespace shunt::splice {

struct Rebuilt {
  struct Partition {
    std::string topic;
    std::int32_t partition = -1;
    VirtualLog log;
    std::string kept_on;  // "old and new", "old", "new": where these segments were read
  };
  std::string journal;
  std::vector<Record> records;        // from which an empty State becomes what was
  std::vector<Partition> partitions;  // by topic and partition
  std::vector<std::string> notes;     // for the operator
  std::vector<std::string> problems;  // any: nothing may be written
  const Partition* find(const std::string& topic, std::int32_t partition) const;
};

// `journal`: which one's, when groups of several are found; empty: there must be one alone. Groups
// of migrations from another old cluster are passed over.
Rebuilt rebuild(const std::vector<FoundGroup>& found, const std::string& journal,
                const std::string& old_cluster, const std::string& new_cluster);

// Are the topics still those that were moved? Adds to problems.
void check_topics(Rebuilt& r, const route::Topology& old_cluster,
                  const route::Topology& new_cluster);

// The end of a partition's log.
struct LogEnd {
  Cluster in = Cluster::old_cluster;
  std::string topic;
  std::int32_t partition = -1;
  std::int64_t at = -1;  // native; -1: not known
};
// Has any log lost records of a segment? Adds to problems; records behind a closed segment to
// notes.
void check_ends(Rebuilt& r, const std::vector<LogEnd>& ends);

// A group's committed offset.
struct Committed {
  std::string topic;
  std::int32_t partition = -1;
  std::int64_t at = -1;  // native
  std::string metadata;
};
// Adds CommitAccepted for what `group` has committed on both clusters: where both have been read
// to, never further (rules A3).
void add_positions(Rebuilt& r, const std::string& group, const std::vector<Committed>& in_old,
                   const std::vector<Committed>& in_new, UnixMillis now);

}  // namespace shunt::splice
