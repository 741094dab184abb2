// Looking up what is known of a cluster. The look-ups are on the data path: none allocates.
#include "proxy/route/topology.h"

#include <cstring>

namespace shunt::route {

std::size_t Topology::UuidHash::operator()(const wire::Uuid& id) const {
  // Topic ids are random: any eight bytes that mix both halves will do.
  std::uint64_t halves[2];
  static_assert(sizeof halves == sizeof id);
  std::memcpy(halves, id.data(), sizeof halves);
  return static_cast<std::size_t>(halves[0] ^ (halves[1] * 0x9e3779b97f4a7c15U));
}

const Broker* Topology::broker(NativeNodeId id) const {
  const auto it = brokers_.find(id);
  return it == brokers_.end() ? nullptr : &it->second;
}

std::optional<NativeNodeId> Topology::controller() const {
  return brokers_.contains(controller_) ? std::optional(controller_) : std::nullopt;
}

std::optional<NativeNodeId> Topology::any(std::optional<NativeNodeId> preferred) const {
  if (preferred && brokers_.contains(*preferred)) return preferred;
  return brokers_.empty() ? std::nullopt : std::optional(brokers_.begin()->first);
}

const Topic* Topology::topic(std::string_view name) const {
  const auto it = topics_.find(name);
  return it == topics_.end() ? nullptr : &it->second;
}

std::string_view Topology::topic_name(const wire::Uuid& id) const {
  const auto it = names_.find(id);
  return it == names_.end() ? std::string_view{} : std::string_view(it->second);
}

const Partition* Topology::partition(std::string_view topic_name, std::int32_t index) const {
  const Topic* t = topic(topic_name);
  if (t == nullptr || index < 0 || static_cast<std::size_t>(index) >= t->partitions.size()) {
    return nullptr;
  }
  return &t->partitions[static_cast<std::size_t>(index)];
}

void Topology::forget_topic(std::string_view name) {
  if (const auto it = topics_.find(name); it != topics_.end()) erase(it);
}

Topology::Topics::iterator Topology::erase(Topics::iterator it) {
  forget_id(it->first, it->second.id);
  return topics_.erase(it);
}

void Topology::forget_id(std::string_view name, const wire::Uuid& id) {
  // Only if it is still this topic's: nothing else keeps a broken answer from giving one id twice.
  if (topic_name(id) == name) names_.erase(id);
}

void Topology::set_coordinator(CoordinatorKind kind, std::string_view key, NativeNodeId node) {
  if (node < NativeNodeId{0}) return forget_coordinator(kind, key);
  auto& of_kind = coordinators_[static_cast<std::size_t>(kind)];
  if (const auto it = of_kind.find(key); it != of_kind.end()) {
    it->second = node;
    return;
  }
  // Keys come from clients, as many as they like. Whoever is forgotten is asked for again.
  auto& bytes = coordinator_key_bytes_[static_cast<std::size_t>(kind)];
  while (!of_kind.empty() &&
         (of_kind.size() >= coordinators_max || bytes + key.size() > coordinator_key_bytes_max)) {
    bytes -= of_kind.begin()->first.size();
    of_kind.erase(of_kind.begin());
  }
  of_kind.emplace(key, node);
  bytes += key.size();
}

void Topology::forget_coordinator(CoordinatorKind kind, std::string_view key) {
  auto& of_kind = coordinators_[static_cast<std::size_t>(kind)];
  if (const auto it = of_kind.find(key); it != of_kind.end()) {
    coordinator_key_bytes_[static_cast<std::size_t>(kind)] -= key.size();
    of_kind.erase(it);
  }
}

std::optional<NativeNodeId> Topology::coordinator(CoordinatorKind kind,
                                                  std::string_view key) const {
  const auto& of_kind = coordinators_[static_cast<std::size_t>(kind)];
  const auto it = of_kind.find(key);
  return it == of_kind.end() ? std::nullopt : std::optional(it->second);
}

}  // namespace shunt::route
