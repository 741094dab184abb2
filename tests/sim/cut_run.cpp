#include "tests/sim/cut_run.h"

#include "tests/sim/planted.h"

namespace shunt::sim {

using route::Cluster;

namespace {
constexpr Time look_every = 5 * ms, read_again = 10 * ms, prepare_limit = 1000 * ms;
constexpr std::int64_t leave_after_ms = 60;  // a seventh of the hold limit, as net's
constexpr std::size_t spare_ids = 2;
}  // namespace

CutRun::CutRun(Proxy& proxy, splice::CutPlan plan)
    : proxy_(proxy),
      from_(plan.to == Cluster::new_cluster ? Cluster::old_cluster : Cluster::new_cluster),
      cut_(
          proxy.splice, std::move(plan),
          [this](const splice::Record& r, bool durable) {
            return proxy_.record(
                leaving_ ? planted::left(proxy_, r) : planted::written(proxy_, r, last_), durable);
          },
          [this](const char* step) { tell(step); }),
      reader_(std::make_shared<EndReader>(proxy, from_, cut_.plan().to)) {}

void CutRun::tell(const char* step) {
  const bool aborted = std::string_view(step) == "aborted";
  if (proxy_.sim.tracing()) {
    proxy_.sim.trace("cut " + cut_.plan().move + " to " + std::string(route::name(cut_.plan().to)) +
                     " " + step +
                     (aborted ? " at " + cut_.aborted_at() + ": " + cut_.reason() : ""));
  }
  if (!aborted) proxy_.sim.reached(step);
}

void CutRun::start() { follow(cut_.begin(now())); }

void CutRun::leave() {
  leaving_ = true;
  start();
}

void CutRun::cancel(const std::string& reason) { follow(cut_.cancel(reason, now(), now())); }

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
      if (!cut_.over() || proxy_.running.get() != this) return;
      ++(cut_.aborted() ? proxy_.sim.aborted : proxy_.sim.cuts);
      proxy_.after(0, [self = std::move(proxy_.running)] {});
      proxy_.running = nullptr;
  }
}

void CutRun::prepare() {
  if (leaving_) return draw();
  proxy_.after(prepare_limit, [self = shared_from_this()] {
    if (self->cut_.step() == splice::Cut::Step::intent)
      self->cancel("the clusters did not answer in time");
  });
  reader_->read([self = shared_from_this()](EndReader::Readings readings) {
    if (self->cut_.over() || self->cut_.aborted()) return;
    std::string problem;
    for (const auto& r : readings) {
      for (const auto* s : {&r.from, &r.to}) {
        if (!s->error.empty()) problem = s->error;
      }
    }
    if (!problem.empty())
      return self->follow(self->cut_.prepared(problem, self->now(), self->now()));
    self->draw();
  });
}

void CutRun::draw() {
  const auto wanted = reader_->known_producers() + spare_ids;
  const auto to = cut_.plan().to;
  const auto have = proxy_.drawn[static_cast<std::size_t>(to)].size();
  proxy_.draw_ids(to, wanted > have ? wanted - have : 0, [self = shared_from_this()] {
    if (self->cut_.over() || self->cut_.aborted()) return;
    self->held_since_ = self->now();
    self->follow(self->cut_.prepared("", self->now(), self->now()));
  });
}

void CutRun::drain() {
  proxy_.after(cut_.plan().hold_limit_ms * ms, [self = shared_from_this()] {
    self->follow(self->cut_.tick(self->now(), self->now()));
  });
  proxy_.on_settled = [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self) self->proxy_.after(0, [self] { self->look(); });
  };
  const auto sessions = proxy_.sessions;
  for (const auto& s : sessions) s->ask_behind_acks_0(from_, true);
  look();
}

void CutRun::look() {
  if (cut_.step() != splice::Cut::Step::drain) return;
  if (!proxy_.sim.has(Bug::drain_skipped)) {
    for (const auto* all : {&proxy_.sessions, &proxy_.lingering}) {
      const auto sessions = *all;
      for (const auto& s : sessions) {
        s->ask_behind_acks_0(from_, false);
        const auto pending = s->pending(from_);
        if (pending.empty()) continue;
        cut_.waits_for(pending);
        if (leaving_ && now() - held_since_ > leave_after_ms) {
          s->give_up(from_);
          continue;
        }
        return proxy_.after(look_every, [self = shared_from_this()] { self->look(); });
      }
    }
  }
  proxy_.on_settled = nullptr;
  follow(cut_.drained(now()));
}

void CutRun::read_ends() {
  if (leaving_) return follow(cut_.leave(now(), now()));
  reader_->read([self = shared_from_this()](EndReader::Readings readings) {
    if (self->cut_.over() || self->cut_.aborted()) return;
    planted::read(self->proxy_, readings);
    self->last_ = readings;
    const auto want = self->cut_.ends_read(readings, self->now(), self->now());
    if (want != Want::ends) return self->follow(want);
    self->proxy_.after(read_again, [self] { self->follow(Want::ends); });
  });
}

void CutRun::release() {
  proxy_.on_settled = nullptr;
  if (!cut_.aborted()) {
    proxy_.flipped_ms = now();
    const auto sessions = proxy_.sessions;
    for (const auto& s : sessions) s->route_changed();
  }
  proxy_.wake_parked();
  follow(cut_.released(now(), now()));
}

}  // namespace shunt::sim
