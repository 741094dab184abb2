// The machinery behind fetch.h: what a Fetch task knows of each partition, and its steps.
//
//     fetch.cpp        rounds and the answer          round() ... answer()
//     fetch_ask.cpp    where each partition is read, and what is sent there
//     fetch_take.cpp   what brokers say
#pragma once

#include <array>
#include <map>
#include <optional>
#include <tuple>

#include "proxy/splice/fetch.h"

namespace shunt::splice {

struct FetchTopic {
  std::string name;  // as asked: a name, or an id (v13 and up)
  wire::Uuid id{};
};

// What is asked of a log before its records.
enum class LookUp : std::uint8_t {
  none,
  start,  // a broker said OFFSET_OUT_OF_RANGE
  end,    // a closed segment's log shows less than it had
  tail,   // its reader waits at the seam, and is shown the true end (rules C4)
};

// One partition of the request.
struct FetchItem {
  std::size_t topic = 0;
  std::int32_t partition = -1;
  std::int64_t offset = 0;
  wire::Value epoch, fetched_epoch, max_bytes;

  enum class Is : std::uint8_t {
    idle,   // nothing to show so far
    moved,  // to be asked again elsewhere, at once
    waits,  // at a seam, until its group is moved
    stale,  // its broker did not answer, or is not the leader
    done,   // data, or an error
  };
  Is is = Is::idle;
  // Where it is read: from the client's offset on, over what is known to hold nothing.
  std::int64_t at = 0;
  std::array<std::int64_t, 2> nothing_below{};  // native, by cluster
  std::int64_t& nothing(Cluster c) { return nothing_below[static_cast<std::size_t>(c)]; }
  std::size_t segment = 0;
  std::int64_t native = 0;
  std::optional<VirtualOffset> gap;  // where the hole begins that is jumped over
  bool skips = false;                // it is there, but out of reach
  bool tail_asked = false;           // while it waits at the seam
  LookUp look_up = LookUp::none;
  int lookups = 0, failures = 0;

  // What is shown.
  std::int64_t error = 0;
  wire::Value records, aborted;
  std::size_t bytes = 0;
  bool no_last_stable = false;
  wire::Struct passed;  // before the first cut: the rest of the broker's entry
};

// What stands around one request: who is asked, and about what.
struct FetchAsk {
  route::NodeKey node;
  LookUp look_up = LookUp::none;
  bool asks_log() const { return look_up != LookUp::none; }
  bool closed = false, spliced = false;
  std::vector<std::size_t> items;
  using Key = std::tuple<std::string, wire::Uuid, std::int64_t>;
  std::map<Key, std::size_t> by_key;  // as the broker names them
};

class Fetch : public FetchTask {
 public:
  Fetch(State& state, const route::View& view, const route::Origin& origin,
        const wire::Value& request, WaitsAtSeam waits_at_seam);
  std::int64_t pause_ms() const override { return pause_ms_; }
  std::vector<Ask> round(std::int64_t now_ms) override;
  void take(std::size_t i, const wire::Value& body) override;
  wire::Value answer() override;
  const std::vector<Jump>& jumps() const override { return jumps_; }
  bool stale(Cluster c) const override { return stale_[static_cast<std::size_t>(c)]; }

 private:
  using Item = FetchItem;
  using Asked = FetchAsk;

  const TopicLog* topic_log(const Item& it) const;
  PartitionLog* log(const Item& it) const;  // null: in no migration
  bool spliced(const Item& it) const;
  static void set_error(Item& it, std::int64_t error);
  void fail(Item& it, Cluster c);

  // Asks for the items that are in one of the states (`wanted`, by Item::Is).
  std::vector<Ask> ask(std::initializer_list<Item::Is> wanted, std::int64_t wait_ms);
  // Who has what the partition's reader wants next.
  std::optional<route::NodeKey> place(Item& it, Asked& kind) const;
  std::optional<route::NodeKey> plain_node(const Item& it) const;
  FetchTopic upstream(const Item& it, const Asked& a) const;  // as its broker knows it
  // The items of one ask, as topics of `Partitions`; each(item) makes one of them.
  template <class Each>
  wire::Array topics_of(Asked& a, const char* name_field, Each each);
  Ask fetch_of(Asked& a, std::int64_t wait_ms, std::int64_t fetches);
  Ask lookup(Asked& a);

  void take_fetch(const Asked& a, const wire::Value& body, std::vector<bool>& answered);
  void take_entry(Item& it, const Asked& a, const wire::Value& entry, bool certain);
  void look_up(Item& it, LookUp what);
  void take_start(Item& it, const Asked& a, const wire::Value& entry);
  void take_end(Item& it, const Asked& a, const wire::Value& entry);
  void take_tail(const Item& it, const wire::Value& entry);
  void jump(Item& it, const Segment& s, std::int64_t to);
  void take_plain(Item& it, PartitionLog* p, const wire::Value& entry);
  void learn(Item& it, PartitionLog& p, const wire::Value& entry);

  void fit();
  wire::Value entry(const Item& it) const;

  State& state_;
  const WaitsAtSeam waits_at_seam_;
  const route::View view_;
  const std::optional<route::NodeKey> addressed_;
  std::int64_t max_wait_ms_ = 0, min_bytes_ = 0, max_bytes_ = 0, isolation_ = 0;
  std::string rack_;
  std::vector<FetchTopic> topics_;
  std::vector<Item> items_;
  std::vector<Asked> asked_;  // in this round
  bool begun_ = false;
  std::int64_t until_ms_ = 0, throttle_ms_ = 0;
  std::int64_t waits_ = 0, pause_ms_ = 0;
  int quick_rounds_ = 0;
  bool paused_ = false;
  std::array<bool, 2> stale_{};
  std::vector<Jump> jumps_;
};

}  // namespace shunt::splice
