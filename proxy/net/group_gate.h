// What the sessions of a group's members ask while the group is being handed over (handover.h).
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "proxy/splice/barrier.h"
#include "proxy/wire/schema.h"

namespace shunt::net {

class Session;

class GroupGate {
 public:
  virtual ~GroupGate() = default;
  enum class Act : std::uint8_t {
    pass,       // as ever
    hold,       // its answer waits: Session::let_go says when it goes on
    rebalance,  // answered REBALANCE_IN_PROGRESS: commit, and join anew
  };
  virtual Act judge(wire::ApiKey api) const = 0;
  // A request is held. Of a JoinGroup: whose; else nobody's.
  virtual splice::Barrier::Ticket held(std::weak_ptr<Session> session, wire::ApiKey api,
                                       std::string_view member) = 0;
  // Its client has gone.
  virtual void gone(splice::Barrier::Ticket ticket) = 0;
};

// What was last seen of a group whose members speak here.
struct GroupSeen {
  std::int32_t generation = -1;
  std::string leader;  // its member id
};

}  // namespace shunt::net
