#include "proxy/net/cut_run.h"

#include "proxy/observe/log.h"
#include "proxy/observe/text.h"

namespace shunt::net {

namespace {

constexpr auto look_every = std::chrono::milliseconds(5);   // at what is in flight
constexpr auto read_again = std::chrono::milliseconds(10);  // ends that do not agree yet
constexpr auto leave_after = std::chrono::milliseconds(300);
constexpr std::size_t spare_ids = 16;  // for producers that nobody knows of yet

}  // namespace

CutRun::CutRun(World& world, splice::CutPlan plan, route::Cluster from)
    : world_(world),
      from_(from),
      cut_(
          world.splice, std::move(plan),
          [this](const splice::Record& r, bool durable) { return world_.record(r, durable); },
          [this](const char* step) { tell(step); }),
      timer_(world.io),
      limit_(world.io) {
  topics_.insert(cut_.plan().topics.begin(), cut_.plan().topics.end());
  reader_ = std::make_shared<EndReader>(world, cut_.plan().topics, from, cut_.plan().to);
}

std::int64_t CutRun::now_ms() const {
  return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now().time_since_epoch())
      .count();
}

void CutRun::tell(const char* step) {
  observe::Event e;
  const bool aborted = std::string_view(step) == "aborted";
  e.event = std::string("cut.") + step;
  e.migration = cut_.plan().migration;
  e.step = aborted ? cut_.aborted_at() : step;
  e.keys.emplace_back("move", cut_.plan().move);
  e.keys.emplace_back("to", std::string(route::name(cut_.plan().to)));
  if (held_since_ > 0) e.keys.emplace_back("held_ms", now_ms() - held_since_);
  if (aborted) e.keys.emplace_back("reason", cut_.reason());
  if (!aborted) world_.reached(e.step);
  world_.metrics.cut_step = aborted ? 0 : step[1] - '0';
  world_.events.add(std::move(e));
}

void CutRun::start(std::function<void(const ProduceMoved&)> done) {
  done_ = std::move(done);
  follow(cut_.begin(observe::unix_ms_now()));
}

void CutRun::leave(std::function<void(const ProduceMoved&)> done) {
  leaving_ = true;
  start(std::move(done));
}

void CutRun::cancel(const std::string& reason) {
  if (!done_) {  // its checks are still under way: nothing of it is journaled
    called_off_ = true;
    return;
  }
  follow(cut_.cancel(reason, now_ms(), observe::unix_ms_now()));
}

void CutRun::follow(Want want) {
  switch (want) {
    case Want::prepare:
      return prepare();
    case Want::drain:
      return drain();
    case Want::ends:
      return read_ends();
    case Want::release:
      return release();
    case Want::none:
      if (!cut_.over() || !done_) return;
      world_.metrics.cut_step = 0;
      ++world_.metrics.cuts[cut_.aborted() ? 1 : 0];
      return std::exchange(done_, nullptr)(result());
  }
}

void CutRun::after(std::chrono::milliseconds pause, std::function<void()> then) {
  timer_.expires_after(pause);
  timer_.async_wait([self = shared_from_this(), then = std::move(then)](ErrorCode e) {
    if (!e) then();
  });
}

// What is still under way from before the migration, or from a daemon that died; empty: nothing
// that is worth waiting for.
std::string CutRun::from_before() const {
  const auto now = Clock::now();
  if (now < world_.clear_at) return "what a daemon that died had sent to brokers";
  for (const auto& s : world_.sessions) {
    if (s->to_agree_anew()) return s->remote() + " to agree on versions anew";
  }
  if (now > world_.migration_began + world_.settings.move.early_polls) return {};
  for (const auto& s : world_.sessions) {
    if (s->polls_since_before(world_.migration_began))
      return "a Fetch of " + s->remote() + " from before the migration";
  }
  return {};
}

void CutRun::prepare() {
  if (cut_.over() || cut_.aborted()) return;
  if (leaving_) return draw();
  // What agreed on more before new was seen is ended once, between two requests.
  const auto sessions = world_.sessions;
  for (const auto& s : sessions) {
    if (s->to_agree_anew()) s->drain();
  }
  if (const auto what = from_before(); !what.empty()) {
    if (what != told_) observe::log::info("cut.waits", {{"for", what}});
    told_ = what;
    return after(look_every, [self = shared_from_this()] { self->prepare(); });
  }
  // Without an answer it ends here: nothing is held yet.
  limit_.expires_after(world_.settings.limits.connect);
  limit_.async_wait([self = shared_from_this()](ErrorCode e) {
    if (!e) self->cancel("the clusters did not answer within limits.connect");
  });
  reader_->prepare([self = shared_from_this()](const std::string& problem) {
    if (self->cut_.over() || self->cut_.aborted()) return;
    if (!problem.empty()) {
      return self->follow(self->cut_.prepared(problem, self->now_ms(), observe::unix_ms_now()));
    }
    self->draw();
  });
}

// As many producer ids as write to the topics, and some more, before anybody waits (rules B8).
void CutRun::draw() {
  auto& pool = world_.drawn[static_cast<std::size_t>(cut_.plan().to)];
  const auto wanted = reader_->known_producers().size() + spare_ids;
  world_.draw_ids(
      cut_.plan().to, wanted > pool.size() ? wanted - pool.size() : 0,
      [self = shared_from_this()](const std::string& problem) {
        if (self->cut_.over() || self->cut_.aborted()) return;
        self->held_since_ = self->now_ms();
        self->follow(self->cut_.prepared(problem, self->now_ms(), observe::unix_ms_now()));
      });
}

void CutRun::drain() {
  limit_.expires_after(std::chrono::milliseconds(cut_.plan().hold_limit_ms));
  limit_.async_wait([self = shared_from_this()](ErrorCode e) {
    if (!e) self->follow(self->cut_.tick(self->now_ms(), observe::unix_ms_now()));
  });
  world_.on_settled = [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self) self->after(std::chrono::milliseconds(0), [self] { self->look(); });
  };
  const auto sessions = world_.sessions;
  for (const auto& s : sessions) s->ask_behind_acks_0(from_, true);
  look();
}

// Is everything in that was let through before the hold?
void CutRun::look() {
  if (cut_.step() != splice::Cut::Step::drain) return;
  for (const auto* all : {&world_.sessions, &world_.lingering}) {
    const auto sessions = *all;
    for (const auto& s : sessions) {
      s->ask_behind_acks_0(from_, false);
      const auto pending = s->pending(topics_, from_);
      if (pending.what.empty()) continue;
      cut_.waits_for(pending.what);
      // What a cluster that is left has not answered by then, it may never answer.
      if (leaving_ && now_ms() - held_since_ > leave_after.count()) {
        s->give_up(topics_, from_);
        continue;
      }
      // A frame that its client does not finish must not cost the others the whole limit (B5).
      if (pending.half_sent && now_ms() - held_since_ > cut_.plan().hold_limit_ms / 2)
        return cancel(pending.what + ", half sent");
      return after(look_every, [self = shared_from_this()] { self->look(); });
    }
  }
  world_.on_settled = nullptr;
  follow(cut_.drained(now_ms()));
}

void CutRun::read_ends() {
  if (leaving_) return follow(cut_.leave(now_ms(), observe::unix_ms_now()));
  reader_->read([self = shared_from_this()](const std::vector<splice::PartitionReading>& readings) {
    if (self->cut_.over() || self->cut_.aborted()) return;
    const auto want = self->cut_.ends_read(readings, self->now_ms(), observe::unix_ms_now());
    if (want != Want::ends) return self->follow(want);
    self->after(read_again, [self] { self->follow(Want::ends); });
  });
}

void CutRun::release() {
  limit_.cancel();
  timer_.cancel();
  world_.on_settled = nullptr;
  if (!cut_.aborted()) {
    const auto sessions = world_.sessions;
    for (const auto& s : sessions) s->route_changed(topics_);
  }
  world_.wake_parked();
  follow(cut_.released(now_ms(), observe::unix_ms_now()));
}

ProduceMoved CutRun::result() const {
  ProduceMoved r;
  r.move = cut_.plan().move;
  r.to = cut_.plan().to;
  r.changed = !cut_.aborted();
  r.aborted_at = cut_.aborted_at();
  r.reason = cut_.reason();
  r.held_ms_max = cut_.held_ms();
  const bool to_new = cut_.plan().to == route::Cluster::new_cluster;
  for (const auto& s : cut_.seams()) {
    PartitionMoved p;
    p.topic = s.topic;
    p.partition = s.partition;
    p.held_ms = cut_.held_ms();
    p.old_end = to_new ? s.native_end : s.native_start;
    p.new_start = to_new ? s.native_start : s.native_end;
    p.producers = static_cast<std::int64_t>(s.producers.size());
    p.unclear = static_cast<std::int64_t>(s.unclear.size());
    p.virtual_start = world_.splice.partition(s.topic, {}, s.partition)->log.tail().start.at;
    r.partitions.push_back(std::move(p));
  }
  return r;
}

}  // namespace shunt::net
