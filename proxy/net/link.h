// One upstream connection: opened when first needed, owned by one session.
//
// Bytes to send wait in `out` while it connects or the broker does not read. Answers come in the
// order of the requests; what is done with them is the session's business.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "proxy/net/dialer.h"
#include "proxy/net/exchange.h"
#include "proxy/net/frame_progress.h"
#include "proxy/net/login.h"
#include "proxy/net/stream.h"
#include "proxy/route/translate.h"
#include "proxy/splice/tails.h"

namespace shunt::net {

// A request on its way: whose answer comes next.
struct Awaited {
  Exchange* exchange = nullptr;  // null: nobody's any more, its bytes are dropped
  std::size_t part = 0;
  std::uint64_t behind = 0;  // its answer shows: so many without an answer have been read
};

// Where in an answer the link stands.
enum class Inbound : std::uint8_t { head, collect, stream, skip };

class Link : public std::enable_shared_from_this<Link> {
 public:
  // What a link tells its session. link_drained may come from inside send(): only take note there.
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void link_readable(const std::shared_ptr<Link>& link) = 0;
    virtual void link_drained(const std::shared_ptr<Link>& link) = 0;  // `out` is empty again
    virtual void link_failed(const std::shared_ptr<Link>& link, const std::string& why) = 0;
  };

  Link(boost::asio::io_context& io, std::weak_ptr<Owner> owner, route::NodeKey node)
      : io_(io), node_(node), stream_(tcp::socket(io)), owner_(std::move(owner)) {}

  void open(const Dialer& dialer, const route::Endpoint& at);
  // Writes, and queues what does not go at once. A broker that has gone: link_failed follows.
  void send(wire::Bytes first, wire::Bytes second = {});
  void arm();  // wait for the next bytes, unless paused, already waiting or not open
  void close();
  bool connected() const { return connected_; }
  bool closed() const { return closed_; }
  std::size_t unsent() const { return out_.size() - sent_; }
  std::uint64_t written() const { return written_; }  // bytes that were taken so far
  std::vector<std::byte> take_unsent();
  route::NodeKey node() const { return node_; }
  Stream& stream() { return stream_; }

  void end_answer() {
    awaited.pop_front();
    ++answers;
  }

  // The session's state of this link.
  std::deque<Awaited> awaited;
  Inbound inbound = Inbound::head;
  std::vector<std::byte> carry;    // received, not yet understood
  std::vector<std::byte> collect;  // a whole answer in the making
  std::size_t collect_bytes = 0;
  std::unique_ptr<splice::Tails> offsets;  // of the translator
  std::unique_ptr<route::StreamTranslator> translator;
  Clock::time_point began = Clock::now();
  bool paused = false;  // a streamed answer waits for its turn
  // Requests without an answer (acks=0): sent, known to be read, and to be read before a cut.
  std::uint64_t unanswered_sent = 0, unanswered_read = 0, unanswered_wanted = 0;
  std::uint64_t skip_bytes = 0;             // Inbound::skip: still to come
  std::uint64_t received = 0, answers = 0;  // bytes, and whole answers
  FrameProgress answering, asking;

 private:
  void connect_next(Resolver::Endpoints found, std::size_t at, std::string last_error);
  void secure();
  void log_in();
  void step(Login::Step step);
  void wait_for_login();
  void read_login();
  void not_opened(const std::string& why);
  void opened();
  void flush();
  void fail(const std::string& why);

  boost::asio::io_context& io_;
  route::NodeKey node_;
  Stream stream_;
  std::shared_ptr<const TlsClient> tls_;   // null: plain
  std::string host_;                       // as the cluster names it: its certificate must, too
  std::string where_;                      // the address it was reached at
  std::shared_ptr<const Credentials> as_;  // null: nobody is asked who we are
  std::unique_ptr<Login> login_;
  std::vector<std::byte> login_in_;
  std::weak_ptr<Owner> owner_;
  std::vector<std::byte> out_;
  std::size_t sent_ = 0;
  std::uint64_t written_ = 0;
  bool connected_ = false;
  bool closed_ = false;
  bool reading_ = false;
  bool writing_ = false;
};

}  // namespace shunt::net
