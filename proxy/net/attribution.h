// Whose Fetch is it? It names no group (rules A6: certain or absent, never guessed).
#pragma once

#include <set>
#include <string>

#include "proxy/net/world.h"

namespace shunt::net {

struct Who;

// The groups that the client on this connection may read this partition for; empty: none is known.
// By its instance, whose members have spoken; else by its client id, for those that have no
// instance of their own (kafka-go) or a new one (they came back through the bootstrap).
std::set<std::string> groups_of(const World& world, const Who& who, const std::string& topic,
                                std::int32_t partition);
// Does it wait at the topic's seam? Where several groups may be meant: if any of them does.
bool waits_at_seam(const World& world, const Who& who, const splice::TopicLog& topic,
                   std::int32_t partition);

}  // namespace shunt::net
