// Reads what a cluster has committed: its groups' names, and one group's offsets.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "proxy/net/world.h"
#include "proxy/splice/recovery.h"

namespace shunt::net {

// The groups whose coordinator is this broker. `problem` is empty when it has said.
using GroupsListed =
    std::function<void(const std::string& problem, const std::vector<std::string>& groups)>;
void list_groups(World& world, route::Cluster c, route::NativeNodeId broker, GroupsListed done);

// All that a group has committed, whoever its coordinator is.
using OffsetsFetched =
    std::function<void(const std::string& problem, const std::vector<splice::Committed>& offsets)>;
void fetch_offsets(World& world, route::Cluster c, const std::string& group, OffsetsFetched done);

// A reserved group's offsets as what they are.
splice::FoundGroup found_group(const std::string& name, route::Cluster on,
                               const std::vector<splice::Committed>& offsets);

}  // namespace shunt::net
