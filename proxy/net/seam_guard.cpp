#include "proxy/net/seam_guard.h"

#include <algorithm>

#include "proxy/observe/log.h"

namespace shunt::net {

using route::Cluster;

namespace {

constexpr wire::ApiKey list_groups_key = 16, api_versions_key = 18;
constexpr wire::Version any_version = 127;
constexpr auto turn_every = std::chrono::milliseconds(10);
// A broker that answers with an error (it loads its groups) is asked again while the journal is
// empty; one that says nothing is waited for, longer while it is.
constexpr auto errors_until = std::chrono::milliseconds(500);
constexpr auto silence_until = std::chrono::milliseconds(2000);

}  // namespace

void SeamGuard::start(std::function<void(const std::string& refused)> done) {
  done_ = std::move(done);
  since_ = Clock::now();
  if (!world_.left_old()) sides_.push_back({Cluster::old_cluster, {}, {}});
  if (world_.settings.new_cluster) sides_.push_back({Cluster::new_cluster, {}, {}});
  turn();
}

void SeamGuard::turn() {
  if (world_.draining || !done_) return;
  bool all = true;
  for (auto& side : sides_) all = over(side) && all;
  if (all) return end();
  timer_.expires_after(turn_every);
  timer_.async_wait([self = shared_from_this()](boost::system::error_code e) {
    if (!e) self->turn();
  });
}

// Asks what has not been asked; true when nothing more is to come, or to be waited for.
bool SeamGuard::over(Side& side) {
  const auto waited = Clock::now() - since_;
  const bool lost = world_.splice.migrations().empty();  // the journal may be
  const auto& topology = world_.topology(side.cluster);
  if (!topology.known()) {
    const auto* access = world_.access[static_cast<std::size_t>(side.cluster)];
    const bool failed = access != nullptr && !access->error().empty();
    return waited > silence_until || (failed && !lost);
  }
  const auto settled = [&](const Asked& a) {
    if (a.said == Said::all || waited > (lost ? silence_until : errors_until)) return true;
    return a.said == Said::failed && (!lost || waited > errors_until);
  };
  bool all = true;
  for (const auto& [id, broker] : topology.brokers()) {
    auto& asked = side.brokers[id];
    if (asked.said != Said::asked && !settled(asked)) ask(side, id);
    all = settled(asked) && all;
  }
  for (auto& [name, asked] : side.groups) {
    if (asked.said != Said::asked && !settled(asked)) fetch(side, name);
    all = settled(asked) && all;
  }
  return all;
}

void SeamGuard::ask(Side& side, route::NativeNodeId broker) {
  const route::NodeKey node{side.cluster, broker};
  auto& asked = side.brokers[broker];
  if (!world_.versions.own(node, api_versions_key, any_version)) return;  // it has not said hello
  if (!world_.versions.own(node, list_groups_key, any_version)) {
    asked = {Said::all, ""};  // it has no groups, or cannot tell
    return;
  }
  asked.said = Said::asked;
  list_groups(world_, side.cluster, broker,
              [self = shared_from_this(), &side, broker](const std::string& problem,
                                                         const std::vector<std::string>& names) {
                side.brokers[broker] = {problem.empty() ? Said::all : Said::failed, problem};
                for (const auto& name : names) {
                  if (splice::SeamGroup::parse(name)) side.groups.try_emplace(name);
                }
              });
}

void SeamGuard::fetch(Side& side, const std::string& group) {
  side.groups[group].said = Said::asked;
  fetch_offsets(world_, side.cluster, group,
                [self = shared_from_this(), &side, group](
                    const std::string& problem, const std::vector<splice::Committed>& offsets) {
                  side.groups[group] = {problem.empty() ? Said::all : Said::failed, problem};
                  // All of them gone: the group is just being deleted, or has expired.
                  if (problem.empty() && !offsets.empty())
                    self->found_.push_back(found_group(group, side.cluster, offsets));
                });
}

void SeamGuard::end() {
  for (const auto& side : sides_) {
    const auto cluster = route::name(side.cluster);
    const auto warn = [&](const std::string& who, const std::string& why) {
      observe::log::warn("seams.not_asked", {{"cluster", cluster}, {"who", who}, {"why", why}});
    };
    if (side.brokers.empty()) warn("cluster", "it does not answer");
    for (const auto& [id, asked] : side.brokers) {
      if (asked.said != Said::all)
        warn("broker " + std::to_string(static_cast<std::int32_t>(id)),
             asked.why.empty() ? "no answer yet" : asked.why);
    }
    for (const auto& [name, asked] : side.groups) {
      if (asked.said != Said::all) found_.push_back({name, side.cluster, {}});
    }
  }
  const auto verdict = splice::judge_start(world_.splice, world_.cluster_id, found_);
  for (const auto& other : verdict.beside)
    observe::log::warn(
        "seams.of_another",
        {{"what", other}, {"next", "clients of these topics must go through that Shunt alone"}});
  std::exchange(done_, nullptr)(verdict.refuse);
}

}  // namespace shunt::net
