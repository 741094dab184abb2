// Client instances and the loopback addresses they are shown: one per (instance, node).
//
// A client instance begins with a connection to the bootstrap address whose answers show
// addresses. Each of its nodes is 127.x.y.z of its own (probes P1: the only scheme that is safe for
// every client), so every later connection says which instance and which node it means. Kept in the
// journal over restarts; a hint that expires, never a credential. Source: design "Frozen identity",
// rules A6, B7.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "proxy/route/node.h"

namespace shunt::route {

enum class Instance : std::uint32_t {};  // 0: none
using Seconds = std::int64_t;            // Unix time, seconds

// An IPv4 loopback address in host byte order, 127.0.0.0/8.
struct Address {
  std::uint32_t value = 0;
  auto operator<=>(const Address&) const = default;
  std::string text() const;  // "127.16.0.3"
  // Dotted decimal without leading zeros (elsewhere they mean octal), inside 127/8 only.
  static std::optional<Address> parse(std::string_view text);
};

// What identity has to remember: written to the journal in this order, replayed by apply(). The
// records decide nothing when they are replayed: what was forgotten or moved is told, too.
struct InstanceSeen {  // new, or described further
  Instance instance;
  std::string client_id, software;
  Seconds at;
  bool operator==(const InstanceSeen&) const = default;
};
struct BlockGiven {
  Instance instance;
  std::uint32_t index, block;
  Seconds at;
  bool operator==(const BlockGiven&) const = default;
};
struct SlotGiven {
  NodeKey node;
  std::uint32_t slot;
  bool operator==(const SlotGiven&) const = default;
};
struct GroupLinked {  // taken from whichever instance had that member
  Instance instance;
  std::string group, member;
  Seconds at;
  bool operator==(const GroupLinked&) const = default;
};
struct GroupUnlinked {
  Instance instance;
  std::string group;
  bool operator==(const GroupUnlinked&) const = default;
};
struct InstanceTouched {  // in use on that day
  Instance instance;
  Seconds at;
  bool operator==(const InstanceTouched&) const = default;
};
struct InstanceForgotten {  // long unused: its blocks are free, its links gone
  Instance instance;
  bool operator==(const InstanceForgotten&) const = default;
};
using IdentityRecord = std::variant<InstanceSeen, BlockGiven, SlotGiven, GroupLinked, GroupUnlinked,
                                    InstanceTouched, InstanceForgotten>;

// Addresses in blocks of 16: block b covers 127.1.0.0 + 16 b .. + 15; slot s of an instance lives
// in its block number s / 16 at place s % 16. 127.0/16 is never given (bootstrap, resolvers), nor
// is the last block (127.255.255.255 is a broadcast address). Blocks are given again only after 30
// days unused, the longest unused first; an instance is known until one of its blocks is needed,
// then forgotten as a whole. Blocks long unused go before fresh ones, so what is kept here is
// bounded by the instances of a month.
class Identities {
 public:
  // Changes not yet told to the journal; the caller writes them before an effect shows, then drops
  // them.
  std::vector<IdentityRecord> take_records();
  // Replays one record (start-up).
  void apply(const IdentityRecord& record);
  // Everything known as records, for a journal that starts a new file.
  std::vector<IdentityRecord> snapshot() const;

  Instance begin(std::string_view client_id, std::string_view software, Seconds now);
  // Fills in what a connection learned later (client id of the first request, ApiVersions'
  // software). What is known stays: another client id on an address is another client (see
  // matches).
  void describe(Instance i, std::string_view client_id, std::string_view software, Seconds now);
  // Is a connection that says this of itself certainly the instance (rules A6)? Empty says nothing
  // and contradicts nothing (some clients leave it out on some connections).
  bool matches(Instance i, std::string_view client_id, std::string_view software) const;
  // The address that stands for `node` in answers to `i`; gives one if there is none yet. Counts as
  // use. nullopt: no such instance, or the address space is exhausted (nothing unused for 30 days).
  std::optional<Address> address(Instance i, NodeKey node, Seconds now);
  struct Meaning {
    Instance instance;
    NodeKey node;
  };
  // Who and what an address means; nullopt: the bootstrap or an address never given.
  std::optional<Meaning> meaning(Address a) const;
  // In use (a connection came in; once a day while one is open): keeps its addresses from being
  // given again. At most one record a day.
  void touch(Instance i, Seconds now);

  // A member of a group spoke on a connection of `i` (JoinGroup, Heartbeat, OffsetCommit ...). If
  // the member was known for another instance, `i` takes its place there (P9: clients that come
  // back through the bootstrap); an instance has one member per group, the last one: not for an
  // instance that several clients share. An empty member (OffsetFetch before the first join) never
  // replaces one that is known. True when that changed anything; an instance with groups_max groups
  // gets no further one.
  bool link(Instance i, std::string_view group, std::string_view member, Seconds now);
  void unlink(std::string_view group, std::string_view member);
  // The instance of a group's member; Instance{0}: not known.
  Instance of_member(std::string_view group, std::string_view member) const;
  struct Info {
    std::string client_id, software;                         // at most text_max bytes
    Seconds seen = 0;                                        // to the day
    std::map<std::string, std::string, std::less<>> groups;  // group -> member id ("": not told)
    std::vector<std::uint32_t> blocks;                       // by index; no_block: not given
  };
  const Info* info(Instance i) const;
  const std::map<Instance, Info>& all() const { return instances_; }

  // The stable place of a node among all nodes ever seen: its port in `advertise: address` is
  // first port + slot. Of a broker only (its id is not negative).
  std::uint32_t slot(NodeKey node);
  std::optional<NodeKey> node_of_slot(std::uint32_t slot) const;

  static constexpr std::uint32_t block_size = 16;
  static constexpr std::uint32_t block_count = 255 * 65536 / block_size - 1;
  static constexpr std::uint32_t no_block = ~std::uint32_t{0};
  static constexpr std::size_t text_max = 255;
  static constexpr std::size_t groups_max = 64;
  static constexpr std::uint32_t slots_max = 65536;  // a journal that says more is wrong

 private:
  using Entry = std::map<Instance, Info>::value_type;
  Entry* find(Instance i);
  void replay(const InstanceSeen& r);
  void replay(const BlockGiven& r);
  void replay(const SlotGiven& r);
  void replay(const GroupLinked& r);
  void replay(const GroupUnlinked& r);
  void replay(const InstanceTouched& r);
  void replay(const InstanceForgotten& r);
  // A change: done as a replay does it, and remembered for the journal.
  template <class Record>
  void change(Record r) {
    replay(r);
    records_.emplace_back(std::move(r));
  }
  void set_seen(Entry& e, Seconds at);
  std::optional<std::uint32_t> free_block(Seconds now);
  bool forget_oldest(bool with_blocks, Seconds now);
  void drop_member(std::string_view group, std::string_view member);

  std::map<Instance, Info> instances_;
  // (has blocks, seen, instance): the longest unused first.
  std::set<std::tuple<bool, Seconds, Instance>> by_use_;
  std::map<NodeKey, std::uint32_t> slots_;
  std::vector<NodeKey> nodes_;  // by slot; a negative id: none
  struct Owner {
    Instance instance;
    std::uint32_t index;
  };
  std::map<std::uint32_t, Owner> blocks_;
  std::deque<std::uint32_t> free_blocks_;  // below next_block_, without owner; longest unused first
  std::map<std::string, std::map<std::string, Instance, std::less<>>, std::less<>> members_;
  std::uint32_t next_instance_ = 1;
  std::uint32_t next_block_ = 0;
  std::vector<IdentityRecord> records_;
};

}  // namespace shunt::route
