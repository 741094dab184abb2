// Opens the API's listening sockets; asks the kernel who a peer is.
#include "control/socket.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <vector>

#include <arpa/inet.h>
#include <grp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/units.h"

namespace shunt::control {
namespace {

constexpr int backlog = 64;

Failure about_socket(const std::string& path, const std::string& what, const std::string& next) {
  return {"socket_unusable", "control.socket: " + path + ' ' + what, path, next};
}

sockaddr_un unix_address(const std::string& path) {
  sockaddr_un a{};
  a.sun_family = AF_UNIX;
  path.copy(a.sun_path, sizeof a.sun_path - 1);
  return a;
}

const sockaddr* as_sockaddr(const auto* a) { return reinterpret_cast<const sockaddr*>(a); }

// Makes way for a new socket. False: something is there that must stay.
bool clear_path(const std::string& path, Failure& failure) {
  struct stat st {};
  if (::lstat(path.c_str(), &st) != 0) return true;
  if (!S_ISSOCK(st.st_mode)) {
    failure =
        about_socket(path, "is there and is not a socket", "remove it, or choose another path");
    return false;
  }
  const File probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const sockaddr_un a = unix_address(path);
  if (::connect(probe.fd(), as_sockaddr(&a), sizeof a) == 0 || errno == EAGAIN) {
    failure = about_socket(path, "is taken: another daemon answers there",
                           "stop it, or choose another path");
    return false;
  }
  ::unlink(path.c_str());  // left over after a kill
  return true;
}

}  // namespace

File listen_unix(const std::string& path, std::optional<gid_t> group, Failure& failure) {
  std::error_code ec;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ec);
  if (!clear_path(path, failure)) return {};
  File file(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const sockaddr_un a = unix_address(path);
  const mode_t before = ::umask(0117);  // 0660 from the first moment
  const bool bound = file && ::bind(file.fd(), as_sockaddr(&a), sizeof a) == 0;
  int error = bound ? 0 : errno;
  ::umask(before);
  if (!error && group && ::chown(path.c_str(), static_cast<uid_t>(-1), *group) != 0) error = errno;
  if (!error && ::listen(file.fd(), backlog) != 0) error = errno;
  if (!error) return file;
  if (bound) ::unlink(path.c_str());
  failure = about_socket(path, std::string("cannot be opened: ") + std::strerror(error),
                         "choose a path that this user may write");
  return {};
}

File listen_tcp(const route::Endpoint& at, Failure& failure) {
  const std::string host = at.host == "localhost" ? "127.0.0.1" : at.host;
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  const bool is_v4 = inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1;
  v4.sin_family = AF_INET;
  v4.sin_port = htons(at.port);
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(at.port);
  if (!is_v4) inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr);

  File file(::socket(is_v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int yes = 1;
  const auto* address = is_v4 ? as_sockaddr(&v4) : as_sockaddr(&v6);
  const auto size = static_cast<socklen_t>(is_v4 ? sizeof v4 : sizeof v6);
  if (file && ::setsockopt(file.fd(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0 &&
      ::bind(file.fd(), address, size) == 0 && ::listen(file.fd(), backlog) == 0)
    return file;
  const int error = errno;
  failure = {error == EADDRINUSE ? "port_taken" : "address_unusable",
             "control.http: " + endpoint_text(at) + " cannot be opened: " + std::strerror(error),
             endpoint_text(at),
             "stop what listens there, or set control.http to another port or off"};
  return {};
}

std::uint16_t port_of(const File& listener) {
  sockaddr_storage a{};
  socklen_t size = sizeof a;
  if (::getsockname(listener.fd(), reinterpret_cast<sockaddr*>(&a), &size) != 0) return 0;
  if (a.ss_family == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in&>(a).sin_port);
  return ntohs(reinterpret_cast<const sockaddr_in6&>(a).sin6_port);
}

std::optional<gid_t> group_id(const std::string& name) {
  std::vector<char> buffer(16384);
  group entry{};
  group* found = nullptr;
  if (getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 || !found)
    return std::nullopt;
  return entry.gr_gid;
}

bool peer_allowed(int socket, std::optional<gid_t> group) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
  if (peer.uid == 0 || peer.uid == ::geteuid()) return true;
  if (!group) return false;
  if (peer.gid == *group) return true;
  std::vector<gid_t> groups(65536 / sizeof(gid_t));
  size = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size) != 0) return false;
  groups.resize(size / sizeof(gid_t));
  return std::find(groups.begin(), groups.end(), *group) != groups.end();
}

std::string peer_name(int socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return "unknown";
  return "uid=" + std::to_string(peer.uid) + " pid=" + std::to_string(peer.pid);
}

}  // namespace shunt::control
