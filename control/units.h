// Values as people write them, read strictly: durations, sizes, addresses, port ranges.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proxy/route/node.h"

namespace shunt::control {

// "500ms", "2s", "10m", "1h": an integer and a unit, nothing else. Up to about 290 years.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);
std::string duration_text(std::chrono::milliseconds d);  // in the largest unit that is exact

// "104857600", "512KiB", "100MiB", "1GiB".
std::optional<std::uint64_t> parse_size(std::string_view text);

std::optional<std::int64_t> parse_integer(std::string_view text);

// "host:9092", "10.0.0.1:9092", "[::1]:9092" (the host is kept without brackets). Port 0 to 65535.
std::optional<route::Endpoint> parse_endpoint(std::string_view text);
std::string endpoint_text(const route::Endpoint& e);

// "19092-19099", or one port.
using Ports = std::pair<std::uint16_t, std::uint16_t>;
std::optional<Ports> parse_ports(std::string_view text);

bool is_host(std::string_view text);         // a DNS name or IP address, without port
bool is_loopback_v4(std::string_view host);  // 127.0.0.0/8 written as four numbers
bool is_loopback(std::string_view host);     // that, ::1 or localhost

// The candidate that `word` was probably meant to be; empty if none is near.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace shunt::control
