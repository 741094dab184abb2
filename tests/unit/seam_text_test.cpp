// Segments as the text a cluster keeps: round trips, torn, foreign, more than fit.
#include "proxy/splice/seam_text.h"

#include "tests/unit/spliced.h"

using namespace spliced;
using splice::SeamText;
using splice::Segment;

namespace {

SeamText example(std::vector<Segment> segments) {
  SeamText k;
  k.old_cluster = "MkU3OEVBNTcwNTJENDM2Qg";
  k.new_cluster = "an id, with = and %";
  k.scheme = 2;
  k.since = 1'700'000'000'000;
  k.topics = 3;
  k.old_id = uuid(1);
  k.partitions = 4;
  k.cuts = {{1, "m1.1", new_one, "", 1'700'000'000'123}, {4, "m1.3", old_one, "m1.1", 7}};
  k.segments = std::move(segments);
  return k;
}

// A log that was cut to and fro and swept between, `n` times.
splice::VirtualLog long_log(int n) {
  splice::VirtualLog log;
  std::int64_t end[2] = {1000, 7};
  std::uint32_t cut = 0;
  for (int i = 0; i < n; ++i) {
    const auto from = log.tail().cluster;
    const auto to = from == old_one ? new_one : old_one;
    auto& here = end[static_cast<int>(from)];
    auto& there = end[static_cast<int>(to)];
    here += i % 5;
    if (i > 0 && i % 3 != 0) {
      const auto before = there;
      there += 1 + i % 4;
      const auto begin = i % 5 == 0 ? there : before;  // or all of it is a repeat
      if (log.sweep(here, log.tail().epoch_base + 1, to, begin, there) == nullptr) continue;
      there = before;
    }
    REQUIRE(log.append(here, log.tail().epoch_base + i % 2, to, there, ++cut) == nullptr);
  }
  return log;
}

std::string problem_of(std::string_view text) {
  std::string problem;
  CHECK_FALSE(splice::read_seam_text(text, problem));
  return problem;
}

}  // namespace

TEST_CASE("seam text: what is kept comes back", "[splice]") {
  for (const int n : {0, 1, 2, 3, 10, 60}) {
    INFO(n << " changes");
    auto kept = example(long_log(n).segments());
    const auto was = kept;
    std::string problem;
    const auto text = splice::seam_text(kept);
    INFO(text);
    CHECK(kept == was);
    const auto back = splice::read_seam_text(text, problem);
    CHECK(problem == "");
    REQUIRE(back);
    CHECK(*back == was);
  }
}

TEST_CASE("seam text: as it stands in an offset's metadata", "[splice]") {
  splice::VirtualLog log;
  REQUIRE(log.append(9041, 7, new_one, 12, 1) == nullptr);
  SeamText kept;
  kept.old_cluster = "old";
  kept.new_cluster = "new";
  kept.topics = kept.partitions = 1;
  kept.cuts = {{1, "m1.1", new_one, "", 5}};
  kept.segments = log.segments();
  CHECK(splice::seam_text(kept) ==
        "shunt/1 c=old,new m=1,0,1 t=,,1 k=0 x=1,m1.1,n,,5 v=0 s=o0+9041,,7 n12+,,,1 #a5d23e43");
}

TEST_CASE("seam text: torn or changed anywhere it is refused, and no prefix is taken", "[splice]") {
  auto kept = example(long_log(8).segments());
  const auto text = splice::seam_text(kept);
  for (std::size_t n = 0; n < text.size(); ++n) {
    std::string problem;
    CHECK_FALSE(splice::read_seam_text(text.substr(0, n), problem));
    auto changed = text;
    changed[n] = static_cast<char>(changed[n] ^ 1);
    CHECK_FALSE(splice::read_seam_text(changed, problem));
    CHECK(problem != "");
  }
  CHECK(problem_of(text.substr(0, text.size() - 3)) == "torn or changed");
}

TEST_CASE("seam text: others' metadata is told apart", "[splice]") {
  CHECK(problem_of("") == "not written by Shunt");
  CHECK(problem_of("\x01\x02offsets of a stream") == "not written by Shunt");
  CHECK(problem_of("shunt/2 anything") == "of an unknown version");
  CHECK(problem_of("shunt/1 #") == "torn or changed");
}

TEST_CASE("seam text: of more segments than fit the newest are kept, with a mark", "[splice]") {
  const auto all = long_log(3000).segments();
  auto kept = example(all);
  const auto text = splice::seam_text(kept);
  CHECK(text.size() <= splice::seam_text_bytes_max);
  CHECK(text.size() > splice::seam_text_bytes_max / 2);
  CHECK(kept.left_out > 0);
  CHECK(kept.left_out + kept.segments.size() == all.size());
  CHECK(kept.segments.back() == all.back());
  CHECK(kept.segments.size() > 250);  // hundreds fit
  CHECK(kept.cuts.empty());           // theirs have been left out too
  std::string problem;
  const auto back = splice::read_seam_text(text, problem);
  REQUIRE(back);
  CHECK(*back == kept);

  auto tiny = example(all);
  splice::seam_text(tiny, 10);
  CHECK(tiny.segments.size() == 1);
}
