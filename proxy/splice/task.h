// A client's request that Shunt carries out itself: it asks brokers, and answers from what they
// say.
//
// For everything about a migrated topic that no single broker can answer (Fetch over a seam,
// ListOffsets, OffsetForLeaderEpoch, ...). A task is a value machine: whoever drives it sends what
// round() says, hands the answers to take(), and goes round again until there is nothing to ask.
// Bodies are in the version of the client's request unless the ask names another API; answers are
// as the broker gave them.
#pragma once

#include <cstdint>
#include <vector>

#include "proxy/route/node.h"
#include "proxy/wire/value.h"

namespace shunt::splice {

class Task {
 public:
  struct Ask {
    route::NodeKey to;
    wire::Value body;
    wire::ApiKey api = -1;  // -1: the client's, in the client's version
    wire::Version version = -1;
  };
  virtual ~Task() = default;
  // What to ask next; empty: answer() is ready, unless pause_ms(). Called at first, and when all
  // asks of the round before have been taken. `now_ms`: a clock that only rises.
  virtual std::vector<Ask> round(std::int64_t now_ms) = 0;
  // Above 0: there is nobody to ask just now; round() again after that long, or when routes change.
  virtual std::int64_t pause_ms() const { return 0; }
  // The answer to round()[i]; null Value: nobody answered (the link failed).
  virtual void take(std::size_t i, const wire::Value& body) = 0;
  virtual wire::Value answer() = 0;
};

}  // namespace shunt::splice
