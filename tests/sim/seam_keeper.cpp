#include "tests/sim/seam_keeper.h"

namespace shunt::sim {

using route::Cluster;

namespace {

struct KeptSeam {
  std::string group, text;
};

KeptSeam kept_seam(const splice::State& state, int partition) {
  auto seams = splice::seams_of(state, *state.topic(topic_name), partition);
  seams.old_cluster = route::name(Cluster::old_cluster);
  seams.new_cluster = route::name(Cluster::new_cluster);
  return {splice::SeamGroup{state.journal(), "m1"}.name(), splice::seam_text(seams)};
}

bool spliced(const splice::State& state) {
  const auto* topic = state.topic(topic_name);
  return topic != nullptr && topic->spliced();
}

}  // namespace

void SeamKeeper::changed() {
  if (posted_) return;
  posted_ = true;
  proxy_.after(0, [this] {
    posted_ = false;
    write();
  });
}

void SeamKeeper::write() {
  if (!spliced(proxy_.splice)) return;
  if (proxy_.splice.journal().empty())
    proxy_.record(splice::JournalNamed{"j" + std::to_string(proxy_.sim.lives)}, true);
  for (int p = 0; p < proxy_.sim.plan.partitions; ++p) {
    const auto kept = kept_seam(proxy_.splice, p);
    const auto& log = proxy_.splice.partition(topic_name, {}, p)->log;
    for (const auto c : {Cluster::old_cluster, Cluster::new_cluster})
      proxy_.copy(c, {kept.group, topic_name, p, splice::seam_offset(log, c), kept.text});
  }
}

bool seams_kept(Sim& sim) {
  splice::State state;
  for (const auto& r : sim.journal) {
    if (const char* why = state.apply(r)) violated(std::string("the journal: ") + why);
  }
  if (!spliced(state)) return true;
  for (int p = 0; p < sim.plan.partitions; ++p) {
    const auto kept = kept_seam(state, p);
    if (sim.cluster(Cluster::old_cluster).metadata(kept.group, p) != kept.text &&
        sim.cluster(Cluster::new_cluster).metadata(kept.group, p) != kept.text) {
      return false;
    }
  }
  return true;
}

}  // namespace shunt::sim
