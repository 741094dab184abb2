// One Kafka cluster: brokers that read requests off connections and answer them, by the real wire.
//
//     model_cluster.cpp  connections, brokers that stand still, leaders, replication
//     model_answers.cpp  what a broker answers, API by API
//
// A broker serves one request at a time per connection. What was sent to it is executed even when
// the connection has ended meanwhile: it lies in the socket's buffer (rules A1).
#pragma once

#include <functional>
#include <limits>
#include <memory>
#include <string>

#include "proxy/route/node.h"
#include "proxy/wire/header.h"
#include "proxy/wire/value.h"
#include "tests/sim/model_log.h"
#include "tests/sim/random.h"
#include "tests/sim/timeline.h"

namespace shunt::sim {

inline const std::string topic_name = "t";
constexpr int brokers_most = 3;

// A connection to a broker, as both ends hold it.
struct Peer {
  int broker = 0;
  std::function<void(Buffer)> on_bytes;  // to who opened it; pieces of frames
  std::function<void()> on_lost;         // the broker's end has gone
  bool closed = false;                   // by who opened it: nothing is told any more

  // The broker's end.
  std::deque<Buffer> inbox;
  bool busy = false;
  bool deaf = false;             // nothing that still comes is read
  Time arrives = 0, leaves = 0;  // the last bytes each way: a connection keeps their order
};
using PeerRef = std::shared_ptr<Peer>;

class ModelCluster {
 public:
  struct Watch {  // the run looks on
    std::function<void(int partition, const ReadBatch& batch, const ModelLog::Appended& done)>
        appended;
    std::function<void(int partition, const std::vector<RecordName>& lost)> truncated;
    std::function<void()> committed;  // by a request
  };
  ModelCluster(Timeline& time, Random random, route::Cluster which, int brokers, int partitions,
               std::int64_t start);
  int a_broker(Random& random) const { return static_cast<int>(random.below(brokers_)); }

  PeerRef connect(int broker);
  void send(const PeerRef& peer, Buffer frame);
  void close(const PeerRef& peer);
  // The connection is lost; `executed`: what was sent is still read by the broker.
  void cut(const PeerRef& peer, bool executed);
  std::vector<PeerRef> peers() const;

  void stop(int broker, Time until);  // it stands still (GC, SIGSTOP), its connections stay
  bool stopped(int broker) const { return stopped_until_[broker] > time_.now(); }
  void elect(int partition, bool unclean);
  // All brokers die at once: with their connections, or unheard of until their owners give them up.
  void die(bool silent);
  void come_back();  // with all that was appended, under new leader epochs
  bool dead() const { return dead_; }
  void replicate_all();
  // How long replication, and any way to a broker or back, may take at most from now on.
  Time lag_max = 2 * ms, way_max = 2 * ms;
  // One connection's bytes hang in the network, the others' do not.
  void stall(const PeerRef& peer, Time for_) {
    peer->arrives = std::max(peer->arrives, time_.now() + for_);
  }

  route::Cluster which() const { return which_; }
  const std::vector<ModelLog>& logs() const { return logs_; }
  ModelLog& log(int partition) { return logs_[static_cast<std::size_t>(partition)]; }
  int leader(int partition) const { return leaders_[static_cast<std::size_t>(partition)]; }
  // Committed offsets: by group and partition; -1: none.
  std::int64_t committed(const std::string& group, int partition) const;
  std::string metadata(const std::string& group, int partition) const;
  void commit_past(const std::string& group, int partition, std::int64_t offset) {
    commits_[{group, partition}] = {offset, "", Committed::never};
  }
  // Offsets of who is in no group expire so long after their commit (GroupMetadata.scala), those of
  // members do not; nor do those of reserved groups: no daemon stands still for a week.
  static constexpr Time simple_commits_last = 900 * ms;
  // Appends past every connection: a producer that does not pass through the proxy.
  void append_past(int partition, wire::Bytes batch);

  Watch watch;

 private:
  struct Waiting {  // a Produce for its replicas, or a Fetch for records
    PeerRef peer;
    wire::RequestHeader header;
    wire::Value request, answer;
    struct End {
      int partition;
      std::int64_t end;
      std::int32_t epoch;
    };
    std::vector<End> ends;  // Produce: what must be replicated, under the leader it came to
    Time until = 0;         // Fetch
  };
  void pump(const PeerRef& peer);
  void execute(const PeerRef& peer, const Buffer& frame);
  void answer(const PeerRef& peer, const wire::RequestHeader& h, const wire::Value& body);
  void fail(const PeerRef& peer);
  void wake_waiting();
  void replicate_soon(int partition);
  bool has_data(const wire::Value& fetch, int broker) const;

  void produce(const PeerRef& peer, const wire::RequestHeader& h, const wire::Value& request);
  void fetch(const PeerRef& peer, const wire::RequestHeader& h, const wire::Value& request);
  wire::Value fetched(const wire::Value& request, int broker) const;
  wire::Value metadata() const;
  wire::Value list_offsets(const wire::Value& request, int broker) const;
  wire::Value epochs(const wire::Value& request, int broker) const;
  wire::Value commit(const wire::Value& request);
  wire::Value committed_offsets(const wire::Value& request) const;
  wire::Value groups() const;
  wire::Value producer_id();
  wire::Value producers(const wire::Value& request, int broker) const;
  std::int16_t leads(int broker, std::int64_t partition, const wire::Value& epoch) const;

  Timeline& time_;
  Random random_;
  route::Cluster which_;
  int brokers_;
  std::vector<ModelLog> logs_;
  std::vector<int> leaders_;
  std::vector<std::weak_ptr<Peer>> peers_;
  Time stopped_until_[brokers_most] = {};
  bool dead_ = false, silent_ = false;
  std::vector<bool> replicating_;
  std::vector<Waiting> waiting_;
  struct Committed {
    static constexpr Time never = std::numeric_limits<Time>::max();
    std::int64_t offset = -1;
    std::string metadata;
    Time expires = never;
  };
  const Committed* commit_of(const std::string& group, int partition) const;
  std::map<std::pair<std::string, int>, Committed> commits_;
  std::int64_t next_producer_id_ = 1;
};

}  // namespace shunt::sim
