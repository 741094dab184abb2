#include "proxy/net/world.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>

#include "proxy/net/naming.h"
#include "proxy/net/session.h"
#include "proxy/observe/log.h"
#include "proxy/splice/seams.h"

namespace shunt::net {

namespace {
// A request in the socket of a daemon that has died comes to its broker within this time, or the
// broker does not answer for the ends of its logs either.
constexpr std::chrono::milliseconds unclear_after_death{5000};
}  // namespace

World::World(boost::asio::io_context& loop, Settings s, Remembered r, Memory& m)
    : io(loop),
      settings(std::move(s)),
      memory(m),
      resolver(loop),
      dialers{{resolver}, {resolver}},
      identities(std::move(r.identities)),
      splice(std::move(r.splice)),
      cluster_id(r.old_cluster_id),
      clear_at(Clock::now() + (r.died ? std::min(settings.move.unclear, unclear_after_death)
                                      : std::chrono::milliseconds(0))),
      random(std::random_device{}()),
      buffer(read_buffer_bytes) {
  if (auto* ends = memory.shown_ends()) splice.keep_shown(*ends);
  shared_instance = find_shared_instance(identities);
  if (r.old_versions) versions.restore(route::Cluster::old_cluster, *r.old_versions);
  if (r.new_versions && settings.new_cluster) {
    versions.restore(route::Cluster::new_cluster, *r.new_versions);
  }
}

std::string World::read_tls() {
  TlsContexts made;
  if (auto why = made.load(settings); !why.empty()) return why;
  tls = std::move(made.listen);
  for (const auto i : {0, 1}) dialers[i].tls = std::move(made.to[i]);
  return {};
}

route::Seconds World::unix_now() const {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

void World::keep_identity() {
  for (const auto& record : identities.take_records()) memory.remember(record);
}

const route::Endpoint* World::endpoint(route::NodeKey node) const {
  const auto& t = node.cluster == route::Cluster::old_cluster ? old_topology : new_topology;
  const route::Broker* b = t.broker(node.id);
  return b != nullptr ? &b->at : nullptr;
}

bool World::record(const splice::Record& r, bool durable) {
  if (!memory.keep(r, durable) && durable) return false;
  if (const char* why = splice.apply(r)) {
    observe::log::error("internal", {{"why", why}});
    return false;
  }
  if (on_segments && splice::changes_segments(r)) on_segments();
  return true;
}

void World::reached(std::string_view step) const {
  if (settings.die_at == step) std::raise(SIGKILL);
}

bool World::draw(std::int64_t producer_id, std::uint32_t cut, route::Cluster c) {
  auto& pool = drawn[static_cast<std::size_t>(c)];
  if (!pool.empty()) {
    const auto id = pool.front();
    pool.pop_front();
    record(splice::ProducerMapped{producer_id, cut, id}, false);
    return true;
  }
  if (drawing.insert({producer_id, cut}).second) {
    draw_ids(c, 1, [this, producer_id, cut](const std::string& problem) {
      drawing.erase({producer_id, cut});
      if (!problem.empty())
        observe::log::limited(observe::log::Level::warn, "producer.not_drawn", {{"why", problem}});
      wake_parked();
    });
  }
  return false;
}

// InitProducerId may first answer error 14 with id -1: taken unchecked it would end idempotence
// without a word (probes P5).
void World::draw_ids(route::Cluster c, std::size_t count, std::function<void(std::string)> done) {
  constexpr wire::ApiKey init_producer_id = 22;
  constexpr std::int64_t attempts_max = 50;
  if (count == 0) return done("");
  auto* to = access[static_cast<std::size_t>(c)];
  const auto node = to != nullptr ? to->any_node() : std::nullopt;
  if (!node) {
    return done("no broker of " + std::string(route::name(c)) + " can be asked for producer ids");
  }
  struct Run {
    std::size_t left;
    std::int64_t attempts = 0;
    std::string problem;
    std::function<void(std::string)> done;
  };
  auto run = std::make_shared<Run>();
  run->left = count;
  run->done = std::move(done);
  auto ask = std::make_shared<std::function<void()>>();
  *ask = [this, to, node = *node, c, run, weak = std::weak_ptr(ask)] {
    const auto again = weak.lock();
    to->call(node, init_producer_id, 4,
             wire::Struct{{"TransactionalId", nullptr}, {"TransactionTimeoutMs", 60000}},
             [this, c, run, again](const std::string& error, const wire::Value& body) {
               const auto code = body["ErrorCode"].number();
               const auto id = body["ProducerId"].number();
               if (error.empty() && code == 0 && id >= 0) {
                 drawn[static_cast<std::size_t>(c)].push_back(id);
               } else if (error.empty() && ++run->attempts < attempts_max) {
                 auto timer =
                     std::make_shared<boost::asio::steady_timer>(io, std::chrono::milliseconds(20));
                 timer->async_wait([timer, again](boost::system::error_code) { (*again)(); });
                 return;
               } else {
                 run->problem =
                     error.empty() ? "InitProducerId: error " + std::to_string(code) : error;
               }
               if (--run->left == 0) run->done(run->problem);
             });
  };
  for (std::size_t i = 0; i < count; ++i) (*ask)();
}

void World::wake_parked() {
  if (waking || parked.empty()) return;
  waking = true;
  boost::asio::post(io, [this] {
    waking = false;
    auto all = std::move(parked);
    parked.clear();
    for (const auto& weak : all) {
      if (const auto session = weak.lock()) session->unpark();
    }
  });
}

// A road's key is the topic's name, or its id's 16 bytes, then "/" and the partition.
std::string World::topic_of_road(const std::string& road) const {
  const auto name = road.substr(0, road.rfind('/'));
  if (name.size() != sizeof(wire::Uuid)) return name;
  wire::Uuid id;
  std::transform(name.begin(), name.end(), id.begin(),
                 [](char ch) { return static_cast<std::byte>(ch); });
  const auto found = view().topic_name(id);
  return found.empty() ? name : std::string(found);
}

void World::unclear(const std::string& road, splice::PartitionLog* log, splice::Unclear u) {
  constexpr std::size_t kept_max = 64;  // of a partition: more are more of the same
  const auto key = topic_of_road(road) + road.substr(road.rfind('/'));
  auto& all = log != nullptr ? log->unclear : unclear_roads[key];
  if (all.size() < kept_max) all.push_back(std::move(u));
  if (log == nullptr) adopt_unclear();  // sent before its migration began, lost after
}

bool World::all_clear() const {
  const auto clear = [](const splice::PartitionLog& p) { return p.unclear.empty(); };
  return unclear_roads.empty() && std::ranges::all_of(splice.topics(), [&](const auto& t) {
           return std::ranges::all_of(t.second.partitions, clear);
         });
}

void World::adopt_unclear() {
  for (auto it = unclear_roads.begin(); it != unclear_roads.end();) {
    const auto slash = it->first.rfind('/');
    const auto index = std::stoi(it->first.substr(slash + 1));
    auto* log = splice.partition(it->first.substr(0, slash), {}, index);
    if (log == nullptr) {
      ++it;
      continue;
    }
    log->unclear.insert(log->unclear.end(), it->second.begin(), it->second.end());
    it = unclear_roads.erase(it);
  }
}

}  // namespace shunt::net
