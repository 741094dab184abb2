// Where things are when nobody says.
#include "control/paths.h"

#include <cstdlib>
#include <filesystem>
#include <system_error>

#include <unistd.h>

namespace shunt::control {
namespace {

namespace fs = std::filesystem;

std::string variable(const char* name, const std::string& otherwise) {
  const char* value = std::getenv(name);
  // The XDG rules: a relative path is to be ignored.
  return value && value[0] == '/' ? value : otherwise;
}

}  // namespace

Paths default_paths() {
  if (geteuid() == 0) return {"/run/shunt/control.sock", "/var/lib/shunt/journal", ""};
  const std::string home = variable("HOME", "/");
  const std::string user = "/run/user/" + std::to_string(geteuid());
  const fs::path run = variable("XDG_RUNTIME_DIR", user);
  const fs::path kept = variable("XDG_STATE_HOME", (fs::path(home) / ".local/state").string());
  return {(run / "shunt/control.sock").string(), (kept / "shunt/journal").string(), ""};
}

std::string resolve(const std::string& base, std::string_view path) {
  return (fs::path(base) / fs::path(path)).lexically_normal().string();
}

std::string folder_of(const std::string& file) {
  std::error_code ignored;
  return fs::absolute(file, ignored).lexically_normal().parent_path().string();
}

}  // namespace shunt::control
