#include "proxy/net/listener.h"

#include <sys/socket.h>

#include <boost/asio/error.hpp>
#include <boost/asio/ip/v6_only.hpp>

#include "proxy/observe/log.h"

namespace shunt::net {
namespace asio = boost::asio;

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
      // Out of descriptors: connections wait in the backlog; the daemon's tick tries again.
      return observe::log::limited(
          observe::log::Level::warn, "accept.failed",
          {{"why", e.message()},
           {"next", "raise the limit of open files (LimitNOFILE, ulimit -n)"}});
    }
    ErrorCode ignored;
    if (self->all_loopback_ && !socket.local_endpoint(ignored).address().is_loopback()) {
      observe::log::limited(observe::log::Level::warn, "client.refused",
                            {{"cause", "not_loopback"}});
      socket.close(ignored);
    } else {
      self->accepted_(std::move(socket));
    }
    self->accept();
  });
}

void Listener::retry() {
  if (accepted_) accept();
}

void Listener::close() {
  ErrorCode ignored;
  acceptor_.close(ignored);
}

}  // namespace shunt::net
