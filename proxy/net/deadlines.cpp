// A session's deadlines, looked at once a second: no timer per request.
#include "proxy/net/session.h"

namespace shunt::net {

using observe::CloseCause;

void Session::tick(Clock::time_point now) {
  const Limits& limits = world_.settings.limits;
  const auto quiet = now - active_;
  if (lingering_) {
    if (quiet > limits.progress) forget();
    return;
  }
  const bool half = securing_ || (!idle_between_frames() && !blocked());
  if (!client_out_.empty() && quiet > limits.progress) {
    return close(CloseCause::no_progress, "it does not read its answers");
  }
  if ((half && quiet > limits.progress) ||
      !progress_.holds(now, half, bytes_in_, frames_in_, limits.progress)) {
    return close(CloseCause::no_progress, "it does not finish its request");
  }
  if (queue_.empty() && idle_between_frames() && quiet > limits.idle) {
    return close(CloseCause::idle);
  }
  // Whoever is gone may be owed answers that never come; nobody would read them.
  if (quiet > limits.progress && (ended_ || (blocked() && !parked_ && client_.peer_closed()))) {
    return close(CloseCause::client_reset, "it has gone, and brokers owe it answers");
  }
  tick_outage(now);
  if (closed_) return;
  if (who_.instance != route::Instance{0}) {
    world_.identities.touch(who_.instance, world_.unix_now());  // a record a day, no more
    world_.keep_identity();
  }
  tick_links(now);
}

void Session::tick_links(Clock::time_point now) {
  const Limits& limits = world_.settings.limits;
  std::vector<std::pair<std::shared_ptr<Link>, const char*>> late;
  for (const auto& [node, link] : links_) {
    const bool reads = client_out_.empty() && !link->paused;
    const bool half = reads && (link->inbound != Inbound::head || !link->carry.empty());
    const bool answers =
        link->answering.holds(now, half, link->received, link->answers, limits.progress);
    const bool takes = link->asking.holds(now, link->connected() && link->unsent() > 0,
                                          link->written(), 0, limits.progress);
    if (!link->connected() && now - link->began > limits.connect) {
      late.emplace_back(link, "no answer within limits.connect");
    } else if (!answers) {
      late.emplace_back(link, "the broker does not finish its answer (limits.progress)");
    } else if (!takes) {
      late.emplace_back(link, "the broker does not read its requests (limits.progress)");
    }
  }
  for (const auto& [link, why] : late) link_failed(link, why);
}

// How much of a request that is not whole yet lies here; one of too many is let go.
void Session::count_unfinished() {
  const bool half = !closed_ && !lingering_ && !blocked();
  world_.unfinished.count(*this, unfinished_, frames_in_, half ? carry_.size() + collect_have_ : 0);
  while (auto* oldest = world_.unfinished.too_many()) {
    oldest->close(CloseCause::unfinished,
                  std::to_string(unfinished_bytes_max >> 20U) +
                      " MiB of requests that are not whole are waited for; this one's began first");
  }
}

}  // namespace shunt::net
