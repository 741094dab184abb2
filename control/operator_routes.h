// The routes that ask the running data path: plan, start, move, undo, pause, verify, lag, events.
#pragma once

#include <string>

#include "control/routes.h"

namespace shunt::control {

// True when `path` is one of them: then `reply` is or will be called, once.
bool answer_mutation(const std::string& path, const ApiRequest& request, const ApiSources& sources,
                     const Reply& reply);
bool answer_look(const std::string& path, const ApiRequest& request, const ApiSources& sources,
                 const Reply& reply);

}  // namespace shunt::control
