#include "proxy/splice/cut.h"

#include <algorithm>
#include <utility>

#include "proxy/splice/producers.h"

namespace shunt::splice {
namespace {

std::string text(std::int64_t n) { return std::to_string(n); }

std::string where(const PartitionReading& r) { return r.topic + "-" + text(r.partition); }

constexpr std::int32_t epochs_left_free = 1000;    // a cluster that is left may elect on
constexpr std::size_t producers_kept_max = 10000;  // per partition, carried over seams

}  // namespace

Cut::Cut(State& state, CutPlan plan, Write write, Tell tell)
    : state_(state), plan_(std::move(plan)), write_(std::move(write)), tell_(std::move(tell)) {}

const char* Cut::step_name() const {
  constexpr const char* names[] = {"", "S1", "S2", "S3", "S4", "S5", "S6", "S7", "S8"};
  return names[static_cast<std::size_t>(step_)];
}

// How many resends of unclear batches have been let through the hold (rules A1); nullopt: one is
// still to be answered.
std::optional<std::uint64_t> Cut::resent() const {
  std::uint64_t all = 0;
  for (const auto& name : plan_.topics) {
    for (const auto& p : state_.topic(name)->partitions) {
      if (p.resent_unanswered > 0) return std::nullopt;
      all += p.resent;
    }
  }
  return all;
}

void Cut::hold(bool held) {
  for (const auto& name : plan_.topics) {
    TopicLog* t = state_.topic(name);
    if (t == nullptr) continue;
    t->held = held;
    if (held) continue;
    for (auto& p : t->partitions) p.candidate_end.reset();
  }
}

Cut::Want Cut::begin(UnixMillis unix_now) {
  if (!write_(
          CutIntended{plan_.migration, plan_.move, plan_.topics, plan_.to, plan_.undoes, unix_now},
          true)) {
    aborted_at_ = "S1";
    reason_ = "the journal cannot be written";
    step_ = Step::done;
    return Want::none;
  }
  tell_("S1");
  return Want::prepare;
}

Cut::Want Cut::prepared(const std::string& problem, std::int64_t now, UnixMillis unix_now) {
  if (step_ != Step::intent) return Want::none;
  if (!problem.empty()) return abort(problem, now, unix_now);
  step_ = Step::hold;
  held_since_ = now;
  hold(true);
  tell_("S2");
  step_ = Step::drain;
  waiting_for_ = "answers of requests in flight";
  return Want::drain;
}

Cut::Want Cut::drained(std::int64_t) {
  if (step_ != Step::drain) return Want::none;
  tell_("S3");
  step_ = Step::ends;
  waiting_for_ = "the ends of both clusters' logs";
  resent_ = resent();
  return Want::ends;
}

// What may pass with time; empty: nothing stands in the way.
std::string Cut::not_yet(const PartitionReading& r, const PartitionLog& p, std::int64_t) const {
  for (const auto& [side, name] : {std::pair(&r.from, "from"), std::pair(&r.to, "to")}) {
    const std::string cluster(route::name(
        side == &r.to
            ? plan_.to
            : (plan_.to == Cluster::old_cluster ? Cluster::new_cluster : Cluster::old_cluster)));
    const auto at = where(r) + " on " + cluster + ": ";
    if (!side->error.empty()) return at + side->error;
    if (side->leader_epoch < 0) return at + "its leader is changing";
    if (side->epoch_end >= 0 && side->epoch_end != side->log_end)
      return at + "log end " + text(side->log_end) + ", by epoch " + text(side->epoch_end);
    if (side->high_watermark != side->log_end)
      return at + "high watermark " + text(side->high_watermark) + " behind its log end " +
             text(side->log_end);
    if (side->last_stable != side->log_end)
      return at + "an open transaction keeps the last stable offset at " + text(side->last_stable) +
             " of " + text(side->log_end);
    if (side->in_sync < side->in_sync_min)
      return at + "in-sync replicas " + text(side->in_sync) + " below min.insync.replicas " +
             text(side->in_sync_min);
  }
  const auto& tail = p.log.tail();
  const auto shown = std::max(tail.native(p.shown_end).at, tail.native_start);
  // Somebody who writes past us may be faster than the reading; read again, it must be there.
  if (r.from.log_end < shown)
    return where(r) + ": its log ends at " + text(r.from.log_end) + ", but offsets up to " +
           text(shown) + " have been shown: records were lost (an unclean leader election?)";
  if (!p.unclear.empty()) {
    const auto& u = p.unclear.front();
    return where(r) + ": a batch of " + (u.client.empty() ? "a client" : u.client) +
           " was sent and never answered (producer id " + text(u.batch.producer_id) +
           "); the broker may still append it";
  }
  return {};
}

// What no waiting mends while producers are held.
std::string Cut::never(const PartitionReading& r, const PartitionLog& p) const {
  if (const auto next = p.log.next_native(plan_.to); next && r.to.log_end < *next)
    return where(r) + ": the log on " + std::string(route::name(plan_.to)) + " ends at " +
           text(r.to.log_end) + ", its last segment at " + text(*next) + ": records were lost";
  // Written there when it was left, and perhaps sent again since: one by one, not with the segment.
  const bool repeats =
      std::ranges::any_of(p.seam_unclear, [](const BatchId& b) { return b.producer_id >= 0; });
  if (const auto next = p.log.next_native(plan_.to);
      next && repeats && r.to.log_end > std::max(*next, p.markers_to))
    return where(r) + ": what " + std::string(route::name(plan_.to)) +
           " took when it was left is not swept in yet: try again in a second";
  return {};
}

Seam Cut::seam(const PartitionReading& r, const PartitionLog& p) const {
  const auto& tail = p.log.tail();
  Seam s;
  s.topic = r.topic;
  s.partition = r.partition;
  s.native_end = r.from.log_end;
  s.native_start = p.log.next_native(plan_.to).value_or(r.to.log_end);
  s.epoch_last = tail.shown_epoch(r.from.leader_epoch);
  s.producers = p.producers;  // who has not written since the seam before is still known
  for (const auto& [native_id, tail_of] : r.producers) {
    const auto id = state_.producer_of(native_id, tail.cut);
    if (!id) continue;  // it writes past us
    ProducerTail shown = tail_of;
    for (auto& b : shown.last) {
      const auto at = p.log.shown({tail.cluster, b.offset});  // perhaps before a sweep
      b.offset = at ? at->at : -1;
    }
    // The client may still ask for batches of the segments before: as a broker, five in all.
    ProducerTail& known = s.producers[*id];
    if (known.epoch == shown.epoch) {
      shown.last.insert(shown.last.begin(), known.last.begin(), known.last.end());
      if (shown.last.size() > batches_kept) {
        shown.last.erase(shown.last.begin(), shown.last.end() - batches_kept);
      }
    }
    known = std::move(shown);
  }
  while (s.producers.size() > producers_kept_max) s.producers.erase(s.producers.begin());
  for (const auto& u : p.unclear) s.unclear.push_back(u.batch);
  return s;
}

bool Cut::seal(std::vector<Seam> seams, UnixMillis unix_now) {
  CutSealed sealed{plan_.move, state_.next_cut(), std::move(seams), unix_now};
  if (!write_(sealed, true)) return false;
  seams_ = std::move(sealed.seams);
  return true;
}

// S5, S6: from the record on, the seams are part of the logs.
Cut::Want Cut::flip(std::vector<Seam> seams, std::int64_t now, UnixMillis unix_now) {
  if (!seal(std::move(seams), unix_now)) {
    return abort("the journal cannot be written", now, unix_now);
  }
  step_ = Step::seam;
  tell_("S5");
  step_ = Step::flip;
  held_ms_ = now - held_since_;
  write_(CutFlipped{plan_.move, held_ms_, unix_now}, true);  // S5 says it all; this one may fail
  tell_("S6");
  step_ = Step::release;
  hold(false);
  return Want::release;
}

Cut::Want Cut::leave(std::int64_t now, UnixMillis unix_now) {
  if (step_ != Step::ends) return Want::none;
  std::vector<Seam> seams;
  for (const auto& name : plan_.topics) {
    const TopicLog& t = *state_.topic(name);
    for (std::size_t i = 0; i < t.partitions.size(); ++i) {
      const PartitionLog& p = t.partitions[i];
      const auto& tail = p.log.tail();
      Seam s;
      s.topic = name;
      s.partition = static_cast<std::int32_t>(i);
      s.native_end = std::max(tail.native(p.shown_end).at, tail.native_start);
      s.native_start = p.log.next_native(plan_.to).value_or(0);
      s.epoch_last = tail.epoch_base + epochs_left_free;
      for (const auto& [id, last] : p.producers) {
        if (!p.firsts.contains(id)) s.producers.emplace(id, last);  // it has not written there
      }
      for (const auto& u : p.unclear) {  // one that was sent again and again is one
        if (std::ranges::find(s.unclear, u.batch) == s.unclear.end()) s.unclear.push_back(u.batch);
      }
      seams.push_back(std::move(s));
    }
  }
  tell_("S4");
  return flip(std::move(seams), now, unix_now);
}

Cut::Want Cut::ends_read(const std::vector<PartitionReading>& readings, std::int64_t now,
                         UnixMillis unix_now) {
  if (step_ != Step::ends) return Want::none;
  // What was let through meanwhile may have been appended behind the ends that were read.
  const auto before = std::exchange(resent_, resent());
  if (!before || before != resent_) {
    waiting_for_ = "answers of resends that were let through";
    return now - held_since_ < plan_.hold_limit_ms ? Want::ends
                                                   : abort(waiting_for_, now, unix_now);
  }
  for (const auto& r : readings) {
    PartitionLog* p = state_.partition(r.topic, {}, r.partition);
    if (p == nullptr) return abort(where(r) + " is in no migration", now, unix_now);
    clear_unclear(state_, *p, r.from.leader_epoch, &r.producers, unix_now, plan_.unclear_ms);
  }
  for (const auto& r : readings) {
    const PartitionLog& p = *state_.partition(r.topic, {}, r.partition);
    waiting_for_ = not_yet(r, p, now);
    if (!waiting_for_.empty()) {
      for (const auto& other : readings)
        state_.partition(other.topic, {}, other.partition)->candidate_end.reset();
      return now - held_since_ < plan_.hold_limit_ms ? Want::ends
                                                     : abort(waiting_for_, now, unix_now);
    }
    if (const auto why = never(r, p); !why.empty()) return abort(why, now, unix_now);
  }
  tell_("S4");
  // Nothing at or past these ends may be shown from here on; and nothing was while they were read.
  for (const auto& r : readings) {
    state_.partition(r.topic, {}, r.partition)->candidate_end = r.from.log_end;
  }
  std::vector<Seam> seams;
  for (const auto& r : readings) {
    seams.push_back(seam(r, *state_.partition(r.topic, {}, r.partition)));
  }
  return flip(std::move(seams), now, unix_now);
}

Cut::Want Cut::tick(std::int64_t now, UnixMillis unix_now) {
  const bool holding = step_ == Step::drain || step_ == Step::ends;
  if (!holding || now - held_since_ < plan_.hold_limit_ms) return Want::none;
  return abort("not done within move.hold_limit: waiting for " + waiting_for_, now, unix_now);
}

Cut::Want Cut::cancel(const std::string& reason, std::int64_t now, UnixMillis unix_now) {
  return step_ < Step::seam ? abort(reason, now, unix_now) : Want::none;
}

Cut::Want Cut::abort(const std::string& reason, std::int64_t now, UnixMillis unix_now) {
  aborted_at_ = step_name();
  reason_ = reason;
  if (step_ != Step::intent) held_ms_ = now - held_since_;
  write_(CutAborted{plan_.move, aborted_at_, reason, unix_now}, true);
  hold(false);
  step_ = Step::release;
  tell_("aborted");
  return Want::release;
}

Cut::Want Cut::released(std::int64_t, UnixMillis) {
  if (step_ != Step::release) return Want::none;
  if (!aborted()) tell_("S7");
  step_ = Step::done;
  return Want::none;
}

void clear_unclear(const State& state, PartitionLog& p, std::int32_t epoch,
                   const ProducerTails* tails, UnixMillis unix_now, std::int64_t unclear_ms) {
  const auto cut = p.log.tail().cut;
  std::erase_if(p.unclear, [&](const Unclear& u) {
    if (epoch > u.leader_epoch && u.leader_epoch >= 0) return true;  // the former leader refuses it
    if (u.batch.producer_id < 0) return unix_now - u.since >= unclear_ms;
    if (tails == nullptr) return false;
    const auto id = state.producer(u.batch.producer_id, cut);
    const auto tail = id ? tails->find(*id) : tails->end();
    if (tail == tails->end() || tail->second.last.empty()) return false;
    if (tail->second.epoch != u.batch.epoch) return tail->second.epoch > u.batch.epoch;
    // It stands in the log: whatever comes of it again, the broker knows it.
    return sequence_distance(u.batch.last_sequence(), tail->second.last.back().last_sequence) >= 0;
  });
}

}  // namespace shunt::splice
