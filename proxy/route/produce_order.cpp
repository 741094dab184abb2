#include "proxy/route/produce_order.h"

#include "proxy/wire/batch.h"

namespace shunt::route {
namespace {

std::string key_of(std::string_view topic, const wire::Uuid& id, std::int32_t partition) {
  std::string key(topic);
  if (topic.empty()) key.assign(reinterpret_cast<const char*>(id.data()), id.size());
  return key.append(1, '/').append(std::to_string(partition));
}

}  // namespace

ProduceOrder::Mark ProduceOrder::mark_of(wire::Bytes records) {
  wire::BatchHeader b;
  return wire::parse(records, b) == wire::BatchParse::ok ? b.crc : 0;
}

std::optional<NodeKey> ProduceOrder::bound(std::string_view topic, const wire::Uuid& id,
                                           std::int32_t partition, Mark batch,
                                           std::optional<NodeKey> dialled,
                                           std::uint64_t metadata_asked) const {
  if (roads_.empty()) return std::nullopt;
  const auto it = roads_.find(key_of(topic, id, partition));
  if (it == roads_.end()) return std::nullopt;
  const Road& r = it->second;
  if (r.unanswered > 0) return r.node;
  const bool again = r.refused == batch || (r.node != dialled && r.refused_at != metadata_asked);
  return r.refused && !again ? std::optional(r.node) : std::nullopt;
}

ProduceOrder::Road* ProduceOrder::sent(std::string_view topic, const wire::Uuid& id,
                                       std::int32_t partition, NodeKey node) {
  auto key = key_of(topic, id, partition);
  Road& r = roads_[key];
  if (r.key.empty()) r.key = std::move(key);
  if (r.node != node) r.refused.reset();
  r.node = node;
  ++r.unanswered;
  return &r;
}

void ProduceOrder::release(Road* road, bool refused, Mark batch, std::uint64_t metadata_asked) {
  --road->unanswered;
  if (!refused) {
    road->refused.reset();
  } else if (!road->refused || road->refused_at != metadata_asked) {
    if (!road->refused) road->refused = batch;
    road->refused_at = metadata_asked;
  }
  if (road->unanswered == 0 && !road->refused) {
    const std::string key = std::move(road->key);
    roads_.erase(key);
  }
}

}  // namespace shunt::route
