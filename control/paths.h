// Where things are when nobody says: root and other users differ (contract.md, Paths).
#pragma once

#include <string>
#include <string_view>

namespace shunt::control {

constexpr const char* default_config_file = "/etc/shunt/shunt.yaml";

struct Paths {
  std::string socket;   // control.socket
  std::string journal;  // journal
  std::string base;     // relative paths in the file count from here; empty: the current folder
};

// Of this process: by its effective user and, unless root, XDG_RUNTIME_DIR, XDG_STATE_HOME, HOME.
Paths default_paths();

// `path` as it is when absolute, else under `base`; without "." and ".." parts.
std::string resolve(const std::string& base, std::string_view path);

// The folder of a file, absolute.
std::string folder_of(const std::string& file);

}  // namespace shunt::control
