#include "proxy/net/listener.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/error.hpp>
#include <boost/asio/ip/v6_only.hpp>

#include "proxy/net/limits.h"
#include "proxy/observe/log.h"

namespace shunt::net {
namespace asio = boost::asio;

namespace {

// A new descriptor is the lowest that is free, so its number says how many there are at least.
// Some are kept for links: or else whoever is connected could not reach a broker any more.
bool leaves_room(int descriptor) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return true;
  const auto kept = std::min<rlim_t>(limit.rlim_cur / 4, descriptors_kept_max);
  return static_cast<rlim_t>(descriptor) < limit.rlim_cur - kept;
}

}  // namespace

std::string Listener::open(const asio::ip::address& address, std::uint16_t port,
                           bool all_loopback) {
  all_loopback_ = all_loopback;
  const auto bound = all_loopback ? asio::ip::address(asio::ip::address_v4::any()) : address;
  const tcp::endpoint at(bound, port);
  ErrorCode e;
  acceptor_.open(at.protocol(), e);
  // TIME_WAIT leftovers of an earlier run do not matter. Never SO_REUSEPORT: a second sidecar on
  // the port must be a loud error, not half of the connections.
  if (!e) acceptor_.set_option(tcp::acceptor::reuse_address(true), e);
  if (!e && at.protocol() == tcp::v6()) acceptor_.set_option(asio::ip::v6_only(true), e);
  if (!e && all_loopback) {
    // Unprivileged since Linux 5.7. Without it accept() still refuses what is not loopback.
    constexpr char lo[] = "lo";
    if (setsockopt(acceptor_.native_handle(), SOL_SOCKET, SO_BINDTODEVICE, lo, sizeof lo) != 0) {
      observe::log::debug("listen.not_bound_to_lo", {{"port", port}});
    }
  }
  if (!e) acceptor_.bind(at, e);
  if (!e) acceptor_.listen(asio::socket_base::max_listen_connections, e);
  if (!e) acceptor_.non_blocking(true, e);
  return e ? e.message() : std::string{};
}

void Listener::start(Accepted accepted) {
  accepted_ = std::move(accepted);
  accept();
}

void Listener::accept() {
  if (waiting_ || !acceptor_.is_open()) return;
  waiting_ = true;
  acceptor_.async_accept([self = shared_from_this()](ErrorCode e, tcp::socket socket) {
    self->waiting_ = false;
    if (e == asio::error::operation_aborted) return;
    if (e) {
      return self->pause(e.message());
    }
    const auto descriptor = socket.native_handle();
    ErrorCode ignored;
    if (self->all_loopback_ && !socket.local_endpoint(ignored).address().is_loopback()) {
      observe::log::limited(observe::log::Level::warn, "client.refused",
                            {{"cause", "not_loopback"}});
      socket.close(ignored);
    } else {
      self->accepted_(std::move(socket));
    }
    if (!leaves_room(descriptor)) return self->pause("what is left is kept for links to brokers");
    self->accept();
  });
}

// Few descriptors are left: connections wait in the backlog; the daemon's tick tries again.
void Listener::pause(const std::string& why) {
  paused_ = true;
  observe::log::limited(
      observe::log::Level::warn, "accept.paused",
      {{"why", why}, {"next", "raise the limit of open files (LimitNOFILE, ulimit -n)"}});
}

void Listener::retry() {
  if (!accepted_) return;
  if (paused_) {
    const int lowest_free = ::fcntl(acceptor_.native_handle(), F_DUPFD_CLOEXEC, 0);
    if (lowest_free >= 0) ::close(lowest_free);
    if (lowest_free < 0 || !leaves_room(lowest_free)) return;
    paused_ = false;
  }
  accept();
}

void Listener::close() {
  ErrorCode ignored;
  acceptor_.close(ignored);
}

}  // namespace shunt::net
