// A session's Produce requests that are too large to be held whole: cut into parts as they stream.
#include "proxy/net/session.h"

namespace shunt::net {

using observe::CloseCause;

namespace {
constexpr wire::ApiKey produce = 0;
}  // namespace

void Session::begin_stream(const wire::RequestHeader& h, wire::Bytes content_head,
                           std::uint64_t body) {
  upload_ = std::make_unique<Upload>(h, content_head, body);
  upload_->header = h;
  upload_->header.client_id = {};
  ++apis_[{h.api, h.version}];
}

// Passes a large Produce on, one request per partition, as it arrives.
std::optional<std::size_t> Session::stream_produce(std::span<std::byte> data) {
  Upload& u = *upload_;
  const auto start = u.cut.position();
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
        const auto node = route::leader_of(world_.view(), u.cut.topic(), u.cut.topic_id(),
                                           u.cut.partition(), origin(produce));
        if (!node)
          return close(CloseCause::link_refused, "no broker of the old cluster is known"),
                 std::nullopt;
        link_to(*node);
        u.link = links_[*node];
        if (u.cut.acks() != 0) {
          if (u.exchange == nullptr) {
            u.exchange = &expect(u.header, *wire::request(produce));
            u.exchange->complete = false;
          }
          u.exchange->parts.emplace_back();
          ++u.exchange->parts_left;
          u.link->awaited.push_back({u.exchange, u.exchange->parts.size() - 1});
          u.exchange->roads.push_back(
              {u.exchange->parts.size() - 1,
               order_.sent(u.cut.topic(), u.cut.topic_id(), u.cut.partition(), *node)});
        } else {
          u.link->sent_unanswered = true;
        }
        u.link->send(step.bytes);
        break;
      }
      case Kind::chunk:
      case Kind::end:
        u.link->send(step.bytes);
        world_.metrics.moved(observe::Direction::to_cluster, u.link->node().cluster,
                             step.bytes.size());
        break;
      case Kind::done: {
        const auto total = u.cut.position() - start;
        Exchange* e = u.exchange;
        upload_.reset();
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
