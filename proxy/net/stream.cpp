#include "proxy/net/stream.h"

#include <openssl/err.h>
#include <poll.h>
#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <cerrno>
#include <cstring>

namespace shunt::net {
namespace asio = boost::asio;

Stream::Stream(tcp::socket socket) : socket_(std::move(socket)) {
  if (socket_.is_open()) prepare();
}

void Stream::prepare() {
  ErrorCode ignored;
  socket_.non_blocking(true, ignored);
  socket_.set_option(tcp::no_delay(true), ignored);
}

namespace {
Stream::State state_of(const ErrorCode& e) {
  if (!e) return Stream::State::ok;
  if (e == asio::error::would_block || e == asio::error::try_again) return Stream::State::later;
  if (e == asio::error::eof) return Stream::State::closed;
  return Stream::State::reset;
}

// Why a handshake failed: the certificate's fault in words, the peer's alert, or the connection.
std::string handshake_problem(const SSL* ssl) {
  const auto verified = SSL_get_verify_result(ssl);
  if (verified != X509_V_OK) {
    ERR_clear_error();
    return std::string("TLS: the peer's certificate: ") + X509_verify_cert_error_string(verified);
  }
  if (ERR_peek_error() == 0 && errno != 0) return std::string("TLS: ") + std::strerror(errno);
  return "TLS: " + tls_problem("the peer ended the connection in the handshake");
}
}  // namespace

Stream::Result Stream::read(std::span<std::byte> into) {
  if (ssl_) return read_tls(into);
  ErrorCode e;
  const auto n = socket_.read_some(asio::buffer(into.data(), into.size()), e);
  return {state_of(e), n};
}

Stream::Result Stream::write(wire::Bytes first, wire::Bytes second) {
  if (ssl_) return write_tls(first, second);
  ErrorCode e;
  const std::array<asio::const_buffer, 2> both = {asio::buffer(first.data(), first.size()),
                                                  asio::buffer(second.data(), second.size())};
  const auto n = second.empty() ? socket_.write_some(asio::const_buffers_1(both[0]), e)
                                : socket_.write_some(both, e);
  return {state_of(e), n};
}

void Stream::close() {
  ErrorCode ignored;
  if (tls_ready_ && socket_.is_open()) {
    ERR_clear_error();
    SSL_shutdown(ssl_.get());  // the farewell, if it fits; the peer's is not waited for
  }
  tls_ready_ = false;
  socket_.close(ignored);
}

void Stream::handshake(SslPtr ssl, std::function<void(const std::string&)> f) {
  ssl_ = std::move(ssl);
  if (!ssl_ || SSL_set_fd(ssl_.get(), socket_.native_handle()) != 1)
    return f(tls_problem("out of memory"));
  go_on_with_handshake(std::move(f));
}

void Stream::go_on_with_handshake(std::function<void(const std::string&)> f) {
  ERR_clear_error();
  errno = 0;
  const int r = SSL_do_handshake(ssl_.get());
  if (r == 1) {
    // The peer's first bytes may have come with the last of the handshake.
    tls_ready_ = tls_has_more_ = true;
    return f({});
  }
  const auto go_on = [this, f](ErrorCode e) {
    if (!e) go_on_with_handshake(f);
  };
  switch (SSL_get_error(ssl_.get(), r)) {
    case SSL_ERROR_WANT_READ:
      return socket_.async_wait(tcp::socket::wait_read, go_on);
    case SSL_ERROR_WANT_WRITE:
      return socket_.async_wait(tcp::socket::wait_write, go_on);
    default:
      return f(handshake_problem(ssl_.get()));
  }
}

// Whole records until the buffer is full: each holds 16 KiB at most.
Stream::Result Stream::read_tls(std::span<std::byte> into) {
  Result out;
  tls_has_more_ = false;
  while (out.bytes < into.size()) {
    ERR_clear_error();
    std::size_t n = 0;
    const auto left = into.subspan(out.bytes);
    const int r = SSL_read_ex(ssl_.get(), left.data(), left.size(), &n);
    if (r == 1) {
      out.bytes += n;
      if (SSL_has_pending(ssl_.get()) == 0) return out;
      continue;
    }
    const int why = SSL_get_error(ssl_.get(), r);
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
      if (out.bytes == 0) out.state = State::later;
      return out;
    }
    if (why != SSL_ERROR_ZERO_RETURN) failed();
    if (out.bytes > 0)
      tls_has_more_ = true;  // what came before it counts; the next read says it again
    else
      out.state = why == SSL_ERROR_ZERO_RETURN ? State::closed : State::reset;
    return out;
  }
  tls_has_more_ = SSL_has_pending(ssl_.get()) == 1;
  return out;
}

// A head and what follows it are one record where they fit: what is small costs one system call. A
// record that did not fit the socket is kept by OpenSSL, and wants to be given again, no shorter.
Stream::Result Stream::write_tls(wire::Bytes first, wire::Bytes second) {
  constexpr std::size_t record_bytes = SSL3_RT_MAX_PLAIN_LENGTH;
  static std::array<std::byte, record_bytes> joined;  // one thread
  Result out;
  const auto total = first.size() + second.size();
  while (out.bytes < total) {
    wire::Bytes piece;
    if (out.bytes >= first.size()) {
      piece = second.subspan(out.bytes - first.size());
    } else if (piece = first.subspan(out.bytes); piece.size() < record_bytes && !second.empty()) {
      const auto more = std::min(second.size(), record_bytes - piece.size());
      const auto end = std::ranges::copy(piece, joined.begin()).out;
      std::ranges::copy(second.first(more), end);
      piece = wire::Bytes(joined).first(piece.size() + more);
    }
    ERR_clear_error();
    std::size_t n = 0;
    const int r = SSL_write_ex(ssl_.get(), piece.data(), piece.size(), &n);
    out.bytes += n;
    if (r == 1) continue;
    const int why = SSL_get_error(ssl_.get(), r);
    if (why == SSL_ERROR_WANT_WRITE || why == SSL_ERROR_WANT_READ) {
      out.state = State::later;
    } else {
      failed();
      out.state = State::reset;
    }
    return out;
  }
  return out;
}

void Stream::failed() {
  tls_ready_ = false;
  if (ERR_peek_error() != 0) problem_ = "TLS: " + tls_problem("");
}

std::optional<std::byte> Stream::peek() {
  std::byte first{};
  ErrorCode e;
  const auto n = socket_.receive(asio::buffer(&first, 1), tcp::socket::message_peek, e);
  return n == 1 ? std::optional(first) : std::nullopt;
}

bool Stream::peer_closed() {
  pollfd p{socket_.native_handle(), POLLRDHUP, 0};
  return ::poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

std::string Stream::remote() const {
  ErrorCode e;
  const auto at = socket_.remote_endpoint(e);
  if (e) return {};
  const auto host = at.address().to_string();
  const bool v6 = at.address().is_v6();
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(at.port());
}

tcp::endpoint Stream::local_endpoint() const {
  ErrorCode ignored;
  return socket_.local_endpoint(ignored);
}

}  // namespace shunt::net
