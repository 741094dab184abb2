// Committed offsets of migrated partitions, on their way to the group's home and back.
//
// Source: OffsetCommit (8), OffsetFetch (9), TxnOffsetCommit (28), DeleteGroups (42),
// OffsetDelete (47), all versions. Clients commit virtual offsets; the home (old, until finish) has
// its own part of the pair, the journal has the virtual offset, new gets a copy of its part. The
// journal is the truth: where the home differs, somebody has committed past us, and the pair rule
// holds (rules A3). Partitions that are not spliced pass as they are.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "proxy/splice/state.h"
#include "proxy/wire/value.h"

namespace shunt::splice {

// A client's OffsetCommit or TxnOffsetCommit, taken apart.
struct CommitRequest {
  struct Position {
    std::string topic;
    wire::Uuid id{};  // as the request names it (v10+, TxnOffsetCommit v6+); zero: by name
    std::int32_t partition = -1;
    std::int64_t at = -1;  // virtual; -1: no position (a few clients commit that)
    std::string metadata;  // null is "": brokers store it so
  };
  wire::ApiKey api = -1;
  std::string group;
  std::string transactional_id;     // TxnOffsetCommit
  std::vector<Position> positions;  // of spliced partitions alone
  wire::Value native;               // the body for the home: its native offsets, no leader epoch
};
CommitRequest commit_request(const State& state, wire::ApiKey api, const wire::Value& request);

// What the home has accepted, to be journaled before the client gets the answer: CommitAccepted, or
// CommitForgotten where a client committed -1. `time`: now. Nothing for TxnOffsetCommit, whose
// offsets do not count yet: see pending().
std::vector<Record> accepted(const CommitRequest& request, const wire::Value& answer,
                             UnixMillis time);

// The same for TxnOffsetCommit: keep the records by transactional id, in order; journal them when
// EndTxn (26) with Committed has been answered without error, drop them when it aborted or when
// InitProducerId (22) began anew.
std::vector<Record> pending(const CommitRequest& request, const wire::Value& answer,
                            UnixMillis time);

// CommitForgotten for what the home has deleted: OffsetDelete, DeleteGroups. A group that is not
// there (GROUP_ID_NOT_FOUND) is forgotten as well.
std::vector<Record> forgotten(const State& state, wire::ApiKey api, const wire::Value& request,
                              const wire::Value& answer);

// A commit for new, where it keeps the group's place should the proxy leave.
struct Copy {
  std::string group, topic;
  std::int32_t partition = -1;
  std::int64_t native = 0;
  std::string metadata;
  bool operator==(const Copy&) const = default;
};
// Of an accepted commit; nullopt: new has no part of that partition, or is the group's home.
std::optional<Copy> copy_of(const State& state, const CommitAccepted& commit);

// The home's offset is not that of the journal's commit: somebody has committed past us.
struct CommitDrift {
  std::string group, topic;
  std::int32_t partition = -1;
  std::int64_t home = -1;      // native, as the home has it
  std::int64_t expected = -1;  // native, of the journal's commit
  VirtualOffset journal;       // the journal's commit
  VirtualOffset shown;         // what the client gets
  std::string metadata;        // the home's
  std::uint64_t asked = 0;
  bool operator==(const CommitDrift&) const = default;
};
struct Fetched {
  wire::Value answer;
  std::vector<CommitDrift> drift;  // to be reported
};
// The home's OffsetFetch answer as the client gets it. `request`: the client's; below v8 it alone
// names the group. When it asks for all topics (null), commits that only the journal has are added.
// `asked`: State::last_commit() when the home was asked. A commit that came after is newer than
// what the home says here, and nothing differs.
Fetched fetched(const State& state, const wire::Value& request, const wire::Value& answer,
                std::uint64_t asked);

// What was shown instead is to be journaled, as a commit: the group goes on there, and a pair torn
// later must not be made of what it had committed before. Nullopt: the journal has just that.
std::optional<CommitAccepted> shown_instead(const CommitDrift& drift, UnixMillis time);

}  // namespace shunt::splice
