// Answers that Shunt gives itself, without asking a broker.
#pragma once

#include <optional>
#include <string>

#include "proxy/route/node.h"
#include "proxy/route/versions.h"
#include "proxy/wire/value.h"

namespace shunt::route {

constexpr int error_none = 0;
constexpr int error_unsupported_version = 35;
constexpr int error_rebootstrap_required = 129;

// ApiVersions (KIP-511; KIP-1242 from v5: the client names the cluster and node it means).
// `cluster_id` empty: not known yet, nothing is held against it. `addressed`: the node whose
// address was dialled, if that is known.
wire::Value answer_api_versions(const wire::Value& request, wire::Version version,
                                const Versions& versions, const std::string& cluster_id,
                                std::optional<NodeKey> addressed);

// GetTelemetrySubscriptions and PushTelemetry (KIP-714): no subscription. `fresh_id` is the
// instance id for a client that has none yet.
wire::Value answer_telemetry(wire::ApiKey api, const wire::Value& request,
                             const wire::Uuid& fresh_id);

// What a node of the other cluster says of groups and transactions while none has its home there:
// nothing. nullopt: this request is for the broker itself.
std::optional<wire::Value> answer_for_foreign_node(wire::ApiKey api);

}  // namespace shunt::route
