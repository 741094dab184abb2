// A TCP connection, or TLS over one: non-blocking reads and writes, and waiting until they make
// sense.
//
// Reads go into buffers that live only for the call (one per thread), so nothing is ever read by
// the reactor ahead of time: wait first, then read.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "proxy/net/tls.h"
#include "proxy/wire/walker.h"

namespace shunt::net {

using tcp = boost::asio::ip::tcp;
using ErrorCode = boost::system::error_code;

class Stream {
 public:
  explicit Stream(tcp::socket socket);

  enum class State : std::uint8_t { ok, later, closed, reset };  // closed: the peer's FIN
  struct Result {
    State state = State::ok;
    std::size_t bytes = 0;
  };
  Result read(std::span<std::byte> into);
  // Writes what fits; bytes < the sum of both means: when_writable, then the rest, in the same
  // order and not less of it.
  Result write(wire::Bytes first, wire::Bytes second = {});

  // Calls `f(ErrorCode)` once. operation_aborted: close() was called.
  template <class F>
  void when_readable(F f) {
    if (ssl_ &&
        tls_has_more_)  // what has been taken from the socket already makes it readable no more
      boost::asio::post(socket_.get_executor(), [f = std::move(f)]() mutable { f(ErrorCode{}); });
    else
      socket_.async_wait(tcp::socket::wait_read, std::move(f));
  }
  template <class F>
  void when_writable(F f) {
    socket_.async_wait(tcp::socket::wait_write, std::move(f));
  }
  template <class F>
  void connect(const tcp::endpoint& to, F f) {
    socket_.async_connect(to, std::move(f));
  }
  // After connect() succeeded: what every connection needs.
  void prepare();
  // TLS from now on; nothing is read or written before the handshake has ended. `f` is called once,
  // from the loop or from inside; empty: done, else what failed. Not after close().
  void handshake(SslPtr ssl, std::function<void(const std::string& why)> f);
  // The peer's, RFC 2253; empty: it has shown no certificate, or this is not TLS.
  std::string peer_subject() const { return ssl_ ? net::peer_subject(ssl_.get()) : std::string{}; }
  void close();
  // Why a read or write failed, in TLS's words; `otherwise` when it has none.
  const std::string& problem(const std::string& otherwise) const {
    return problem_.empty() ? otherwise : problem_;
  }
  // The next byte, which stays; nullopt: there is none yet, or never.
  std::optional<std::byte> peek();
  // The peer has sent its FIN, or is gone; also when what it sent before has not been read.
  bool peer_closed();

  std::string remote() const;  // "ip:port"; "" when not connected
  tcp::endpoint local_endpoint() const;

 private:
  void go_on_with_handshake(std::function<void(const std::string& why)> f);
  void failed();
  Result read_tls(std::span<std::byte> into);
  Result write_tls(wire::Bytes first, wire::Bytes second);

  tcp::socket socket_;
  SslPtr ssl_;              // null: plain
  bool tls_ready_ = false;  // the handshake is over, nothing has failed since
  std::string problem_;
  bool tls_has_more_ = false;  // decrypted or not, but out of the socket
};

}  // namespace shunt::net
