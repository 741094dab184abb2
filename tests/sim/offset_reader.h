// Reads what a cluster has committed, by group; as net's offset_reader.
#pragma once

#include "proxy/splice/recovery.h"
#include "tests/sim/proxy.h"

namespace shunt::sim {

using Offsets = std::map<std::string, std::vector<splice::Committed>>;
// Of reserved groups, or of all. Nullopt: it could not be read.
enum class Groups : std::uint8_t { reserved, all };
using OffsetsRead = std::function<void(const std::optional<Offsets>& offsets)>;
void read_offsets(Proxy& proxy, route::Cluster c, Groups which, OffsetsRead done);

// The reserved groups among them.
void add_found(std::vector<splice::FoundGroup>& found, route::Cluster on, const Offsets& offsets);

}  // namespace shunt::sim
