// Accepts, reads a request, asks routes.cpp, writes the answer; again until the peer is done.
#include "control/http.h"

#include <chrono>
#include <set>

#include <sys/stat.h>
#include <unistd.h>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>

#include "control/socket.h"
#include "control/units.h"
#include "proxy/observe/log.h"

namespace shunt::control {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace log = observe::log;
using Protocol = asio::generic::stream_protocol;
using Acceptor = asio::basic_socket_acceptor<Protocol>;
using Stream = beast::basic_stream<Protocol>;

constexpr std::size_t sessions_max = 64;  // per listener
constexpr std::size_t body_bytes_max = 65536;
constexpr std::size_t head_bytes_max = 8192;
constexpr auto progress_max = std::chrono::seconds(30);

}  // namespace

struct HttpServer::State {
  class Session;
  struct Listener {
    Listener(asio::io_context& io, bool socket) : acceptor(io), wait(io), on_socket(socket) {}
    Acceptor acceptor;
    asio::steady_timer wait;  // after accept failed
    bool on_socket;
    std::optional<gid_t> group;
    std::size_t sessions = 0;
  };

  State(asio::io_context& context, ApiSources s)
      : io(context), sources(std::move(s)), socket(context, true), tcp(context, false) {
    if (!sources.later)
      sources.later = [&context](std::chrono::milliseconds after, std::function<void()> call) {
        auto timer = std::make_shared<asio::steady_timer>(context, after);
        timer->async_wait([call = std::move(call)](boost::system::error_code stopped) {
          if (!stopped) call();
        });
        return timer;
      };
  }
  void accept(const std::shared_ptr<State>& self, Listener& from);

  asio::io_context& io;
  ApiSources sources;
  Listener socket, tcp;
  std::set<Session*> sessions;
  std::string path;  // of the Unix socket, to remove it
  ino_t inode = 0;
  std::uint16_t port = 0;
};

// One connection. Lives as long as one of its operations is under way.
class HttpServer::State::Session : public std::enable_shared_from_this<Session> {
 public:
  Session(std::shared_ptr<State> state, Listener& from, Protocol::socket socket)
      : state_(std::move(state)), from_(from), stream_(std::move(socket)) {
    allowed_ = !from.on_socket || peer_allowed(stream_.socket().native_handle(), from.group);
    ++from_.sessions;
    state_->sessions.insert(this);
  }
  ~Session() {
    --from_.sessions;
    state_->sessions.erase(this);
  }
  void close() { stream_.close(); }

  void read() {
    parser_.emplace();
    parser_->body_limit(body_bytes_max);
    parser_->header_limit(head_bytes_max);
    stream_.expires_after(progress_max);
    http::async_read(
        stream_, buffer_, *parser_,
        [self = shared_from_this()](beast::error_code ec, std::size_t) { self->on_read(ec); });
  }

 private:
  void on_read(beast::error_code ec) {
    if (!ec) return respond(parser_->get());
    // What the peer did to the connection needs no answer; what it said wrongly does.
    const bool too_large = ec == http::error::body_limit || ec == http::error::header_limit;
    const bool said = ec.category() == make_error_code(http::error::bad_method).category();
    if (!said || ec == http::error::end_of_stream || ec == http::error::partial_message) return;
    write(error_answer(too_large ? 413 : 400,
                       {too_large ? "too_large" : "bad_request", "not a request: " + ec.message(),
                        "", "send HTTP/1.1 with at most 64 KiB"}),
          false);
  }

  // The answer may come later. A peer that has gone by then is not missed: a step goes on.
  void respond(const http::request<http::string_body>& r) {
    const bool keep_alive = r.keep_alive();
    if (!allowed_)
      return write(
          error_answer(403, {"forbidden", "this user may not use the control socket", state_->path,
                             "be root, the daemon's user or in control.group"}),
          keep_alive);
    if (!from_.on_socket && !local_name(r[http::field::host]))
      return write(error_answer(403, {"forbidden", "the Host header names another machine",
                                      std::string(r[http::field::host]),
                                      "use 127.0.0.1, [::1] or localhost"}),
                   keep_alive);
    ApiRequest request;
    request.method = std::string(r.method_string());
    request.target = std::string(r.target());
    request.on_socket = from_.on_socket;
    request.body = r.body();
    request.who = from_.on_socket ? peer_name(stream_.socket().native_handle()) : "";
    answer(request, state_->sources, [self = shared_from_this(), keep_alive](const ApiAnswer& a) {
      self->write(a, keep_alive);
    });
  }

  // A page of another site whose name was pointed at 127.0.0.1 must not read this API.
  static bool local_name(std::string_view host) {
    const bool has_port = parse_endpoint(host).has_value();
    if (has_port) return is_loopback(parse_endpoint(host)->host);
    return host == "[::1]" || is_loopback(host);
  }

  void write(ApiAnswer a, bool keep_alive) {
    const auto method = parser_->get().method();
    response_ = {};
    response_.result(a.status);
    response_.version(11);
    response_.keep_alive(keep_alive);
    response_.set(http::field::content_type, a.type);
    response_.set(http::field::cache_control, "no-store");
    response_.set("X-Content-Type-Options", "nosniff");
    if (a.status == 405) response_.set(http::field::allow, a.allow);
    response_.content_length(a.body.size());
    if (method != http::verb::head) response_.body() = std::move(a.body);
    stream_.expires_after(progress_max);
    http::async_write(stream_, response_,
                      [self = shared_from_this(), keep_alive](beast::error_code ec, std::size_t) {
                        if (!ec && keep_alive) self->read();
                      });
  }

  std::shared_ptr<State> state_;
  Listener& from_;
  Stream stream_;
  beast::flat_buffer buffer_{head_bytes_max + body_bytes_max};
  std::optional<http::request_parser<http::string_body>> parser_;
  http::response<http::string_body> response_;
  bool allowed_ = false;
};

void HttpServer::State::accept(const std::shared_ptr<State>& self, Listener& from) {
  from.acceptor.async_accept([self, &from](boost::system::error_code ec, Protocol::socket peer) {
    if (!from.acceptor.is_open()) return;
    if (!ec) {
      if (from.sessions < sessions_max)
        std::make_shared<Session>(self, from, std::move(peer))->read();
      return self->accept(self, from);
    }
    log::limited(log::Level::warn, "api.accept_failed", {{"why", ec.message()}});
    from.wait.expires_after(std::chrono::milliseconds(200));  // out of descriptors: not in a circle
    from.wait.async_wait([self, &from](boost::system::error_code stopped) {
      if (!stopped && from.acceptor.is_open()) self->accept(self, from);
    });
  });
}

HttpServer::HttpServer(asio::io_context& io, ApiSources sources)
    : state_(std::make_shared<State>(io, std::move(sources))) {}

HttpServer::~HttpServer() { close(); }

bool HttpServer::listen_socket(const std::string& path, const std::string& group,
                               Failure& failure) {
  auto& listener = state_->socket;
  if (!group.empty()) listener.group = group_id(group);
  if (!group.empty() && !listener.group) {
    failure = {"no_such_group", "control.group: this machine has no group " + group, group,
               "create the group, or set control.group to none"};
    return false;
  }
  File file = listen_unix(path, listener.group, failure);
  if (!file) return false;
  struct stat st {};
  if (::stat(path.c_str(), &st) == 0) state_->inode = st.st_ino;
  state_->path = path;
  listener.acceptor.assign(Protocol(AF_UNIX, 0), file.release());
  state_->accept(state_, listener);
  return true;
}

bool HttpServer::listen_http(const route::Endpoint& at, Failure& failure) {
  File file = listen_tcp(at, failure);
  if (!file) return false;
  state_->port = port_of(file);
  const int family = at.host.find(':') == std::string::npos ? AF_INET : AF_INET6;
  state_->tcp.acceptor.assign(Protocol(family, IPPROTO_TCP), file.release());
  state_->accept(state_, state_->tcp);
  return true;
}

std::uint16_t HttpServer::http_port() const { return state_->port; }

void HttpServer::close() {
  boost::system::error_code ignored;
  for (auto* listener : {&state_->socket, &state_->tcp}) {
    listener->acceptor.close(ignored);
    listener->wait.cancel();
  }
  for (auto* session : state_->sessions) session->close();
  struct stat st {};
  // Only ours: another daemon may have put its own there.
  if (!state_->path.empty() && ::lstat(state_->path.c_str(), &st) == 0 &&
      st.st_ino == state_->inode)
    ::unlink(state_->path.c_str());
  state_->path.clear();
  state_->port = 0;
}

}  // namespace shunt::control
