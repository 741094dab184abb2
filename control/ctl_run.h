// `shuntctl run`: a scheme from its plan to its finish, with a gate between the steps.
//
//   find     the plan, or the open migration of these topics: goes on where it stands
//   start    asks once (--yes: never), makes the migration
//   past     how the canary does before anything has moved
//   produce  the cut; again when it was rolled back
//   drain    gate: every group with members has read old to its end
//   canary   moves one group, watches it for the soak, goes on or takes it back
//   fetch    moves all; gate: every group has crossed
//   lag      gate: no group is further behind than --max-lag
//   finish   hands the groups over
//
// Every step belongs to the daemon and every decision is made from what it says, so a run that was
// killed is simply run again.
#pragma once

#include "control/client.h"
#include "control/ctl_commands.h"

namespace shunt::control {

int run_scheme(const Options& options, Deadline deadline);  // the exit code

}  // namespace shunt::control
