// Replays, appends, rotates; keeps going when the disk is full.
#include "control/journal.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include <unistd.h>
#include <boost/json/serialize.hpp>

#include "proxy/observe/log.h"
#include "proxy/observe/text.h"

namespace shunt::control {
namespace {

namespace json = boost::json;
namespace log = observe::log;

constexpr std::size_t index(route::Cluster c) { return static_cast<std::size_t>(c); }

std::optional<route::ApiRanges>& versions_of(net::Remembered& r, route::Cluster c) {
  return c == route::Cluster::old_cluster ? r.old_versions : r.new_versions;
}

std::string& cluster_id_of(net::Remembered& r, route::Cluster c) {
  return c == route::Cluster::old_cluster ? r.old_cluster_id : r.new_cluster_id;
}

}  // namespace

Journal::Opened Journal::open(const std::string& folder, Limits limits) {
  Opened out;
  std::unique_ptr<Journal> journal(new Journal(folder, limits));
  if (!make_folder(folder, out.failure)) return out;
  journal->lock_ = lock_folder(folder, out.failure);
  const bool first = list_logs(folder).empty();
  if (!journal->lock_ || !journal->replay(out.failure)) return out;
  journal->shown_.open(folder, first);
  out.remembered = journal->state_;
  out.remembered.died = journal->shown_.died();
  out.journal = std::move(journal);
  return out;
}

bool Journal::replay(Failure& failure) {
  const auto unusable = [&](const std::string& why) {
    failure = {"journal_unusable", "journal: " + why, folder_,
               "make room, or set `journal` to another folder"};
    return false;
  };
  const auto logs = list_logs(folder_);
  std::string why, bytes;
  if (logs.empty()) return start_file(false, why) || unusable(why);

  number_ = logs.back();  // a file begins with a snapshot of all before it
  const std::string path = log_name(folder_, number_);
  if (!read_file(path, bytes, why)) return unusable(why);
  std::uint64_t at = 0;
  const Scan found = scan(bytes, [&](std::string_view text) {
    std::string refused = accept(text, at);
    at += record_head_bytes + text.size();
    return refused;
  });
  if (found.end == Scan::End::bad || (found.good_bytes == 0 && number_ > 1)) {
    failure = {"journal_untrusted",
               "journal: " + path + ": byte " + std::to_string(found.good_bytes) + ": " +
                   (found.problem.empty() ? "no records" : found.problem),
               path + ": byte " + std::to_string(found.good_bytes),
               "keep the folder; put a copy of it back, or rebuild it with `shunt recover`"};
    return false;
  }
  file_ = open_log(path, why);
  if (!file_) return unusable(why);
  size_ = found.good_bytes;
  if (found.end == Scan::End::torn) {
    log::warn("journal.torn", {{"file", path},
                               {"byte", size_},
                               {"cut_bytes", bytes.size() - size_},
                               {"why", found.problem}});
    if (::ftruncate(file_.fd(), static_cast<off_t>(size_)) != 0 || ::fsync(file_.fd()) != 0)
      return unusable(path + ": " + std::strerror(errno));
  }
  if (size_ == 0 && !start_file(false, why)) return unusable(why);
  for (const auto old : logs)
    if (old != number_) ::unlink(log_name(folder_, old).c_str());
  return true;
}

// One record read back: "" or why it cannot be used.
std::string Journal::accept(std::string_view text, std::uint64_t byte) {
  std::string problem;
  auto record = from_json(text, problem);
  if (!record) return problem;
  if (const auto* part = std::get_if<Part>(&*record)) {
    if (!parts_.take(*part, problem)) return problem;
    record = from_json(parts_.whole(), problem);
    if (!record) return problem;
  }
  parts_ = {};  // pieces without a last one were never a record
  if ((byte == 0) != std::holds_alternative<Begin>(*record))
    return byte == 0 ? "the file does not begin with its first record" : "a second beginning";
  if (const auto* identity = std::get_if<route::IdentityRecord>(&*record))
    state_.identities.apply(*identity);
  if (const auto* known = std::get_if<KnownVersions>(&*record))
    versions_of(state_, known->cluster) = known->ranges;
  if (const auto* known = std::get_if<KnownClusterId>(&*record)) {
    cluster_id_of(state_, known->cluster) = known->id;
    cluster_id_places_[index(known->cluster)] =
        log_name(folder_, number_) + ": byte " + std::to_string(byte);
  }
  if (const auto* moved = std::get_if<splice::Record>(&*record))
    if (const char* why = state_.splice.apply(*moved)) return why;
  return "";
}

// The next file, beginning with all that is known; then the one before goes.
bool Journal::start_file(bool snapshot, std::string& why) {
  std::string bytes = framed(to_json(Begin{snapshot}));
  const auto add = [&](const auto& r) { bytes += framed(to_json(r)); };
  const std::uint32_t next = snapshot ? number_ + 1 : std::max(number_, 1U);
  std::string places[2];
  for (const auto c : {route::Cluster::old_cluster, route::Cluster::new_cluster}) {
    if (const auto& known = versions_of(state_, c)) add(KnownVersions{c, *known});
    if (cluster_id_of(state_, c).empty()) continue;
    places[index(c)] = log_name(folder_, next) + ": byte " + std::to_string(bytes.size());
    add(KnownClusterId{c, cluster_id_of(state_, c)});
  }
  for (const auto& record : state_.identities.snapshot()) add(record);
  for (const auto& record : state_.splice.snapshot()) add(record);

  File file = write_whole(log_name(folder_, next), bytes, why);
  if (!file) return false;
  if (next != number_ && number_ != 0) ::unlink(log_name(folder_, number_).c_str());
  file_ = std::move(file);
  number_ = next;
  size_ = snapshot_size_ = bytes.size();
  pending_.clear();  // the snapshot has them
  snapshot_wanted_ = false;
  for (int i = 0; i < 2; ++i) cluster_id_places_[i] = places[i];
  return true;
}

// With `v` and `time` in front.
std::string Journal::framed(const json::object& record) const {
  std::string text = "{\"v\":" + std::to_string(records_version) + ",\"time\":\"" +
                     observe::rfc3339(observe::unix_ms_now()) + "\",";
  const std::string head = text;
  text += std::string_view(json::serialize(record)).substr(1);
  if (text.size() <= record_bytes_max) return frame(text);
  std::string out;
  for (const auto& part : parts_of(text))
    out += frame(head + json::serialize(to_json(part)).substr(1));
  return out;
}

bool Journal::append(const json::object& record, Durable durable) {
  const std::string bytes = framed(record);
  if (durable == Durable::yes) return flush() && write(bytes, durable);
  pending_ += bytes;
  if (pending_.size() > limits_.pending_bytes_max) {
    pending_.clear();
    snapshot_wanted_ = true;
  }
  // A disk that refuses is asked again by tend(), not by every client.
  return !failing_ && flush();
}

bool Journal::flush() {
  if (snapshot_wanted_) {
    std::string why;
    if (start_file(true, why))
      write_works();
    else
      write_failed(why);
    return !snapshot_wanted_;
  }
  if (pending_.empty()) return true;
  if (!write(pending_, Durable::no)) return false;
  pending_.clear();
  return true;
}

bool Journal::write(std::string_view bytes, Durable durable) {
  int error = write_at(file_, bytes, size_);
  if (error == 0 && durable == Durable::yes && ::fdatasync(file_.fd()) != 0) {
    error = errno;
    snapshot_wanted_ = true;  // what the disk has after a failed fsync is unknown: write it anew
  }
  if (error != 0) {
    // Nothing half-written may stay behind; what could not be cut is written over.
    if (::ftruncate(file_.fd(), static_cast<off_t>(size_)) != 0) snapshot_wanted_ = true;
    write_failed(log_name(folder_, number_) + ": " + std::strerror(error));
    return false;
  }
  size_ += bytes.size();
  write_works();
  return true;
}

void Journal::write_failed(const std::string& why) {
  if (!failing_)
    log::error("journal.failed", {{"why", why},
                                  {"effect", "traffic goes on, moves are refused"},
                                  {"next", "make room; it is tried again every second"}});
  failing_ = true;
}

void Journal::write_works() {
  if (failing_) log::info("journal.works", {{"file", log_name(folder_, number_)}});
  failing_ = false;
}

void Journal::tend(bool rotate) {
  // A snapshot that is itself nearly as large as the limit must not be made at every turn.
  const std::uint64_t due = std::max(limits_.file_bytes_max, 2 * snapshot_size_);
  if (rotate && size_ > due) {
    std::string why;
    if (start_file(true, why))
      write_works();
    else
      write_failed(why);
    return;
  }
  flush();
}

void Journal::remember(const route::IdentityRecord& record) {
  state_.identities.apply(record);
  append(to_json(record), Durable::no);
}

void Journal::remember_versions(route::Cluster c, const route::ApiRanges& ranges) {
  if (versions_of(state_, c) == ranges) return;
  versions_of(state_, c) = ranges;
  append(to_json(KnownVersions{c, ranges}), Durable::no);
}

void Journal::remember_cluster_id(route::Cluster c, const std::string& id) {
  if (cluster_id_of(state_, c) == id) return;
  cluster_id_of(state_, c) = id;
  cluster_id_places_[index(c)] = log_name(folder_, number_) + ": byte " + std::to_string(size_);
  append(to_json(KnownClusterId{c, id}), Durable::no);
}

bool Journal::keep(const splice::Record& record, bool durable) {
  const auto refused = [&](const char* why) {
    log::error("journal.refused", {{"why", why}, {"next", "report it: this is a bug of Shunt"}});
    return false;
  };
  if (!durable) {  // applied first: append() may have to write a snapshot instead of the record
    if (const char* why = state_.splice.apply(record)) return refused(why);
    return append(to_json(record), Durable::no);
  }
  const std::string bytes = framed(to_json(record));
  if (!flush() || !write(bytes, Durable::yes)) return false;
  if (const char* why = state_.splice.apply(record)) {  // it must not be read back either
    size_ -= bytes.size();
    if (::ftruncate(file_.fd(), static_cast<off_t>(size_)) != 0) snapshot_wanted_ = true;
    return refused(why);
  }
  return true;
}

bool Journal::rebuild(const std::vector<splice::Record>& records, std::string& why) {
  splice::State rebuilt;
  for (const auto& r : records) {
    if (const char* refused = rebuilt.apply(r)) return why = refused, false;
  }
  auto before = std::exchange(state_.splice, std::move(rebuilt));
  if (start_file(true, why)) return true;
  state_.splice = std::move(before);
  return false;
}

const std::string& Journal::cluster_id_place(route::Cluster c) const {
  return cluster_id_places_[index(c)];
}

}  // namespace shunt::control
