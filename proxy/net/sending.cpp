// A session's answers leave, in request order; what the client does not take waits.
#include <algorithm>

#include "proxy/net/session.h"

namespace shunt::net {

using observe::CloseCause;

namespace {
constexpr std::size_t sent_at_once = 16 * 1024;
}  // namespace

// Sends every answer whose turn has come.
void Session::advance() {
  if (closed_ || taking_) return;
  while (!queue_.empty() && queue_.front()->ready) {
    Exchange& e = *queue_.front();
    std::size_t n = 1;  // small ones leave together
    for (; n < queue_.size() && e.frame.size() < sent_at_once; ++n) {
      const Exchange& next = *queue_[n];
      if (!next.ready || next.cluster != e.cluster) break;
      e.frame.insert(e.frame.end(), next.frame.begin(), next.frame.end());
    }
    send_client(e.frame);
    if (closed_) return;
    for (; n > 0; --n) {
      answered(*queue_.front());
      queue_.pop_front();
    }
  }
  const bool paused =
      std::any_of(links_.begin(), links_.end(), [](const auto& l) { return l.second->paused; });
  if (!reading_ || paused || draining_) resume_soon();
}

void Session::answered(const Exchange& e) {
  const std::chrono::duration<double> took = Clock::now() - e.began;
  world_.metrics.request(e.request->api, e.cluster, took.count());
}

void Session::send_client(wire::Bytes first, wire::Bytes second) {
  if (lingering_) return;  // nobody is there
  std::size_t done = 0;
  if (client_out_.empty()) {
    const auto r = client_.write(first, second);
    if (r.state == Stream::State::reset) return close(CloseCause::client_reset);
    done = r.bytes;
    if (done > 0) active_ = Clock::now();
  }
  bytes_out_ += first.size() + second.size();
  const auto cluster = queue_.empty() ? route::Cluster::old_cluster : queue_.front()->cluster;
  world_.metrics.moved(observe::Direction::to_client, cluster, first.size() + second.size());
  const auto keep = [&](wire::Bytes b) {
    const auto skip = std::min(done, b.size());
    done -= skip;
    client_out_.insert(client_out_.end(), b.begin() + static_cast<std::ptrdiff_t>(skip), b.end());
  };
  keep(first);
  keep(second);
  if (!client_out_.empty() && !writing_) flush_client();
}

// Writes what the client did not take; while anything waits here no link is read.
void Session::flush_client() {
  writing_ = true;
  client_.when_writable([self = shared_from_this()](ErrorCode e) {
    self->writing_ = false;
    if (e || self->closed_) return;
    const auto r = self->client_.write(wire::Bytes(self->client_out_).subspan(self->client_sent_));
    if (r.state == Stream::State::reset || r.state == Stream::State::closed) {
      return self->close(CloseCause::client_reset);
    }
    self->client_sent_ += r.bytes;
    if (r.bytes > 0) self->active_ = Clock::now();
    if (self->client_sent_ < self->client_out_.size()) return self->flush_client();
    self->client_out_.clear();
    self->client_out_.shrink_to_fit();
    self->client_sent_ = 0;
    self->advance();
    self->resume_soon();  // links that stood still go on
  });
}

}  // namespace shunt::net
