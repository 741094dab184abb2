// A session's requests that are larger than the buffer: collected, or, when a Produce is too large
// to be held whole, cut into parts as they stream.
#include <algorithm>

#include "proxy/net/session.h"
#include "proxy/wire/batch.h"

namespace shunt::net {

using observe::CloseCause;

namespace {
constexpr wire::ApiKey produce = 0;
}  // namespace

// Where the next bytes of the frame in the making belong; collected() says how many came. Memory
// follows what has come, as a size is only a claim; who has sent some gets all of it at once, up to
// whole_request_bytes_max, so that it is not copied as it grows.
std::span<std::byte> Session::to_collect() {
  constexpr std::size_t step_min = 16 * 1024;
  if (collect_.size() == collect_have_) {
    believe_collected();
    const auto step = std::clamp(collect_have_, step_min, read_buffer_bytes);
    collect_.resize(std::min(collect_bytes_, collect_have_ + step));
  }
  return std::span(collect_).subspan(collect_have_);
}

void Session::believe_collected() {
  constexpr std::size_t believed = 64 * 1024;
  if (collect_have_ >= believed)
    collect_.reserve(std::min(collect_bytes_, whole_request_bytes_max));
}

void Session::collected(std::size_t bytes) {
  collect_have_ += bytes;
  if (collect_have_ < collect_bytes_) return;
  collect_have_ = collect_bytes_ = 0;
  auto frame = std::move(collect_);
  collect_ = {};
  request(frame);
}

void Session::begin_stream(const wire::RequestHeader& h, wire::Bytes content_head,
                           std::uint64_t body) {
  upload_ = std::make_unique<Upload>(h, content_head, body);
  upload_->header = h;
  upload_->header.client_id = {};
  ++frames_in_;
  ++apis_[{h.api, h.version}];
  if (h.has_client_id && who_.client_id != h.client_id) learn_client_id(h.client_id);
}

// A part's keys are known, and its first batch's header: it goes to its leader, is answered by us,
// or waits (false). `records`: what of its record set is there.
bool Session::begin_part(wire::Bytes begin, std::span<std::byte> records) {
  Upload& u = *upload_;
  using Verdict = splice::Judged::Verdict;
  const auto batch = batch_id(records);
  splice::Judged judged;
  judged.id = batch.producer_id;
  note_producer(batch.producer_id);
  if (!world_.splice.idle()) {
    auto* topic = world_.splice.topic_of(u.cut.topic(), u.cut.topic_id());
    const auto* log = world_.splice.partition(u.cut.topic(), u.cut.topic_id(), u.cut.partition());
    if (topic != nullptr && log != nullptr)
      judged = judge(*topic, *log, batch, u.cut.transactional_id());
  }
  if (judged.verdict == Verdict::hold || judged.verdict == Verdict::draw) {
    u.begin.assign(begin.begin(), begin.end());
    park({});
    return false;
  }
  if (u.cut.acks() != 0) {
    if (u.exchange == nullptr) {
      u.exchange = &expect(u.header, *wire::request(produce));
      u.exchange->complete = false;
    }
    u.exchange->parts.emplace_back();
  }
  if (judged.verdict != Verdict::pass) {
    u.link = nullptr;
    if (u.exchange == nullptr) return true;
    Exchange& e = *u.exchange;
    wire::encode(*e.answer, e.version,
                 own_part_answer(u.cut.topic(), u.cut.topic_id(), u.cut.partition(), judged),
                 e.parts.back());
    if (e.frame.empty()) wire::begin_answer(*e.answer, e.version, e.correlation, e.frame);
    return true;
  }
  write_as(judged.id, batch, records);  // a small frame's batch is known by its new name, too
  const auto mark = route::ProduceOrder::mark_of(records);
  const auto node = route::leader_of(world_.view(), u.cut.topic(), u.cut.topic_id(),
                                     u.cut.partition(), origin(produce), mark);
  if (!node) {
    close(CloseCause::link_refused, "no broker of the cluster is known");
    return false;
  }
  link_to(*node);
  u.link = links_[*node];
  if (u.exchange != nullptr) {
    ++u.exchange->parts_left;
    u.link->awaited.push_back({u.exchange, u.exchange->parts.size() - 1});
    watch(*u.exchange, u.exchange->parts.size() - 1, u.cut.topic(), u.cut.topic_id(),
          u.cut.partition(), *node, batch, judged.first, mark);
  } else {
    ++u.link->unanswered_sent;
  }
  u.half_sent = true;
  u.link->send(named_for(*node, begin));
  return true;
}

bool Session::half_sent(const Link& link) const {
  return upload_ && upload_->half_sent && upload_->link.get() == &link;
}

// A request of ours: never in the middle of a part.
void Session::send_between_frames(Link& link, wire::Bytes frame) {
  if (!half_sent(link)) return link.send(frame);
  upload_->behind.insert(upload_->behind.end(), frame.begin(), frame.end());
}

// Passes a large Produce on, one request per partition, as it arrives.
std::optional<std::size_t> Session::stream_produce(std::span<std::byte> data) {
  Upload& u = *upload_;
  const auto start = u.cut.position();
  if (!u.begin.empty()) {  // a part that waited
    const auto begin = std::move(u.begin);
    u.begin = {};
    if (!begin_part(begin, data)) return std::nullopt;
  }
  for (;;) {
    const auto used = u.cut.position() - start;
    if (unsent_to_brokers() > 0) return used > 0 ? std::optional(used) : std::nullopt;
    const auto step = u.cut.next(data.subspan(used));
    using Kind = route::ProduceStream::Kind;
    switch (step.kind) {
      case Kind::need_more: {
        const auto taken = u.cut.position() - start;
        return taken > 0 ? std::optional(taken) : std::nullopt;
      }
      case Kind::bad:
        return close(CloseCause::bad_request, u.cut.error()), std::nullopt;
      case Kind::begin: {
        const auto taken = u.cut.position() - start;
        if (begin_part(step.bytes, data.subspan(taken))) break;
        return closed_ || taken == 0 ? std::nullopt : std::optional(taken);
      }
      case Kind::chunk:
      case Kind::end:
        if (!u.link) break;
        // A chunk is part of `data`, where its batch may have been renamed.
        u.link->send(step.bytes);
        if (step.kind == Kind::end) {
          u.half_sent = false;
          u.link->send(std::exchange(u.behind, {}));
        }
        world_.metrics.moved(observe::Direction::to_cluster, u.link->node().cluster,
                             step.bytes.size());
        break;
      case Kind::done: {
        const auto total = u.cut.position() - start;
        Exchange* e = u.exchange;
        upload_.reset();
        world_.settled();
        if (e != nullptr) {
          e->complete = true;
          if (e->parts_left == 0) {
            merge_parts(*e);
            advance();
          }
        }
        return total;
      }
    }
    if (closed_) return std::nullopt;
  }
}

}  // namespace shunt::net
