// How far a group has come in a partition: in its own numbers and in each cluster's.
//
// Its lag is the sum of both clusters' (schemes 1, 2): what is left of old, and all of new that is
// written.
#pragma once

#include <string>
#include <vector>

#include "proxy/splice/state.h"

namespace shunt::splice {

// All -1: not known.
struct PartitionLag {
  std::string topic;
  std::int32_t partition = -1;
  std::int64_t position = -1, end = -1;  // virtual
  struct Side {
    // Native: what it reads next there, and the end of what it has to read. -1: the cluster has no
    // part of this log.
    std::int64_t next = -1, end = -1;
    bool operator==(const Side&) const = default;
  };
  Side in_old, in_new;
  bool drained = false;              // all that lies before the newest seam has been read
  std::int64_t commit_behind = 0;    // 1: the other cluster's copy of the commit is under way
  std::string member_id, client_id;  // to whom it is assigned; empty: not known, or nobody
};
struct GroupLag {
  std::string group;
  std::vector<PartitionLag> partitions;
};

// `high_watermark`: native, of the tail's cluster; -1: not known.
PartitionLag progress(const PartitionLog& log, VirtualOffset position, std::int64_t high_watermark);

// Records left on a cluster, over all partitions; -1: not known.
std::int64_t lag_in(const GroupLag& group, Cluster c);

}  // namespace shunt::splice
