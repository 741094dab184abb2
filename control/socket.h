// The API's two listening sockets, and who may speak on the Unix one.
#pragma once

#include <optional>
#include <string>

#include <sys/types.h>

#include "control/failure.h"
#include "control/file.h"
#include "proxy/route/node.h"

namespace shunt::control {

// Listens at `path`: mode 0660, of `group` if one is given. A socket left over there goes if nobody
// answers on it. An empty File: `failure` names control.socket.
File listen_unix(const std::string& path, std::optional<gid_t> group, Failure& failure);

// Listens at a loopback address. An empty File: `failure` names control.http.
File listen_tcp(const route::Endpoint& at, Failure& failure);
std::uint16_t port_of(const File& listener);  // the one the system chose for port 0

// The id of a group; nullopt: no such group.
std::optional<gid_t> group_id(const std::string& name);

// Is the process at the other end root, of this process' user, or in `group` (also as a
// supplementary group)?
bool peer_allowed(int socket, std::optional<gid_t> group);
std::string peer_name(int socket);  // for the log: "uid=1000 pid=4711"

}  // namespace shunt::control
