// What names a cluster in an answer, made what clients may see; and the reverse in requests.
//
// By role only (wire/roles.txt): addresses, node lists, node ids, cluster and topic ids, BROKER
// config resources. Offsets and epochs pass unchanged unless Offsets say otherwise.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "proxy/route/node.h"
#include "proxy/route/offsets.h"
#include "proxy/wire/edit.h"
#include "proxy/wire/value.h"
#include "proxy/wire/walker.h"

namespace shunt::route {

// One node as a client instance sees it.
struct ShownNode {
  NodeId id{-1};
  Endpoint at;
  std::string rack;
  bool has_rack = false;
};

// What answers are translated with; made per client instance by net.
class Naming {
 public:
  virtual ~Naming() = default;
  // All nodes of the virtual cluster, old's first, by id.
  virtual const std::vector<ShownNode>& nodes() = 0;
  // A node's address for this client; nullopt: not a node that is known.
  virtual std::optional<Endpoint> at(NodeId id) = 0;
  // The cluster id clients see; empty: not known yet.
  virtual const std::string& cluster_id() = 0;
  // A topic id of `from` as clients see it; zero: there is none to show.
  virtual wire::Uuid topic_id(Cluster from, const wire::Uuid& id) = 0;
  // The reverse: the id that `to` knows a topic by; zero: it has none.
  virtual wire::Uuid native_topic_id(Cluster to, const wire::Uuid& shown_id) = 0;
};

// What an answer told in passing.
struct Noticed {
  bool stale_leader = false;       // NOT_LEADER_OR_FOLLOWER and its like
  bool stale_coordinator = false;  // NOT_COORDINATOR, COORDINATOR_NOT_AVAILABLE
  bool stale_controller = false;   // NOT_CONTROLLER
  std::int32_t fetch_session = 0;
  void error(std::int64_t code);
};

// How an answer may be passed on.
enum class Passing : std::uint8_t {
  streamed,  // every change keeps its length: walked and rewritten in place as it arrives
  whole,     // a change may alter its length: held until complete, then rewritten
};
Passing passing(const wire::Message& answer, wire::Version version, Cluster from);

// Rewrites one whole answer body: fills `edits`. Null, or why it is not a message of its version,
// or not to be shown. `offsets`: what a Fetch or Produce answer is renumbered with; null: not.
const char* translate(const wire::Message& answer, wire::Version version, wire::Bytes body,
                      Cluster from, Naming& naming, wire::Edits& edits, Noticed& noticed,
                      Offsets* offsets = nullptr);

// The same as the bytes arrive. Leader endpoints (KIP-951) cannot change their length here: they
// are blanked, and their tag becomes one that no client knows.
class StreamTranslator {
 public:
  StreamTranslator(const wire::Message& answer, wire::Version version, std::uint64_t body_size,
                   Cluster from, Naming& naming, Offsets* offsets = nullptr)
      : walker_(answer, version, body_size), from_(from), naming_(naming), numbers_(offsets) {}

  // Walks and rewrites `window`, the bytes from position() on; returns how many are finished and
  // may be sent. The rest belongs to a token, or a batch's header, that is not complete.
  std::size_t take(std::span<std::byte> window);
  bool done() const { return done_; }
  const char* error() const {
    return numbers_.error() != nullptr ? numbers_.error() : walker_.error();
  }
  const Noticed& noticed() const { return noticed_; }
  std::uint64_t left() const { return walker_.body_size() - walker_.position(); }

 private:
  void rewrite(const wire::Token& t, std::span<std::byte> bytes);
  void renumber(const wire::Token& t, std::span<std::byte> bytes);
  wire::Walker walker_;
  Cluster from_;
  Naming& naming_;
  Renumbering numbers_;
  Noticed noticed_;
  bool blanking_ = false;
  bool done_ = false;
};

// Rewrites a request body for a broker of `to` in place of what clients see. Null or why not.
const char* translate_request(const wire::Message& request, wire::Version version, wire::Bytes body,
                              Cluster to, Naming& naming, wire::Edits& edits);

}  // namespace shunt::route
