// A session's requests as frames: whole ones out of what was read, and parts of larger ones.
#include <algorithm>

#include "proxy/net/session.h"
#include "proxy/wire/framer.h"

namespace shunt::net {

using observe::CloseCause;

namespace {

constexpr wire::ApiKey produce = 0;

// What a size that cannot be says when it is read as text. Null: nothing known.
const char* other_protocol(wire::Bytes first) {
  const auto begins = [&](std::string_view with) {
    return first.size() >= with.size() &&
           std::ranges::equal(first.first(with.size()), with, {}, {},
                              [](char c) { return static_cast<std::byte>(c); });
  };
  for (const std::string_view verb : {"GET ", "POST", "PUT ", "HEAD", "OPTI", "PRI "}) {
    if (begins(verb)) return "HTTP on a port that speaks Kafka; control.http is another one";
  }
  if (begins("SSH-")) return "SSH on a port that speaks Kafka";
  if (begins("\x16\x03")) {
    return "TLS on a plain port; connect to listen.tls, or let the client speak PLAINTEXT";
  }
  return nullptr;
}

}  // namespace

void Session::take_requests(std::span<std::byte> data) {
  std::size_t taken = 0;
  taking_ = true;
  const auto until = Clock::now() + requests_at_once_time;
  while (!blocked() && (!data.empty() || upload_)) {
    if (++taken > requests_at_once_max || (taken > 1 && Clock::now() > until)) {
      resume_soon();
      break;
    }
    const auto n = take_frame(data);
    if (!n || closed_) break;
    data = data.subspan(*n);
  }
  taking_ = false;
  if (closed_) return;
  carry_.assign(data.begin(), data.end());
  if (queue_.empty() || !queue_.front()->ready) return;
  const bool full = blocked();
  advance();
  if (full && !blocked()) resume_soon();
}

// Takes one frame, or a part of one that is larger than the buffer, and says how many bytes that
// was; nullopt: more bytes are needed, or nothing can go on just now.
std::optional<std::size_t> Session::take_frame(std::span<std::byte> data) {
  if (upload_) return stream_produce(data);
  if (collect_bytes_ > 0) {
    const auto into = to_collect();
    const auto n = std::min(into.size(), data.size());
    std::copy_n(data.begin(), n, into.begin());
    collected(n);
    return n;
  }
  const std::uint64_t most = world_.settings.limits.frame_bytes_max;
  std::uint32_t content = 0;
  switch (wire::parse_frame(data, most, content)) {
    case wire::Frame::ok:
      break;
    case wire::Frame::need_more:
      return std::nullopt;
    case wire::Frame::bad_size:
      return close(CloseCause::bad_frame, "a frame's size is below 4"), std::nullopt;
    case wire::Frame::too_large: {
      const char* other = other_protocol(data);
      close(CloseCause::frame_too_large,
            other != nullptr ? other
                             : std::to_string(content) + " bytes; raise limits.frame_bytes_max");
      return std::nullopt;
    }
  }
  const std::size_t total = wire::frame_prefix_bytes + content;
  if (data.size() >= total) {
    ++frames_in_;
    request(data.first(total));
    return total;
  }
  return content > whole_request_bytes_max ? begin_large(data, content)
                                           : begin_collect(data, total);
}

// A frame that is not held whole if that can be helped: a Produce streams.
std::optional<std::size_t> Session::begin_large(std::span<std::byte> data, std::uint32_t content) {
  wire::RequestHeader h;
  const auto head = data.subspan(wire::frame_prefix_bytes);
  const auto parsed = wire::parse(head, content, h);
  if (parsed == wire::Parse::bad)
    return close(CloseCause::bad_frame, "not a request header"), std::nullopt;
  if (parsed == wire::Parse::need_more && data.size() < world_.buffer.size()) return std::nullopt;
  if (parsed == wire::Parse::ok && h.api == produce &&
      world_.versions.accepted().of(produce).contains(h.version) &&
      wire::request(produce)->valid.contains(h.version)) {
    begin_stream(h, head.first(h.size), content - h.size);
    return wire::frame_prefix_bytes + h.size;
  }
  if (content > held_request_bytes_max) {
    close(CloseCause::frame_too_large, std::to_string(content) +
                                           " bytes, and not a Produce that is served: " +
                                           std::to_string(held_request_bytes_max) + " at most");
    return std::nullopt;
  }
  return begin_collect(data, wire::frame_prefix_bytes + content);
}

std::size_t Session::begin_collect(std::span<std::byte> data, std::size_t total) {
  ++frames_in_;
  collect_have_ = data.size();
  collect_bytes_ = total;
  believe_collected();
  collect_.assign(data.begin(), data.end());
  return data.size();
}

}  // namespace shunt::net
