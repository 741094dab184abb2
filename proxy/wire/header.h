// Request and response headers (RequestHeader.json v1, v2; ResponseHeader.json v0, v1).
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "proxy/wire/walker.h"

namespace shunt::wire {

enum class Parse : std::uint8_t { ok, need_more, bad };

struct RequestHeader {
  ApiKey api = 0;
  Version version = 0;
  std::int32_t correlation = 0;
  bool has_client_id = false;
  std::string_view client_id;  // into the given bytes
  std::uint32_t size = 0;      // bytes of the header: the body begins there
};

// Parses the header at the start of a frame's content (the bytes after the size). An API the
// table does not know, or a version above what it knows, is read as header v1 without tags: enough
// to answer KIP-511. Tagged fields are skipped. Bad: only a length that cannot be (null client id
// is allowed).
Parse parse(Bytes content, std::uint64_t content_size, RequestHeader& header);

// True when requests of this API version carry header v2 / answers header v1 (flexible versions;
// ApiVersions answers always carry v0, KIP-511).
bool flexible_request(const Message& m, Version v);
bool flexible_answer(const Message& m, Version v);

// Appends size placeholder (4 bytes, see seal), header and nothing else.
void begin_request(const Message& m, Version v, std::int32_t correlation,
                   std::string_view client_id, std::vector<std::byte>& out);
void begin_answer(const Message& m, Version v, std::int32_t correlation,
                  std::vector<std::byte>& out);
// Writes the size of everything after `start` + 4 at `start`.
void seal(std::vector<std::byte>& out, std::size_t start = 0);

// Parses the header of an answer; `size` = its bytes.
Parse parse_answer(const Message& m, Version v, Bytes content, std::uint64_t content_size,
                   std::int32_t& correlation, std::uint32_t& size);

}  // namespace shunt::wire
