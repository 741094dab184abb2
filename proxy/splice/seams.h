// The seams that the clusters keep, so that a lost journal is never taken for a first start
// (rules B2): committed offsets of a reserved group, `__shunt.JOURNAL.MIGRATION`, on both.
//
// Each partition of a migration has one once any of it was cut: a native offset, and its segments
// as metadata (seam_text.h). JOURNAL is the id of the journal that they are copies of.
#pragma once

#include <string>
#include <vector>

#include "proxy/splice/seam_text.h"
#include "proxy/splice/state.h"

namespace shunt::splice {

constexpr std::string_view seam_group_prefix = "__shunt.";

struct SeamGroup {
  std::string journal, migration;
  std::string name() const;
  // nullopt: another group's name.
  static std::optional<SeamGroup> parse(std::string_view group);
};

// True when a record changes segments: what the clusters keep is to be written again.
bool changes_segments(const Record& record);

// What is kept of a partition, but for the cluster ids.
SeamText seams_of(const State& state, const TopicLog& topic, std::int32_t partition);
// The offset that is committed with it in `c`: where its last segment there ends as far as is
// known.
std::int64_t seam_offset(const VirtualLog& log, Cluster c);

// What a cluster was found to keep.
struct FoundSeam {
  std::string topic;
  std::int32_t partition = -1;
  std::string text;
};
struct FoundGroup {
  std::string name;
  Cluster on = Cluster::old_cluster;
  std::vector<FoundSeam> seams;  // empty: not known
};

// What a start with this journal must do about seams that were found.
struct StartVerdict {
  std::string refuse;               // empty: go on; else what, where, and what to do
  std::vector<std::string> beside;  // groups of another Shunt, for other topics: to be told
};
// `old_cluster`: its id. Seams of other clusters' migrations are nobody's here: several old ones
// may move to one new.
StartVerdict judge_start(const State& state, const std::string& old_cluster,
                         const std::vector<FoundGroup>& found);

}  // namespace shunt::splice
