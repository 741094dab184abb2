#include "tests/sim/client_connection.h"

#include <algorithm>

#include "proxy/wire/bytes.h"
#include "proxy/wire/framer.h"
#include "tests/sim/proxy.h"
#include "tests/sim/session.h"

namespace shunt::sim {

namespace {
constexpr Time way_max = 300;  // on the same host
}

ClientConnection::ClientConnection(Sim& sim, std::optional<route::NodeKey> to, std::string id)
    : addressed(to), client_id(std::move(id)), sim_(sim) {}

std::shared_ptr<ClientConnection> ClientConnection::open(Sim& sim, std::optional<route::NodeKey> to,
                                                         std::string client_id) {
  if (!sim.proxy || !sim.proxy->listening()) return nullptr;
  auto c = std::make_shared<ClientConnection>(sim, to, std::move(client_id));
  c->session_ = sim.proxy->accept(c);
  return c;
}

// A large Produce comes in pieces, its header in the first.
void ClientConnection::send(Buffer frame) {
  constexpr std::size_t buffer_bytes = 200, first_piece_least = 60;
  const auto size = static_cast<std::int64_t>(frame.size());
  const bool produce = wire::load<std::int16_t>(frame.data() + wire::frame_prefix_bytes) == 0;
  if (!sim_.plan.large_frames || !produce || frame.size() <= buffer_bytes)
    return send_bytes(std::move(frame));
  std::int64_t from = 0;
  while (from < size) {
    const auto least = std::min<std::int64_t>(from + first_piece_least, size);
    const auto to = std::min(sim_.random.between(least, least + 120), from == 0 ? size - 1 : size);
    send_bytes(Buffer(frame.begin() + from, frame.begin() + to));
    from = to;
  }
}

void ClientConnection::send_bytes(Buffer frame) {
  arrives_ = std::max(arrives_, sim_.time.now() + sim_.random.between(20, way_max));
  sim_.time.at(arrives_, [session = session_, frame = std::move(frame)]() mutable {
    if (const auto s = session.lock()) s->take(std::move(frame));
  });
}

void ClientConnection::close(bool reset) {
  if (closed_) return;
  closed_ = true;
  on_answer = nullptr;
  on_lost = nullptr;
  arrives_ = std::max(arrives_, sim_.time.now() + sim_.random.between(20, way_max));
  sim_.time.at(arrives_, [session = session_, reset] {
    if (const auto s = session.lock()) s->client_gone(reset);
  });
}

void ClientConnection::to_client(wire::Bytes bytes) {
  if (closed_ || bytes.empty()) return;
  leaves_ = std::max(leaves_, sim_.time.now() + sim_.random.between(20, way_max));
  sim_.time.at(leaves_, [self = shared_from_this(), b = Buffer(bytes.begin(), bytes.end())] {
    if (self->closed_) return;
    self->got_.insert(self->got_.end(), b.begin(), b.end());
    self->take_frames();
  });
}

void ClientConnection::take_frames() {
  std::uint32_t content = 0;
  while (!closed_ && wire::parse_frame(got_, 1 << 30, content) == wire::Frame::ok &&
         got_.size() >= wire::frame_prefix_bytes + content) {
    const auto end = got_.begin() + static_cast<std::ptrdiff_t>(wire::frame_prefix_bytes + content);
    Buffer frame(got_.begin(), end);
    got_.erase(got_.begin(), end);
    const auto f = on_answer;
    if (f) f(std::move(frame));
  }
}

void ClientConnection::lost() {
  leaves_ = std::max(leaves_, sim_.time.now() + sim_.random.between(20, way_max));
  sim_.time.at(leaves_, [self = shared_from_this()] {
    if (self->closed_) return;
    self->closed_ = true;
    const auto f = std::move(self->on_lost);
    self->on_answer = nullptr;
    if (f) f();
  });
}

}  // namespace shunt::sim
