// The journal: what must outlive the daemon, in a folder (contract.md, Journal).
//
// A record is written before its effect shows. When the disk refuses, traffic goes on: what was
// not written is kept and tried again, and a durable record is refused, so that its step aborts.
//
// The one interface a journal of another kind (a Kafka topic, for a fleet) would have to have.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "control/failure.h"
#include "control/journal_file.h"
#include "control/journal_folder.h"
#include "control/record_parts.h"
#include "control/records.h"
#include "control/shown_file.h"
#include "proxy/net/daemon.h"

namespace shunt::control {

enum class Durable : bool { no, yes };  // yes: on disk (fdatasync) before append returns

class Journal final : public net::Memory {
 public:
  struct Limits {
    std::uint64_t file_bytes_max = 16 << 20;  // then a snapshot begins a new file
    std::size_t pending_bytes_max = 4 << 20;  // not yet written; above, a snapshot replaces them
  };
  struct Opened {
    std::unique_ptr<Journal> journal;  // null: failure
    net::Remembered remembered;
    Failure failure;  // names the key, or file and byte
  };
  // Makes and locks the folder, reads the records back, cuts a torn tail (with a warning).
  static Opened open(const std::string& folder) { return open(folder, Limits()); }
  static Opened open(const std::string& folder, Limits limits);

  // False: it is not written. With Durable::yes it then never will be; without, it is tried again.
  bool append(const boost::json::object& record, Durable durable);

  void remember(const route::IdentityRecord& record) override;
  void remember_versions(route::Cluster c, const route::ApiRanges& ranges) override;
  void remember_cluster_id(route::Cluster c, const std::string& id) override;
  bool keep(const splice::Record& record, bool durable) override;
  splice::ShownEnds* shown_ends() override { return &shown_; }

  // Takes these records, all or none, into a new file that begins with them: a journal without
  // migrations alone. False: `why`, nothing has changed.
  bool rebuild(const std::vector<splice::Record>& records, std::string& why);

  // All requests have been answered: nothing of this daemon is under way any more.
  void drained() { shown_.drained(); }

  // Writes what could not be written before, and begins a new file when it is time. Call it every
  // second or so. `rotate`: false while producers are held, since a new file takes its time.
  void tend(bool rotate = true);

  std::uint64_t bytes() const { return size_; }
  bool failing() const { return failing_; }
  // "FILE: byte N": where a cluster's id was written; empty: never.
  const std::string& cluster_id_place(route::Cluster c) const;

 private:
  Journal(std::string folder, Limits limits) : folder_(std::move(folder)), limits_(limits) {}
  bool replay(Failure& failure);
  std::string accept(std::string_view json, std::uint64_t byte);
  bool start_file(bool snapshot, std::string& why);
  std::string framed(const boost::json::object& record) const;
  bool write(std::string_view bytes, Durable durable);
  bool flush();
  void write_failed(const std::string& why);
  void write_works();

  std::string folder_;
  Limits limits_;
  File lock_, file_;
  std::uint32_t number_ = 0;  // of file_
  std::uint64_t size_ = 0;    // whole records in file_
  std::uint64_t snapshot_size_ = 0;
  std::string pending_;  // framed records to write again
  bool failing_ = false;
  bool snapshot_wanted_ = false;  // the file lacks something that only a snapshot can add
  net::Remembered state_;         // the same as if the journal were read back now
  std::string cluster_id_places_[2];
  ShownFile shown_;
  PartReader parts_;  // while it is read back
};

}  // namespace shunt::control
