#include "tests/sim/proxy.h"

#include "proxy/wire/framer.h"
#include "tests/sim/seam_guard.h"
#include "tests/sim/seam_keeper.h"
#include "tests/sim/session.h"
#include "tests/sim/straggler_watch.h"

namespace shunt::sim {

using route::Cluster;
using wire::Array;
using wire::Struct;
using wire::Value;

namespace {
constexpr wire::ApiKey metadata_key = 3, init_producer_id = 22;
constexpr Time call_limit = 700 * ms, poll_every = 200 * ms,
               nobody_there = 20 * ms;  // until it is tried again
}  // namespace

bool Proxy::ByAge::operator()(const std::shared_ptr<Session>& a,
                              const std::shared_ptr<Session>& b) const {
  return a->number < b->number;
}

Proxy::Proxy(Sim& s) : sim(s) {
  splice.keep_shown(sim.shown);
  if (sim.plan.lose_journal) seams_ = std::make_unique<SeamKeeper>(*this);
}
Proxy::~Proxy() {
  for (auto* all : {&sessions, &lingering}) {
    for (const auto& s : *all) s->die();
  }
}

const char* Proxy::restore(const std::vector<splice::Record>& journal) {
  for (const auto& r : journal) {
    if (const char* why = splice.apply(r)) return why;
  }
  return nullptr;
}

void Proxy::start() {
  for (const auto c : {Cluster::old_cluster, Cluster::new_cluster}) poll(c);
  copy_all();
  guarded_ = !seams_ || sim.has(Bug::journal_lost);
  if (!guarded_) {
    std::make_shared<SeamGuard>(*this)->start([this](const std::string& refused) {
      guarded_ = refused.empty();
      if (!guarded_) sim.refused(refused);
    });
  }
  if (sim.plan.sweeps) std::make_shared<StragglerWatch>(*this)->start();
}

void Proxy::after(Time pause, Timeline::Action action) {
  sim.time.after(pause, [weak = weak_from_this(), action = std::move(action)] {
    if (const auto self = weak.lock()) action();
  });
}

void Proxy::poll(Cluster c) {
  const int broker = cluster(c).a_broker(sim.random);
  call(c, broker, metadata_key, 9, Struct{{"Topics", nullptr}}, [this, c](const Value& body) {
    if (body.null()) return after(nobody_there, [this, c] { poll(c); });
    topology(c).take_metadata(body, true);
    for (const auto& g : {"g0", "g1", "g2"}) {
      topology(c).set_coordinator(route::CoordinatorKind::group, g, route::NativeNodeId{0});
    }
    after(poll_every, [this, c] { poll(c); });
  });
}

void Proxy::refresh_soon(Cluster c) {
  auto& busy = refreshing_[static_cast<std::size_t>(c)];
  if (busy) return;
  busy = true;
  after(5 * ms, [this, c] {
    const int broker = cluster(c).a_broker(sim.random);
    call(c, broker, metadata_key, 9, Struct{{"Topics", nullptr}}, [this, c](const Value& body) {
      refreshing_[static_cast<std::size_t>(c)] = false;
      if (!body.null()) topology(c).take_metadata(body, true);
    });
  });
}

std::shared_ptr<Session> Proxy::accept(const std::shared_ptr<ClientConnection>& client) {
  auto session = std::make_shared<Session>(*this, client);
  sessions.insert(session);
  return session;
}

bool Proxy::record(const splice::Record& r, bool durable) {
  const bool dies = sim.torn_in >= 0 && sim.torn_in-- == 0;
  if (dies && sim.random.percent(50)) throw Killed();  // the record is torn: as if not written
  if (sim.has(Bug::journal_after_flip)) {
    after(20 * ms, [this, r] { sim.journal.push_back(r); });
  } else {
    sim.journal.push_back(r);
  }
  if (dies) throw Killed();
  static_cast<void>(durable);
  if (const char* why = splice.apply(r)) violated(std::string("a record is refused: ") + why);
  if (seams_ && splice::changes_segments(r)) seams_->changed();
  return true;
}

void Proxy::call(Cluster c, int broker, wire::ApiKey api, wire::Version version, const Value& body,
                 Answered done) {
  const auto& request = *wire::request(api);
  Buffer frame;
  wire::begin_request(request, version, 7, "shunt", frame);
  if (const char* why = wire::encode(request, version, body, frame)) {
    violated(std::string(request.name) + ": " + why);
  }
  wire::seal(frame);
  auto peer = cluster(c).connect(broker);
  struct Call {
    Buffer got;
    Answered done;
  };
  auto call = std::make_shared<Call>();
  call->done = std::move(done);
  const auto finish = [this, c, held = std::weak_ptr(peer), call](const Value& answer) {
    auto then = std::move(call->done);
    call->done = nullptr;
    if (const auto p = held.lock()) cluster(c).close(p);
    if (then) then(answer);
  };
  std::weak_ptr<Proxy> weak = weak_from_this();
  peer->on_bytes = [weak, call, finish, api, version](Buffer bytes) {
    if (weak.expired() || !call->done) return;
    call->got.insert(call->got.end(), bytes.begin(), bytes.end());
    std::uint32_t content = 0;
    if (wire::parse_frame(call->got, 1 << 30, content) != wire::Frame::ok) return;
    if (call->got.size() < wire::frame_prefix_bytes + content) return;
    const auto& response = *wire::response(api);
    std::int32_t correlation = 0;
    std::uint32_t head = 0;
    const auto rest = wire::Bytes(call->got).subspan(wire::frame_prefix_bytes);
    wire::parse_answer(response, version, rest, content, correlation, head);
    const char* problem = nullptr;
    const auto keep = finish;  // ends on_bytes, this very function
    keep(wire::decode(response, version, rest.subspan(head), problem));
  };
  peer->on_lost = [weak, call, finish] {
    if (!weak.expired() && call->done) finish({});
  };
  after(call_limit, [finish, call] {
    if (call->done) finish({});
  });
  cluster(c).send(peer, std::move(frame));
}

bool Proxy::draw(std::int64_t producer_id, std::uint32_t cut, Cluster c) {
  auto& pool = drawn[static_cast<std::size_t>(c)];
  if (!pool.empty()) {
    const auto id = pool.front();
    pool.pop_front();
    record(splice::ProducerMapped{producer_id, cut, id}, false);
    return true;
  }
  if (drawing_.insert({producer_id, cut}).second) {
    draw_ids(c, 1, [this, producer_id, cut] {
      drawing_.erase({producer_id, cut});
      wake_parked();
    });
  }
  return false;
}

void Proxy::draw_ids(Cluster c, std::size_t count, std::function<void()> done) {
  if (count == 0) return done();
  const int broker = cluster(c).a_broker(sim.random);
  call(c, broker, init_producer_id, 4,
       Struct{{"TransactionalId", nullptr}, {"TransactionTimeoutMs", 60000}},
       [this, c, count, done](const Value& body) {
         if (body.null()) {
           return after(nobody_there, [this, c, count, done] { draw_ids(c, count, done); });
         }
         const bool good = body["ErrorCode"].number() == 0 && body["ProducerId"].number() >= 0;
         if (good) drawn[static_cast<std::size_t>(c)].push_back(body["ProducerId"].number());
         draw_ids(c, good ? count - 1 : count, done);
       });
}

void Proxy::wake_parked() {
  if (waking_ || parked.empty()) return;
  waking_ = true;
  after(0, [this] {
    waking_ = false;
    auto all = std::move(parked);
    parked.clear();
    for (const auto& weak : all) {
      if (const auto session = weak.lock()) session->unpark();
    }
  });
}

void Proxy::unclear(int partition, splice::PartitionLog* log, splice::Unclear u) {
  if (sim.has(Bug::zombie_append)) return;
  auto& all = log != nullptr ? log->unclear : unclear_before_[partition];
  all.push_back(std::move(u));
  if (!splice.migrations().empty()) adopt_unclear();  // sent before it began, lost after
}

void Proxy::adopt_unclear() {
  for (auto& [index, all] : unclear_before_) {
    auto& into = splice.partition(topic_name, {}, index)->unclear;
    into.insert(into.end(), all.begin(), all.end());
  }
  unclear_before_.clear();
}

}  // namespace shunt::sim
