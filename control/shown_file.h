// FOLDER/shown: how far clients have seen each partition, and whether the daemon ended in peace.
//
// Beside the journal, because it changes with every acknowledgement: eight bytes written in place,
// never synced. It outlives a SIGKILL; a crash of the host ends the clients on it as well.
//
//     "SHUNT-1\n"  life: 8 bytes, 1 while a daemon runs, 0 once it has drained
//     hash of migration, topic, partition: 8 bytes · virtual end: 8 bytes      (one per partition)
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "control/file.h"
#include "proxy/splice/shown_ends.h"

namespace shunt::control {

class ShownFile final : public splice::ShownEnds {
 public:
  // `anew`: nothing of an earlier journal counts. A file that cannot be read, or is none of ours,
  // is begun anew with a warning: what it held is known again as clients come back.
  void open(const std::string& folder, bool anew);
  // The life before this one did not drain: what it had under way may still be.
  bool died() const { return died_; }
  void drained();

  Slot slot(const std::string& migration, const std::string& topic,
            std::int32_t partition) override;
  std::int64_t kept(Slot slot) const override { return ends_[slot]; }
  void keep(Slot slot, std::int64_t end) override;

 private:
  bool read();
  void write(std::uint64_t at, std::uint64_t value);

  std::string path_;
  File file_;
  std::unordered_map<std::uint64_t, Slot> slots_;
  std::vector<std::int64_t> ends_;
  bool died_ = false, failing_ = false;
};

}  // namespace shunt::control
