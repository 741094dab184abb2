// A session's answers: read from links, translated.
#include <algorithm>

#include "proxy/net/session.h"
#include "proxy/observe/log.h"
#include "proxy/splice/tails.h"
#include "proxy/wire/bytes.h"
#include "proxy/wire/framer.h"
#include "proxy/wire/header.h"
#include "proxy/wire/merge.h"

namespace shunt::net {

using observe::CloseCause;

namespace {
constexpr wire::ApiKey produce = 0, fetch = 1, metadata = 3, find_coordinator = 10, join_group = 11,
                       leave_group = 13, sync_group = 14;
constexpr std::uint64_t answer_bytes_max = 0x7fffffff;  // an int32: answers have no other limit
}  // namespace

void Session::take_answers(Link& link, std::span<std::byte> data) {
  while (!closed_ && !link.paused && (!data.empty() || link.inbound == Inbound::stream)) {
    const auto n = take_answer(link, data);
    if (!n) break;
    data = data.subspan(*n);
  }
  if (!closed_) link.carry.assign(data.begin(), data.end());
}

// Takes one answer, or what is there of a larger one; nullopt: more bytes are needed, or it must
// wait.
std::optional<std::size_t> Session::take_answer(Link& link, std::span<std::byte> data) {
  switch (link.inbound) {
    case Inbound::stream: {
      auto& t = *link.translator;
      const auto n = t.take(data);
      if (t.error() != nullptr) return close(CloseCause::bad_answer, t.error()), std::nullopt;
      send_client(wire::Bytes(data.first(n)));
      if (closed_) return std::nullopt;
      if (!t.done()) return n > 0 ? std::optional(n) : std::nullopt;
      learn(*queue_.front(), 0, link.node(), {}, t.noticed());
      out_of_range_ |= link.offsets && link.offsets->out_of_range();
      link.inbound = Inbound::head;
      link.translator.reset();
      link.offsets.reset();
      link.end_answer();
      answered(*queue_.front());
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
        auto frame = std::move(link.collect);
        link.collect = {};
        whole_answer(link, frame);
      }
      return n;
    }
    case Inbound::skip: {
      const auto n =
          static_cast<std::size_t>(std::min<std::uint64_t>(link.skip_bytes, data.size()));
      link.skip_bytes -= n;
      if (link.skip_bytes == 0) skipped(link);
      return n;
    }
    case Inbound::head:
      break;
  }
  if (link.awaited.empty()) {
    return close(CloseCause::bad_answer, "a broker answered what was not asked"), std::nullopt;
  }
  std::uint32_t content = 0;
  switch (wire::parse_frame(data, answer_bytes_max, content)) {
    case wire::Frame::ok:
      break;
    case wire::Frame::need_more:
      return std::nullopt;
    default:
      return close(CloseCause::bad_answer, "an answer's size is below 4"), std::nullopt;
  }
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

// An answer that nobody waits for has been read.
void Session::skipped(Link& link) {
  link.inbound = Inbound::head;
  link.unanswered_read = std::max(link.unanswered_read, link.awaited.front().behind);
  link.end_answer();
  if (lingering_) resume_soon();
  world_.settled();
}

// An earlier request's answer needs what comes behind this answer on the link: it cannot wait for
// its turn there.
bool Session::before_a_question(const Link& link) const {
  const Exchange* next = link.awaited.front().exchange;
  const auto from = std::ranges::find(queue_, next, [](const auto& e) { return e.get(); });
  return std::any_of(queue_.begin(), from, [&](const auto& earlier) {
    return std::ranges::find(link.awaited, earlier.get(), &Awaited::exchange) != link.awaited.end();
  });
}

// A Fetch that was asked before the migration began is shown in its numbers, and clipped, as others
// are: its answer may come after a cut.
bool Session::renumbered(const Exchange& e) const {
  return e.spliced || (e.answer->api == fetch && !world_.splice.idle());
}

// An answer that is not all there yet: stream it if it may be, else hold it until it is whole.
std::optional<std::size_t> Session::begin_answer(Link& link, std::span<std::byte> data,
                                                 std::uint32_t content) {
  Exchange& e = *link.awaited.front().exchange;
  std::int32_t correlation = 0;
  std::uint32_t head = 0;
  const auto rest = data.subspan(wire::frame_prefix_bytes);
  // Before anything is waited for: what is no Kafka announces any length.
  if (rest.size() >= 4 && wire::load<std::int32_t>(rest.data()) != e.correlation) {
    return close(CloseCause::bad_answer, "an answer to another request"), std::nullopt;
  }
  const auto part = link.awaited.front().part;
  switch (wire::parse_answer(e.task ? *wire::response(e.asks[part].api) : *e.answer,
                             e.task ? e.asks[part].version : e.version, rest, content, correlation,
                             head)) {
    case wire::Parse::ok:
      break;
    case wire::Parse::need_more:
      if (data.size() < world_.buffer.size()) return std::nullopt;
      [[fallthrough]];  // a header that fills the buffer
    case wire::Parse::bad:
      return close(CloseCause::bad_answer, "not an answer header"), std::nullopt;
  }
  const auto cluster = link.node().cluster;
  const bool streams = e.parts.empty() && e.complete && !e.whole &&
                       route::passing(*e.answer, e.version, cluster) == route::Passing::streamed;
  if (!streams) {
    if (content > whole_answer_bytes_max) {
      return close(CloseCause::answer_too_large, std::to_string(content) + " bytes"), std::nullopt;
    }
    link.inbound = Inbound::collect;
    link.collect_bytes = wire::frame_prefix_bytes + content;
    link.collect.assign(data.begin(), data.end());
    return data.size();
  }
  if (before_a_question(link)) {
    e.whole = true;
    return begin_answer(link, data, content);
  }
  if (&e != queue_.front().get() || !client_out_.empty()) {
    link.paused = true;  // its turn comes: until then the broker's bytes stay with the broker
    return std::nullopt;
  }
  e.cluster = cluster;
  link.inbound = Inbound::stream;
  link.offsets =
      renumbered(e) ? std::make_unique<splice::Tails>(world_.splice, cluster, e.next_cut) : nullptr;
  link.translator = std::make_unique<route::StreamTranslator>(*e.answer, e.version, content - head,
                                                              cluster, naming_, link.offsets.get());
  const auto used = wire::frame_prefix_bytes + head;
  send_client(wire::Bytes(data.first(used)));
  if (closed_) return std::nullopt;
  return used;
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
    return close(CloseCause::bad_answer, "not an answer to what was asked");
  }
  link.end_answer();
  tried_.clear();
  const wire::Bytes body = content.subspan(head);
  const auto cluster = link.node().cluster;
  route::Noticed noticed;
  e.cluster = cluster;
  if (e.task) {
    const char* problem = nullptr;
    const auto value = wire::decode(answer, version, body, problem);
    if (problem != nullptr) return close(CloseCause::bad_answer, problem);
    return take_for_task(e, a.part, value);
  }
  splice::Tails tails(world_.splice, cluster, e.next_cut);
  // Metadata first teaches, then is shown: its node list is ours.
  if (e.answer->api == metadata) learn(e, a.part, link.node(), body, noticed);
  world_.edits.clear();
  if (const char* why = route::translate(*e.answer, e.version, body, cluster, naming_, world_.edits,
                                         noticed, renumbered(e) ? &tails : nullptr)) {
    return close(CloseCause::bad_answer,
                 std::string(e.answer->name) + " v" + std::to_string(e.version) + ": " + why);
  }
  out_of_range_ |= tails.out_of_range();
  if (e.answer->api == produce) show_accepted(e, a.part, tails);
  if (e.answer->api != metadata || noticed.stale_leader)
    learn(e, a.part, link.node(), body, noticed);
  const wire::Bytes heading = frame.first(wire::frame_prefix_bytes + head);
  if (e.change && !change_answer(e, body)) return;
  if (!e.parts.empty() || !e.complete) {
    return finish_part(e, a.part, heading, body);
  }
  if (world_.edits.empty() && &e == queue_.front().get() && client_out_.empty()) {
    send_client(frame);
    if (closed_) return;
    answered(e);
    queue_.pop_front();
    return advance();
  }
  e.frame.assign(heading.begin(), heading.end());
  world_.edits.append_to(e.frame, body);
  wire::seal(e.frame);
  e.ready = true;
  advance();
}

// All records of a batch that was accepted have been shown, not its first alone.
void Session::show_accepted(const Exchange& e, std::size_t part, const splice::Tails& tails) {
  for (const auto& accepted : tails.accepted()) {
    for (const auto& b : e.roads) {
      if (b.part == part && b.log == accepted.log)
        accepted.log->show({accepted.at.at + std::max(b.batch.records, 1)});
    }
  }
}

// The translated answer, changed as its exchange wants: one edit of the whole body.
bool Session::change_answer(Exchange& e, wire::Bytes body) {
  std::vector<std::byte> translated, changed;
  world_.edits.append_to(translated, body);
  const char* problem = nullptr;
  const auto value = wire::decode(*e.answer, e.version, translated, problem);
  if (problem == nullptr) problem = wire::encode(*e.answer, e.version, e.change(value), changed);
  if (problem != nullptr) {
    close(CloseCause::bad_answer, std::string(e.answer->name) + ": " + problem);
    return false;
  }
  world_.edits.clear();
  world_.edits.replace(0, static_cast<std::uint32_t>(body.size()), changed);
  return true;
}

// What an answer tells of the cluster that gave it.
void Session::learn(Exchange& e, std::size_t part, route::NodeKey from, wire::Bytes body,
                    const route::Noticed& noticed) {
  auto& topology = world_.topology(from.cluster);
  auto* access = world_.access[static_cast<std::size_t>(from.cluster)];
  if ((noticed.stale_leader || noticed.stale_controller) && access != nullptr) {
    access->refresh_soon();
  }
  if (e.settles && !body.empty()) {
    const char* problem = nullptr;
    settle(e, part, wire::decode(*e.answer, e.version, body, problem));
  }
  const bool awaited_by_cut = !e.roads.empty();
  std::erase_if(e.roads, [&](Exchange::Bound& b) {
    if (b.part == part) release_road(b);
    if (b.part == part) order_.release(b.road, noticed.stale_leader, b.mark, metadata_asked());
    return b.part == part;
  });
  if (awaited_by_cut) world_.settled();
  if (noticed.stale_coordinator) {
    for (const auto& key : e.keys) topology.forget_coordinator(e.coordinator, key);
  }
  const auto api = e.answer->api;
  if ((api == join_group || api == leave_group || api == sync_group) && access != nullptr) {
    access->groups_changed();
  }
  if (api == join_group && !e.asked.empty() && !e.keys.empty()) {
    const char* bad = nullptr;
    const auto joined = wire::decode(*e.answer, e.version, body, bad);
    if (bad == nullptr && joined["ErrorCode"].number() == 0)
      world_.groups_seen[e.keys.front()] = {
          static_cast<std::int32_t>(joined["GenerationId"].number()),
          std::string(joined["Leader"].text())};
  }
  if (api == fetch && noticed.fetch_session != 0) {
    fetch_session_ = noticed.fetch_session;
    fetch_session_at_ = from;
  }
  const char* problem = nullptr;
  if (api == metadata && !noticed.stale_leader) {
    const auto value = wire::decode(*e.answer, e.version, body, problem);
    if (problem == nullptr) topology.take_metadata(value, false);  // its client may not see all
  }
  if (api == find_coordinator) {
    const auto value = wire::decode(*e.answer, e.version, body, problem);
    const auto keep = [&](const wire::Value& v, std::string_view key) {
      if (v["ErrorCode"].number() != 0) return;
      topology.set_coordinator(
          e.coordinator, key, route::NativeNodeId{static_cast<std::int32_t>(v["NodeId"].number())});
    };
    if (e.version < 4 && !e.keys.empty()) keep(value, e.keys.front());
    for (const auto& c : value["Coordinators"].array()) keep(c, c["Key"].text());
  }
}

void Session::finish_part(Exchange& e, std::size_t part, wire::Bytes head, wire::Bytes body) {
  if (e.frame.empty()) e.frame.assign(head.begin(), head.end());
  world_.edits.append_to(e.parts[part], body);
  if (--e.parts_left > 0 || !e.complete) return;
  merge_parts(e);
  advance();
}

void Session::merge_parts(Exchange& e) {
  std::vector<wire::Bytes> bodies(e.parts.begin(), e.parts.end());
  if (const char* why = wire::merge(*e.answer, e.version, bodies, e.frame)) {
    return close(CloseCause::bad_answer, std::string(e.answer->name) + ": " + why);
  }
  wire::seal(e.frame);
  e.parts = {};
  e.ready = true;
}

}  // namespace shunt::net
