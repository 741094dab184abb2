// The journal's records as JSON and back: one struct per record, one line per key.
#include "control/records.h"

#include <boost/json/parse.hpp>

#include "control/splice_records.h"

namespace shunt::control {
namespace {

namespace json = boost::json;
using namespace route;

Instance instance(Reader& r) { return r.number<Instance>("instance"); }

NodeKey node(Reader& r) {
  const Cluster c = r.cluster();
  return {c, r.number<NativeNodeId>("node")};
}

struct ToJson {
  json::object out;
  Writer w{out};
  void type(std::string_view t) { out["type"] = t; }
  void operator()(const Begin& r) {
    type("begin");
    out["snapshot"] = r.snapshot;
  }
  void operator()(const KnownVersions& r) {
    type("versions");
    w.cluster(r.cluster);
    w.text("ranges", r.ranges.text());
  }
  void operator()(const KnownClusterId& r) {
    type("cluster_id");
    w.cluster(r.cluster);
    w.text("id", r.id);
  }
  void operator()(const Part& r) {
    type("part");
    w.number("part", r.part);
    w.number("parts", r.parts);
    w.text("json", r.json);
  }
  void operator()(const IdentityRecord& r) { std::visit(*this, r); }
  void operator()(const splice::Record& r) { out = to_json(r); }
  void operator()(const InstanceSeen& r) {
    type("instance");
    w.number("instance", r.instance);
    w.text("client_id", r.client_id);
    w.text("software", r.software);
    w.number("at", r.at);
  }
  void operator()(const BlockGiven& r) {
    type("block");
    w.number("instance", r.instance);
    w.number("index", r.index);
    w.number("block", r.block);
    w.number("at", r.at);
  }
  void operator()(const SlotGiven& r) {
    type("slot");
    w.cluster(r.node.cluster);
    w.number("node", r.node.id);
    w.number("slot", r.slot);
  }
  void operator()(const GroupLinked& r) {
    type("group");
    w.number("instance", r.instance);
    w.text("group", r.group);
    w.text("member", r.member);
    w.number("at", r.at);
  }
  void operator()(const GroupUnlinked& r) {
    type("ungroup");
    w.number("instance", r.instance);
    w.text("group", r.group);
  }
  void operator()(const InstanceTouched& r) {
    type("touched");
    w.number("instance", r.instance);
    w.number("at", r.at);
  }
  void operator()(const InstanceForgotten& r) {
    type("forgotten");
    w.number("instance", r.instance);
  }
};

std::optional<Record> read(std::string_view type, Reader& r) {
  if (type == "begin") return Begin{r.flag("snapshot")};
  if (type == "part")
    return Part{r.number<std::uint32_t>("part"), r.number<std::uint32_t>("parts"), r.text("json")};
  if (type == "versions") {
    const Cluster c = r.cluster();
    const auto ranges = ApiRanges::parse(r.text("ranges"));
    if (!ranges) r.refuse("ranges");
    return KnownVersions{c, ranges.value_or(ApiRanges{})};
  }
  if (type == "cluster_id") return KnownClusterId{r.cluster(), r.text("id")};
  if (type == "instance")
    return InstanceSeen{instance(r), r.text("client_id"), r.text("software"),
                        r.number<Seconds>("at")};
  if (type == "block")
    return BlockGiven{instance(r), r.number<std::uint32_t>("index"),
                      r.number<std::uint32_t>("block"), r.number<Seconds>("at")};
  if (type == "slot") return SlotGiven{node(r), r.number<std::uint32_t>("slot")};
  if (type == "group")
    return GroupLinked{instance(r), r.text("group"), r.text("member"), r.number<Seconds>("at")};
  if (type == "ungroup") return GroupUnlinked{instance(r), r.text("group")};
  if (type == "touched") return InstanceTouched{instance(r), r.number<Seconds>("at")};
  if (type == "forgotten") return InstanceForgotten{instance(r)};
  if (auto moved = read_splice_record(type, r)) return Record(std::move(*moved));
  r.problem = "unknown type " + std::string(type) + ", perhaps of a newer Shunt";
  return std::nullopt;
}

}  // namespace

json::object to_json(const Record& record) {
  ToJson to;
  std::visit([&](const auto& r) { to(r); }, record);
  return std::move(to.out);
}

std::optional<Record> from_json(std::string_view text, std::string& problem) {
  problem.clear();
  json::error_code ec;
  const json::value value = json::parse(text, ec);
  if (ec || !value.is_object()) {
    problem = "not a JSON object";
    return std::nullopt;
  }
  Reader reader{value.get_object(), problem};
  const auto version = reader.number<std::int64_t>("v");
  if (!reader.ok()) return std::nullopt;
  if (version != records_version) {
    problem = "unknown version " + std::to_string(version) + " (this Shunt knows " +
              std::to_string(records_version) + ")";
    return std::nullopt;
  }
  const std::string type = reader.text("type");
  if (!reader.ok()) return std::nullopt;
  auto record = read(type, reader);
  if (!reader.ok()) return std::nullopt;
  return record;
}

}  // namespace shunt::control
