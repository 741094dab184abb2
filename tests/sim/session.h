// One client connection in the proxy: proxy/net's Session, with model connections for sockets.
//
//     session.cpp          frames in, links, the client's end     (net: session.cpp, requests.cpp)
//     session_produce.cpp  judged, renamed, watched               (net: produce.cpp)
//     session_under_way.cpp  unanswered ones, one road per writer (net: produce_under_way.cpp)
//     session_upload.cpp   what is larger than the buffer         (net: uploads.cpp)
//     session_spliced.cpp  tasks, Fetch, commits                  (net: spliced.cpp)
//     session_answers.cpp  answers in, translated, in order       (net: answers.cpp)
//
// Every decision is made by the same calls to wire, route and splice as there. Not modelled:
// coordinators that must be found, fetch sessions, identities.
#pragma once

#include <map>

#include "proxy/route/produce_order.h"
#include "proxy/route/produce_stream.h"
#include "proxy/splice/fetch.h"
#include "proxy/wire/split.h"
#include "tests/sim/client_connection.h"
#include "tests/sim/proxy.h"

namespace shunt::sim {

struct Exchange {
  const wire::Message* request = nullptr;
  const wire::Message* answer = nullptr;
  wire::Version version = 0;
  std::int32_t correlation = 0;
  std::int64_t began_ms = 0;
  std::vector<Buffer> parts;
  std::size_t parts_left = 0;
  bool complete = true;  // false: more parts may still be added
  bool ready = false;
  bool paused = false;  // its task has nobody to ask just now
  Buffer frame;
  struct Bound {
    std::size_t part;
    route::ProduceOrder::Road* road;
    route::ProduceOrder::Mark mark = 0;
    int partition = -1;
    splice::BatchId batch{};
    std::int32_t leader_epoch = -1;
    splice::PartitionLog* log = nullptr;
    bool first = false;
    std::uint32_t cut = 0;  // of the tail it was sent to
    bool resent = false;    // counted in log->resent_unanswered
    bool rewrites = false;  // counted in log->rewriting
    bool counted = false;   // in Proxy::under_way
    void answered() {
      if (std::exchange(resent, false)) --log->resent_unanswered;
      if (std::exchange(rewrites, false) && of_tail()) --log->rewriting;
    }
    // A resend that was let through during a hold may be answered after the flip: what it says of
    // firsts and of unclear batches is not of the tail that is there by then.
    bool of_tail() const { return log != nullptr && log->log.tail().cut == cut; }
  };
  std::vector<Bound> roads;
  std::unique_ptr<splice::Task> task;
  struct Asked {
    wire::ApiKey api;
    wire::Version version;
  };
  std::vector<Asked> asks;
  std::function<wire::Value(const wire::Value&)> change;
  std::uint32_t next_cut = 0;
  bool before = false;  // asked before the migration: nobody can ask it again
  bool spliced = false, whole = false;
  bool unclipped = false;  // a planted bug
  Buffer asked;
};

struct Awaited {
  Exchange* exchange = nullptr;
  std::size_t part = 0;
  std::uint64_t behind = 0;
};

enum class Inbound : std::uint8_t { head, collect, stream, skip };

struct Link {
  route::NodeKey node;
  PeerRef peer;
  bool closed = false;
  std::deque<Awaited> awaited;
  Inbound inbound = Inbound::head;
  Buffer carry, collect;
  std::size_t collect_bytes = 0, skip_bytes = 0;
  std::unique_ptr<route::Offsets> offsets;
  std::unique_ptr<route::StreamTranslator> translator;
  bool paused = false;
  std::uint64_t unanswered_sent = 0, unanswered_read = 0, unanswered_wanted = 0;
};

// What answers show of nodes: their ids, one address for all.
class Names : public route::Naming {
 public:
  explicit Names(Proxy& proxy) : proxy_(proxy) {}
  const std::vector<route::ShownNode>& nodes() override;
  std::optional<route::Endpoint> at(route::NodeId id) override;
  const std::string& cluster_id() override;
  wire::Uuid topic_id(route::Cluster, const wire::Uuid& id) override { return id; }
  wire::Uuid native_topic_id(route::Cluster, const wire::Uuid& id) override { return id; }

 private:
  Proxy& proxy_;
  std::vector<route::ShownNode> nodes_;
};

class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(Proxy& proxy, std::shared_ptr<ClientConnection> client);

  const std::uint64_t number;  // of its proxy's

  // The client's end.
  void take(Buffer frame);
  void client_gone(bool reset);
  void die();  // with the proxy
  // A link of it is lost.
  void link_failed(const std::shared_ptr<Link>& link);

  // For a cut.
  void unpark();
  std::string pending(route::Cluster from) const;
  void ask_behind_acks_0(route::Cluster cluster, bool begin);
  void give_up(route::Cluster from);  // what is pending there
  void route_changed();
  std::string state() const;  // what it waits for

 private:
  // session.cpp
  void close(const std::string& why);
  void request(Buffer& frame);
  void carry_out(const wire::RequestHeader& h, const wire::Message& m, std::span<std::byte> frame);
  void forward(const wire::RequestHeader& h, const wire::Message& m, std::span<std::byte> frame);
  void split(const wire::RequestHeader& h, const wire::Message& m, std::span<std::byte> frame);
  void answer_with(const wire::RequestHeader& h, const wire::Value& body);
  Exchange& expect(const wire::RequestHeader& h, const wire::Message& m);
  route::Origin origin(wire::ApiKey api) const;
  Link& link_to(route::NodeKey node);
  void send(Link& link, wire::Bytes bytes);
  void drop_link(const std::shared_ptr<Link>& link);
  bool fail_tasks(const std::shared_ptr<Link>& link);
  bool blocked() const { return closed_ || lingering_ || parked_; }
  bool linger();
  void forget();
  void end_linger_if_done();
  void resume_soon();
  void resume();
  void finish_if_done();

  // session_produce.cpp
  void read_batches();
  splice::Judged judge(const splice::TopicLog& topic, const splice::PartitionLog& log,
                       const splice::BatchId& batch);
  splice::Judged judge_once(const splice::TopicLog& topic, const splice::PartitionLog& log,
                            const splice::BatchId& batch) const;
  bool admit_produce(const wire::RequestHeader& h, std::span<std::byte> frame);
  wire::Value own_produce_answer() const;
  static wire::Value own_partition(int partition, const splice::Judged& j);
  static wire::Value own_answer(wire::Array partitions);
  static splice::BatchId batch_id(wire::Bytes records);
  static void write_as(std::int64_t id, const splice::BatchId& batch, std::span<std::byte> records);
  void park();
  void take_out_own_leaves();
  void bind(Exchange& e, std::size_t part, const wire::Leaf& leaf, std::size_t index,
            route::NodeKey node);
  void watch(Exchange& e, std::size_t part, int partition, route::NodeKey node,
             const splice::BatchId& batch, bool first, route::ProduceOrder::Mark mark);
  void settle(Exchange& e, std::size_t part, const wire::Value& answer);
  void mark_unclear(const Link& link);

  // session_under_way.cpp
  Proxy::Writer writer(int partition, const splice::BatchId& batch) const;
  bool on_another_road(int partition, const splice::BatchId& batch) const;
  void count_road(Exchange::Bound& b);
  void release_road(Exchange::Bound& b);
  void leave_road(Exchange::Bound& b);
  void leave_roads();
  static bool unanswered_on(const Link& link);

  // session_upload.cpp
  bool begins_upload(const Buffer& piece) const;
  void begin_upload(Buffer piece);
  bool upload();
  bool begin_part(wire::Bytes begin, std::span<std::byte> records);
  void end_part();
  bool half_sent(const Link& link) const;

  // session_spliced.cpp
  bool splice_request(const wire::RequestHeader& h, const wire::Message& m,
                      std::span<std::byte> frame);
  wire::Value decoded(const wire::RequestHeader& h, const wire::Message& m,
                      wire::Bytes frame) const;
  bool task_for(const wire::RequestHeader& h, const wire::Message& m, wire::Bytes frame);
  bool fetch_spliced(const wire::RequestHeader& h, const wire::Message& m,
                     std::span<std::byte> frame);
  bool committed(const wire::RequestHeader& h, const wire::Message& m, std::span<std::byte> frame);
  void begin_task(const wire::RequestHeader& h, const wire::Message& m,
                  std::unique_ptr<splice::Task> task);
  void next_round(Exchange& e);
  void pause_task(Exchange& e);
  std::string group() const;
  bool waits_at_seam(const splice::TopicLog& t) const;
  splice::WaitsAtSeam at_seams();
  void check_gate(const Exchange& e, const wire::Value& body) const;
  void finish_task(Exchange& e);
  void take_for_task(Exchange& e, std::size_t i, const wire::Value& body);
  bool being_received(const Exchange& e) const;

  // session_answers.cpp
  void link_bytes(const std::shared_ptr<Link>& link, Buffer bytes);
  void take_answers(Link& link, std::span<std::byte> data);
  std::optional<std::size_t> take_answer(Link& link, std::span<std::byte> data);
  std::optional<std::size_t> begin_answer(Link& link, std::span<std::byte> data,
                                          std::uint32_t content);
  std::size_t hold_whole(Link& link, std::span<std::byte> data, std::uint32_t content);
  void whole_answer(Link& link, std::span<std::byte> frame);
  std::unique_ptr<route::Offsets> offsets_for(const Exchange& e, route::Cluster from);
  void change_answer(Exchange& e, wire::Bytes body);
  void learn(Exchange& e, std::size_t part, route::NodeKey from, wire::Bytes body,
             const route::Noticed& noticed);
  void merge_parts(Exchange& e);
  void advance();
  void send_client(wire::Bytes bytes);

  Proxy& proxy_;
  std::shared_ptr<ClientConnection> client_;
  Names names_;
  std::map<route::NodeKey, std::shared_ptr<Link>> links_;
  std::deque<std::unique_ptr<Exchange>> queue_;
  std::deque<Buffer> carry_;  // received, not taken yet
  Buffer held_;
  struct Upload {  // a Produce that streams through in parts
    Upload(const wire::RequestHeader& h, wire::Bytes head, std::uint64_t body)
        : cut(h, head, body) {}
    route::ProduceStream cut;
    wire::RequestHeader header;
    Buffer data;                         // received, not cut yet
    std::size_t left = 0;                // to be received
    Exchange* exchange = nullptr;        // null: acks=0, or nothing begun yet
    std::shared_ptr<Link> link;          // of the part that began last; null: it goes nowhere
    Buffer part;                         // of it so far
    std::vector<Buffer> behind;          // for its link, when it is sent
    Buffer begin;                        // of a part that waits for the migration
    std::optional<std::int64_t> passed;  // as whom the last part was written: a planted bug's
  };
  std::unique_ptr<Upload> upload_;
  route::ProduceOrder order_;
  std::uint64_t metadata_asked_ = 0;
  struct Next {
    std::function<wire::Value(const wire::Value&)> change;
    bool spliced = false;
    Buffer asked;
  };
  Next next_;
  // Scratch of one request.
  wire::Parts parts_;
  route::Dispatch decision_;
  wire::Edits edits_;
  std::vector<splice::BatchId> batches_;
  std::vector<splice::Judged> judged_;
  bool parked_ = false, lingering_ = false, ended_ = false, closed_ = false, resuming_ = false;
  bool client_open_ = true;
  bool out_of_range_ = false;  // a streamed Fetch met a hole: the next one is a task
};

}  // namespace shunt::sim
