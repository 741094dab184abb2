// Which API versions clients are offered: the intersection of every broker seen and our table.
//
// Source: ApiVersions (KIP-35, KIP-511, KIP-584).
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "proxy/route/features.h"
#include "proxy/route/node.h"
#include "proxy/wire/value.h"

namespace shunt::route {

constexpr int api_key_max = 128;  // keys at or above are not offered

// Ranges by API key; an empty range: not offered.
class ApiRanges {
 public:
  wire::Versions of(wire::ApiKey api) const;  // keys out of range: empty
  void set(wire::ApiKey api, wire::Versions v);
  ApiRanges intersect(const ApiRanges& other) const;
  bool empty() const { return *this == ApiRanges{}; }
  // From an ApiVersions answer's decoded body (any version).
  static ApiRanges from(const wire::Value& body);
  bool operator==(const ApiRanges& other) const;  // all empty ranges are the same
  // For the journal: "1:4-12,3:0-9,..." and back (nullopt: not such a text). None offered: "".
  std::string text() const;
  static std::optional<ApiRanges> parse(std::string_view text);

 private:
  std::array<wire::Versions, api_key_max> ranges_{};
};

// Brokers of both clusters, and what is offered for them all.
class Versions {
 public:
  Versions() { combine(); }
  // A broker's answer; replaces its earlier one. True when what is offered changed. An answer with
  // an error, or without any API, says nothing about the broker and changes nothing.
  bool take(NodeKey node, const wire::Value& api_versions_body);
  // A broker left its cluster. The last known ranges of a *cluster* stay when all its brokers left
  // (it may only be unreachable).
  void remove(NodeKey node);
  // New's last known ranges, from the journal, until a broker of it has answered.
  void restore(Cluster c, const ApiRanges& ranges);
  // The intersection over a cluster's brokers (in the midst of a rolling upgrade: what all serve);
  // nullopt: never heard of it.
  std::optional<ApiRanges> cluster(Cluster c) const;

  // What clients are offered: old ∩ new ∩ table (roles.txt caps, internal APIs never). While only
  // old is known: old ∩ table (rules C12: KIP-848, share and Streams group APIs pass through while
  // only old serves; with both they are in the intersection like any other).
  // ApiVersions itself is offered as the table has it; telemetry (71, 72) only if both have it:
  // that we can answer it ourselves is no reason to offer it.
  // Produce's minimum is listed below what the table can walk (message.valid; KAFKA-18659): a
  // request's version is in order only if it is offered *and* valid.
  // Before any cluster is known: ApiVersions alone. Clients must not be told that.
  const ApiRanges& offered() const { return offered_; }

  // What is served on a connection whatever it was offered: old ∩ table. A connection keeps the
  // versions it agreed on when new is first seen later.
  const ApiRanges& accepted() const { return accepted_; }

  // The body of an ApiVersions answer, for any version's layout. Features: what both clusters have
  // (only old's while only old is known); none while a broker of theirs has not told. `error`:
  // 0, or 35 (UNSUPPORTED_VERSION: to be encoded as v0, and like a broker's it names ApiVersions
  // alone, KIP-511).
  // Below v4 supported features with a minimum of 0 are left out: Java clients before 3.9.1 or so
  // die of them (KAFKA-17011).
  wire::Value answer(int error, wire::Version version = 4) const;

  // The highest version to use for our own requests to this broker: in its range and the table's;
  // at most `cap`. nullopt: it does not serve the API.
  std::optional<wire::Version> own(NodeKey node, wire::ApiKey api, wire::Version cap) const;

 private:
  void combine();
  Features features() const;
  std::map<NodeKey, ApiRanges> brokers_;
  std::map<NodeKey, Features> features_;
  std::map<Cluster, ApiRanges> restored_;
  ApiRanges offered_, accepted_;
  // Made once, not per client: by version, until combine(); of those in the table.
  mutable std::map<wire::Version, wire::Value> answers_;
};

}  // namespace shunt::route
