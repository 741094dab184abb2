// Keeps a connection's batches of one partition on one road while its leader moves.
//
// Without a proxy all batches in flight go to the node the client believes in: when the leadership
// has moved they all fail there, and the client sends them again in order. Routed by content alone,
// a later batch would overtake an earlier one that the former leader is about to refuse, and the
// new leader would see a gap (error 45) or, without producer ids, the wrong order (rules A4).
//
// So a partition stays with the node that was last used for it on this connection
//  - while an earlier Produce to that node is unanswered, and
//  - after that node refused one as no longer the leader, until that batch comes again here: what
//    comes before it was sent before the client knew. A client that puts its records into other
//    batches is known by a Metadata request instead, where it has not dialled that node: then the
//    node's refusals are not what it would get without a proxy. (Not where it has: a Metadata
//    request may have been on its way when the refusal was.)
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "proxy/route/node.h"
#include "proxy/wire/value.h"
#include "proxy/wire/walker.h"

namespace shunt::route {

class ProduceOrder {
 public:
  // What a batch and its resend have in common: the checksum, which covers all that its client
  // says.
  using Mark = std::uint32_t;
  // Of the first batch of a record set, of which at least the header is there; else 0.
  static Mark mark_of(wire::Bytes records);

  // One partition's state; stays where it is until release().
  struct Road {
    std::string key;
    NodeKey node;
    std::uint32_t unanswered = 0;
    std::optional<Mark> refused;   // the first one that the node refused ...
    std::uint64_t refused_at = 0;  // ... and how often the client had asked for Metadata by then
  };

  // Where this batch is bound to go; nullopt: wherever its partition's leader is. `dialled`: the
  // node whose address the connection is at; `metadata_asked`: how often its client has asked.
  std::optional<NodeKey> bound(std::string_view topic, const wire::Uuid& id, std::int32_t partition,
                               Mark batch, std::optional<NodeKey> dialled,
                               std::uint64_t metadata_asked) const;
  // A Produce that will be answered goes to `node`. The road is good until release().
  Road* sent(std::string_view topic, const wire::Uuid& id, std::int32_t partition, NodeKey node);
  // Its answer came; `refused`: the node said that it does not lead (all) the partitions.
  void release(Road* road, bool refused, Mark batch, std::uint64_t metadata_asked);
  bool empty() const { return roads_.empty(); }

 private:
  std::unordered_map<std::string, Road> roads_;  // only those that bind
};

}  // namespace shunt::route
