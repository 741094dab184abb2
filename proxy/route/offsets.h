// How the numbers in one broker's answer become those clients see: offsets, ends, leader epochs,
// record batches.
//
// For Fetch and Produce answers whose partitions all lie in the log's open end: every change keeps
// its length, so it is made in place as the answer streams. What no streamed answer can serve is a
// task of splice.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "proxy/wire/batch.h"
#include "proxy/wire/value.h"
#include "proxy/wire/walker.h"

namespace shunt::route {

// How one partition's numbers are shown.
struct Shift {
  static constexpr std::int64_t no_end = std::numeric_limits<std::int64_t>::max();
  static constexpr std::int32_t no_last = std::numeric_limits<std::int32_t>::max();
  std::int64_t offset = 0;            // shown minus native, of records
  std::int64_t native_end = no_end;   // a batch at or past it is never shown
  std::int32_t epoch_base = 0;        // shown leader epoch: native + epoch_base ...
  std::int32_t epoch_last = no_last;  // ... and never above this one
  const char* refused = nullptr;      // why nothing of this partition can be shown
  std::int32_t shown_epoch(std::int32_t native) const;
  // Batches pass as they are.
  bool same() const { return offset == 0 && epoch_base == 0 && epoch_last == no_last; }
};

// What an answer is renumbered with. One object per answer: it remembers the partition it is at.
class Offsets {
 public:
  virtual ~Offsets() = default;
  // The numbers of a partition follow, named by its topic or, when that is empty, by the topic id
  // that clients are shown. Null: it passes unchanged. Good until the next call.
  virtual const Shift* at(std::string_view topic, const wire::Uuid& shown_id,
                          std::int32_t partition) = 0;
  // What to show for a number of that partition that is not negative, by its role: offset, log_end,
  // stable_end, log_start. nullopt: the answer reaches past what may be shown and is refused.
  virtual std::optional<std::int64_t> shown(wire::Role role, std::int64_t native) = 0;
  // True: the partition's error is not for the client, which gets no records and no error, and the
  // ends of known(). Its next request for it is answered otherwise.
  virtual bool hides(std::int64_t) { return false; }
  // The number of that role known without an answer; -1: none.
  virtual std::int64_t known(wire::Role) { return -1; }
};

// Renumbers one answer, whose tokens it is given in order. Null Offsets: never on.
class Renumbering {
 public:
  explicit Renumbering(Offsets* offsets) : offsets_(offsets) {}
  bool on() const { return offsets_ != nullptr; }
  const char* error() const { return error_; }

  // A topic begins: its name's token, or the id that clients are shown.
  void topic(const wire::Token& name) {
    topic_.assign(reinterpret_cast<const char*>(name.content.data()), name.content.size());
  }
  void topic(const wire::Uuid& shown_id) { id_ = shown_id; }
  // A scalar: the number to show for it.
  std::int64_t number(const wire::Token& t);

  // A record set of `bytes` begins, and ends.
  void begin_records(std::int64_t bytes);
  void end_records() { in_records_ = false; }
  bool in_records() const { return in_records_; }
  // Calls change(at, header) for each batch that begins in `rest`, the set's bytes from where the
  // last call stopped; returns how many of them are finished. The bytes behind are a torn header
  // (or error() says what is wrong).
  template <class Change>
  std::size_t records(wire::Bytes rest, Change change);
  // Rewrites the batch whose header stands at the start of `bytes`. False: see error().
  bool batch(const wire::BatchHeader& h, std::span<std::byte> bytes);

 private:
  std::int64_t fail(const char* why, std::int64_t n = 0);

  Offsets* offsets_;
  const Shift* shift_ = nullptr;
  std::string topic_;
  wire::Uuid id_{};
  wire::BatchCursor cursor_{0};
  bool in_records_ = false;
  bool hidden_ = false;  // the partition's error
  const char* error_ = nullptr;
};

template <class Change>
std::size_t Renumbering::records(wire::Bytes rest, Change change) {
  using Step = wire::BatchCursor::Step;
  std::size_t done = 0;
  for (;;) {
    wire::BatchHeader h;
    std::size_t advance = 0;
    const auto step = cursor_.next(rest.subspan(done), h, advance);
    done += advance;
    if (step == Step::bad) error_ = "a broker sent what is no record set";
    if (step != Step::batch || !change(done, h)) return done;
  }
}

}  // namespace shunt::route
