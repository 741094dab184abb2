#include "proxy/net/daemon.h"

#include <boost/asio/steady_timer.hpp>

#include "proxy/net/copier.h"
#include "proxy/net/lag.h"
#include "proxy/net/listener.h"
#include "proxy/net/look.h"
#include "proxy/net/mover.h"
#include "proxy/net/poller.h"
#include "proxy/net/seam_guard.h"
#include "proxy/net/seam_keeper.h"
#include "proxy/net/session.h"
#include "proxy/observe/log.h"

namespace shunt::net {
namespace asio = boost::asio;

namespace {

// A port that stands for one node (advertise: address); slot -1: bootstrap.
struct Port {
  std::shared_ptr<Listener> listener;
  int slot;
  std::optional<observe::Listener> kind;  // nullopt: both, as the client's first byte says
};

class TheDaemon : public Daemon {
 public:
  TheDaemon(asio::io_context& io, Settings settings, Remembered remembered, Memory& memory)
      : old_id_(remembered.old_cluster_id),
        new_id_(remembered.new_cluster_id),
        world_(io, std::move(settings), std::move(remembered), memory),
        mover_(world_),
        copier_(world_),
        lag_meter_(world_),
        seams_(world_, copier_),
        second_(io) {
    started_ = std::chrono::duration_cast<std::chrono::milliseconds>(
                   std::chrono::system_clock::now().time_since_epoch())
                   .count();
  }

  std::string listen() override {
    const Settings& s = world_.settings;
    if (auto why = world_.read_tls(); !why.empty()) return why;
    if (s.plain) {
      if (auto why = listen_at(*s.plain, observe::Listener::plain); !why.empty()) return why;
    }
    if (s.tls.on()) {
      if (auto why = listen_at(*s.tls.address, observe::Listener::tls); !why.empty()) return why;
    }
    if (s.advertise == Advertise::loopback) return {};
    const auto& first = s.plain ? *s.plain : *s.tls.address;
    std::optional<observe::Listener> kind;
    if (!s.tls.on()) kind = observe::Listener::plain;
    if (!s.plain) kind = observe::Listener::tls;
    const auto address = asio::ip::make_address(first.host);
    for (int p = s.advertise_port_first; p <= s.advertise_port_last; ++p) {
      const auto port = static_cast<std::uint16_t>(p);
      const auto slot = p - s.advertise_port_first;
      if (auto why = open(address, port, false, slot, kind); !why.empty()) return why;
    }
    return {};
  }

  std::string reload() override { return world_.read_tls(); }

  void start(std::function<void()> ready, std::function<void(std::string)> fatal) override {
    const Settings& s = world_.settings;
    old_ = std::make_shared<Poller>(world_, route::Cluster::old_cluster, s.old_cluster, old_id_);
    world_.access[0] = old_.get();
    guard_ = std::make_shared<SeamGuard>(world_);
    auto& home = s.new_cluster && world_.left_old() ? new_ : old_;
    if (s.new_cluster) {
      new_ = std::make_shared<Poller>(world_, route::Cluster::new_cluster, *s.new_cluster, new_id_);
      world_.access[1] = new_.get();
    }
    home->start(
        [this, ready = std::move(ready), fatal] {
          guard_->start([this, ready, fatal](const std::string& refused) {
            if (!refused.empty()) return fatal(refused);
            ready_ = true;
            for (auto& p : ports_) accept(p);
            ready();
          });
        },
        fatal);
    if (new_ && home != new_) new_->start([] {}, fatal);
    if (world_.left_old()) old_->leave();
    mover_.on_left = [this] { old_->leave(); };
    mover_.know(old_.get(), new_.get());
    world_.commits = &copier_;
    world_.on_segments = [this] { seams_.changed(); };
    tick();
  }

  void drain(std::function<void(bool)> stopped) override {
    world_.draining = true;
    mover_.drain();
    stopped_ = std::move(stopped);
    drain_until_ = Clock::now() + world_.settings.limits.drain;
    for (auto& p : ports_) p.listener->close();
    const auto sessions = world_.sessions;
    for (const auto& session : sessions) session->drain();
    watch_drain();
  }

  observe::Snapshot snapshot() const override {
    observe::Snapshot s;
    if (old_) s = look(world_, *old_, new_.get(), lag_meter_.seen());
    s.started = started_;
    s.ready = ready_ && !world_.draining;
    if (world_.draining)
      s.not_ready_reason = "draining: stopping";
    else if (!ready_ && old_ && old_->reachable()) {
      s.not_ready_reason = "the clusters are asked for seams of a lost journal";
    } else if (!ready_) {
      s.not_ready_reason = "the old cluster's metadata is not known yet" +
                           (old_ && !old_->error().empty() ? ": " + old_->error() : std::string{});
    }
    return s;
  }

  const observe::Metrics& metrics() const override { return world_.metrics; }
  Operator& operate() override { return mover_; }
  const observe::Events& events() const override { return world_.events; }

 private:
  // The address that clients bootstrap from, and with it all of 127/8 on that port.
  std::string listen_at(const route::Endpoint& at, observe::Listener kind) {
    ErrorCode e;
    const auto address = asio::ip::make_address(at.host, e);
    if (e) return key(kind) + ": " + at.host + " is not an IP address";
    const bool loopback = world_.settings.advertise == Advertise::loopback && address.is_v4();
    if (auto why = open(address, at.port, loopback, -1, kind); !why.empty()) return why;
    if (!loopback) return {};
    // [::1] too, for bootstrap; a machine without IPv6 does without.
    auto v6 = std::make_shared<Listener>(world_.io);
    const auto why = v6->open(asio::ip::address_v6::loopback(), at.port, false);
    if (why.empty())
      ports_.push_back({v6, -1, kind});
    else if (why.find("in use") != std::string::npos)
      return taken(key(kind), "[::1]", at.port, why);
    return {};
  }

  static std::string key(std::optional<observe::Listener> kind) {
    return kind == observe::Listener::tls ? "listen.tls" : "listen.plain";
  }

  static std::string taken(const std::string& key, const std::string& host, std::uint16_t port,
                           const std::string& why) {
    return key + ": cannot listen on " + host + ":" + std::to_string(port) + ": " + why +
           "; stop the program that has the port (ss -ltnp 'sport = :" + std::to_string(port) +
           "'), or set " + key;
  }

  std::string open(const asio::ip::address& address, std::uint16_t port, bool all, int slot,
                   std::optional<observe::Listener> kind) {
    auto listener = std::make_shared<Listener>(world_.io);
    const auto why = listener->open(address, port, all);
    if (!why.empty())
      return taken(slot < 0 ? key(kind) : "listen.advertise.ports", address.to_string(), port, why);
    ports_.push_back({std::move(listener), slot, kind});
    return {};
  }

  void accept(const Port& port) {
    port.listener->start([this, slot = port.slot, kind = port.kind](tcp::socket socket) {
      std::optional<route::NodeKey> node;
      if (slot >= 0) node = world_.identities.node_of_slot(static_cast<std::uint32_t>(slot));
      Session::open(world_, std::move(socket), kind, node);
    });
  }

  void tick() {
    second_.expires_after(std::chrono::seconds(1));
    second_.async_wait([this](ErrorCode e) {
      if (e) return;
      const auto now = Clock::now();
      const auto sessions = world_.sessions;
      for (const auto& session : sessions) session->tick(now);
      const auto lingering = world_.lingering;
      for (const auto& session : lingering) session->tick(now);
      old_->tick(now);
      if (new_) new_->tick(now);
      lag_meter_.tick(now);
      if (ready_) {
        mover_.tick();
        seams_.tick(now);
        copier_.tick(now);
      }
      if (ready_ && !world_.draining) {
        for (auto& p : ports_) p.listener->retry();
      }
      tick();
    });
  }

  // Ends when the last session has, or at the limit.
  void watch_drain() {
    const bool late = Clock::now() >= drain_until_;
    if (late) {
      const auto sessions = world_.sessions;
      for (const auto& session : sessions) {
        session->close(observe::CloseCause::drain, "limits.drain is over");
      }
    }
    if (world_.sessions.empty() || late) {
      second_.cancel();
      old_->stop();
      if (new_) new_->stop();
      return stopped_(!late && world_.lingering.empty() && world_.all_clear());
    }
    auto timer = std::make_shared<asio::steady_timer>(world_.io, std::chrono::milliseconds(20));
    timer->async_wait([this, timer](ErrorCode) { watch_drain(); });
  }

  std::string old_id_, new_id_;
  World world_;
  Mover mover_;
  Copier copier_;
  LagMeter lag_meter_;
  SeamKeeper seams_;
  std::shared_ptr<SeamGuard> guard_;
  asio::steady_timer second_;
  std::vector<Port> ports_;
  std::shared_ptr<Poller> old_, new_;
  std::function<void(bool)> stopped_;
  Clock::time_point drain_until_{};
  observe::UnixMillis started_ = 0;
  bool ready_ = false;
};

}  // namespace

std::unique_ptr<Daemon> Daemon::make(asio::io_context& io, Settings settings, Remembered remembered,
                                     Memory& memory) {
  return std::make_unique<TheDaemon>(io, std::move(settings), std::move(remembered), memory);
}

}  // namespace shunt::net
