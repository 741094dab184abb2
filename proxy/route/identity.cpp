// Client instances: who is at an address, which address stands for a node, who has which groups.
#include "proxy/route/identity.h"

#include <limits>

namespace shunt::route {
namespace {

constexpr Seconds day = 24 * 60 * 60;
// 30 days without use. `seen` is told once a day only, so an instance may have been in use for a
// day after it.
constexpr Seconds unused_s_max = 30 * day + day;
constexpr std::uint32_t first_address = (127U << 24) | (1U << 16);  // 127.1.0.0

// Client ids have up to 32 KiB; instances may be many. Cut between characters, not inside one.
std::string_view clip(std::string_view text) {
  if (text.size() <= Identities::text_max) return text;
  std::size_t n = Identities::text_max;
  while (n > 0 && (static_cast<unsigned char>(text[n]) & 0xc0) == 0x80) --n;
  return text.substr(0, n);
}

bool contradicts(std::string_view known, std::string_view said) {
  return !known.empty() && !said.empty() && known != clip(said);
}

}  // namespace

Instance Identities::begin(std::string_view client_id, std::string_view software, Seconds now) {
  // Instances without addresses (`advertise: address`, probes) are in nobody's way but memory's:
  // two go for each that comes.
  if (forget_oldest(false, now)) forget_oldest(false, now);
  const Instance i{next_instance_};
  change(InstanceSeen{i, std::string(clip(client_id)), std::string(clip(software)), now});
  return i;
}

void Identities::describe(Instance i, std::string_view client_id, std::string_view software,
                          Seconds now) {
  const Info* known = info(i);
  if (known == nullptr) return;
  const auto merged = [](const std::string& had, std::string_view said) {
    return had.empty() ? std::string(clip(said)) : had;
  };
  InstanceSeen r{i, merged(known->client_id, client_id), merged(known->software, software), now};
  if (r.client_id != known->client_id || r.software != known->software) change(std::move(r));
}

bool Identities::matches(Instance i, std::string_view client_id, std::string_view software) const {
  const Info* known = info(i);
  return known != nullptr && !contradicts(known->client_id, client_id) &&
         !contradicts(known->software, software);
}

std::optional<Address> Identities::address(Instance i, NodeKey node, Seconds now) {
  if (node.id < NativeNodeId{0}) return std::nullopt;
  touch(i, now);  // or it might itself be the longest unused
  const Info* known = info(i);
  if (known == nullptr) return std::nullopt;
  const auto at = slot(node);
  const auto index = at / block_size;
  if (index >= known->blocks.size() || known->blocks[index] == no_block) {
    if (at >= slots_max) return std::nullopt;
    const auto block = free_block(now);
    if (!block) return std::nullopt;
    change(BlockGiven{i, index, *block, now});
  }
  return Address{first_address + known->blocks[index] * block_size + at % block_size};
}

std::optional<std::uint32_t> Identities::free_block(Seconds now) {
  if (free_blocks_.empty()) forget_oldest(true, now);
  if (!free_blocks_.empty()) return free_blocks_.front();
  return next_block_ < block_count ? std::optional(next_block_) : std::nullopt;
}

bool Identities::forget_oldest(bool with_blocks, Seconds now) {
  constexpr auto longest_ago = std::numeric_limits<Seconds>::min();
  const auto it = by_use_.lower_bound({with_blocks, longest_ago, Instance{}});
  if (it == by_use_.end() || std::get<bool>(*it) != with_blocks) return false;
  if (now - std::get<Seconds>(*it) < unused_s_max) return false;
  change(InstanceForgotten{std::get<Instance>(*it)});
  return true;
}

std::optional<Identities::Meaning> Identities::meaning(Address a) const {
  if (a.value < first_address) return std::nullopt;
  const auto offset = a.value - first_address;
  const auto it = blocks_.find(offset / block_size);
  if (it == blocks_.end()) return std::nullopt;
  const auto node = node_of_slot(it->second.index * block_size + offset % block_size);
  if (!node) return std::nullopt;
  return Meaning{it->second.instance, *node};
}

void Identities::touch(Instance i, Seconds now) {
  const Info* known = info(i);
  if (known != nullptr && now - known->seen >= day) change(InstanceTouched{i, now});
}

bool Identities::link(Instance i, std::string_view group, std::string_view member, Seconds now) {
  const Info* known = info(i);
  if (known == nullptr) return false;
  const auto it = known->groups.find(group);
  if (it == known->groups.end()) {
    if (known->groups.size() >= groups_max) return false;
  } else if (member.empty() || it->second == member) {
    return false;  // nearly always: every heartbeat comes here, and nothing is allocated
  }
  change(GroupLinked{i, std::string(group), std::string(member), now});
  return true;
}

void Identities::unlink(std::string_view group, std::string_view member) {
  const auto i = of_member(group, member);
  if (i != Instance{0}) change(GroupUnlinked{i, std::string(group)});
}

Instance Identities::of_member(std::string_view group, std::string_view member) const {
  const auto g = members_.find(group);
  if (g == members_.end()) return Instance{0};
  const auto m = g->second.find(member);
  return m == g->second.end() ? Instance{0} : m->second;
}

const Identities::Info* Identities::info(Instance i) const {
  const auto it = instances_.find(i);
  return it == instances_.end() ? nullptr : &it->second;
}

std::uint32_t Identities::slot(NodeKey node) {
  if (const auto it = slots_.find(node); it != slots_.end()) return it->second;
  const auto at = static_cast<std::uint32_t>(nodes_.size());
  if (at < slots_max) change(SlotGiven{node, at});
  return at;
}

std::optional<NodeKey> Identities::node_of_slot(std::uint32_t slot) const {
  if (slot >= nodes_.size() || nodes_[slot].id < NativeNodeId{0}) return std::nullopt;
  return nodes_[slot];
}

}  // namespace shunt::route
