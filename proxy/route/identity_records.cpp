// Identity as records: what each one does to the state, live and replayed alike, and a snapshot.
#include <algorithm>

#include "proxy/route/identity.h"

namespace shunt::route {

std::vector<IdentityRecord> Identities::take_records() { return std::exchange(records_, {}); }

void Identities::apply(const IdentityRecord& record) {
  std::visit([this](const auto& r) { replay(r); }, record);
}

// In an order that replays: instances before their blocks and links. Blocks in their own order:
// what is missing between them is free.
std::vector<IdentityRecord> Identities::snapshot() const {
  std::vector<IdentityRecord> out;
  for (std::uint32_t slot = 0; slot < nodes_.size(); ++slot) {
    if (const auto node = node_of_slot(slot)) out.emplace_back(SlotGiven{*node, slot});
  }
  for (const auto& [instance, info] : instances_) {
    out.emplace_back(InstanceSeen{instance, info.client_id, info.software, info.seen});
    for (const auto& [group, member] : info.groups) {
      out.emplace_back(GroupLinked{instance, group, member, info.seen});
    }
  }
  for (const auto& [block, owner] : blocks_) {
    out.emplace_back(BlockGiven{owner.instance, owner.index, block, info(owner.instance)->seen});
  }
  return out;
}

void Identities::replay(const InstanceSeen& r) {
  if (r.instance == Instance{0}) return;
  const auto [it, fresh] = instances_.try_emplace(r.instance);
  if (fresh) {
    it->second.seen = r.at;
    by_use_.emplace(false, r.at, r.instance);
    next_instance_ = std::max(next_instance_, static_cast<std::uint32_t>(r.instance) + 1);
  }
  it->second.client_id = r.client_id;
  it->second.software = r.software;
  set_seen(*it, r.at);
}

void Identities::replay(const BlockGiven& r) {
  Entry* e = find(r.instance);
  if (e == nullptr || r.index >= slots_max / block_size || r.block >= block_count) return;
  auto& blocks = e->second.blocks;
  const bool given = r.index < blocks.size() && blocks[r.index] != no_block;
  if (given || blocks_.contains(r.block)) return;
  // A snapshot leaves out blocks that nobody owned: they are free.
  for (; next_block_ < r.block; ++next_block_) free_blocks_.push_back(next_block_);
  if (next_block_ == r.block) {
    ++next_block_;
  } else if (free_blocks_.front() == r.block) {
    free_blocks_.pop_front();
  } else {
    std::erase(free_blocks_, r.block);
  }
  if (blocks.size() <= r.index) blocks.resize(r.index + 1, no_block);
  blocks[r.index] = r.block;
  blocks_[r.block] = {r.instance, r.index};
  by_use_.erase({false, e->second.seen, r.instance});
  by_use_.emplace(true, e->second.seen, r.instance);
}

void Identities::replay(const SlotGiven& r) {
  if (r.slot >= slots_max) return;
  if (nodes_.size() <= r.slot) nodes_.resize(r.slot + 1);
  nodes_[r.slot] = r.node;
  slots_[r.node] = r.slot;
}

void Identities::replay(const GroupLinked& r) {
  Entry* e = find(r.instance);
  if (e == nullptr) return;
  // The member's former instance, and this instance's former member: replaced.
  if (const auto before = of_member(r.group, r.member); before != Instance{0}) {
    replay(GroupUnlinked{before, r.group});
  }
  replay(GroupUnlinked{r.instance, r.group});
  e->second.groups[r.group] = r.member;
  if (!r.member.empty()) members_[r.group][r.member] = r.instance;
}

void Identities::replay(const GroupUnlinked& r) {
  Entry* e = find(r.instance);
  if (e == nullptr) return;
  const auto it = e->second.groups.find(r.group);
  if (it == e->second.groups.end()) return;
  drop_member(r.group, it->second);
  e->second.groups.erase(it);
}

void Identities::replay(const InstanceTouched& r) {
  if (Entry* e = find(r.instance)) set_seen(*e, r.at);
}

void Identities::replay(const InstanceForgotten& r) {
  Entry* e = find(r.instance);
  if (e == nullptr) return;
  for (const auto& [group, member] : e->second.groups) drop_member(group, member);
  bool had_blocks = false;
  for (const auto block : e->second.blocks) {
    if (block == no_block) continue;
    had_blocks = true;
    blocks_.erase(block);
    free_blocks_.push_back(block);
  }
  by_use_.erase({had_blocks, e->second.seen, r.instance});
  instances_.erase(r.instance);
}

Identities::Entry* Identities::find(Instance i) {
  const auto it = instances_.find(i);
  return it == instances_.end() ? nullptr : &*it;
}

// Never back: a clock that was put back must not make an instance look unused.
void Identities::set_seen(Entry& e, Seconds at) {
  if (at <= e.second.seen) return;
  auto node = by_use_.extract({!e.second.blocks.empty(), e.second.seen, e.first});
  e.second.seen = at;
  if (node.empty()) return;
  std::get<Seconds>(node.value()) = at;
  by_use_.insert(std::move(node));
}

void Identities::drop_member(std::string_view group, std::string_view member) {
  const auto g = members_.find(group);
  if (g == members_.end()) return;
  if (const auto m = g->second.find(member); m != g->second.end()) g->second.erase(m);
  if (g->second.empty()) members_.erase(g);
}

}  // namespace shunt::route
