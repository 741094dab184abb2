// Where a group may stand, by counting records: what the proxy shows of a commit is held against
// it.
#pragma once

#include <cstdint>
#include <set>
#include <vector>

#include "proxy/splice/virtual_log.h"

namespace shunt::sim {

// Offsets below `v` that lie in one cluster's segments, counted from its first.
std::int64_t below(const splice::VirtualLog& log, route::Cluster c, std::int64_t v);

// The first place that a commit of new's offset `native` can stand for; -1: of none.
std::int64_t place_in_new(const splice::VirtualLog& log, std::int64_t native);

// The greatest place of which old has no more than `in_old` below it, nor new more than is below
// `journaled`: rules A3, whole pairs and torn ones alike.
std::int64_t place(const splice::VirtualLog& log, std::int64_t in_old, std::int64_t journaled);

// All places of a group whose home may have any of `in_old`, and the journal any of `journaled`
// (-1: none). What was shown of a torn pair is journaled, so it may make another with the rest;
// `before`: what the home may have had when that was shown.
std::set<std::int64_t> places(const splice::VirtualLog& log, const std::set<std::int64_t>& in_old,
                              std::set<std::int64_t> before, std::set<std::int64_t> journaled);

}  // namespace shunt::sim
