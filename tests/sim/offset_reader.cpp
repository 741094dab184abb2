#include "tests/sim/offset_reader.h"

namespace shunt::sim {

using wire::Array;
using wire::Struct;
using wire::Value;

namespace {

constexpr wire::ApiKey offset_fetch_key = 9, list_groups_key = 16;
constexpr int coordinator = 0;  // of all groups, in the model

std::vector<splice::Committed> committed(const Value& body) {
  std::vector<splice::Committed> out;
  for (const auto& t : body["Topics"].array()) {
    for (const auto& p : t["Partitions"].array()) {
      if (p["CommittedOffset"].number() < 0) continue;
      out.push_back({topic_name, static_cast<std::int32_t>(p["PartitionIndex"].number()),
                     p["CommittedOffset"].number(), std::string(p["Metadata"].text())});
    }
  }
  return out;
}

void fetch(Proxy& proxy, route::Cluster c, std::vector<std::string> left, Offsets got,
           OffsetsRead done) {
  if (left.empty()) return done(got);
  const auto group = left.back();
  left.pop_back();
  Array indexes;
  for (int p = 0; p < proxy.sim.plan.partitions; ++p) indexes.push_back(p);
  proxy.call(c, coordinator, offset_fetch_key, 7,
             Struct{{"GroupId", group},
                    {"Topics", Array{Struct{{"Name", topic_name}, {"PartitionIndexes", indexes}}}}},
             [&proxy, c, left, got, group, done](const Value& body) mutable {
               if (body.null()) return done(std::nullopt);
               got[group] = committed(body);
               fetch(proxy, c, std::move(left), std::move(got), done);
             });
}

}  // namespace

void read_offsets(Proxy& proxy, route::Cluster c, Groups which, OffsetsRead done) {
  proxy.call(c, coordinator, list_groups_key, 2, Struct{},
             [&proxy, c, which, done = std::move(done)](const Value& body) {
               if (body.null()) return done(std::nullopt);
               std::vector<std::string> groups;
               for (const auto& g : body["Groups"].array()) {
                 const std::string name(g["GroupId"].text());
                 if (which == Groups::all || splice::SeamGroup::parse(name)) groups.push_back(name);
               }
               fetch(proxy, c, std::move(groups), {}, done);
             });
}

void add_found(std::vector<splice::FoundGroup>& found, route::Cluster on, const Offsets& offsets) {
  for (const auto& [name, all] : offsets) {
    if (!splice::SeamGroup::parse(name) || all.empty()) continue;
    auto& group = found.emplace_back(splice::FoundGroup{name, on, {}});
    for (const auto& o : all) group.seams.push_back({o.topic, o.partition, o.metadata});
  }
}

}  // namespace shunt::sim
