// What must hold, whatever happens: each look at the system is held against all looks before.
#pragma once

#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/sim/batches.h"

namespace shunt::sim {

struct Violation : std::runtime_error {
  using std::runtime_error::runtime_error;
};
[[noreturn]] void violated(const std::string& what);

enum class WriterKind : std::uint8_t { idempotent, plain, acks_0, past };

class Oracle {
 public:
  void partitions(int n) { logs_.resize(static_cast<std::size_t>(n)); }
  void writer(std::uint16_t id, WriterKind kind) { writers_[id] = kind; }

  void sent(const RecordName& r);
  // A client was told that its record stands at `offset`; -1: not told where.
  void acknowledged(const RecordName& r, std::int64_t offset);
  // A client was shown a record.
  void read(int partition, std::int64_t offset, const RecordName& r);
  // A cluster lost it by itself, as any cluster may (acks=1, an unclean election).
  void lost_natively(const RecordName& r);
  // Those that nobody was told of may be written twice, and stand so.
  void may_repeat(const std::vector<RecordName>& records);
  void may_repeat_unacknowledged();
  // Virtual offsets from here on stand for something else now: an unclean election before any cut.
  void forget_from(int partition, std::int64_t offset);

  // The whole log, read from its start at the end of the run. With faults a record sent with acks=0
  // may be lost, or stand late: a connection that has ended may hold it for a while.
  void check_log(int partition, const std::vector<std::pair<std::int64_t, RecordName>>& log,
                 bool acks_0_may_be_lost) const;
  std::int64_t shown_to(int partition) const;  // behind the last offset that anybody saw

 private:
  struct Log {
    std::map<std::int64_t, RecordName> at;  // by virtual offset: all that was ever told
    std::int64_t shown_to = 0;
  };
  void place(int partition, std::int64_t offset, const RecordName& r, const char* how);
  std::vector<Log> logs_;
  std::map<std::uint16_t, WriterKind> writers_;
  std::map<RecordName, int> sent_;
  std::set<RecordName> acknowledged_, lost_, may_repeat_;
};

}  // namespace shunt::sim
