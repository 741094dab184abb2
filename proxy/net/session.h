// One client connection: its requests in, its links, its answers out in request order.
//
// session.cpp   life: opening, blocking and resuming, the closing line     deadlines.cpp
// frames.cpp    frames in     uploads.cpp   larger than the buffer: collected; a large Produce in
// parts     requests.cpp  decisions carried out     answers.cpp  answers in, translated, in order
// produce.cpp, spliced.cpp, committed.cpp, grouped.cpp  what topics in a migration need besides
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>

#include "proxy/net/frame_progress.h"
#include "proxy/net/group_gate.h"
#include "proxy/net/link.h"
#include "proxy/net/naming.h"
#include "proxy/route/produce_stream.h"
#include "proxy/splice/fetch.h"
#include "proxy/splice/producers.h"
#include "proxy/splice/tails.h"
#include "proxy/wire/header.h"

namespace shunt::net {

// The first batch of a record set, as the duplicate check names it.
splice::BatchId batch_id(wire::Bytes records);
// Writes a producer id into that batch, unless it is the one that stands there.
void write_as(std::int64_t id, const splice::BatchId& batch, std::span<std::byte> records);

// An allocator that leaves new bytes as they are: they are read from a socket next.
struct Unset : std::allocator<std::byte> {
  template <class U>
  struct rebind {
    using other = Unset;
  };
  static void construct(std::byte* at) noexcept { ::new (at) std::byte; }
};

class Session : public Link::Owner, public std::enable_shared_from_this<Session> {
 public:
  Session(World& world, tcp::socket socket, std::optional<observe::Listener> listener,
          std::optional<route::NodeKey> port_node);
  // Without `listener` the client's first byte says whether it is TLS.
  static void open(World& world, tcp::socket socket, std::optional<observe::Listener> listener,
                   std::optional<route::NodeKey> port_node);

  // Once a second: deadlines.
  void tick(Clock::time_point now);
  // Answers what is in flight, takes nothing new, then closes.
  void drain();
  void close(observe::CloseCause cause, const std::string& why = {});

  // produce.cpp, produce_under_way.cpp: for a cut and for who waits.
  void unpark();
  using Topics = std::set<std::string, std::less<>>;
  struct Pending {
    std::string what;        // empty: nothing
    bool half_sent = false;  // its client has not finished the frame
  };
  Pending pending(const Topics& topics, route::Cluster from) const;
  // Ends the links to a cluster that is left on which a Produce to these topics is unanswered: it
  // is unclear from now on, and its client sends it again.
  void give_up(const Topics& topics, route::Cluster from);
  void ask_behind_acks_0(route::Cluster cluster, bool begin);
  // These topics live elsewhere now: polls that are parked at brokers end (rules B6).
  void route_changed(const Topics& topics);

  // grouped.cpp: for a group's hand-over.
  void let_go(splice::Barrier::Ticket ticket);
  void adopt(const std::string& group, GroupGate& gate);
  bool commits_under_way(const std::string& group) const;
  bool awaits_join(const std::string& group) const;
  // A Fetch came since then, or is being answered.
  bool fetching(Clock::time_point since) const;

  // Partitions of migrated topics where its last Fetch, no longer ago than that, asked for what
  // only old has: by topic and index.
  std::map<std::pair<std::string, std::int32_t>, splice::VirtualOffset> reads_behind(
      Clock::duration recent) const;

  // Topics in no migration that it has used since one was begun.
  const std::set<std::string, std::less<>>& uses_elsewhere() const { return uses_elsewhere_; }

  // What it has used that is not offered (any more): "Fetch v3: both serve 4-17"; empty: nothing.
  std::string beyond_offer() const;
  // It agreed on that before new was seen: on a new connection it would not.
  bool to_agree_anew() const;
  // A Fetch that was asked before then is still to be answered.
  bool polls_since_before(Clock::time_point then) const;

  // For `clients`.
  const Who& who() const { return who_; }
  const std::string& remote() const { return remote_; }
  observe::Listener listener() const { return listener_; }
  observe::UnixMillis since() const { return since_; }
  std::uint64_t bytes_in() const { return bytes_in_; }
  std::uint64_t bytes_out() const { return bytes_out_; }
  const std::map<std::pair<wire::ApiKey, wire::Version>, std::uint64_t>& apis() const {
    return apis_;
  }
  const std::set<std::string>& transactional_ids() const { return transactional_ids_; }

 private:
  // session.cpp
  void start();
  void tell_listener();
  void secure();
  void arm_client();
  void client_readable();
  void resume_soon();
  void resume();
  bool blocked() const;
  std::size_t unsent_to_brokers() const;
  bool idle_between_frames() const;
  void finish_if_done();
  void link_readable(const std::shared_ptr<Link>& link) override;
  void link_drained(const std::shared_ptr<Link>& link) override;
  void link_failed(const std::shared_ptr<Link>& link, const std::string& why) override;
  bool move_to_another(const std::shared_ptr<Link>& link);
  void drop(Link& link);
  bool fail_tasks(const std::shared_ptr<Link>& link);
  bool linger();
  void end_linger_if_done();
  void forget();

  // deadlines.cpp
  void tick_links(Clock::time_point now);
  void count_unfinished();

  // frames.cpp
  void take_requests(std::span<std::byte> data);
  std::optional<std::size_t> take_frame(std::span<std::byte> data);
  std::optional<std::size_t> begin_large(std::span<std::byte> data, std::uint32_t content);
  std::size_t begin_collect(std::span<std::byte> data, std::size_t total);

  // requests.cpp
  void request(std::span<std::byte> frame);
  void note(const wire::RequestHeader& h, const wire::Parts& parts);
  void learn_client_id(std::string_view client_id);
  void carry_out(const wire::RequestHeader& h, const wire::Message& m, std::span<std::byte> frame);
  void forward(const wire::RequestHeader& h, const wire::Message& m, std::span<std::byte> frame);
  void split(const wire::RequestHeader& h, const wire::Message& m, std::span<std::byte> frame);
  void answer_self(const wire::RequestHeader& h, const wire::Message& m, wire::Bytes body);
  void answer_with(const wire::RequestHeader& h, wire::Version version, const wire::Value& body);
  void resolve(std::span<std::byte> frame);
  route::Origin origin(wire::ApiKey api) const;
  std::uint64_t& metadata_asked() const;
  Exchange& expect(const wire::RequestHeader& h, const wire::Message& m);
  void remember_keys(Exchange& e, const wire::Message& m, const wire::Parts& parts);
  Link& link_to(route::NodeKey node);

  // produce.cpp
  void read_batches(const wire::Parts& parts);
  void note_producer(std::int64_t id);
  splice::Judged judge(splice::TopicLog& topic, const splice::PartitionLog& log,
                       const splice::BatchId& batch, std::string_view transactional_id);
  bool admit_produce(const wire::RequestHeader& h, std::span<std::byte> frame);
  wire::Value own_produce_answer() const;
  wire::Value own_part_answer(const std::string& topic, const wire::Uuid& topic_id,
                              std::int32_t partition, const splice::Judged& judged) const;
  std::vector<std::byte> named_for(route::NodeKey node, wire::Bytes begin);
  void take_out_own_leaves();
  void bind(Exchange& e, std::size_t part, const wire::Leaf& leaf, std::size_t index,
            route::NodeKey node);
  void watch(Exchange& e, std::size_t part, std::string_view topic, const wire::Uuid& topic_id,
             std::int32_t partition, route::NodeKey node, const splice::BatchId& batch, bool first,
             route::ProduceOrder::Mark mark);
  std::string client_name() const;
  void settle(Exchange& e, std::size_t part, const wire::Value& answer);
  void mark_unclear(const Link& link);
  bool half_sent(const Link& link) const;
  bool waits_for_cluster(const splice::PartitionLog& log);
  void tick_outage(Clock::time_point now);
  void park(std::span<std::byte> frame);
  static bool is_acks_0(std::span<std::byte> frame);

  // produce_under_way.cpp
  std::optional<World::Writer> writer(const splice::PartitionLog& log,
                                      const splice::BatchId& batch) const;
  bool on_another_road(const splice::PartitionLog& log, const splice::BatchId& batch) const;
  void count_road(Exchange::Bound& b);
  void release_road(Exchange::Bound& b);
  void leave_roads();
  void leave_road(Exchange::Bound& b);
  std::string unanswered_on(const Link& link, const Topics& topics) const;

  // spliced.cpp
  bool splice_request(const wire::RequestHeader& h, const wire::Message& m,
                      std::span<std::byte> frame);
  std::optional<wire::Value> decoded(const wire::RequestHeader& h, const wire::Message& m,
                                     wire::Bytes frame);
  std::vector<std::byte> reframed(const wire::RequestHeader& h, const wire::Message& m,
                                  wire::Bytes frame, const wire::Value& body);
  bool names_spliced() const;
  bool task_for(const wire::RequestHeader& h, const wire::Message& m, std::span<std::byte> frame);
  void begin_task(const wire::RequestHeader& h, const wire::Message& m,
                  std::unique_ptr<splice::Task> task);
  void next_round(Exchange& e);
  void pause_task(Exchange& e);
  splice::WaitsAtSeam at_seams();
  void finish_task(Exchange& e);
  void put_answer(Exchange& e, const wire::Value& body);
  void take_for_task(Exchange& e, std::size_t i, const wire::Value& body);
  bool fetch_spliced(const wire::RequestHeader& h, const wire::Message& m,
                     std::span<std::byte> frame);
  bool being_received(const Exchange& e) const;

  // committed.cpp
  bool committed(const wire::RequestHeader& h, const wire::Message& m, std::span<std::byte> frame);
  void keep_commit(const splice::Record& record);
  wire::Value places_shown(const wire::Value& asked, const wire::Value& answer,
                           std::uint64_t since);
  bool transaction_ends(const wire::RequestHeader& h, const wire::Message& m,
                        std::span<std::byte> frame);

  // grouped.cpp
  bool grouped(const wire::RequestHeader& h, const wire::Message& m, std::span<std::byte> frame);
  void hold(const wire::RequestHeader& h, const wire::Message& m, std::span<std::byte> frame,
            GroupGate& gate, const std::string& group, const std::string& member);
  bool at_new_home(const wire::RequestHeader& h, const wire::Message& m, std::span<std::byte> frame,
                   const splice::Handed& handed, const std::string& member);
  void leave_gates();
  void note_use(std::string_view topic, const wire::Uuid& shown_id);
  void note_place(const std::string& topic, std::int32_t index, const splice::PartitionLog& log,
                  splice::VirtualOffset at);
  wire::Value homed(const wire::Value& answer, route::Cluster c) const;
  bool new_producer(const wire::RequestHeader& h, const wire::Message& m,
                    std::span<std::byte> frame);

  // uploads.cpp
  std::span<std::byte> to_collect();
  void believe_collected();
  void collected(std::size_t bytes);
  std::optional<std::size_t> stream_produce(std::span<std::byte> data);
  void send_between_frames(Link& link, wire::Bytes frame);
  void begin_stream(const wire::RequestHeader& h, wire::Bytes content_head, std::uint64_t body);

  // answers.cpp
  void take_answers(Link& link, std::span<std::byte> data);
  std::optional<std::size_t> take_answer(Link& link, std::span<std::byte> data);
  std::optional<std::size_t> begin_answer(Link& link, std::span<std::byte> data,
                                          std::uint32_t content);
  void skipped(Link& link);
  bool before_a_question(const Link& link) const;
  bool renumbered(const Exchange& e) const;
  void whole_answer(Link& link, std::span<std::byte> frame);
  void show_accepted(const Exchange& e, std::size_t part, const splice::Tails& tails);
  bool change_answer(Exchange& e, wire::Bytes body);
  void learn(Exchange& e, std::size_t part, route::NodeKey from, wire::Bytes body,
             const route::Noticed& noticed);
  void finish_part(Exchange& e, std::size_t part, wire::Bytes head, wire::Bytes body);
  void merge_parts(Exchange& e);
  void advance();
  void answered(const Exchange& e);
  void send_client(wire::Bytes first, wire::Bytes second = {});
  void flush_client();

  World& world_;
  Stream client_;
  observe::Listener listener_;
  bool listener_known_;
  std::string remote_;
  Who who_;
  SessionNaming naming_;
  observe::UnixMillis since_ = 0;
  std::uint64_t bytes_in_ = 0, bytes_out_ = 0;
  std::map<std::pair<wire::ApiKey, wire::Version>, std::uint64_t> apis_;
  std::set<std::string> transactional_ids_;
  std::set<std::string, std::less<>> uses_elsewhere_;
  struct Place {
    splice::VirtualOffset at{0};
    Clock::time_point asked{};
  };
  std::map<std::pair<std::string, std::int32_t>, Place> behind_;  // the seam, by topic and index

  std::map<route::NodeKey, std::shared_ptr<Link>> links_;
  std::set<route::NodeKey> tried_;  // nodes that could not be reached for a request to any broker
  std::deque<std::unique_ptr<Exchange>> queue_;  // in request order
  std::vector<std::byte> carry_;                 // received, not yet a whole frame
  std::vector<std::byte, Unset> collect_;  // a larger frame in the making, size prefix included
  std::size_t collect_have_ = 0, collect_bytes_ = 0;
  std::vector<std::byte> held_;          // a request that waits for its coordinator
  std::vector<std::string> unresolved_;  // the keys that could not be found for it
  bool resolving_ = false;
  std::uint64_t frames_in_ = 0;  // begun to be taken
  FrameProgress progress_;       // of the one that is on its way in
  Unfinished::Share unfinished_;
  struct Upload {  // a Produce that streams through in parts
    Upload(const wire::RequestHeader& h, wire::Bytes head, std::uint64_t body)
        : cut(h, head, body) {}
    route::ProduceStream cut;
    Exchange* exchange = nullptr;   // null: acks=0, or nothing begun yet
    std::shared_ptr<Link> link;     // of the part that began last; null: its records go nowhere
    bool half_sent = false;         // that part is, as yet
    std::vector<std::byte> behind;  // for its link, when it is sent
    wire::RequestHeader header;
    std::vector<std::byte> begin;  // of a part that waits for the migration
  };
  bool begin_part(wire::Bytes begin, std::span<std::byte> records);
  std::unique_ptr<Upload> upload_;
  std::vector<std::byte> client_out_;  // what the client did not take yet
  std::size_t client_sent_ = 0;
  route::ProduceOrder order_;
  mutable std::uint64_t own_metadata_asked_ = 0;  // of a connection without instance
  struct Next {                                   // what the exchange that begins next is to have
    std::function<wire::Value(const wire::Value&)> change;
    bool spliced = false;
    std::vector<std::byte> asked;
  };
  Next next_;
  std::vector<Exchange*> changed_;
  Exchange* resumed_ = nullptr;  // whose request, held until now, is being carried out
  Clock::time_point last_fetch_{};
  bool out_of_range_ = false;          // a streamed Fetch met a hole: the next one is a task
  std::size_t fetch_session_era_ = 0;  // how many migrations there were when it began
  std::int32_t fetch_session_ = 0;
  std::optional<route::NodeKey> fetch_session_at_;
  Clock::time_point active_;         // last byte from or to the client
  std::int64_t last_producer_ = -1;  // told to World::producers_seen
  Clock::time_point parked_since_;
  bool securing_ = false;   // TLS's handshake is under way
  bool parked_ = false;     // a Produce waits in held_ (or in upload_) for the migration
  bool outage_ = false;     // and for a cluster that cannot be reached
  bool again_ = false;      // the request is one that waited
  bool lingering_ = false;  // the client has gone; answers to its Produce are still waited for
  bool reading_ = false, writing_ = false, resuming_ = false;
  bool taking_ = false;  // requests: what is answered meanwhile leaves together
  bool draining_ = false, ended_ = false, closed_ = false;  // ended: the client sent its FIN
};

}  // namespace shunt::net
