// Record sets from Kafka's own encoder: their headers, and Kafka's own renumbering of them.
#include <catch2/catch.hpp>

#include "proxy/wire/batch.h"
#include "tests/unit/golden.h"

using namespace shunt::wire;

namespace {

using Words = std::vector<std::string>;

// Steps through a set, a batch at a time; `see` may rewrite it, and ends the walk with false.
template <class See>
void each(std::span<std::byte> set, See see) {
  BatchCursor cursor(set.size());
  for (;;) {
    BatchHeader h;
    std::size_t advance = 0;
    const auto step = cursor.next(set.subspan(cursor.position()), h, advance);
    if (step == BatchCursor::Step::done) return;
    REQUIRE(step == BatchCursor::Step::batch);
    if (!see(cursor.position(), h, set.subspan(cursor.position()))) return;
  }
}

// A batch line's words behind the set's name.
Words described(std::uint64_t position, const BatchHeader& h) {
  Words w = {std::to_string(position),      std::to_string(h.size()),
             std::to_string(h.magic),       std::to_string(h.attributes),
             std::to_string(h.base_offset), std::to_string(h.last_offset()),
             std::to_string(h.crc)};
  for (const std::int64_t n : {std::int64_t{h.leader_epoch}, h.base_timestamp, h.max_timestamp,
                               h.producer_id, std::int64_t{h.producer_epoch},
                               std::int64_t{h.base_sequence}, std::int64_t{h.record_count}}) {
    w.push_back(h.magic == 2 ? std::to_string(n) : "-");
  }
  return w;
}

BatchEdit edit_of(const Words& line) {
  BatchEdit e{.offset_shift = std::stoll(line[2])};
  if (line[3] != "-") {
    e.set_leader_epoch = true;
    e.leader_epoch = std::stoi(line[3]);
  }
  if (line[4] != "-") {
    e.set_producer = true;
    e.producer_id = std::stoll(line[4]);
    e.producer_epoch = static_cast<std::int16_t>(std::stoi(line[5]));
  }
  return e;
}

}  // namespace

TEST_CASE("golden: batches are found and read, renumbered as Kafka does", "[batch]") {
  std::vector<std::byte> set;
  std::vector<Words> found;
  int sets = 0, edits = 0, refused = 0;
  for (const Words& line : golden::lines("batches.txt")) {
    INFO(line[0] << " " << line[1] << " " << line[2].substr(0, 20));
    if (line[0] == "set") {
      REQUIRE(found.empty());  // every batch found had its line
      set = golden::unhex(line[2]);
      each(set, [&](std::uint64_t position, const BatchHeader& h, std::span<std::byte>) {
        found.push_back(described(position, h));
        return true;
      });
      ++sets;
    } else if (line[0] == "batch") {
      REQUIRE_FALSE(found.empty());
      CHECK(found.front() == Words(line.begin() + 2, line.end()));
      found.erase(found.begin());
    } else {
      auto copy = set;
      bool done = true;
      each(copy, [&](std::uint64_t, const BatchHeader&, std::span<std::byte> batch) {
        return done = rewrite(edit_of(line), batch);
      });
      CHECK(done == (line[6] != "refused"));
      if (done) REQUIRE(copy == golden::unhex(line[6]));
      ++(done ? edits : refused);
    }
  }
  CHECK(found.empty());
  CHECK(sets >= 30);
  CHECK(edits >= 200);
  CHECK(refused > 0);
}
