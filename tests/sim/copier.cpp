// The daemon's own commits: accepted ones to new, seams to both; as net's Copier.
#include "tests/sim/seam_keeper.h"

namespace shunt::sim {

using route::Cluster;
using wire::Array;
using wire::Struct;
using wire::Value;

namespace {
constexpr wire::ApiKey commit_key = 8;
constexpr Time copied_anew = ModelCluster::simple_commits_last / 3, nobody_there = 20 * ms;
}  // namespace

// At start, and every so often: what is copied expires by its commit's time.
void Proxy::copy_all() {
  if (seams_) seams_->write();
  for (const auto& [group, commits] : splice.commits()) {
    for (const auto& [key, c] : commits) {
      commit_accepted({group, key.first, key.second, c.at, c.metadata, c.time});
    }
  }
  if (!sim.has(Bug::y_expired)) after(copied_anew, [this] { copy_all(); });
}

void Proxy::commit_accepted(const splice::CommitAccepted& c) {
  if (sim.has(Bug::commit_to_one_side)) return;
  if (const auto of_new = splice::copy_of(splice, c)) copy(Cluster::new_cluster, *of_new);
}

void Proxy::copy(Cluster to, const splice::Copy& copy) {
  copies_[{to, copy.group, copy.partition}] = copy;
  copy_soon();
}

// One at a time, the newest of a partition: as net's Copier.
void Proxy::copy_soon() {
  if (copying_ || copies_.empty()) return;
  copying_ = true;
  const auto [key, copy] = *copies_.begin();
  call(std::get<Cluster>(key), 0, commit_key, 8,
       Struct{{"GroupId", copy.group},
              {"GenerationIdOrMemberEpoch", -1},
              {"MemberId", ""},
              {"Topics",
               Array{Struct{{"Name", copy.topic},
                            {"Partitions", Array{Struct{{"PartitionIndex", copy.partition},
                                                        {"CommittedOffset", copy.native},
                                                        {"CommittedMetadata", copy.metadata}}}}}}}},
       [this, key, copy](const Value& body) {
         copying_ = false;
         const auto now = copies_.find(key);
         if (!body.null() && now != copies_.end() && now->second == copy) copies_.erase(now);
         if (body.null()) return after(nobody_there, [this] { copy_soon(); });
         copy_soon();
       });
}

}  // namespace shunt::sim
