#include "proxy/net/offset_reader.h"

#include "proxy/net/ask.h"

namespace shunt::net {

using wire::Struct;
using wire::Value;

namespace {

constexpr wire::ApiKey list_groups_key = 16;
constexpr wire::Version list_groups_max = 5;

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
  fetch_committed(world, c, group, nullptr,
                  [done = std::move(done)](const std::string& error, const Value& body) {
                    done(error, offsets_of(body));
                  });
}

splice::FoundGroup found_group(const std::string& name, route::Cluster on,
                               const std::vector<splice::Committed>& offsets) {
  splice::FoundGroup out{name, on, {}};
  for (const auto& o : offsets) out.seams.push_back({o.topic, o.partition, o.metadata});
  return out;
}

}  // namespace shunt::net
