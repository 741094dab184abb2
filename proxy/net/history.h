// How many records of topics only old will have (schemes 1 and 2 move none: rules A11).
#pragma once

#include "proxy/net/ask.h"
#include "proxy/net/operator.h"

namespace shunt::net {

// As of now, by ListOffsets at old's leaders: log start to high watermark, holes counted. `done`:
// once, within two seconds; -1 for a topic whose leaders have not all answered.
void count_history(World& world, const std::vector<std::string>& topics,
                   std::function<void(std::vector<HistoryLeft>)> done);

}  // namespace shunt::net
