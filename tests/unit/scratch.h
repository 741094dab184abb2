// A folder that goes with its owner, and programs run in it.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include <sys/wait.h>
#include <unistd.h>

namespace shunt::test {

class Scratch {
 public:
  Scratch() {
    std::string name = (std::filesystem::temp_directory_path() / "shunt-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  std::string path(const std::string& name = "") const {
    return name.empty() ? path_ : path_ + '/' + name;
  }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path(name), std::ios::binary) << text;
    return path(name);
  }
  std::string read(const std::string& name) const {
    std::ostringstream out;
    out << std::ifstream(path(name), std::ios::binary).rdbuf();
    return out.str();
  }

  struct Ran {
    int code;
    std::string out, err;
  };
  // A shell command, to its end.
  Ran run(const std::string& command) const {
    const int status =
        std::system(("{ " + command + "; } >" + path("stdout") + " 2>" + path("stderr")).c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read("stdout"), read("stderr")};
  }

 private:
  std::string path_;
};

// What `work` writes to stderr: at most a pipe's 64 KiB (not a file: tests fill up the disk).
template <class F>
std::string stderr_of(F work) {
  int ends[2];
  if (::pipe(ends) != 0) return "no pipe";
  const int saved = ::dup(STDERR_FILENO);
  ::dup2(ends[1], STDERR_FILENO);
  ::close(ends[1]);
  work();
  ::dup2(saved, STDERR_FILENO);
  ::close(saved);
  std::string out;
  char part[4096];
  for (ssize_t n = 1; n > 0;) {
    n = ::read(ends[0], part, sizeof part);
    if (n > 0) out.append(part, static_cast<std::size_t>(n));
  }
  ::close(ends[0]);
  return out;
}

}  // namespace shunt::test
