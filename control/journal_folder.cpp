// The journal's folder: POSIX calls with errors that name the file.
#include "control/journal_folder.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/units.h"

namespace shunt::control {
namespace {

namespace fs = std::filesystem;

Failure about_folder(const std::string& folder, const std::string& what) {
  return {"journal_unusable", "journal: " + what, folder,
          "set `journal` to a folder that this user may write"};
}

std::string because(const std::string& path, int error) {
  return path + ": " + std::strerror(error);
}

}  // namespace

bool make_folder(const std::string& folder, Failure& failure) {
  std::error_code ec;
  const fs::path path(folder);
  fs::create_directories(path.parent_path(), ec);
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
    failure = about_folder(folder, std::string("cannot be made: ") + std::strerror(errno));
    return false;
  }
  struct stat st {};
  if (::stat(folder.c_str(), &st) != 0 || !S_ISDIR(st.st_mode)) {
    failure = about_folder(folder, "not a folder");
    return false;
  }
  const bool open_to_others = (st.st_mode & 077) != 0;
  if (open_to_others && ::chmod(folder.c_str(), 0700) != 0) {
    failure = about_folder(folder, "others may read it, and it is not ours to close");
    return false;
  }
  return true;
}

File lock_folder(const std::string& folder, Failure& failure) {
  const std::string path = folder + "/lock";
  File file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!file) {
    failure = about_folder(path, std::string("cannot be written: ") + std::strerror(errno));
    return {};
  }
  if (::flock(file.fd(), LOCK_EX | LOCK_NB) != 0) {
    char pid[32] = {};
    const bool known = ::pread(file.fd(), pid, sizeof pid - 1, 0) > 0;
    failure = {"journal_locked",
               "journal: locked by another shunt" + (known ? std::string(", process ") + pid : ""),
               path, "stop the other daemon, or give this one a folder of its own"};
    return {};
  }
  const std::string pid = std::to_string(::getpid());
  // Only a help for the message above: a full disk does not matter here.
  if (::ftruncate(file.fd(), 0) == 0) (void)write_at(file, pid, 0);
  return file;
}

std::string log_name(const std::string& folder, std::uint32_t number) {
  char name[32];
  std::snprintf(name, sizeof name, "/%08u.log", number);
  return folder + name;
}

std::vector<std::uint32_t> list_logs(const std::string& folder) {
  std::vector<std::uint32_t> out;
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator(folder, ec)) {
    const std::string name = entry.path().filename().string();
    if (name.ends_with(".log.tmp")) fs::remove(entry.path(), ec);
    if (name.size() != 12 || !name.ends_with(".log")) continue;
    const auto number = parse_integer(name.substr(0, 8));
    if (number && *number > 0) out.push_back(static_cast<std::uint32_t>(*number));
  }
  std::sort(out.begin(), out.end());
  return out;
}

bool read_file(const std::string& path, std::string& bytes, std::string& why) {
  const File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  bytes.clear();
  char part[65536];
  ssize_t n = file ? 1 : -1;
  while (n > 0) {
    n = ::read(file.fd(), part, sizeof part);
    if (n > 0) bytes.append(part, static_cast<std::size_t>(n));
    if (n < 0 && errno == EINTR) n = 1;
  }
  if (n < 0) why = because(path, errno);
  return n == 0;
}

int write_at(const File& file, std::string_view bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(file.fd(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return n < 0 ? errno : EIO;
    bytes.remove_prefix(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
  return 0;
}

File write_whole(const std::string& path, std::string_view bytes, std::string& why) {
  const std::string temporary = path + ".tmp";
  File file(::open(temporary.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  int error = file ? write_at(file, bytes, 0) : errno;
  if (error == 0 && ::fsync(file.fd()) != 0) error = errno;
  if (error == 0 && ::rename(temporary.c_str(), path.c_str()) != 0) error = errno;
  if (error == 0) error = sync_folder(fs::path(path).parent_path().string());
  if (error == 0) return file;
  why = because(path, error);
  ::unlink(temporary.c_str());
  return {};
}

File open_log(const std::string& path, std::string& why) {
  File file(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!file) why = because(path, errno);
  return file;
}

int sync_folder(const std::string& folder) {
  const File file(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return file && ::fsync(file.fd()) == 0 ? 0 : errno;
}

}  // namespace shunt::control
