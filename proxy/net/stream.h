// A TCP connection: non-blocking reads and writes, and waiting until they make sense.
//
// Reads go into buffers that live only for the call (one per thread), so nothing is ever read by
// the reactor ahead of time: wait first, then read.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <span>
#include <utility>

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
  // Writes what fits; bytes < the sum of both means: when_writable.
  Result write(wire::Bytes first, wire::Bytes second = {});

  // Calls `f(ErrorCode)` once. operation_aborted: close() was called.
  template <class F>
  void when_readable(F f) {
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
  void close();
  // The peer has sent its FIN, or is gone; also when what it sent before has not been read.
  bool peer_closed();

  std::string remote() const;  // "ip:port"; "" when not connected
  tcp::endpoint local_endpoint() const;

 private:
  tcp::socket socket_;
};

}  // namespace shunt::net
