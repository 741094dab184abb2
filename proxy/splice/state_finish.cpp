// What finish changes: groups' homes, and what old is still needed for.
#include "proxy/splice/state.h"

namespace shunt::splice {

std::string_view State::topic_name(const wire::Uuid& shown_id) const {
  const auto it = names_.find(shown_id);
  return it == names_.end() ? std::string_view{} : std::string_view(it->second);
}

const Handed* State::handed(std::string_view group) const {
  const auto it = handed_.find(group);
  return it == handed_.end() ? nullptr : &it->second;
}

bool State::finished(const TopicLog& t) const {
  const auto* m = migration(t.migration);
  return m != nullptr && m->finished != 0;
}

const char* State::take(const GroupHanded& r) {
  if (handed_.contains(r.group)) return "a group is handed over twice";
  handed_[r.group] = {r.generation, {r.members.begin(), r.members.end()}, r.at};
  return nullptr;
}

const char* State::take(const MigrationFinished& r) {
  const auto m = migrations_.find(r.migration);
  if (m == migrations_.end()) return "an unknown migration has finished";
  for (const auto& name : m->second.topics) {
    if (topic(name)->produce_to() != Cluster::new_cluster)
      return "a migration has finished whose topics are written at old";
  }
  m->second.finished = r.at;
  left_ = left_ || r.left;
  for (const auto& name : m->second.topics) {
    for (auto& p : topic(name)->partitions) {
      p.finished = true;
      for (const auto& s : p.log.segments()) {
        if (p.jumps(s)) continue;
        p.log_start = std::max(p.log_start, s.start);
        break;
      }
    }
  }
  return nullptr;
}

}  // namespace shunt::splice
