#include "control/shown_file.h"

#include <cerrno>
#include <cstring>
#include <string_view>

#include <fcntl.h>
#include <unistd.h>

#include "control/journal_folder.h"
#include "proxy/observe/log.h"

namespace shunt::control {
namespace {

namespace log = observe::log;

constexpr std::string_view magic = "SHUNT-1\n";
constexpr std::uint64_t life_at = 8, head_bytes = 16, slot_bytes = 16;

// FNV-1a: the same on every machine and in every build.
std::uint64_t hash(std::string_view text) {
  std::uint64_t h = 0xcbf29ce484222325U;
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return h;
}

// In the machine's own order: the file is of this host alone.
std::uint64_t number(std::string_view bytes, std::uint64_t at) {
  std::uint64_t n = 0;
  std::memcpy(&n, bytes.data() + at, sizeof n);
  return n;
}

}  // namespace

void ShownFile::open(const std::string& folder, bool anew) {
  path_ = folder + "/shown";
  file_ = File(::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  const bool good = file_ && !anew && read();
  if (!good) {
    slots_.clear();
    ends_.clear();
    died_ = !anew;
    if (!file_ || ::ftruncate(file_.fd(), 0) != 0 || write_at(file_, magic, 0) != 0) {
      log::warn("shown.failed", {{"file", path_}, {"why", std::strerror(errno)}});
      file_ = {};
    }
  }
  write(life_at, 1);
}

bool ShownFile::read() {
  std::string bytes, why;
  if (!read_file(path_, bytes, why)) return false;
  if (bytes.size() < head_bytes || !bytes.starts_with(magic)) {
    if (!bytes.empty()) log::warn("shown.untrusted", {{"file", path_}, {"effect", "begun anew"}});
    return false;
  }
  died_ = number(bytes, life_at) != 0;
  for (auto at = head_bytes; at + slot_bytes <= bytes.size(); at += slot_bytes) {
    slots_[number(bytes, at)] = static_cast<Slot>(ends_.size());
    ends_.push_back(static_cast<std::int64_t>(number(bytes, at + 8)));
  }
  return true;
}

void ShownFile::drained() { write(life_at, 0); }

ShownFile::Slot ShownFile::slot(const std::string& migration, const std::string& topic,
                                std::int32_t partition) {
  const auto key = hash(migration + '/' + topic + '/' + std::to_string(partition));
  const auto [at, fresh] = slots_.emplace(key, static_cast<Slot>(ends_.size()));
  if (fresh) {
    ends_.push_back(0);
    const auto place = head_bytes + slot_bytes * at->second;
    write(place + 8, 0);
    write(place, key);
  }
  return at->second;
}

void ShownFile::keep(Slot slot, std::int64_t end) {
  ends_[slot] = end;
  write(head_bytes + slot_bytes * slot + 8, static_cast<std::uint64_t>(end));
}

// A disk that refuses costs what a crash of the host would: traffic goes on.
void ShownFile::write(std::uint64_t at, std::uint64_t value) {
  if (!file_) return;
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  const int error = write_at(file_, {bytes, sizeof bytes}, at);
  if (error != 0 && !failing_)
    log::warn("shown.failed", {{"file", path_}, {"why", std::strerror(error)}});
  failing_ = error != 0;
}

}  // namespace shunt::control
