#include "proxy/splice/barrier.h"

#include <algorithm>

namespace shunt::splice {

Barrier::Ticket Barrier::hold(const std::string& member) {
  if (!member.empty()) std::erase_if(held_, [&](const auto& h) { return h.second == member; });
  held_[++last_] = member;
  return last_;
}

void Barrier::gone(Ticket t) { held_.erase(t); }

std::set<std::string> Barrier::members() const {
  std::set<std::string> out;
  for (const auto& [ticket, member] : held_) {
    if (!member.empty()) out.insert(member);
  }
  return out;
}

std::set<std::string> Barrier::missing() const {
  const auto here = members();
  std::set<std::string> out;
  std::ranges::set_difference(expected_, here, std::inserter(out, out.end()));
  return out;
}

std::vector<Barrier::Ticket> Barrier::back(const std::string& leader) const {
  std::vector<Ticket> out;
  for (const auto& [ticket, member] : held_) {
    if (member.empty() || member != leader) out.push_back(ticket);
  }
  for (const auto& [ticket, member] : held_) {
    if (!member.empty() && member == leader) out.push_back(ticket);
  }
  return out;
}

}  // namespace shunt::splice
