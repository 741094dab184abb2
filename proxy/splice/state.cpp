#include "proxy/splice/state.h"

#include <algorithm>

#include "proxy/splice/producers.h"

namespace shunt::splice {
namespace {

// All that lies before the tail is there to be read.
void show_start(PartitionLog& p) {
  const auto start = p.log.tail().start;
  p.show(start);
  p.high_watermark = std::max(p.high_watermark, start);
  p.last_stable = std::max(p.last_stable, start);
}

// It has come about, and nobody has taken it back.
bool stands(const Move& m) {
  return (m.kind == MoveKind::fetch || m.sealed) && !m.undone && m.undoes.empty();
}

}  // namespace

std::int32_t BatchId::last_sequence() const {
  const auto last = std::int64_t{first_sequence} + std::max(records, 1) - 1;
  return static_cast<std::int32_t>(last & 0x7fffffff);
}

const Move* Migration::newest() const {
  const auto m = std::ranges::find_if(moves.rbegin(), moves.rend(), stands);
  return m == moves.rend() ? nullptr : &*m;
}

const Move* Migration::newest(MoveKind kind) const {
  const auto m = std::ranges::find_if(moves.rbegin(), moves.rend(), [&](const Move& one) {
    return one.kind == kind && stands(one);
  });
  return m == moves.rend() ? nullptr : &*m;
}

bool Migration::reads_new(std::string_view group) const {
  const auto own = read_new.find(group);
  return own == read_new.end() ? all_read_new : own->second;
}

void Migration::count_groups() {
  all_read_new = false;
  read_new.clear();
  for (const auto& m : moves) {
    if (m.kind != MoveKind::fetch || m.undone || !m.undoes.empty()) continue;
    const bool to_new = m.to == Cluster::new_cluster;
    for (const auto& group : m.groups) read_new[group] = to_new;
    if (!m.groups.empty()) continue;
    all_read_new = to_new;
    read_new.clear();
  }
}

TopicLog* State::topic(std::string_view name) {
  const auto it = topics_.find(name);
  return it == topics_.end() ? nullptr : &it->second;
}

const TopicLog* State::topic(std::string_view name) const {
  const auto it = topics_.find(name);
  return it == topics_.end() ? nullptr : &it->second;
}

TopicLog* State::topic(const wire::Uuid& shown_id) {
  const auto it = names_.find(shown_id);
  return it == names_.end() ? nullptr : topic(it->second);
}

State::Place State::place_of(const PartitionLog& log) const {
  for (const auto& [name, t] : topics_) {
    const auto* first = t.partitions.data();
    if (&log >= first && &log < first + t.partitions.size()) {
      return {&t, static_cast<std::int32_t>(&log - first)};
    }
  }
  return {};
}

Cluster State::home(std::string_view name, const wire::Uuid& shown_id) const {
  const TopicLog* t = topic(name, shown_id);
  return t == nullptr ? Cluster::old_cluster : t->produce_to();
}

const TopicLog* State::topic(std::string_view name, const wire::Uuid& shown_id) const {
  if (!name.empty()) return topic(name);
  const auto it = names_.find(shown_id);
  return it == names_.end() ? nullptr : topic(it->second);
}

const PartitionLog* State::partition(std::string_view name, const wire::Uuid& shown_id,
                                     std::int32_t index) const {
  const TopicLog* t = topic(name, shown_id);
  if (t == nullptr || index < 0 || static_cast<std::size_t>(index) >= t->partitions.size()) {
    return nullptr;
  }
  return &t->partitions[static_cast<std::size_t>(index)];
}

PartitionLog* State::partition(std::string_view name, const wire::Uuid& shown_id,
                               std::int32_t index) {
  return const_cast<PartitionLog*>(std::as_const(*this).partition(name, shown_id, index));
}

const Migration* State::migration(std::string_view id) const {
  const auto it = migrations_.find(std::string(id));
  return it == migrations_.end() ? nullptr : &it->second;
}

bool State::waits(const TopicLog& t, std::string_view group) const {
  if (t.produce_to() != Cluster::new_cluster) return false;
  const auto m = migrations_.find(t.migration);
  return m != migrations_.end() && !m->second.reads_new(group);
}

Move* State::find_move(std::string_view id) {
  for (auto& [name, m] : migrations_) {
    for (auto& move : m.moves) {
      if (move.id == id) return &move;
    }
  }
  return nullptr;
}

const Move* State::move(std::string_view id) const {
  return const_cast<State*>(this)->find_move(id);
}

std::string State::next_migration_id() const {
  std::size_t n = migrations_.size() + 1;
  while (migrations_.contains("m" + std::to_string(n))) ++n;
  return "m" + std::to_string(n);
}

std::string State::next_move_id(const Migration& m) const {
  return m.id + "." + std::to_string(m.moves.size() + 1);
}

std::optional<std::int64_t> State::producer(std::int64_t client_id, std::uint32_t cut) const {
  if (cut == 0) return client_id;
  const auto it = drawn_.find({client_id, cut});
  return it == drawn_.end() ? std::nullopt : std::optional(it->second);
}

std::optional<std::int64_t> State::producer_of(std::int64_t drawn, std::uint32_t cut) const {
  if (cut == 0) return drawn;
  const auto it = drawn_of_.find({drawn, cut});
  return it == drawn_of_.end() ? std::nullopt : std::optional(it->second);
}

const Commit* State::commit(const std::string& group, const std::string& topic,
                            std::int32_t partition) const {
  const auto g = commits_.find(group);
  if (g == commits_.end()) return nullptr;
  const auto c = g->second.find({topic, partition});
  return c == g->second.end() ? nullptr : &c->second;
}

void State::keep_shown(ShownEnds& keeper) {
  keeper_ = &keeper;
  for (auto& [name, t] : topics_) keep_shown(t);
}

void State::keep_shown(TopicLog& t) {
  if (keeper_ == nullptr) return;
  for (std::size_t i = 0; i < t.partitions.size(); ++i) {
    PartitionLog& p = t.partitions[i];
    p.keeper = keeper_;
    p.kept = keeper_->slot(t.migration, t.name, static_cast<std::int32_t>(i));
    const VirtualOffset before{keeper_->kept(p.kept)};
    if (before < p.shown_end) keeper_->keep(p.kept, p.shown_end.at);
    p.shown_end = std::max(p.shown_end, before);
  }
}

const char* State::apply(const Record& record) {
  return std::visit([this](const auto& r) { return take(r); }, record);
}

const char* State::take(const JournalNamed& r) {
  if (!journal_.empty()) return "a journal is named twice";
  journal_ = r.id;
  return nullptr;
}

const char* State::take(const MigrationStarted& r) {
  if (migrations_.contains(r.migration)) return "a migration begins twice";
  Migration m;
  m.id = r.migration;
  m.scheme = r.scheme;
  m.since = r.at;
  for (const auto& t : r.topics) {
    if (t.partitions < 1) return "a topic without partitions";
    if (topics_.contains(t.name)) return "a topic is in two migrations";
    TopicLog log;
    log.name = t.name;
    log.migration = r.migration;
    log.old_id = t.old_id;
    log.new_id = t.new_id;
    log.partitions.resize(static_cast<std::size_t>(t.partitions));
    if (t.old_id != wire::Uuid{}) names_[t.old_id] = t.name;
    keep_shown(topics_.emplace(t.name, std::move(log)).first->second);
    m.topics.push_back(t.name);
  }
  migrations_.emplace(r.migration, std::move(m));
  return nullptr;
}

const char* State::take(const CutIntended& r) {
  const auto m = migrations_.find(r.migration);
  if (m == migrations_.end()) return "a cut of an unknown migration";
  if (find_move(r.move) != nullptr) return "a move begins twice";
  Move move;
  move.id = r.move;
  move.to = r.to;
  move.topics = r.topics;
  move.undoes = r.undoes;
  move.at = r.at;
  m->second.moves.push_back(std::move(move));
  return nullptr;
}

const char* State::take(const CutAborted& r) {
  Move* m = find_move(r.move);
  if (m == nullptr || m->sealed) return "a cut is aborted that cannot be";
  m->aborted_step = r.step;
  m->aborted_reason = r.reason;
  return nullptr;
}

const char* State::take(const CutSealed& r) {
  Move* m = find_move(r.move);
  if (m == nullptr || m->sealed) return "a cut is sealed that did not begin";
  for (const Seam& s : r.seams) {  // all of them, or none
    const PartitionLog* p = partition(s.topic, {}, s.partition);
    if (p == nullptr) return "a seam of an unknown partition";
    VirtualLog trial = p->log;
    if (const char* why = trial.append(s.native_end, s.epoch_last, m->to, s.native_start, r.cut)) {
      return why;
    }
  }
  for (const Seam& s : r.seams) {
    PartitionLog* p = partition(s.topic, {}, s.partition);
    if (const char* why = p->log.append(s.native_end, s.epoch_last, m->to, s.native_start, r.cut)) {
      return why;  // a partition named twice
    }
    p->producers = s.producers;
    p->seam_unclear = s.unclear;
    p->rewritten.clear();
    p->markers_to = 0;
    p->rewriting = 0;
    p->firsts.clear();
    p->unclear.clear();
    p->candidate_end.reset();
    p->hollow = VirtualOffset{Segment::open_end};
    if (p->log.tail().cluster == Cluster::new_cluster) p->skips_new = false;  // it is in reach
    show_start(*p);
  }
  m->sealed = true;
  m->cut = r.cut;
  last_cut_ = std::max(last_cut_, r.cut);
  if (Move* undone = m->undoes.empty() ? nullptr : find_move(m->undoes)) undone->undone = true;
  return nullptr;
}

const char* State::take(const CutFlipped& r) {
  Move* m = find_move(r.move);
  if (m == nullptr || !m->sealed) return "a flip without a seam";
  m->flipped = true;
  m->held_ms_max = r.held_ms_max;
  return nullptr;
}

const char* State::take(const Swept& r) {
  PartitionLog* p = partition(r.topic, {}, r.partition);
  if (p == nullptr) return "a sweep of an unknown partition";
  const auto& tail = p->log.tail();
  const auto epoch = std::max(r.epoch_last, tail.epoch_base);
  const auto start = r.from_start >= 0 ? r.from_start : p->log.next_native(r.from).value_or(0);
  if (const char* why = p->log.sweep(r.tail_end, epoch, r.from, start, r.from_end)) return why;
  for (const auto& [id, tail_of] : r.producers) {
    for (const auto& b : tail_of.last) note_batch(p->producers, id, tail_of.epoch, b);
  }
  p->stragglers += r.records;
  p->swept = ++sweeps_;
  show_start(*p);
  return nullptr;
}

const char* State::take(const ProducerMapped& r) {
  const auto known = drawn_.find({r.producer_id, r.cut});
  if (known != drawn_.end() && known->second != r.id) return "a producer has two ids in one cut";
  const auto of = drawn_of_.find({r.id, r.cut});
  if (of != drawn_of_.end() && of->second != r.producer_id) {
    return "an id has two producers in one cut";
  }
  drawn_[{r.producer_id, r.cut}] = r.id;
  drawn_of_[{r.id, r.cut}] = r.producer_id;
  return nullptr;
}

const char* State::take(const FirstAccepted& r) {
  PartitionLog* p = partition(r.topic, {}, r.partition);
  if (p == nullptr) return "a producer of an unknown partition";
  p->firsts[r.producer_id] = PartitionLog::First::answered;
  return nullptr;
}

const char* State::take(const CommitAccepted& r) {
  commits_[r.group][{r.topic, r.partition}] = {r.at, r.metadata, r.time,
                                               r.as_of ? *r.as_of : ++last_commit_};
  return nullptr;
}

const char* State::take(const CommitForgotten& r) {
  if (r.topic.empty()) {
    commits_.erase(r.group);
    return nullptr;
  }
  const auto g = commits_.find(r.group);
  if (g == commits_.end()) return nullptr;
  std::erase_if(g->second, [&](const auto& c) {
    return c.first.first == r.topic && (r.partition < 0 || c.first.second == r.partition);
  });
  return nullptr;
}

const char* State::take(const MigrationPaused& r) {
  const auto m = migrations_.find(r.migration);
  if (m == migrations_.end()) return "a pause of an unknown migration";
  m->second.paused = r.paused;
  return nullptr;
}

const char* State::take(const PartitionKept& r) {
  PartitionLog* p = partition(r.topic, {}, r.partition);
  if (p == nullptr) return "a partition of no migration";
  if (const char* why = p->log.restore(r.segments)) return why;
  p->producers = r.producers;
  p->seam_unclear = r.unclear;
  for (const auto id : r.accepted) p->firsts[id] = PartitionLog::First::answered;
  p->stragglers = r.stragglers;
  p->rewritten = r.rewritten;
  show_start(*p);
  return nullptr;
}

const char* State::take(const Rewritten& r) {
  PartitionLog* p = partition(r.topic, {}, r.partition);
  if (p == nullptr) return "a batch of an unknown partition";
  p->rewritten.push_back(r.batch);
  return nullptr;
}

const char* State::take(const GroupsMoved& r) {
  const auto m = migrations_.find(r.migration);
  if (m == migrations_.end()) return "groups of an unknown migration are moved";
  if (find_move(r.move) != nullptr) return "a move begins twice";
  Move move;
  move.id = r.move;
  move.kind = MoveKind::fetch;
  move.to = r.to;
  move.groups = r.groups;
  move.undoes = r.undoes;
  move.at = r.at;
  m->second.moves.push_back(std::move(move));
  if (Move* undone = r.undoes.empty() ? nullptr : find_move(r.undoes)) undone->undone = true;
  m->second.count_groups();
  return nullptr;
}

const char* State::take(const NewSkipped& r) {
  PartitionLog* p = partition(r.topic, {}, r.partition);
  if (p == nullptr) return "a jump in an unknown partition";
  p->skips_new = r.on;
  return nullptr;
}

}  // namespace shunt::splice
