// What hostile clients send, and what becomes of their connections: one table for every listener.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "proxy/observe/cause.h"
#include "tests/unit/fake_peer.h"

namespace fake {

struct HostileClient {
  const char* what;
  Buffer sent;
  observe::CloseCause cause;
};

inline Buffer bytes_of(std::string_view text) {
  const auto* p = reinterpret_cast<const std::byte*>(text.data());
  return {p, p + text.size()};
}

inline Buffer with_size(std::int32_t size, const Buffer& rest = {}) {
  Buffer b;
  wire::put(b, size);
  b.insert(b.end(), rest.begin(), rest.end());
  return b;
}

// A frame whose body is what no encoder makes; flexible versions have the header's tags in front.
inline Buffer raw_request(int api, int version, const Buffer& behind_client_id) {
  Buffer b(4);
  wire::put(b, static_cast<wire::ApiKey>(api));
  wire::put(b, static_cast<wire::Version>(version));
  wire::put(b, std::int32_t{7});
  wire::put(b, std::int16_t{-1});
  b.insert(b.end(), behind_client_id.begin(), behind_client_id.end());
  wire::seal(b);
  return b;
}

inline std::vector<HostileClient> hostile_clients() {
  using enum observe::CloseCause;
  constexpr int produce = 0, fetch = 1, list_offsets = 2, metadata = 3, describe_groups = 15,
                api_versions = 18;
  constexpr std::int32_t two_billion = 0x7fffffff;
  const auto number = [](std::int32_t n) { return with_size(n); };
  const auto text = [](std::string_view t) { return bytes_of(t); };
  Buffer tls(200);
  tls[0] = std::byte{0x16};
  tls[1] = std::byte{3};
  tls[2] = std::byte{1};
  Buffer large = raw_request(metadata, 5, number(0));
  wire::store(large.data(), std::int32_t{104857600});
  // Metadata v9: header tags, topics, three flags; then the body's own tags.
  const Buffer tags_before = text(std::string_view("\0\0\0\0", 4));
  const auto after = [](Buffer b, std::string_view rest) {
    const Buffer r = bytes_of(rest);
    b.insert(b.end(), r.begin(), r.end());
    return b;
  };
  return {
      {"length 0", with_size(0, Buffer(20)), bad_frame},
      {"length 3", with_size(3, Buffer(3)), bad_frame},
      {"length -1", with_size(-1, Buffer(20)), bad_frame},
      {"the least length", with_size(-two_billion - 1), bad_frame},
      {"length 2^31-1", with_size(two_billion, Buffer(20)), frame_too_large},
      {"100 MiB that are no Produce", large, frame_too_large},
      {"half a header", with_size(6, Buffer(6)), bad_frame},
      {"a client id of -2 bytes", with_size(10, text({"\0\x03\0\x05\0\0\0\x07\xff\xfe", 10})),
       bad_frame},
      {"a client id past the end", with_size(10, text({"\0\x03\0\x05\0\0\0\x07\x7f\xff", 10})),
       bad_frame},
      {"api 999", raw_request(999, 0, number(0)), unknown_api},
      {"api -1", raw_request(-1, 0, number(0)), unknown_api},
      {"an api between brokers", raw_request(4, 0, number(0)), unknown_api},
      {"a version of later", raw_request(metadata, 99, number(0)), unsupported_version},
      {"a version below 0", raw_request(metadata, -1, number(0)), unsupported_version},
      {"Produce before v3", raw_request(produce, 2, number(0)), unsupported_version},
      {"a body cut short", raw_request(list_offsets, 5, number(-1)), bad_request},
      {"no body", raw_request(fetch, 11, {}), bad_request},
      {"2^31-1 elements", raw_request(metadata, 5, number(two_billion)), bad_request},
      {"-2 elements", raw_request(metadata, 5, number(-2)), bad_request},
      {"2^32-2 elements, compact",
       raw_request(metadata, 9, text(std::string_view("\0\xff\xff\xff\xff\x0f", 6))), bad_request},
      {"a count of six bytes",
       raw_request(metadata, 9, text(std::string_view("\0\xff\xff\xff\xff\xff\x0f", 7))),
       bad_request},
      {"2^31 header tags", raw_request(metadata, 9, text("\xff\xff\xff\xff\x07")), bad_frame},
      {"a header tag of 2^31 bytes", raw_request(metadata, 9, text("\x01\x63\xff\xff\xff\xff\x07")),
       bad_frame},
      {"2^31 tags",
       raw_request(metadata, 9, after(tags_before, std::string_view("\0\xff\xff\xff\xff\x07", 6))),
       bad_request},
      {"a tag of 2^31 bytes",
       raw_request(metadata, 9,
                   after(tags_before, std::string_view("\0\x01\x63\xff\xff\xff\xff\x07", 8))),
       bad_request},
      {"ApiVersions cut short", raw_request(api_versions, 3, text(std::string_view("\0\x20", 2))),
       bad_request},
      {"200,000 names",
       raw_request(describe_groups, 5,
                   after(text(std::string_view("\0\xc1\x9a\x0c", 4)),
                         std::string(200'000, '\1') + std::string(2, '\0'))),
       bad_request},
      {"HTTP", text("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), frame_too_large},
      {"HTTP/2", text("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), frame_too_large},
      {"SSH", text("SSH-2.0-OpenSSH_9.6\r\n"), frame_too_large},
      {"a TLS hello", tls, frame_too_large},
  };
}

}  // namespace fake
