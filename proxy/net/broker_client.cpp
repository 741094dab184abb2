#include "proxy/net/broker_client.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include "proxy/net/limits.h"
#include "proxy/wire/framer.h"
#include "proxy/wire/header.h"

namespace shunt::net {

BrokerClient::BrokerClient(boost::asio::io_context& io, const Dialer& dialer, route::Endpoint at)
    : io_(io), dialer_(dialer), at_(std::move(at)) {}

void BrokerClient::call(wire::ApiKey api, wire::Version version, const wire::Value& body,
                        Done done) {
  const wire::Message& m = *wire::request(api);
  std::vector<std::byte> frame;
  wire::begin_request(m, version, ++correlation_, own_client_id, frame);
  const char* why = wire::encode(m, version, body, frame);
  if (why != nullptr || closed_) {
    const std::string error = why != nullptr ? std::string(m.name) + ": " + why : "closed";
    return boost::asio::post(io_, [done = std::move(done), error] { done(error, {}); });
  }
  wire::seal(frame);
  if (!link_) {
    link_ = std::make_shared<Link>(io_, weak_from_this(), route::NodeKey{});
    link_->open(dialer_, at_);
  }
  pending_.push_back({wire::response(api), version, correlation_, Clock::now(), std::move(done)});
  link_->send(frame);
}

void BrokerClient::tick(Clock::time_point now, std::chrono::milliseconds limit) {
  if (!pending_.empty() && now - pending_.front().since > limit) close("no answer in time");
}

void BrokerClient::close(const std::string& why) {
  if (closed_) return;
  closed_ = true;
  if (link_) link_->close();
  auto pending = std::move(pending_);
  pending_.clear();
  const std::string error = at_.host + ":" + std::to_string(at_.port) + ": " + why;
  for (auto& p : pending) p.done(error, {});
}

void BrokerClient::link_failed(const std::shared_ptr<Link>&, const std::string& why) { close(why); }

void BrokerClient::link_readable(const std::shared_ptr<Link>& link) {
  constexpr std::size_t chunk = 64 * 1024;
  const auto have = in_.size();
  in_.resize(have + chunk);
  const auto r = link->stream().read(std::span(in_).subspan(have));
  in_.resize(have + r.bytes);
  if (r.state == Stream::State::closed || r.state == Stream::State::reset) {
    return close(link->stream().problem("the broker closed the connection"));
  }
  const auto self = shared_from_this();  // an answer's callback may drop the last owner
  while (!closed_ && take_answer()) {
  }
  if (closed_) return;
  if (in_.empty()) in_.shrink_to_fit();
  link->arm();
}

bool BrokerClient::take_answer() {
  std::uint32_t content = 0;
  switch (wire::parse_frame(in_, whole_answer_bytes_max, content)) {
    case wire::Frame::ok:
      break;
    case wire::Frame::need_more:
      return false;
    default:
      return close(dialer_.tls ? "not an answer: is this a Kafka broker?"
                               : "not an answer: is this a Kafka broker, and a plain port?"),
             false;
  }
  const auto total = wire::frame_prefix_bytes + content;
  if (in_.size() < total) return false;
  if (pending_.empty()) return close("an answer nobody asked for"), false;
  Pending p = std::move(pending_.front());
  pending_.pop_front();
  const auto frame = wire::Bytes(in_).subspan(wire::frame_prefix_bytes, content);
  std::int32_t correlation = 0;
  std::uint32_t head = 0;
  const char* problem = "not an answer to what was asked";
  wire::Value body;
  bool in_step = false;
  if (wire::parse_answer(*p.answer, p.version, frame, content, correlation, head) ==
          wire::Parse::ok &&
      correlation == p.correlation) {
    body = wire::decode(*p.answer, p.version, frame.subspan(head), problem);
    in_step = true;
  }
  in_.erase(in_.begin(), in_.begin() + static_cast<std::ptrdiff_t>(total));
  // Whose answers are those of other requests will not say what is asked later, either.
  if (!in_step) close(problem);
  p.done(problem != nullptr ? std::string(p.answer->name) + ": " + problem : "", body);
  return true;
}

}  // namespace shunt::net
