#include "proxy/net/stream.h"

#include <poll.h>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>

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
}  // namespace

Stream::Result Stream::read(std::span<std::byte> into) {
  ErrorCode e;
  const auto n = socket_.read_some(asio::buffer(into.data(), into.size()), e);
  return {state_of(e), n};
}

Stream::Result Stream::write(wire::Bytes first, wire::Bytes second) {
  ErrorCode e;
  const std::array<asio::const_buffer, 2> both = {asio::buffer(first.data(), first.size()),
                                                  asio::buffer(second.data(), second.size())};
  const auto n = second.empty() ? socket_.write_some(asio::const_buffers_1(both[0]), e)
                                : socket_.write_some(both, e);
  return {state_of(e), n};
}

void Stream::close() {
  ErrorCode ignored;
  socket_.close(ignored);
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
