#include "proxy/net/prove_groups.h"

#include <algorithm>

namespace shunt::net {

using route::Cluster;
using wire::Value;

namespace {

constexpr auto ask_again = std::chrono::milliseconds(100);
constexpr int rounds_max = 10;
constexpr std::size_t at_once = 32;  // a coordinator that hangs holds up those behind it
constexpr Cluster clusters[] = {Cluster::old_cluster, Cluster::new_cluster};

}  // namespace

void ProveGroups::start(std::function<void()> done) {
  done_ = std::move(done);
  until_ = Clock::now() + limit_;
  for (auto& w : windows_) w = std::make_shared<Window>(at_once);
  for (const auto& [name, commits] : world_.splice.commits()) {
    for (const auto& [key, commit] : commits) {
      if (world_.splice.partition(key.first, {}, key.second) != nullptr) groups_[name][key];
    }
  }
  ask_all();
}

bool ProveGroups::agreed(const Group& group) {
  return std::ranges::all_of(group, [](const auto& p) { return p.second.agreed; });
}

// Those that do not agree yet.
void ProveGroups::ask_all() {
  ++rounds_;
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until_ - Clock::now());
  const auto joint = join_within(world_, left, [self = shared_from_this()] {
    bool all = true;
    for (auto& [name, group] : self->groups_) {
      self->judge(name, group);
      all &= agreed(group);
    }
    if (all || self->rounds_ >= rounds_max || Clock::now() + ask_again > self->until_)
      return std::exchange(self->done_, nullptr)();
    auto timer = std::make_shared<boost::asio::steady_timer>(self->world_.io, ask_again);
    timer->async_wait([self, timer](boost::system::error_code) { self->ask_all(); });
  });
  for (const auto& [name, group] : groups_) {
    if (agreed(group)) continue;
    for (const auto c : clusters) {
      if (c == Cluster::old_cluster && world_.splice.group_home(name) != c) continue;
      ++joint->left;
      windows_[static_cast<std::size_t>(c)]->run(
          [self = shared_from_this(), name = name, c, joint](std::function<void()> ended) {
            self->ask(name, c, joint, std::move(ended));
          });
    }
  }
  joint->end();
}

void ProveGroups::ask(const std::string& name, Cluster c, const Joint& joint,
                      std::function<void()> ended) {
  std::set<PartitionKey> keys;
  for (auto& [key, p] : groups_[name]) {
    if (p.agreed) continue;
    keys.insert(key);
    const auto* commit = world_.splice.commit(name, key.first, key.second);
    const auto* log = world_.splice.partition(key.first, {}, key.second);
    // Both clusters are asked in their turn; the earlier moment counts.
    if (commit != nullptr && log != nullptr && c == world_.splice.group_home(name))
      p.when_asked = log->log.pair(commit->at);
  }
  fetch_committed(
      world_, c, name,
      by_topic(keys, "Name", "PartitionIndexes",
               [](const PartitionKey& key) { return Value(key.second); }),
      [self = shared_from_this(), name, c, joint, ended = std::move(ended)](const std::string&,
                                                                            const Value& body) {
        auto& group = self->groups_[name];
        for (const auto& t : body["Topics"].array()) {
          for (const auto& p : t["Partitions"].array()) {
            const auto at = group.find({std::string(t["Name"].text()),
                                        static_cast<std::int32_t>(p["PartitionIndex"].number())});
            if (at == group.end() || p["ErrorCode"].number() != 0) continue;
            at->second.committed[static_cast<std::size_t>(c)] = p["CommittedOffset"].number();
          }
        }
        ended();
        joint->end();
      });
}

void ProveGroups::judge(const std::string& name, Group& group) {
  for (auto& [key, position] : group) {
    if (position.agreed) continue;
    const auto* commit = world_.splice.commit(name, key.first, key.second);
    const auto* log = world_.splice.partition(key.first, {}, key.second);
    position.proof = {name, key.first, key.second, -1, -1, -1, true};
    position.problem.clear();
    position.agreed = true;
    if (commit == nullptr || log == nullptr) continue;  // deleted in the meantime
    splice::GroupSaid said{name,
                           key.first,
                           key.second,
                           commit->at,
                           log->log.pair(commit->at),
                           position.when_asked,
                           {position.committed[0], position.committed[1]},
                           world_.commits != nullptr && world_.commits->behind(name) > 0,
                           world_.splice.group_home(name) == Cluster::new_cluster};
    position.proof = splice::judge(said, position.problem);
    position.agreed = position.proof.ok;
  }
}

std::vector<splice::GroupProof> ProveGroups::proofs() const {
  std::vector<splice::GroupProof> out;
  for (const auto& [name, group] : groups_) {
    for (const auto& [key, p] : group) out.push_back(p.proof);
  }
  return out;
}

std::vector<std::string> ProveGroups::problems() const {
  std::vector<std::string> out;
  for (const auto& [name, group] : groups_) {
    for (const auto& [key, p] : group) {
      if (!p.problem.empty()) out.push_back(p.problem);
    }
  }
  return out;
}

}  // namespace shunt::net
