// Answers: read from links, translated, sent to the client in request order; as net's answers.cpp.
#include <algorithm>

#include "proxy/splice/tails.h"
#include "proxy/wire/framer.h"
#include "proxy/wire/merge.h"
#include "tests/sim/planted.h"
#include "tests/sim/session.h"

namespace shunt::sim {

namespace {
constexpr wire::ApiKey produce = 0, fetch = 1, metadata = 3;
}

void Session::link_bytes(const std::shared_ptr<Link>& link, Buffer bytes) {
  Buffer data = std::exchange(link->carry, {});
  data.insert(data.end(), bytes.begin(), bytes.end());
  take_answers(*link, data);
}

void Session::take_answers(Link& link, std::span<std::byte> data) {
  while (!closed_ && !link.paused && (!data.empty() || link.inbound == Inbound::stream)) {
    const auto n = take_answer(link, data);
    if (!n) break;
    data = data.subspan(*n);
  }
  if (!closed_) link.carry.assign(data.begin(), data.end());
}

std::unique_ptr<route::Offsets> Session::offsets_for(const Exchange& e, route::Cluster from) {
  // A Fetch that was asked before the migration began is clipped, and learnt from, as others are.
  const bool fetched = e.answer->api == fetch && !proxy_.splice.idle();
  if (!e.spliced && !fetched) return nullptr;
  auto tails = std::make_unique<splice::Tails>(proxy_.splice, from, e.next_cut);
  if (e.unclipped) return std::make_unique<planted::Unclipped>(std::move(tails));
  return tails;
}

std::optional<std::size_t> Session::take_answer(Link& link, std::span<std::byte> data) {
  switch (link.inbound) {
    case Inbound::stream: {
      auto& t = *link.translator;
      const auto n = t.take(data);
      if (t.error() != nullptr) {
        proxy_.sim.bad_answer(t.error(), queue_.front()->before);
        return close(t.error()), std::nullopt;
      }
      send_client(data.first(n));
      if (!t.done()) return n > 0 ? std::optional(n) : std::nullopt;
      learn(*queue_.front(), 0, link.node, {}, t.noticed());
      if (const auto* tails = dynamic_cast<splice::Tails*>(link.offsets.get()))
        out_of_range_ |= tails->out_of_range();
      link.inbound = Inbound::head;
      link.translator.reset();
      link.offsets.reset();
      link.awaited.pop_front();
      queue_.pop_front();
      advance();
      return n;
    }
    case Inbound::collect: {
      const auto n = std::min(link.collect_bytes - link.collect.size(), data.size());
      link.collect.insert(link.collect.end(), data.begin(),
                          data.begin() + static_cast<std::ptrdiff_t>(n));
      if (link.collect.size() == link.collect_bytes) {
        link.inbound = Inbound::head;
        Buffer frame = std::exchange(link.collect, {});
        whole_answer(link, frame);
      }
      return n;
    }
    case Inbound::skip: {
      const auto n = std::min(link.skip_bytes, data.size());
      link.skip_bytes -= n;
      if (link.skip_bytes == 0) {
        link.inbound = Inbound::head;
        link.unanswered_read = std::max(link.unanswered_read, link.awaited.front().behind);
        link.awaited.pop_front();
        proxy_.settled();
      }
      return n;
    }
    case Inbound::head:
      break;
  }
  if (link.awaited.empty()) violated("a broker answered what was not asked");
  std::uint32_t content = 0;
  if (wire::parse_frame(data, 1 << 30, content) != wire::Frame::ok) return std::nullopt;
  const std::size_t total = wire::frame_prefix_bytes + content;
  if (link.awaited.front().exchange == nullptr) {
    link.inbound = Inbound::skip;
    link.skip_bytes = total;
    return 0;
  }
  if (data.size() >= total) {
    whole_answer(link, data.first(total));
    return total;
  }
  return begin_answer(link, data, content);
}

std::optional<std::size_t> Session::begin_answer(Link& link, std::span<std::byte> data,
                                                 std::uint32_t content) {
  Exchange& e = *link.awaited.front().exchange;
  const auto part = link.awaited.front().part;
  std::int32_t correlation = 0;
  std::uint32_t head = 0;
  const auto rest = data.subspan(wire::frame_prefix_bytes);
  if (wire::parse_answer(e.task ? *wire::response(e.asks[part].api) : *e.answer,
                         e.task ? e.asks[part].version : e.version, rest, content, correlation,
                         head) != wire::Parse::ok) {
    return std::nullopt;
  }
  if (correlation != e.correlation) violated("an answer to another request");
  const auto cluster = link.node.cluster;
  const bool streams = e.parts.empty() && !e.whole &&
                       route::passing(*e.answer, e.version, cluster) == route::Passing::streamed;
  if (!streams) return hold_whole(link, data, content);
  if (&e != queue_.front().get()) {
    // Not while a task is before it, whose next question may have to go over this very link.
    const bool task = std::ranges::any_of(queue_, [](const auto& q) { return q->task != nullptr; });
    if (task) return hold_whole(link, data, content);
    link.paused = true;
    return std::nullopt;
  }
  if (proxy_.sim.tracing()) {
    proxy_.sim.trace(client_->client_id + ": an answer to api " + std::to_string(e.request->api) +
                     " begins to stream from " + std::string(route::name(cluster)) +
                     std::to_string(static_cast<int>(link.node.id)));
  }
  link.inbound = Inbound::stream;
  link.offsets = offsets_for(e, cluster);
  link.translator = std::make_unique<route::StreamTranslator>(*e.answer, e.version, content - head,
                                                              cluster, names_, link.offsets.get());
  const auto used = wire::frame_prefix_bytes + head;
  send_client(data.first(used));
  return used;
}

std::size_t Session::hold_whole(Link& link, std::span<std::byte> data, std::uint32_t content) {
  link.inbound = Inbound::collect;
  link.collect_bytes = wire::frame_prefix_bytes + content;
  link.collect.assign(data.begin(), data.end());
  return data.size();
}

void Session::whole_answer(Link& link, std::span<std::byte> frame) {
  const Awaited a = link.awaited.front();
  Exchange& e = *a.exchange;
  const wire::Bytes content = frame.subspan(wire::frame_prefix_bytes);
  std::int32_t correlation = 0;
  std::uint32_t head = 0;
  const auto& answer = e.task ? *wire::response(e.asks[a.part].api) : *e.answer;
  const auto version = e.task ? e.asks[a.part].version : e.version;
  if (wire::parse_answer(answer, version, content, content.size(), correlation, head) !=
          wire::Parse::ok ||
      correlation != e.correlation) {
    violated("not an answer to what was asked");
  }
  link.awaited.pop_front();
  const wire::Bytes body = content.subspan(head);
  const auto from = link.node;
  if (e.task) {
    const char* problem = nullptr;
    const auto value = wire::decode(answer, version, body, problem);
    if (problem != nullptr) violated(problem);
    return take_for_task(e, a.part, value);
  }
  route::Noticed noticed;
  auto offsets = offsets_for(e, from.cluster);
  if (e.answer->api == metadata) learn(e, a.part, from, body, noticed);
  edits_.clear();
  if (const char* why = route::translate(*e.answer, e.version, body, from.cluster, names_, edits_,
                                         noticed, offsets.get())) {
    proxy_.sim.bad_answer(why, e.before);
    return close(why);
  }
  const auto* tails = dynamic_cast<splice::Tails*>(offsets.get());
  if (tails != nullptr) out_of_range_ |= tails->out_of_range();
  if (tails != nullptr && e.answer->api == produce) {
    for (const auto& accepted : tails->accepted()) {  // all records of it, not its first alone
      for (const auto& b : e.roads) {
        if (b.part == a.part && b.log == accepted.log)
          accepted.log->show({accepted.at.at + std::max(b.batch.records, 1)});
      }
    }
  }
  if (e.answer->api != metadata) learn(e, a.part, from, body, noticed);
  if (e.change) change_answer(e, body);
  if (!e.parts.empty()) {
    if (e.frame.empty()) {
      e.frame.assign(frame.begin(),
                     frame.begin() + static_cast<std::ptrdiff_t>(wire::frame_prefix_bytes + head));
    }
    edits_.append_to(e.parts[a.part], body);
    if (--e.parts_left > 0 || !e.complete) return;
    merge_parts(e);
    return advance();
  }
  e.frame.assign(frame.begin(),
                 frame.begin() + static_cast<std::ptrdiff_t>(wire::frame_prefix_bytes + head));
  edits_.append_to(e.frame, body);
  wire::seal(e.frame);
  e.ready = true;
  advance();
}

void Session::change_answer(Exchange& e, wire::Bytes body) {
  Buffer translated, changed;
  edits_.append_to(translated, body);
  const char* problem = nullptr;
  const auto value = wire::decode(*e.answer, e.version, translated, problem);
  if (problem == nullptr) problem = wire::encode(*e.answer, e.version, e.change(value), changed);
  if (problem != nullptr) violated(std::string(e.answer->name) + ": " + problem);
  edits_.clear();
  edits_.replace(0, static_cast<std::uint32_t>(body.size()), changed);
}

void Session::learn(Exchange& e, std::size_t part, route::NodeKey from, wire::Bytes body,
                    const route::Noticed& noticed) {
  if (noticed.stale_leader) proxy_.refresh_soon(from.cluster);
  const char* problem = nullptr;
  if (e.whole && e.spliced && !body.empty() && e.answer->api == produce) {
    settle(e, part, wire::decode(*e.answer, e.version, body, problem));
  }
  const bool awaited_by_cut = !e.roads.empty();
  std::erase_if(e.roads, [&](Exchange::Bound& b) {
    if (b.part == part) release_road(b);
    if (b.part == part) order_.release(b.road, noticed.stale_leader, b.mark, metadata_asked_);
    return b.part == part;
  });
  if (awaited_by_cut) proxy_.settled();
  if (e.answer->api == metadata) {
    const auto value = wire::decode(*e.answer, e.version, body, problem);
    if (problem == nullptr) proxy_.topology(from.cluster).take_metadata(value, false);
  }
}

void Session::merge_parts(Exchange& e) {
  std::vector<wire::Bytes> bodies(e.parts.begin(), e.parts.end());
  if (const char* why = wire::merge(*e.answer, e.version, bodies, e.frame)) violated(why);
  wire::seal(e.frame);
  e.parts = {};
  e.ready = true;
}

void Session::advance() {
  if (closed_) return;
  while (!queue_.empty() && queue_.front()->ready) {
    send_client(queue_.front()->frame);
    queue_.pop_front();
  }
  resume_soon();
}

void Session::send_client(wire::Bytes bytes) {
  if (!lingering_) client_->to_client(bytes);
}

}  // namespace shunt::sim
