// The poller's look at consumer groups: ListGroups and DescribeGroups of every broker.
#include "proxy/net/poller.h"
#include "proxy/splice/seams.h"
#include "proxy/wire/bytes.h"

namespace shunt::net {

using wire::Array;
using wire::Struct;
using wire::Value;

namespace {
constexpr wire::ApiKey describe_groups_key = 15, list_groups_key = 16;
constexpr wire::Version list_groups_version_max = 5, describe_groups_version_max = 5;
constexpr std::size_t described_at_once = 100;

// The partitions in a consumer's assignment (ConsumerProtocolAssignment.json: version, then an
// array of topics, each a name and an array of partitions). Of anything else: none.
std::map<std::string, std::set<std::int32_t>> assigned(wire::Bytes b) {
  std::map<std::string, std::set<std::int32_t>> out;
  std::size_t at = 2;
  const auto left = [&] { return b.size() - at; };
  if (b.size() < 6) return out;
  auto count = wire::load<std::int32_t>(b.data() + at);
  for (at += 4; count > 0 && left() >= 2; --count) {
    const auto n = static_cast<std::uint16_t>(wire::load<std::int16_t>(b.data() + at));
    at += 2;
    if (left() < std::size_t{n} + 4) return out;
    auto& of_topic = out[std::string(reinterpret_cast<const char*>(b.data() + at), n)];
    at += n;
    auto partitions = static_cast<std::uint32_t>(wire::load<std::int32_t>(b.data() + at));
    at += 4;
    if (left() / 4 < partitions) return out;
    for (; partitions > 0; --partitions, at += 4)
      of_topic.insert(wire::load<std::int32_t>(b.data() + at));
  }
  return out;
}
}  // namespace

void Poller::poll_groups() {
  if (cluster_ == route::Cluster::new_cluster && !world_.left_old() &&
      world_.splice.all_handed().empty())
    return;  // none has its home here
  const auto nodes = nodes_;
  for (const auto& [id, node] : nodes) {
    if (node.versions_known && !node.client->closed()) list_groups(id);
  }
}

void Poller::list_groups(route::NativeNodeId id) {
  const auto version =
      world_.versions.own({cluster_, id}, list_groups_key, list_groups_version_max);
  if (!version) return;
  nodes_[id].client->call(
      list_groups_key, *version, Struct{},
      [weak = weak_from_this(), id](const std::string& error, const Value& body) {
        const auto self = weak.lock();
        if (!self || self->stopped_ || !error.empty() || body["ErrorCode"].number() != 0) return;
        std::vector<std::string> names;
        std::erase_if(self->groups_,
                      [&](const auto& g) { return self->listed_at_[g.first] == id; });
        for (const auto& g : body["Groups"].array()) {
          const std::string name(g["GroupId"].text());
          if (name.starts_with(splice::seam_group_prefix)) continue;  // our own
          if (self->world_.splice.group_home(name) != self->cluster_) continue;
          self->listed_at_[name] = id;
          auto& view = self->groups_[name];
          view.group = name;
          const auto type = g["GroupType"].text();
          if (type.empty() || type == "classic")
            self->not_classic_.erase(name);
          else
            self->not_classic_.insert(name);
          view.protocol = g["ProtocolType"].text();
          if (!g["GroupState"].text().empty()) view.state = g["GroupState"].text();
          names.push_back(name);
        }
        std::erase_if(self->members_, [&](const auto& m) {
          return self->world_.splice.group_home(m.first) != self->cluster_;
        });
        self->describe_groups(id, names);
      });
}

void Poller::describe_groups(route::NativeNodeId id, const std::vector<std::string>& names) {
  const auto version =
      world_.versions.own({cluster_, id}, describe_groups_key, describe_groups_version_max);
  const auto node = nodes_.find(id);
  if (!version || node == nodes_.end()) return;
  for (std::size_t from = 0; from < names.size(); from += described_at_once) {
    Array asked;
    for (std::size_t i = from; i < std::min(names.size(), from + described_at_once); ++i) {
      asked.emplace_back(names[i]);
    }
    node->second.client->call(
        describe_groups_key, *version, Struct{{"Groups", asked}},
        [weak = weak_from_this()](const std::string& error, const Value& body) {
          const auto self = weak.lock();
          if (!self || !error.empty()) return;
          for (const auto& g : body["Groups"].array()) {
            const std::string name(g["GroupId"].text());
            if (g["ErrorCode"].number() != 0) continue;
            const auto at = self->groups_.find(name);
            if (at == self->groups_.end()) continue;  // deleted in the meantime
            auto& view = at->second;
            view.state = g["GroupState"].text();
            auto& members = self->members_[name];
            members.clear();
            for (const auto& m : g["Members"].array()) {
              members.push_back(
                  {std::string(m["MemberId"].text()), std::string(m["ClientId"].text()),
                   std::string(m["ClientHost"].text()), assigned(m["MemberAssignment"].bytes())});
            }
            view.members = static_cast<int>(members.size());
          }
        });
  }
}

}  // namespace shunt::net
