// A model consumer: fetches from each partition's leader, commits, seeks back, restarts.
//
// Every answer is held against what it was told before: records follow each other without a gap,
// ends and epochs never fall, each partition asked is answered.
//
//     consumer.cpp        reads, asks for ends, seeks
//     consumer_group.cpp  where it goes on, what it commits, what others do to that
#pragma once

#include "proxy/splice/recovery.h"
#include "tests/sim/client.h"

namespace shunt::sim {

class Consumer : public Client {
 public:
  // `group` empty: it reads without one. `audit`: from the start, and keeps what it reads.
  Consumer(Sim& sim, std::string id, std::string group, bool audit = false);
  void start();
  void stop() { stopped_ = true; }
  std::int64_t position(int p) const { return partitions_[static_cast<std::size_t>(p)].position; }
  const std::string& group() const { return group_; }
  using Records = std::vector<std::pair<std::int64_t, RecordName>>;
  const Records& read(int p) const { return partitions_[static_cast<std::size_t>(p)].read; }
  // The last acknowledged commit, unless one after it is not known to have counted; -1: none.
  std::int64_t committed(int p) const;
  // Where others have put it since, in old's numbers.
  std::optional<std::int64_t> reset(int p) const {
    const auto& all = partitions_[static_cast<std::size_t>(p)].resets;
    return all.empty() ? std::nullopt : std::optional(all.back());
  }
  void reset_past_proxy();
  // What it has committed is known from its offsets on both clusters alone, those on new being
  // these.
  void journal_lost(const std::vector<splice::Committed>& in_new);
  // An unclean election before any cut: what is past `end` will be other records.
  void truncated(int p, std::int64_t end);

 private:
  struct Partition {
    std::int64_t position = -1;  // -1: to be asked
    std::int64_t high_watermark = 0, latest = 0;
    int heard_in = 0;             // the life of the proxy that told the high watermark
    std::int32_t epoch = -1;      // of the last batch read
    std::int32_t validated = -1;  // leader epoch that the position was validated in
    bool fetching = false, asking = false, listing = false;
    std::int64_t committed = -1;       // acknowledged
    std::vector<std::int64_t> maybe;   // sent since, not answered yet
    std::vector<std::int64_t> lost;    // sent, their connection lost: may count at any time
    std::vector<std::int64_t> resets;  // since then, in old's numbers
    // Since then the journal was lost, and rebuilt of this offset on new; -1: there was none.
    std::optional<std::int64_t> rebuilt_of;
    Records read;
  };
  Partition& at(int p) { return partitions_[static_cast<std::size_t>(p)]; }
  void refreshed() override { pump(); }
  void live();
  void pump();
  void fetch(Node node, std::vector<int> partitions);
  void take(int p, std::int64_t asked_at, const wire::Value& entry);
  void take_records(int p, wire::Bytes set);
  void find_positions();
  void take_committed(int p, std::int64_t offset);
  void list(int p, std::int64_t timestamp);
  void commit();
  void validate(int p);
  void seek_back();
  void restart();

  std::string group_;
  bool audit_;
  bool stopped_ = false, away_ = false;
  int life_ = 0;
  wire::Version version_;
  bool one_by_one_;  // small answers
  int isolation_;
  int commits_;  // how often, of a hundred times: an idle group's offsets expire
  std::vector<Partition> partitions_;
};

}  // namespace shunt::sim
