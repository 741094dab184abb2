// The floor of tests/bench: the least a TCP relay has to do, one thread, epoll, two ways.
//
//   shunt-bench-relay copy|splice PORT TO_PORT
//
// copy reads into one buffer of 256 KiB for all connections; splice moves pages through pipes of
// that size, taken from a pool, so that an idle connection holds neither. What the other side does
// not take stays with the connection, whose reading stops meanwhile.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace {

constexpr std::size_t bytes_at_once = 256 * 1024;
bool by_splice = false;
int epoll_fd = -1;

[[noreturn]] void die(const char* what) {
  std::fprintf(stderr, "shunt-bench-relay: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

struct Pipe {
  int out = -1, in = -1;
};
std::vector<Pipe> idle_pipes;

Pipe take_pipe() {
  if (idle_pipes.empty()) {
    std::array<int, 2> both{};
    if (pipe2(both.data(), O_NONBLOCK | O_CLOEXEC) != 0) die("pipe2");
    if (fcntl(both[1], F_SETPIPE_SZ, static_cast<int>(bytes_at_once)) < 0) die("F_SETPIPE_SZ");
    return {both[0], both[1]};
  }
  const Pipe p = idle_pipes.back();
  idle_pipes.pop_back();
  return p;
}

// What was read at a side and its peer has not taken yet.
struct Kept {
  std::vector<std::byte> copied;
  Pipe pipe;
  std::size_t bytes = 0;
};

struct Side {
  int fd = -1;
  Side* peer = nullptr;
  Kept kept;           // read here, for the peer
  bool ended = false;  // it sent its FIN
  bool dead = false;   // of both sides at once
  std::uint32_t armed = EPOLLIN;
};

// Level-triggered, and changed only when something blocks: no system call for this per message.
void arm(Side& s) {
  const bool read = !s.ended && s.kept.bytes == 0;
  const std::uint32_t want = (read ? EPOLLIN : 0U) | (s.peer->kept.bytes > 0 ? EPOLLOUT : 0U);
  if (want == s.armed) return;
  epoll_event e{};
  e.events = s.armed = want;
  e.data.ptr = &s;
  if (epoll_ctl(epoll_fd, EPOLL_CTL_MOD, s.fd, &e) != 0) die("epoll_ctl");
}

bool would_block() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

bool all_passed(const Side& s) {
  return s.ended && s.peer->ended && s.kept.bytes == 0 && s.peer->kept.bytes == 0;
}

// These return false when the connection is over.
bool give(Side& from, std::span<const std::byte> data) {
  const auto n = send(from.peer->fd, data.data(), data.size(), MSG_NOSIGNAL);
  if (n < 0 && !would_block()) return false;
  const auto left = data.subspan(n < 0 ? 0 : static_cast<std::size_t>(n));
  std::vector<std::byte> rest(left.begin(), left.end());
  from.kept.copied.swap(rest);
  from.kept.bytes = left.size();
  return true;
}

bool give_pipe(Side& from) {
  auto& k = from.kept;
  const auto n = splice(k.pipe.out, nullptr, from.peer->fd, nullptr, k.bytes,
                        SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  if (n < 0 && !would_block()) return false;
  if (n > 0) k.bytes -= static_cast<std::size_t>(n);
  if (k.bytes == 0) idle_pipes.push_back(std::exchange(k.pipe, {}));
  return true;
}

bool flush(Side& from) {
  if (by_splice) return give_pipe(from);
  const auto data = std::exchange(from.kept.copied, {});
  return give(from, data);
}

bool pump(Side& from) {
  static std::vector<std::byte> buffer(bytes_at_once);
  ssize_t n = 0;
  if (by_splice) {
    from.kept.pipe = take_pipe();
    n = splice(from.fd, nullptr, from.kept.pipe.in, nullptr, bytes_at_once,
               SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (n <= 0) idle_pipes.push_back(std::exchange(from.kept.pipe, {}));
  } else {
    n = read(from.fd, buffer.data(), buffer.size());
  }
  if (n < 0) return would_block();
  if (n == 0) {
    from.ended = true;
    shutdown(from.peer->fd, SHUT_WR);
    return !all_passed(from);
  }
  from.kept.bytes = static_cast<std::size_t>(n);
  return by_splice ? give_pipe(from) : give(from, std::span(buffer).first(from.kept.bytes));
}

bool serve(Side& s, std::uint32_t events) {
  const bool gone = (events & (EPOLLHUP | EPOLLERR)) != 0;
  if (gone && (s.ended || s.kept.bytes > 0)) return false;
  if ((events & EPOLLOUT) != 0 && s.peer->kept.bytes > 0) {
    if (!flush(*s.peer) || all_passed(s)) return false;
  }
  const bool readable = (events & EPOLLIN) != 0 || gone;
  return !readable || s.ended || s.kept.bytes > 0 || pump(s);
}

void watch(int fd, void* as) {
  epoll_event e{};
  e.events = EPOLLIN;
  e.data.ptr = as;
  if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e) != 0) die("epoll_ctl");
}

sockaddr_in loopback(int port) {
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(static_cast<std::uint16_t>(port));
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return at;
}

void accept_one(int listener, int to_port) {
  const int client = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (client < 0) return;
  // Connecting on loopback does not wait for anybody, so it may block.
  const int broker = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const auto at = loopback(to_port);
  if (broker < 0 || connect(broker, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0) {
    close(client);
    if (broker >= 0) close(broker);
    return;
  }
  if (fcntl(broker, F_SETFL, O_NONBLOCK) != 0) die("fcntl");
  const int on = 1;
  setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(broker, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  auto* a = new Side;  // NOLINT: both are deleted by bury(), when no event can name them any more
  auto* b = new Side;  // NOLINT
  a->fd = client, b->fd = broker;
  a->peer = b, b->peer = a;
  watch(client, a);
  watch(broker, b);
}

void bury(Side* s) {
  for (Side* one : {s, s->peer}) {
    close(one->fd);
    // A pipe that still holds bytes is of no use to anybody else.
    if (one->kept.pipe.out >= 0) close(one->kept.pipe.out), close(one->kept.pipe.in);
  }
  delete s->peer;  // NOLINT
  delete s;        // NOLINT
}

int listen_at(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const auto at = loopback(port);
  if (fd < 0 || bind(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0) die("bind");
  if (listen(fd, SOMAXCONN) != 0) die("listen");
  return fd;
}

}  // namespace

int main(int count, char** words) {
  const std::string_view how = count == 4 ? words[1] : "";
  if (how != "copy" && how != "splice") {
    std::fputs("usage: shunt-bench-relay copy|splice PORT TO_PORT\n", stderr);
    return 2;
  }
  by_splice = how == "splice";
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  const int listener = listen_at(std::atoi(words[2]));
  watch(listener, nullptr);
  std::array<epoll_event, 64> events{};
  std::vector<Side*> over;
  for (;;) {
    const int n = epoll_wait(epoll_fd, events.data(), events.size(), -1);
    if (n < 0 && errno != EINTR) die("epoll_wait");
    for (int i = 0; i < n; ++i) {
      const auto& event = events[static_cast<std::size_t>(i)];
      auto* s = static_cast<Side*>(event.data.ptr);
      if (s == nullptr) {
        accept_one(listener, std::atoi(words[3]));
      } else if (!s->dead && !serve(*s, event.events)) {
        s->dead = s->peer->dead = true;
        over.push_back(s);
      } else if (!s->dead) {
        arm(*s);
        arm(*s->peer);
      }
    }
    for (auto* s : over) bury(s);
    over.clear();
  }
}
