#include "proxy/net/link.h"

#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

namespace shunt::net {
namespace asio = boost::asio;

void Link::open(Resolver& resolver, const route::Endpoint& at) {
  resolver.resolve(
      at, [self = shared_from_this()](const std::string& error, const Resolver::Endpoints& found) {
        if (self->closed_) return;
        if (!error.empty()) return self->fail(error);
        self->connect_next(found, 0, {});
      });
}

void Link::connect_next(Resolver::Endpoints found, std::size_t at, std::string last_error) {
  if (at == found.size()) return fail(last_error);
  const auto endpoint = found[at];
  stream_.connect(endpoint, [self = shared_from_this(), found = std::move(found), at,
                             endpoint](ErrorCode e) mutable {
    if (self->closed_) return;
    if (!e) return self->opened();
    self->stream_.close();
    const auto why = "cannot connect to " + endpoint.address().to_string() + ":" +
                     std::to_string(endpoint.port()) + ": " + e.message();
    self->connect_next(std::move(found), at + 1, why);
  });
}

void Link::opened() {
  connected_ = true;
  stream_.prepare();
  flush();
  arm();
}

void Link::send(wire::Bytes first, wire::Bytes second) {
  if (closed_) return;
  std::size_t done = 0;
  if (connected_ && unsent() == 0) {
    const auto r = stream_.write(first, second);
    done = r.bytes;  // a reset shows again in flush()
    written_ += r.bytes;
  }
  const auto queue = [&](wire::Bytes b) {
    const auto skip = std::min(done, b.size());
    done -= skip;
    out_.insert(out_.end(), b.begin() + static_cast<std::ptrdiff_t>(skip), b.end());
  };
  queue(first);
  queue(second);
  if (connected_ && unsent() > 0) flush();
}

// Writes what is queued; waits when the broker does not take it.
void Link::flush() {
  if (writing_ || closed_) return;
  if (unsent() > 0) {
    const auto r = stream_.write(wire::Bytes(out_).subspan(sent_));
    sent_ += r.bytes;
    written_ += r.bytes;
    if (r.state == Stream::State::reset || r.state == Stream::State::closed) {
      return fail("the broker closed the connection");
    }
  }
  if (unsent() == 0) {
    out_.clear();
    out_.shrink_to_fit();
    sent_ = 0;
    if (const auto owner = owner_.lock()) owner->link_drained(shared_from_this());
    return;
  }
  writing_ = true;
  stream_.when_writable([self = shared_from_this()](ErrorCode e) {
    self->writing_ = false;
    if (e || self->closed_) return;
    self->flush();
  });
}

void Link::arm() {
  if (reading_ || paused || closed_ || !connected_) return;
  reading_ = true;
  stream_.when_readable([self = shared_from_this()](ErrorCode e) {
    self->reading_ = false;
    if (e || self->closed_) return;
    if (const auto owner = self->owner_.lock()) owner->link_readable(self);
  });
}

std::vector<std::byte> Link::take_unsent() {
  std::vector<std::byte> rest(out_.begin() + static_cast<std::ptrdiff_t>(sent_), out_.end());
  out_.clear();
  sent_ = 0;
  return rest;
}

void Link::fail(const std::string& why) {
  asio::post(io_, [self = shared_from_this(), why] {
    const auto owner = self->owner_.lock();
    if (!self->closed_ && owner) owner->link_failed(self, why);
  });
}

void Link::close() {
  closed_ = true;
  stream_.close();
}

}  // namespace shunt::net
