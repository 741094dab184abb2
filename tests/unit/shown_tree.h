// What a client must be shown of an answer, said on trees of values: the model for translate().
#pragma once

#include "proxy/route/translate.h"
#include "tests/unit/messages.h"

namespace shown_tree {

using namespace shunt;
using route::Cluster;
using wire::Field;
using wire::Role;
using wire::Value;

constexpr std::int32_t base = 1 << 28;  // of new's node ids, as design.md has it

// Three nodes, and addresses for every other node that exists but those that divide by 5.
class FakeNaming : public route::Naming {
 public:
  FakeNaming() {
    nodes_ = {{route::NodeId{1}, {"127.1.0.1", 9092}, "rack", true},
              {route::NodeId{2}, {"a-much-longer-host-name-than-before.example", 19092}, "", false},
              {route::NodeId{base + 1}, {"", 1}, "", true}};
  }
  const std::vector<route::ShownNode>& nodes() override { return nodes_; }
  std::optional<route::Endpoint> at(route::NodeId id) override {
    const auto n = static_cast<std::int32_t>(id);
    if (n < 0 || n % 5 == 0) return std::nullopt;
    return route::Endpoint{"127.9.0." + std::to_string(n % 200),
                           static_cast<std::uint16_t>(n % 60000 + 1)};
  }
  const std::string& cluster_id() override { return cluster_; }
  wire::Uuid topic_id(Cluster from, const wire::Uuid& id) override {
    if (from == Cluster::old_cluster) return id;
    wire::Uuid other = id;
    for (std::byte& b : other) b ^= std::byte{0xff};
    return std::to_integer<int>(id[3]) % 3 == 0 ? wire::Uuid{} : other;
  }
  wire::Uuid native_topic_id(Cluster to, const wire::Uuid& id) override {
    return topic_id(to, id);  // its own reverse
  }

 private:
  std::vector<route::ShownNode> nodes_;
  std::string cluster_ = "the-cluster-id-of-old";
};

class Model {
 public:
  Model(int version, Cluster from, route::Naming& naming)
      : v_(version), from_(from), naming_(naming) {}

  // `node`: the last node id met, in this struct or around it.
  Value shown(std::span<const Field> fields, const Value& body, std::int32_t node = -1) {
    wire::Struct s = body.fields();
    const Field* type = messages::with_role(fields, Role::resource_type, v_);
    const bool broker =
        type != nullptr && (body[type->name].number() == 4 || body[type->name].number() == 8);
    for (const Field& f : fields) {
      const Value* v = s.find(f.name);
      if (v == nullptr || v->null()) continue;
      if (f.role == Role::nodes) {
        if (!v->array().empty()) s.set(f.name, node_list(f));
        continue;
      }
      if (f.array) {
        wire::Array list;
        for (const Value& e : v->array()) list.push_back(one(f, e, node, broker));
        s.set(f.name, std::move(list));
      } else {
        s.set(f.name, one(f, *v, node, broker));
      }
    }
    return s;
  }

 private:
  Value node_list(const Field& f) {
    wire::Array list;
    for (const auto& n : naming_.nodes()) {
      wire::Struct s;
      for (const Field& x : fields_of(f)) {
        if (!x.versions.contains(v_)) continue;
        Value value = wire::default_of(x, static_cast<wire::Version>(v_));
        if (x.role == Role::node_id) value = static_cast<std::int32_t>(n.id);
        if (x.role == Role::host) value = n.at.host;
        if (x.role == Role::port) value = int{n.at.port};
        if (x.role == Role::rack) value = n.has_rack ? Value(n.rack) : Value();
        s.set(x.name, value);
      }
      list.push_back(s);
    }
    return list;
  }

  std::int64_t id(std::int64_t n) const {
    if (n >= base) return -1;
    return n >= 0 && from_ == Cluster::new_cluster ? n + base : n;
  }

  Value one(const Field& f, const Value& v, std::int32_t& node, bool broker) {
    if (f.type == wire::Type::structure) return v.null() ? v : shown(fields_of(f), v, node);
    const bool foreign = from_ == Cluster::new_cluster;
    switch (f.role) {
      case Role::node_id:
        node = static_cast<std::int32_t>(id(v.number()));
        return node;
      case Role::host: {
        if (v.text().empty()) return v;
        const auto at = naming_.at(route::NodeId{node});
        return at ? at->host : std::string{};
      }
      case Role::port: {
        if (v.number() < 0) return v;
        const auto at = naming_.at(route::NodeId{node});
        return at ? int{at->port} : 0;
      }
      case Role::cluster_id:
        return foreign && !v.text().empty() ? Value(naming_.cluster_id()) : v;
      case Role::topic_id:
        return naming_.topic_id(from_, v.uuid());
      case Role::resource_name: {
        const auto text = std::string(v.text());
        const bool number = !text.empty() && text.size() < 9 &&
                            std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
        return foreign && broker && number ? Value(std::to_string(id(std::stoll(text)))) : v;
      }
      default:
        return v;
    }
  }

  int v_;
  Cluster from_;
  route::Naming& naming_;
};

}  // namespace shown_tree
