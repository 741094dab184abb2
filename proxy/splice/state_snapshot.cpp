// The state as records: what a journal's new file begins with.
#include "proxy/splice/state.h"

namespace shunt::splice {

std::vector<Record> State::snapshot() const {
  std::vector<Record> out;
  if (!journal_.empty()) out.emplace_back(JournalNamed{journal_});
  for (const auto& [id, m] : migrations_) {
    MigrationStarted started{m.id, m.scheme, {}, m.since};
    for (const auto& name : m.topics) {
      const TopicLog& t = *topic(name);
      started.topics.push_back(
          {t.name, t.old_id, t.new_id, static_cast<std::int32_t>(t.partitions.size())});
    }
    out.emplace_back(std::move(started));
    for (const auto& move : m.moves) {
      if (move.kind == MoveKind::fetch) {
        out.emplace_back(GroupsMoved{m.id, move.id, move.to, move.groups, move.undoes, move.at});
        continue;
      }
      out.emplace_back(CutIntended{m.id, move.id, move.topics, move.to, move.undoes, move.at});
      if (move.sealed) {
        out.emplace_back(CutSealed{move.id, move.cut, {}, move.at});  // the seams follow below
      } else if (!move.aborted_step.empty()) {
        out.emplace_back(CutAborted{move.id, move.aborted_step, move.aborted_reason, move.at});
      }
      if (move.flipped) out.emplace_back(CutFlipped{move.id, move.held_ms_max, move.at});
    }
    if (m.paused) out.emplace_back(MigrationPaused{m.id, true});
  }
  for (const auto& [name, t] : topics_) {
    for (std::size_t i = 0; i < t.partitions.size(); ++i) {
      const PartitionLog& p = t.partitions[i];
      std::vector<std::int64_t> accepted;
      for (const auto& [id, first] : p.firsts) {
        if (first == PartitionLog::First::answered) accepted.push_back(id);
      }
      out.emplace_back(PartitionKept{name, static_cast<std::int32_t>(i), p.log.segments(),
                                     p.producers, p.seam_unclear, std::move(accepted), p.stragglers,
                                     p.rewritten});
      if (p.skips_new) out.emplace_back(NewSkipped{name, static_cast<std::int32_t>(i), true});
    }
  }
  for (const auto& [group, h] : handed_)
    out.emplace_back(GroupHanded{group, h.generation, {h.members.begin(), h.members.end()}, h.at});
  for (const auto& [id, m] : migrations_) {  // behind the partitions, which it changes
    if (m.finished != 0) out.emplace_back(MigrationFinished{id, left_, m.finished});
  }
  for (const auto& [key, id] : drawn_) out.emplace_back(ProducerMapped{key.first, key.second, id});
  for (const auto& [group, all] : commits_) {
    for (const auto& [key, c] : all) {
      out.emplace_back(CommitAccepted{group, key.first, key.second, c.at, c.metadata, c.time});
    }
  }
  return out;
}

}  // namespace shunt::splice
