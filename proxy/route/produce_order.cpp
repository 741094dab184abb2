#include "proxy/route/produce_order.h"

namespace shunt::route {
namespace {

std::string key_of(std::string_view topic, const wire::Uuid& id, std::int32_t partition) {
  std::string key(topic);
  if (topic.empty()) key.assign(reinterpret_cast<const char*>(id.data()), id.size());
  return key.append(1, '/').append(std::to_string(partition));
}

}  // namespace

std::optional<NodeKey> ProduceOrder::bound(std::string_view topic, const wire::Uuid& id,
                                           std::int32_t partition,
                                           std::uint64_t metadata_asked) const {
  if (roads_.empty()) return std::nullopt;
  const auto it = roads_.find(key_of(topic, id, partition));
  if (it == roads_.end()) return std::nullopt;
  const Road& r = it->second;
  if (r.unanswered > 0 || r.refused_at == metadata_asked) return r.node;
  return std::nullopt;
}

ProduceOrder::Road* ProduceOrder::sent(std::string_view topic, const wire::Uuid& id,
                                       std::int32_t partition, NodeKey node) {
  auto key = key_of(topic, id, partition);
  Road& r = roads_[key];
  if (r.key.empty()) r.key = std::move(key);
  if (r.node != node) r.refused_at.reset();
  r.node = node;
  ++r.unanswered;
  return &r;
}

void ProduceOrder::release(Road* road, bool refused, std::uint64_t metadata_asked) {
  --road->unanswered;
  if (refused)
    road->refused_at = metadata_asked;
  else if (road->refused_at && *road->refused_at != metadata_asked)
    road->refused_at.reset();
  if (road->unanswered == 0 && !road->refused_at) {
    const std::string key = std::move(road->key);
    roads_.erase(key);
  }
}

}  // namespace shunt::route
