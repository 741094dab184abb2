// `shunt recover`: rebuilds a lost journal from the seams that the clusters keep.
#pragma once

#include <string>

#include "control/config.h"

namespace shunt::control {

// The process' exit code: 0 the journal is there again, 1 it cannot be rebuilt (said on stderr).
// `journal_id`: whose seams, when the clusters keep those of several; empty: there are one's alone.
int recover(const Config& config, const std::string& journal_id);

}  // namespace shunt::control
