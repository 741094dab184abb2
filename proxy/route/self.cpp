#include "proxy/route/self.h"

#include <algorithm>

namespace shunt::route {

using wire::Array;
using wire::Struct;
using wire::Value;

Value answer_api_versions(const Value& request, wire::Version version, const Versions& versions,
                          const std::string& cluster_id, std::optional<NodeKey> addressed) {
  if (version < 5) return versions.answer(error_none, version);
  // Only a client that names both is held to them (KIP-1242).
  const auto claimed = request["NodeId"].number();
  const auto cluster = request["ClusterId"].text();
  if (request["ClusterId"].null() || claimed < 0) return versions.answer(error_none, version);
  const bool other_cluster = !cluster_id.empty() && cluster != cluster_id;
  const bool other_node =
      addressed && static_cast<std::int32_t>(shown(addressed->cluster, addressed->id)) != claimed;
  return versions.answer(other_cluster || other_node ? error_rebootstrap_required : error_none,
                         version);
}

Value answer_telemetry(wire::ApiKey api, const Value& request, const wire::Uuid& fresh_id) {
  constexpr wire::ApiKey push = 72;
  if (api == push) return Struct{{"ErrorCode", 0}};
  const wire::Uuid asked = request["ClientInstanceId"].uuid();
  const bool none =
      std::all_of(asked.begin(), asked.end(), [](std::byte b) { return b == std::byte{0}; });
  constexpr int five_minutes_ms = 300000, one_mebibyte = 1 << 20;
  return Struct{{"ErrorCode", 0},
                {"ClientInstanceId", none ? fresh_id : asked},
                {"SubscriptionId", 0},
                {"AcceptedCompressionTypes", Array{}},
                {"PushIntervalMs", five_minutes_ms},
                {"TelemetryMaxBytes", one_mebibyte},
                {"DeltaTemporality", false},
                {"RequestedMetrics", Array{}}};
}

std::optional<Value> answer_for_foreign_node(wire::ApiKey api) {
  constexpr wire::ApiKey list_groups = 16, list_transactions = 66;
  if (api == list_groups) return Struct{{"ErrorCode", 0}, {"Groups", Array{}}};
  if (api == list_transactions) {
    return Struct{
        {"ErrorCode", 0}, {"UnknownStateFilters", Array{}}, {"TransactionStates", Array{}}};
  }
  return std::nullopt;
}

}  // namespace shunt::route
