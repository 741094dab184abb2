// Speaks HTTP/1.1 over the Unix socket: plain system calls, Beast's parser.
#include "control/client.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "control/file.h"

namespace shunt::control {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;

struct Connection {
  const std::string& path;
  Deadline deadline;
  Failure& failure;
  File socket = File();

  bool fail(int error) {
    if (error == EINTR)
      failure = {"interrupted", "interrupted while waiting; the daemon goes on", path, ""};
    else if (error == ETIMEDOUT)
      failure = {"timed_out", "no answer within --timeout; the daemon goes on", path,
                 "ask again, or wait longer"};
    else
      failure = {"unreachable",
                 std::string("the daemon cannot be reached: ") + std::strerror(error), path,
                 error == EACCES
                     ? "be root, the daemon's user or in control.group"
                     : "start it (shunt run -c FILE), or name its control.socket with --socket"};
    return false;
  }

  // Until the socket is ready for `events`.
  bool wait(short events) {
    using namespace std::chrono;
    int left = -1;
    if (deadline) {
      const auto ms = duration_cast<milliseconds>(*deadline - steady_clock::now()).count();
      left = static_cast<int>(std::clamp<std::int64_t>(ms, 0, std::numeric_limits<int>::max()));
    }
    pollfd p{socket.fd(), events, 0};
    const int n = ::poll(&p, 1, left);
    if (n == 0) return fail(ETIMEDOUT);
    return n > 0 || fail(errno);
  }

  bool open() {
    sockaddr_un a{};
    if (path.size() >= sizeof a.sun_path) return fail(ENAMETOOLONG);
    a.sun_family = AF_UNIX;
    path.copy(a.sun_path, sizeof a.sun_path - 1);
    socket = File(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket) return fail(errno);
    return ::connect(socket.fd(), reinterpret_cast<const sockaddr*>(&a), sizeof a) == 0 ||
           fail(errno);
  }

  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      if (!wait(POLLOUT)) return false;
      const ssize_t n =
          ::send(socket.fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (n < 0 && errno == EAGAIN) continue;
      // An answer may be there although the request was not taken whole: read it.
      if (n < 0) return errno == EPIPE || errno == ECONNRESET || fail(errno);
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }

  bool receive(CallAnswer& out) {
    http::response_parser<http::string_body> parser;
    parser.eager(true);
    parser.body_limit(boost::none);
    std::string pending;
    char part[65536];
    while (!parser.is_done()) {
      if (!wait(POLLIN)) return false;
      const ssize_t n = ::recv(socket.fd(), part, sizeof part, 0);
      if (n < 0) return fail(errno);
      boost::system::error_code ec;
      if (n == 0) {
        if (!parser.got_some()) return fail(ECONNRESET);  // put_eof would not have it
        parser.put_eof(ec);
        if (ec || !parser.is_done()) return fail(ECONNRESET);
        break;
      }
      pending.append(part, static_cast<std::size_t>(n));
      pending.erase(0, parser.put(asio::buffer(pending), ec));
      if (ec && ec != http::error::need_more) return fail(EPROTO);
    }
    out.status = parser.get().result_int();
    out.body = std::move(parser.get().body());
    return true;
  }
};

}  // namespace

std::optional<CallAnswer> call(const std::string& socket, const std::string& method,
                               const std::string& target, const std::string& body,
                               Deadline deadline, Failure& failure) {
  Connection c{socket, deadline, failure};
  std::string request =
      method + ' ' + target + " HTTP/1.1\r\nHost: localhost\r\n" + "Connection: close\r\n";
  if (!body.empty() || method == "POST")
    request +=
        "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
  request += "\r\n" + body;
  CallAnswer out;
  if (!c.open() || !c.send(request) || !c.receive(out)) return std::nullopt;
  return out;
}

}  // namespace shunt::control
