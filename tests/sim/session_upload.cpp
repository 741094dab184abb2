// A Produce larger than the buffer: cut into parts as it streams (rules B5); as net's uploads.cpp.
#include "proxy/wire/framer.h"
#include "tests/sim/session.h"

namespace shunt::sim {

using Verdict = splice::Judged::Verdict;

namespace {
constexpr wire::ApiKey produce = 0;
}  // namespace

// The first piece of a frame that is not there yet, its header whole.
bool Session::begins_upload(const Buffer& piece) const {
  std::uint32_t content = 0;
  return wire::parse_frame(piece, 1 << 30, content) == wire::Frame::ok &&
         piece.size() < wire::frame_prefix_bytes + content;
}

void Session::begin_upload(Buffer piece) {
  std::uint32_t content = 0;
  wire::parse_frame(piece, 1 << 30, content);
  const auto rest = wire::Bytes(piece).subspan(wire::frame_prefix_bytes);
  wire::RequestHeader h;
  if (wire::parse(rest, content, h) != wire::Parse::ok) violated("a request's header");
  upload_ = std::make_unique<Upload>(h, rest.first(h.size), content - h.size);
  upload_->header = h;
  upload_->header.client_id = {};
  next_ = {};
  const auto body = wire::frame_prefix_bytes + h.size;
  upload_->left = wire::frame_prefix_bytes + content - piece.size();
  upload_->data.assign(piece.begin() + static_cast<std::ptrdiff_t>(body), piece.end());
}

bool Session::half_sent(const Link& link) const {
  return upload_ && !upload_->part.empty() && upload_->link.get() == &link;
}

// A part's keys are known, and its first batch's header: it goes to its leader, is answered by us,
// or waits (false).
bool Session::begin_part(wire::Bytes begin, std::span<std::byte> records) {
  Upload& u = *upload_;
  const int partition = u.cut.partition();
  const auto batch = batch_id(records);
  splice::Judged judged;
  judged.id = batch.producer_id;
  const auto* topic = proxy_.splice.topic(topic_name);
  const bool looked_at = !proxy_.sim.has(Bug::produce_parts) || !u.passed;
  if (topic != nullptr && looked_at) {
    judged = judge(*topic, topic->partitions[static_cast<std::size_t>(partition)], batch);
  } else if (!looked_at) {
    judged.id = *u.passed;
  }
  if (judged.verdict == Verdict::hold || judged.verdict == Verdict::draw) {
    u.begin.assign(begin.begin(), begin.end());
    park();
    return false;
  }
  if (u.cut.acks() != 0) {
    if (u.exchange == nullptr) {
      u.exchange = &expect(u.header, *wire::request(produce));
      u.exchange->complete = false;
    }
    u.exchange->parts.emplace_back();
  }
  u.link = nullptr;
  if (judged.verdict != Verdict::pass) {
    if (u.exchange == nullptr) return true;
    Exchange& e = *u.exchange;
    wire::encode(*e.answer, e.version, own_answer({own_partition(partition, judged)}),
                 e.parts.back());
    if (e.frame.empty()) wire::begin_answer(*e.answer, e.version, e.correlation, e.frame);
    return true;
  }
  u.passed = judged.id;
  write_as(judged.id, batch, records);  // a smaller resend's mark is of its renamed batch, too
  const auto mark = route::ProduceOrder::mark_of(records);
  const auto node =
      route::leader_of(proxy_.view(), topic_name, {}, partition, origin(produce), mark);
  if (!node) violated("a part without a leader");
  link_to(*node);
  u.link = links_[*node];
  if (proxy_.sim.tracing()) {
    proxy_.sim.trace(client_->client_id + ": a part, seq " + std::to_string(batch.first_sequence) +
                     " of partition " + std::to_string(partition) + ", goes to " +
                     std::string(route::name(node->cluster)) +
                     std::to_string(static_cast<int>(node->id)));
  }
  if (u.exchange != nullptr) {
    const auto part = u.exchange->parts.size() - 1;
    ++u.exchange->parts_left;
    u.link->awaited.push_back({u.exchange, part});
    watch(*u.exchange, part, partition, *node, batch, judged.first, mark);
  } else {
    ++u.link->unanswered_sent;
  }
  u.part.assign(begin.begin(), begin.end());
  return true;
}

// What a broker has of a part before its end is nothing to it: the model sends it whole.
void Session::end_part() {
  Upload& u = *upload_;
  if (!u.link) return;
  const auto part = std::exchange(u.part, {});
  send(*u.link, part);
  for (const auto& frame : std::exchange(u.behind, {})) send(*u.link, frame);
}

// Goes on with what is there; false: more must come, or it waits.
bool Session::upload() {
  Upload& u = *upload_;
  if (u.left > 0 && !carry_.empty()) {
    u.left -= carry_.front().size();
    u.data.insert(u.data.end(), carry_.front().begin(), carry_.front().end());
    carry_.pop_front();
  }
  const auto start = u.cut.position();
  const auto used = [&] { return static_cast<std::size_t>(u.cut.position() - start); };
  const auto keep_rest = [&] {
    u.data.erase(u.data.begin(), u.data.begin() + static_cast<std::ptrdiff_t>(used()));
    return u.left > 0 && !carry_.empty() && !blocked();
  };
  if (!u.begin.empty()) {  // a part that waited
    const auto begin = std::exchange(u.begin, {});
    if (!begin_part(begin, u.data)) return false;
  }
  for (;;) {
    const auto step = u.cut.next(wire::Bytes(u.data).subspan(used()));
    using Kind = route::ProduceStream::Kind;
    switch (step.kind) {
      case Kind::need_more:
        return keep_rest();
      case Kind::bad:
        violated(u.cut.error());
      case Kind::begin:
        if (!begin_part(step.bytes, std::span(u.data).subspan(used()))) return keep_rest();
        break;
      case Kind::chunk:
      case Kind::end:
        if (u.link) u.part.insert(u.part.end(), step.bytes.begin(), step.bytes.end());
        if (step.kind == Kind::end) end_part();
        break;
      case Kind::done: {
        Exchange* e = u.exchange;
        upload_.reset();
        proxy_.settled();
        if (e != nullptr) e->complete = true;
        if (e != nullptr && e->parts_left == 0) {
          merge_parts(*e);
          advance();
        }
        return true;
      }
    }
  }
}

}  // namespace shunt::sim
