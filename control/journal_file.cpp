// Frames records and finds where a file of records ends.
#include "control/journal_file.h"

#include <algorithm>
#include <optional>
#include <span>

#include "proxy/wire/bytes.h"
#include "proxy/wire/crc32c.h"

namespace shunt::control {
namespace {

std::uint32_t number(std::string_view at) {
  return wire::load<std::uint32_t>(std::as_bytes(std::span(at)).data());
}

std::uint32_t checksum(std::string_view length, std::string_view json) {
  const std::uint32_t head = wire::crc32c(0, std::as_bytes(std::span(length)));
  return wire::crc32c(head, std::as_bytes(std::span(json)));
}

// The JSON of a whole, undamaged record at the start of `bytes`.
std::optional<std::string_view> record_at(std::string_view bytes, const char*& problem) {
  problem = "fewer bytes than a record's head";
  if (bytes.size() < record_head_bytes) return std::nullopt;
  const std::uint32_t length = number(bytes);
  problem = "a length that cannot be";
  if (length == 0 || length > record_bytes_max) return std::nullopt;
  problem = "the file ends within a record";
  if (bytes.size() - record_head_bytes < length) return std::nullopt;
  const std::string_view json = bytes.substr(record_head_bytes, length);
  problem = "the checksum does not match";
  if (checksum(bytes.substr(0, 4), json) != number(bytes.substr(4))) return std::nullopt;
  problem = nullptr;
  return json;
}

// Is there a whole record anywhere after the first byte? Then what is damaged is not a tail.
bool record_follows(std::string_view bytes) {
  const char* ignored = nullptr;
  for (std::size_t i = 1; i + record_head_bytes < bytes.size(); ++i) {
    if (bytes[i + record_head_bytes] == '{' && record_at(bytes.substr(i), ignored)) return true;
  }
  return false;
}

}  // namespace

std::string frame(std::string_view json) {
  std::vector<std::byte> head;
  wire::put(head, static_cast<std::uint32_t>(json.size()));
  const std::string length(reinterpret_cast<const char*>(head.data()), head.size());
  wire::put(head, checksum(length, json));
  std::string out(reinterpret_cast<const char*>(head.data()), head.size());
  return out.append(json);
}

Scan scan(std::string_view bytes, const std::function<std::string(std::string_view)>& accept) {
  Scan out;
  while (out.good_bytes < bytes.size()) {
    const std::string_view rest = bytes.substr(out.good_bytes);
    const char* problem = nullptr;
    const auto json = record_at(rest, problem);
    if (!json) {
      out.end = record_follows(rest) ? Scan::End::bad : Scan::End::torn;
      out.problem = problem;
      return out;
    }
    if (std::string refused = accept(*json); !refused.empty()) {
      out.end = Scan::End::bad;
      out.problem = std::move(refused);
      return out;
    }
    out.good_bytes += record_head_bytes + json->size();
  }
  return out;
}

}  // namespace shunt::control
