// An admin request about topics of a migration, carried out: admin.h decides, this asks.
#pragma once

#include <memory>

#include "proxy/splice/admin.h"
#include "proxy/splice/task.h"

namespace shunt::splice {

// Null: the request names no such topic and goes on whole. Its answer() is null when the broker
// that others of its topics went to did not answer.
std::unique_ptr<Task> admin(const State& state, const route::View& view, wire::ApiKey api,
                            const wire::Value& request);

}  // namespace shunt::splice
