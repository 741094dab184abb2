#include "proxy/net/offset_reader.h"

namespace shunt::net {

using wire::Struct;
using wire::Value;

namespace {

constexpr wire::ApiKey offset_fetch_key = 9, list_groups_key = 16;
constexpr wire::Version offset_fetch_max = 7, list_groups_max = 5;  // one group in a request
constexpr auto kind = route::CoordinatorKind::group;

std::vector<splice::Committed> offsets_of(const Value& body) {
  std::vector<splice::Committed> out;
  for (const auto& t : body["Topics"].array()) {
    for (const auto& p : t["Partitions"].array()) {
      if (p["ErrorCode"].number() != 0 || p["CommittedOffset"].number() < 0) continue;
      out.push_back({std::string(t["Name"].text()),
                     static_cast<std::int32_t>(p["PartitionIndex"].number()),
                     p["CommittedOffset"].number(), std::string(p["Metadata"].text())});
    }
  }
  return out;
}

void fetch_from(World& world, route::Cluster c, const std::string& group,
                route::NativeNodeId coordinator, OffsetsFetched done) {
  world.access[static_cast<std::size_t>(c)]->call(
      coordinator, offset_fetch_key, offset_fetch_max,
      Struct{{"GroupId", group}, {"Topics", nullptr}},
      [&world, c, group, done = std::move(done)](const std::string& error, const Value& body) {
        const auto code = body["ErrorCode"].number();
        if (error.empty() && code == 0) return done("", offsets_of(body));
        world.topology(c).forget_coordinator(kind, group);
        done(error.empty() ? "OffsetFetch: error " + std::to_string(code) : error, {});
      });
}

}  // namespace

void list_groups(World& world, route::Cluster c, route::NativeNodeId broker, GroupsListed done) {
  world.access[static_cast<std::size_t>(c)]->call(
      broker, list_groups_key, list_groups_max, Struct{},
      [done = std::move(done)](const std::string& error, const Value& body) {
        const auto code = body["ErrorCode"].number();
        std::vector<std::string> names;
        for (const auto& g : body["Groups"].array()) names.emplace_back(g["GroupId"].text());
        if (error.empty() && code == 0) return done("", names);
        done(error.empty() ? "ListGroups: error " + std::to_string(code) : error, {});
      });
}

void fetch_offsets(World& world, route::Cluster c, const std::string& group, OffsetsFetched done) {
  if (const auto at = world.topology(c).coordinator(kind, group))
    return fetch_from(world, c, group, *at, std::move(done));
  world.access[static_cast<std::size_t>(c)]->find_coordinator(
      kind, group, [&world, c, group, done = std::move(done)] {
        if (const auto at = world.topology(c).coordinator(kind, group))
          return fetch_from(world, c, group, *at, done);
        done("its coordinator is not known", {});
      });
}

splice::FoundGroup found_group(const std::string& name, route::Cluster on,
                               const std::vector<splice::Committed>& offsets) {
  splice::FoundGroup out{name, on, {}};
  for (const auto& o : offsets) out.seams.push_back({o.topic, o.partition, o.metadata});
  return out;
}

}  // namespace shunt::net
