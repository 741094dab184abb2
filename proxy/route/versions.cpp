// What clients are offered, from what every broker of both clusters serves and the table knows.
#include "proxy/route/versions.h"

#include <algorithm>
#include <utility>

namespace shunt::route {
namespace {

constexpr wire::ApiKey api_versions = 18;
constexpr int unsupported_version = 35;

}  // namespace

bool Versions::take(NodeKey node, const wire::Value& body) {
  // Error 35 comes with a list too, but of ApiVersions alone (KIP-511): taken as an answer it would
  // hide everything else from the clients.
  if (body["ErrorCode"].number() != 0) return false;
  const auto ranges = ApiRanges::from(body);
  if (ranges.empty()) return false;
  brokers_[node] = ranges;
  features_[node] = Features::from(body);
  const auto before = offered_;
  combine();
  return offered_ != before;
}

void Versions::remove(NodeKey node) {
  const auto last_known = cluster(node.cluster);
  if (brokers_.erase(node) == 0) return;
  features_.erase(node);
  // The last one of its cluster: what was offered because of it must not grow back.
  const bool any_left = std::ranges::any_of(
      brokers_, [&](const auto& broker) { return broker.first.cluster == node.cluster; });
  if (!any_left && last_known) restored_[node.cluster] = *last_known;
  combine();
}

void Versions::restore(Cluster c, const ApiRanges& ranges) {
  if (ranges.empty()) return;
  restored_[c] = ranges;
  combine();
}

std::optional<ApiRanges> Versions::cluster(Cluster c) const {
  std::optional<ApiRanges> all;
  for (const auto& [node, ranges] : brokers_) {
    if (node.cluster == c) all = all ? all->intersect(ranges) : ranges;
  }
  if (all) return all;
  const auto it = restored_.find(c);
  return it == restored_.end() ? std::nullopt : std::optional(it->second);
}

void Versions::combine() {
  answers_.clear();
  auto served = cluster(Cluster::old_cluster);
  const auto by_new = cluster(Cluster::new_cluster);
  const auto by_old = served.value_or(ApiRanges{});
  if (served && by_new) served = served->intersect(*by_new);
  if (!served) served = by_new ? *by_new : ApiRanges{};

  ApiRanges table;
  for (const auto& m : wire::messages()) {
    if (m.request && m.route != wire::Route::internal) table.set(m.api, m.offered);
  }
  offered_ = served->intersect(table);
  // Ours to answer, in every version we know, whatever the brokers speak.
  offered_.set(api_versions, table.of(api_versions));
  accepted_ = by_old.intersect(table);
  accepted_.set(api_versions, table.of(api_versions));
}

Features Versions::features() const {
  const bool new_known = cluster(Cluster::new_cluster).has_value();
  std::optional<Features> old_has, new_has;
  for (const auto& [node, f] : features_) {
    auto& has = node.cluster == Cluster::old_cluster ? old_has : new_has;
    has = has ? has->intersect(f) : f;
  }
  if (!old_has || (new_known && !new_has)) return {};
  return new_has ? old_has->intersect(*new_has) : *old_has;
}

wire::Value Versions::answer(int error, wire::Version version) const {
  const auto made = answers_.find(version);
  if (error == 0 && made != answers_.end()) return made->second;
  wire::Array apis;
  for (wire::ApiKey api = 0; api < api_key_max; ++api) {
    const auto v = offered_.of(api);
    if (v.empty() || (error == unsupported_version && api != api_versions)) continue;
    apis.emplace_back(wire::Struct{
        {"ApiKey", int{api}}, {"MinVersion", int{v.first}}, {"MaxVersion", int{v.last}}});
  }
  // ZkMigrationReady is for controllers: not set.
  wire::Struct body{{"ErrorCode", error}, {"ApiKeys", std::move(apis)}, {"ThrottleTimeMs", 0}};
  if (error != 0) return body;
  features().put(body, version);
  return answers_[version] = std::move(body);
}

std::optional<wire::Version> Versions::own(NodeKey node, wire::ApiKey api,
                                           wire::Version cap) const {
  const auto it = brokers_.find(node);
  const auto* message = wire::request(api);
  if (it == brokers_.end() || message == nullptr) return std::nullopt;
  const auto served = it->second.of(api);
  if (served.empty()) return std::nullopt;
  const auto first = std::max(served.first, message->valid.first);
  const auto last = std::min({served.last, message->valid.last, cap});
  return first <= last ? std::optional(last) : std::nullopt;
}

}  // namespace shunt::route
