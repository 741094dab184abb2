// One end of a connection for tests: frames in and out, on the test's own loop.
#pragma once

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <catch2/catch.hpp>
#include <deque>
#include <functional>
#include <memory>

#include "proxy/wire/bytes.h"
#include "proxy/wire/header.h"
#include "tests/unit/messages.h"

namespace fake {

namespace asio = boost::asio;
using namespace shunt;
using tcp = asio::ip::tcp;
using Buffer = std::vector<std::byte>;
using Error = boost::system::error_code;

inline Buffer request_frame(wire::ApiKey api, int version, std::int32_t correlation,
                            const wire::Value& body, std::string_view client = "test") {
  const wire::Message& m = *wire::request(api);
  Buffer out;
  wire::begin_request(m, static_cast<wire::Version>(version), correlation, client, out);
  const Buffer b = messages::encoded(m, version, body);
  out.insert(out.end(), b.begin(), b.end());
  wire::seal(out);
  return out;
}

inline Buffer answer_frame(wire::ApiKey api, int version, std::int32_t correlation,
                           const wire::Value& body) {
  const wire::Message& m = *wire::response(api);
  Buffer out;
  wire::begin_answer(m, static_cast<wire::Version>(version), correlation, out);
  const Buffer b = messages::encoded(m, version, body);
  out.insert(out.end(), b.begin(), b.end());
  wire::seal(out);
  return out;
}

class Peer : public std::enable_shared_from_this<Peer> {
 public:
  explicit Peer(tcp::socket socket) : socket_(std::move(socket)) {}

  std::function<void(Buffer content)> on_frame;  // none: they gather in `frames`
  std::vector<Buffer> frames;                    // contents, without the size
  Buffer rest;                                   // received, no whole frame yet
  std::size_t received = 0, sent = 0;
  bool closed = false;  // by the other side, or by close()

  void read() {
    socket_.async_read_some(
        asio::buffer(chunk_), [self = shared_from_this()](Error e, std::size_t n) {
          if (e) return self->close();
          self->received += n;
          self->rest.insert(self->rest.end(), self->chunk_.begin(),
                            self->chunk_.begin() + static_cast<std::ptrdiff_t>(n));
          self->take_frames();
          if (!self->closed) self->read();
        });
  }
  void send(Buffer bytes) {
    out_.push_back(std::move(bytes));
    if (out_.size() == 1) write();
  }
  // Its last bytes are delivered before the end is.
  void close_when_sent() {
    closing_ = true;
    if (out_.empty()) close();
  }
  void close() {
    Error ignored;
    closed = true;
    socket_.close(ignored);
    on_frame = nullptr;
  }
  // The other side sees a reset instead of an end.
  void reset() {
    Error ignored;
    socket_.set_option(asio::socket_base::linger(true, 0), ignored);
    close();
  }
  void shrink_buffers() { receive_buffer(16384); }
  void grow_buffers() { receive_buffer(4 << 20); }
  tcp::socket& socket() { return socket_; }
  std::int32_t correlation(std::size_t i) const {
    return wire::load<std::int32_t>(frames.at(i).data());
  }

 private:
  void receive_buffer(int bytes) {
    Error ignored;
    socket_.set_option(asio::socket_base::receive_buffer_size(bytes), ignored);
  }
  void take_frames() {
    std::size_t at = 0;
    while (!closed && rest.size() - at >= 4) {
      const auto n = static_cast<std::size_t>(wire::load<std::int32_t>(rest.data() + at));
      if (rest.size() - at - 4 < n) break;
      const auto from = rest.begin() + static_cast<std::ptrdiff_t>(at + 4);
      Buffer content(from, from + static_cast<std::ptrdiff_t>(n));
      at += 4 + n;
      if (on_frame)
        on_frame(std::move(content));
      else
        frames.push_back(std::move(content));
    }
    rest.erase(rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(at));
  }
  void write() {
    // Piece by piece, so that `sent` says what the other side's system has taken.
    const auto some = asio::buffer(out_.front()) + done_;
    socket_.async_write_some(some, [self = shared_from_this()](Error e, std::size_t n) {
      if (e) return self->close();
      self->sent += n;
      self->done_ += n;
      if (self->done_ < self->out_.front().size()) return self->write();
      self->done_ = 0;
      self->out_.pop_front();
      if (!self->out_.empty()) return self->write();
      if (self->closing_) self->close();
    });
  }

  tcp::socket socket_;
  std::array<std::byte, 65536> chunk_;
  std::deque<Buffer> out_;
  std::size_t done_ = 0;
  bool closing_ = false;
};

}  // namespace fake
