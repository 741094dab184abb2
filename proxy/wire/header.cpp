#include "proxy/wire/header.h"

#include "proxy/wire/bytes.h"

namespace shunt::wire {
namespace {

// Reads one unsigned varint at `at`; false when it is cut or too long (`bad` tells which).
bool varint(Bytes bytes, std::size_t& at, std::uint32_t& value, bool& bad) {
  std::uint64_t v = 0;
  for (int i = 0; i < 5; ++i) {
    if (at >= bytes.size()) return false;
    const auto b = std::to_integer<std::uint8_t>(bytes[at++]);
    v |= static_cast<std::uint64_t>(b & 0x7f) << (7 * i);
    if ((b & 0x80) == 0) {
      value = static_cast<std::uint32_t>(v);
      return v <= 0xffffffffU || !(bad = true);
    }
  }
  bad = true;
  return false;
}

// Steps over a header's tagged fields. `limit`: bytes the frame has in all.
Parse skip_tags(Bytes bytes, std::uint64_t limit, std::size_t& at) {
  std::uint32_t count = 0, tag = 0, size = 0;
  bool bad = false;
  const auto short_of = [&] {
    return bad || bytes.size() >= limit ? Parse::bad : Parse::need_more;
  };
  if (!varint(bytes, at, count, bad)) return short_of();
  if (count > limit) return Parse::bad;
  for (; count > 0; --count) {
    if (!varint(bytes, at, tag, bad) || !varint(bytes, at, size, bad)) return short_of();
    if (size > limit - at) return Parse::bad;
    if (size > bytes.size() - at) return Parse::need_more;
    at += size;
  }
  return Parse::ok;
}

std::string_view chars(Bytes b) { return {reinterpret_cast<const char*>(b.data()), b.size()}; }

}  // namespace

bool flexible_request(const Message& m, Version v) { return m.flexible.contains(v); }

bool flexible_answer(const Message& m, Version v) {
  constexpr ApiKey api_versions = 18;
  return m.api != api_versions && m.flexible.contains(v);
}

Parse parse(Bytes content, std::uint64_t content_size, RequestHeader& header) {
  constexpr std::size_t fixed = 10;  // key, version, correlation id, length of the client id
  if (content_size < fixed - 2) return Parse::bad;
  if (content.size() < 8) return Parse::need_more;
  header.api = load<ApiKey>(content.data());
  header.version = load<Version>(content.data() + 2);
  header.correlation = load<std::int32_t>(content.data() + 4);
  header.has_client_id = false;
  header.client_id = {};
  header.size = 8;
  const Message* m = request(header.api);
  constexpr ApiKey controlled_shutdown = 7;
  if (header.api == controlled_shutdown && header.version == 0) return Parse::ok;  // header v0
  if (content_size < fixed) return Parse::bad;
  if (content.size() < fixed) return Parse::need_more;
  std::size_t at = fixed;
  if (const auto n = load<std::int16_t>(content.data() + 8); n >= 0) {
    if (static_cast<std::uint64_t>(n) > content_size - at) return Parse::bad;
    if (static_cast<std::size_t>(n) > content.size() - at) return Parse::need_more;
    header.has_client_id = true;
    header.client_id = chars(content.subspan(at, static_cast<std::size_t>(n)));
    at += static_cast<std::size_t>(n);
  } else if (n != -1) {
    return Parse::bad;
  }
  if (m != nullptr && m->valid.contains(header.version) && flexible_request(*m, header.version)) {
    if (const auto p = skip_tags(content, content_size, at); p != Parse::ok) return p;
  }
  header.size = static_cast<std::uint32_t>(at);
  return Parse::ok;
}

void begin_request(const Message& m, Version v, std::int32_t correlation,
                   std::string_view client_id, std::vector<std::byte>& out) {
  put<std::int32_t>(out, 0);
  put(out, m.api);
  put(out, v);
  put(out, correlation);
  put(out, static_cast<std::int16_t>(client_id.size()));
  const auto* text = reinterpret_cast<const std::byte*>(client_id.data());
  out.insert(out.end(), text, text + client_id.size());
  if (flexible_request(m, v)) out.push_back(std::byte{0});
}

void begin_answer(const Message& m, Version v, std::int32_t correlation,
                  std::vector<std::byte>& out) {
  put<std::int32_t>(out, 0);
  put(out, correlation);
  if (flexible_answer(m, v)) out.push_back(std::byte{0});
}

void seal(std::vector<std::byte>& out, std::size_t start) {
  store(out.data() + start, static_cast<std::int32_t>(out.size() - start - 4));
}

Parse parse_answer(const Message& m, Version v, Bytes content, std::uint64_t content_size,
                   std::int32_t& correlation, std::uint32_t& size) {
  if (content_size < 4) return Parse::bad;
  if (content.size() < 4) return Parse::need_more;
  correlation = load<std::int32_t>(content.data());
  std::size_t at = 4;
  if (flexible_answer(m, v)) {
    if (const auto p = skip_tags(content, content_size, at); p != Parse::ok) return p;
  }
  size = static_cast<std::uint32_t>(at);
  return Parse::ok;
}

}  // namespace shunt::wire
