// The journal's records as JSON and back: one struct per record, one line per key.
#include "control/records.h"

#include <boost/json/parse.hpp>

#include "proxy/observe/text.h"

namespace shunt::control {
namespace {

namespace json = boost::json;
using namespace route;

std::string hex(std::string_view bytes) {
  constexpr char digits[] = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    out += digits[static_cast<unsigned char>(c) >> 4];
    out += digits[static_cast<unsigned char>(c) & 15];
  }
  return out;
}

std::optional<std::string> unhex(std::string_view text) {
  constexpr std::string_view digits = "0123456789abcdef";
  if (text.size() % 2 != 0) return std::nullopt;
  std::string out;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const auto high = digits.find(text[i]), low = digits.find(text[i + 1]);
    if (high == std::string_view::npos || low == std::string_view::npos) return std::nullopt;
    out += static_cast<char>(high << 4 | low);
  }
  return out;
}

// Both directions of one record's keys: `write` fills an object, `read` checks and takes.
struct Writer {
  json::object& out;
  void text(std::string_view key, std::string_view value) {
    if (observe::clean_utf8(value) == value)
      out[key] = value;
    else
      out[std::string(key) + "_hex"] = hex(value);
  }
  void number(std::string_view key, auto value) { out[key] = static_cast<std::int64_t>(value); }
  void cluster(Cluster c) { out["cluster"] = name(c); }
};

struct Reader {
  const json::object& in;
  std::string& problem;
  bool ok() const { return problem.empty(); }
  void refuse(std::string_view key) {
    if (ok()) problem = "key " + std::string(key) + " is missing or cannot be";
  }
  std::string text(std::string_view key) {
    if (const auto* v = in.if_contains(key); v && v->is_string())
      return std::string(v->get_string());
    if (const auto* v = in.if_contains(std::string(key) + "_hex"); v && v->is_string())
      if (auto bytes = unhex(v->get_string())) return *bytes;
    refuse(key);
    return {};
  }
  template <class T>
  T number(std::string_view key) {
    const auto* v = in.if_contains(key);
    if (v && v->is_int64() &&
        static_cast<std::int64_t>(static_cast<T>(v->get_int64())) == v->get_int64())
      return static_cast<T>(v->get_int64());
    refuse(key);
    return T{};
  }
  Cluster cluster() {
    const std::string text_value = text("cluster");
    for (const auto c : {Cluster::old_cluster, Cluster::new_cluster})
      if (text_value == name(c)) return c;
    refuse("cluster");
    return {};
  }
  Instance instance() { return number<Instance>("instance"); }
  NodeKey node() {
    const Cluster c = cluster();
    return {c, number<NativeNodeId>("node")};
  }
};

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
  void operator()(const IdentityRecord& r) { std::visit(*this, r); }
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
  if (type == "begin") {
    const auto* v = r.in.if_contains("snapshot");
    if (!v || !v->is_bool()) r.refuse("snapshot");
    return Begin{v && v->is_bool() && v->get_bool()};
  }
  if (type == "versions") {
    const Cluster c = r.cluster();
    const auto ranges = ApiRanges::parse(r.text("ranges"));
    if (!ranges) r.refuse("ranges");
    return KnownVersions{c, ranges.value_or(ApiRanges{})};
  }
  if (type == "cluster_id") return KnownClusterId{r.cluster(), r.text("id")};
  if (type == "instance")
    return InstanceSeen{r.instance(), r.text("client_id"), r.text("software"),
                        r.number<Seconds>("at")};
  if (type == "block")
    return BlockGiven{r.instance(), r.number<std::uint32_t>("index"),
                      r.number<std::uint32_t>("block"), r.number<Seconds>("at")};
  if (type == "slot") return SlotGiven{r.node(), r.number<std::uint32_t>("slot")};
  if (type == "group")
    return GroupLinked{r.instance(), r.text("group"), r.text("member"), r.number<Seconds>("at")};
  if (type == "ungroup") return GroupUnlinked{r.instance(), r.text("group")};
  if (type == "touched") return InstanceTouched{r.instance(), r.number<Seconds>("at")};
  if (type == "forgotten") return InstanceForgotten{r.instance()};
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
