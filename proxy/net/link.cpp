#include "proxy/net/link.h"

#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <utility>

#include "proxy/wire/framer.h"

namespace shunt::net {
namespace asio = boost::asio;

namespace {
const std::string ended_in_login = "the broker ended the connection in the login";
}  // namespace

void Link::open(const Dialer& dialer, const route::Endpoint& at) {
  tls_ = dialer.tls;
  as_ = dialer.login;
  host_ = at.host;
  dialer.resolver.resolve(
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
    self->where_ = endpoint.address().to_string() + ":" + std::to_string(endpoint.port());
    if (!e) return self->secure();
    self->stream_.close();
    const auto why = "cannot connect to " + self->where_ + ": " + e.message();
    self->connect_next(std::move(found), at + 1, why);
  });
}

void Link::secure() {
  stream_.prepare();
  if (!tls_) return log_in();
  stream_.handshake(tls_->session(host_), [self = shared_from_this()](const auto& why) {
    if (self->closed_) return;
    if (why.empty()) return self->log_in();
    self->not_opened(why);
  });
}

void Link::log_in() {
  if (!as_) return opened();
  login_ = std::make_unique<Login>(as_, random_nonce);
  step(login_->begin());
}

void Link::step(Login::Step step) {
  if (step.state == Login::Step::State::done) {
    login_in_ = {};
    return opened();
  }
  // A socket that has just been opened takes what is this small.
  const bool sent = step.state == Login::Step::State::send &&
                    stream_.write(step.frame).bytes == step.frame.size();
  if (!sent) {
    return not_opened(step.why.empty() ? ended_in_login : step.why);
  }
  wait_for_login();
}

void Link::wait_for_login() {
  stream_.when_readable([self = shared_from_this()](ErrorCode e) {
    if (!e && !self->closed_) self->read_login();
  });
}

void Link::read_login() {
  constexpr std::size_t chunk = 4096, answer_bytes_max = 64 * 1024;
  const auto have = login_in_.size();
  login_in_.resize(have + chunk);
  const auto r = stream_.read(std::span(login_in_).subspan(have));
  login_in_.resize(have + r.bytes);
  if (r.state == Stream::State::closed || r.state == Stream::State::reset)
    return not_opened(stream_.problem(ended_in_login));
  const auto prefix = wire::frame_prefix_bytes;
  const bool sized = login_in_.size() >= prefix;
  const auto size = sized ? wire::load<std::int32_t>(login_in_.data()) : 0;
  if (size < 0 || size > static_cast<std::int64_t>(answer_bytes_max))
    return not_opened("not an answer: is this a Kafka broker?");
  const auto total = prefix + static_cast<std::size_t>(size);
  if (!sized || login_in_.size() < total) return wait_for_login();
  const auto answer = std::exchange(login_in_, {});
  step(login_->take(wire::Bytes(answer).subspan(prefix, static_cast<std::size_t>(size))));
}

void Link::not_opened(const std::string& why) { fail(host_ + " (" + where_ + "): " + why); }

void Link::opened() {
  connected_ = true;
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
      return fail(stream_.problem("the broker closed the connection"));
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
