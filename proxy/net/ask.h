// Asking brokers over the daemon's own connections: what the cut, the proof and lag share.
//
// Nothing here retries or decides. Every callback comes once, from the loop, never within the call.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "proxy/net/world.h"

namespace shunt::net {

using PartitionKey = std::pair<std::string, std::int32_t>;  // topic, index

// Calls `then` once, when every call that was begun (++left) has ended.
struct Join {
  std::size_t left = 1;  // whoever made it ends it, too
  std::function<void()> then;
  std::unique_ptr<boost::asio::steady_timer> timer;
  void end() {
    if (--left == 0) over();
  }
  void over() {
    timer.reset();
    if (const auto f = std::exchange(then, nullptr)) f();
  }
};
using Joint = std::shared_ptr<Join>;
Joint join(std::function<void()> then);
// The same, at the latest after `limit`: what did not answer stays as it was.
Joint join_within(World& world, std::chrono::milliseconds limit, std::function<void()> then);

// Runs jobs in order, at most `most` at a time; a job calls what it is given when it has ended.
// Requests of a cut on the same connection wait for no more than those.
class Window : public std::enable_shared_from_this<Window> {
 public:
  using Job = std::function<void(std::function<void()> ended)>;
  explicit Window(std::size_t most) : most_(most) {}
  void run(Job job);

 private:
  void next();
  std::size_t most_, running_ = 0;
  std::deque<Job> waiting_;
};

// The topics array of a request: one entry per topic, its partitions inside.
wire::Array by_topic(const std::set<PartitionKey>& keys, const char* topic_name,
                     const char* partitions_name,
                     const std::function<wire::Value(const PartitionKey&)>& partition);

// ListOffsets of partitions that `leader` leads. `told`: for each, an error or the offset.
struct OffsetsAsked {
  static constexpr std::int64_t latest = -1, earliest = -2;
  static constexpr int consumer = -1, debug_replica = -2;  // -2: the log end (rules C1)
  int replica = consumer;
  int isolation = 0;
  std::int64_t timestamp = latest;
};
using OffsetTold =
    std::function<void(const PartitionKey& key, const std::string& error, std::int64_t offset)>;
void list_offsets(World& world, route::Cluster c, route::NativeNodeId leader,
                  const std::set<PartitionKey>& keys, const OffsetsAsked& asked,
                  const std::function<std::int32_t(const PartitionKey&)>& epoch_of, OffsetTold told,
                  const Joint& joint);

// Metadata of these topics, of every broker that is known; the first answer counts, so that one
// that hangs does not hold it up.
void ask_metadata(World& world, route::Cluster c, const std::vector<std::string>& topics,
                  ClusterAccess::Answered done);

// A group's committed offsets as its coordinator in `c` has them (OffsetFetch below v8), native.
// `topics` null: all it has.
void fetch_committed(World& world, route::Cluster c, const std::string& group, wire::Value topics,
                     ClusterAccess::Answered done);

}  // namespace shunt::net
