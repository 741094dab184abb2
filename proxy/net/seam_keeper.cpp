#include "proxy/net/seam_keeper.h"

#include <algorithm>
#include <boost/asio/post.hpp>

#include "proxy/observe/log.h"
#include "proxy/splice/seams.h"

namespace shunt::net {

using route::Cluster;

namespace {

constexpr auto written_anew = std::chrono::hours(24);
constexpr auto patience = std::chrono::seconds(10);

std::string random_id(std::mt19937_64& random) {
  constexpr char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
  constexpr int length = 10;
  std::string out;
  for (int i = 0; i < length; ++i) out += letters[random() % 32];
  return out;
}

bool spliced(const splice::State& state, const splice::Migration& m) {
  return std::ranges::any_of(m.topics, [&](const std::string& name) {
    const auto* t = state.topic(name);
    return t != nullptr && t->spliced();
  });
}

}  // namespace

void SeamKeeper::changed() {
  pending_ = true;
  if (posted_) return;
  posted_ = true;
  boost::asio::post(world_.io, [this] {
    posted_ = false;
    write(false);
  });
}

// The id by which the groups are known as this journal's: made when it is first needed.
bool SeamKeeper::name_journal() {
  if (!world_.splice.journal().empty()) return true;
  return world_.record(splice::JournalNamed{random_id(world_.random)}, true);
}

void SeamKeeper::write(bool all) {
  pending_ = true;
  for (const auto& [id, m] : world_.splice.migrations()) {
    if (!spliced(world_.splice, m)) continue;
    if (!name_journal()) return;  // again at the next tick
    write(m, all);
  }
  pending_ = false;
}

std::vector<Cluster> SeamKeeper::kept_on() const {
  if (world_.left_old()) return {Cluster::new_cluster};
  return {Cluster::old_cluster, Cluster::new_cluster};
}

void SeamKeeper::write(const splice::Migration& m, bool all) {
  const auto group = splice::SeamGroup{world_.splice.journal(), m.id}.name();
  for (const auto& name : m.topics) {
    const auto* topic = world_.splice.topic(name);
    if (topic == nullptr || !topic->changed.empty()) continue;
    for (std::int32_t i = 0; i < static_cast<std::int32_t>(topic->partitions.size()); ++i) {
      auto kept = splice::seams_of(world_.splice, *topic, i);
      kept.old_cluster = world_.cluster_id;
      kept.new_cluster = world_.new_topology.cluster_id();
      const auto segments = kept.segments.size();
      auto text = splice::seam_text(kept);
      auto& before = written_[{group, name, i}];
      if (!all && before == text) continue;
      if (kept.left_out > 0) {
        observe::log::limited(observe::log::Level::warn, "seams.cut_short",
                              {{"topic", name},
                               {"partition", i},
                               {"segments", segments},
                               {"kept", kept.segments.size()},
                               {"effect", "a lost journal could not be rebuilt from the clusters"},
                               {"next", "keep copies of the journal; find who writes past Shunt"}});
      }
      before = text;
      const auto& log = topic->partitions[static_cast<std::size_t>(i)].log;
      for (const auto c : kept_on())
        copier_.add(c, {group, name, i, splice::seam_offset(log, c), text});
    }
  }
  for (const auto c : kept_on()) {
    copier_.begin(c, group);
    standing_.try_emplace({c, group});
  }
}

void SeamKeeper::tick(Clock::time_point now) {
  if (world_.splice.idle() || world_.access[1] == nullptr) return;
  if (!world_.new_topology.known() || world_.cluster_id.empty()) return;
  const bool anew = all_written_ == Clock::time_point{} || now - all_written_ > written_anew;
  if (anew) all_written_ = now;
  if (anew || pending_) write(anew);
  watch(now);
}

void SeamKeeper::watch(Clock::time_point now) {
  for (auto& [key, s] : standing_) {
    const auto& [c, group] = key;
    const auto waiting = copier_.waiting(c, group);
    if (waiting.partitions == 0) {
      if (!s.told || s.since != Clock::time_point{})
        observe::log::info("seams.kept", {{"group", group}, {"cluster", route::name(c)}});
      s = {{}, true};
      continue;
    }
    if (s.since == Clock::time_point{}) s = {now, false};
    if (s.told || now - s.since < patience) continue;
    s.told = true;
    observe::log::warn("seams.not_kept",
                       {{"group", group},
                        {"cluster", route::name(c)},
                        {"partitions", waiting.partitions},
                        {"why", waiting.why},
                        {"effect", "were the journal lost now, this cluster could not tell"},
                        {"next", "it is tried again every second"}});
  }
}

}  // namespace shunt::net
