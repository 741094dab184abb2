// The journal: read back what was written, whatever the tail, the disk and the version.
#include <catch2/catch.hpp>

#include <algorithm>
#include <csignal>
#include <filesystem>

#include <sys/resource.h>
#include <sys/stat.h>
#include <boost/json/serialize.hpp>

#include "control/journal.h"
#include "proxy/observe/log.h"
#include "tests/unit/scratch.h"

using namespace shunt;
using namespace shunt::control;
using shunt::test::Scratch;

namespace {

constexpr auto old_cluster = route::Cluster::old_cluster;

const std::string log_1 = "00000001.log";

// The journal tells of its repairs; not here.
struct Quiet {
  Quiet() { observe::log::setup(observe::log::Level::error, observe::log::Format::text); }
  ~Quiet() { observe::log::setup(observe::log::Level::info, observe::log::Format::text); }
};

Journal::Opened opened(const Scratch& s, Journal::Limits limits = {}) {
  auto out = Journal::open(s.path("j"), limits);
  INFO(out.failure.message);
  REQUIRE(out.journal);
  return out;
}

// `n` client instances with an address and a group; returns the same state as is remembered.
route::Identities fill(Journal& journal, int n) {
  route::Identities live;
  for (int i = 0; i < n; ++i) {
    const auto who = live.begin("app-" + std::to_string(i), "java 4.4", 1000 + i);
    live.address(who, {old_cluster, route::NativeNodeId{1}}, 1000 + i);
    live.link(who, "group", "member-" + std::to_string(i), 1000 + i);
    for (const auto& r : live.take_records()) journal.remember(r);
  }
  return live;
}

std::string told(const route::Identities& who) {
  std::string out;
  for (const auto& r : who.snapshot()) out += boost::json::serialize(to_json(r)) + '\n';
  return out;
}

}  // namespace

TEST_CASE("journal: what was remembered is there after a restart") {
  const Scratch s;
  const auto ranges = route::ApiRanges::parse("1:4-12,3:0-9");
  std::string expected;
  {
    auto first = opened(s);
    expected = told(fill(*first.journal, 3));
    first.journal->remember_versions(route::Cluster::new_cluster, *ranges);
    first.journal->remember_cluster_id(old_cluster, "abc");
    CHECK(first.journal->cluster_id_place(old_cluster).find("j/00000001.log: byte ") !=
          std::string::npos);
  }
  struct stat st {};
  REQUIRE(::stat(s.path("j").c_str(), &st) == 0);
  CHECK((st.st_mode & 0777) == 0700);

  const auto second = opened(s);
  CHECK(told(second.remembered.identities) == expected);
  CHECK(second.remembered.new_versions == ranges);
  CHECK(!second.remembered.old_versions);
  CHECK(second.remembered.old_cluster_id == "abc");
  CHECK(second.remembered.new_cluster_id == "");
  CHECK(second.journal->bytes() == s.read("j/" + log_1).size());
  CHECK(second.journal->cluster_id_place(old_cluster).find(": byte ") != std::string::npos);
}

TEST_CASE("journal: a second daemon is refused") {
  const Scratch s;
  const auto first = opened(s);
  const auto second = Journal::open(s.path("j"));
  CHECK(!second.journal);
  CHECK(second.failure.code == "journal_locked");
  CHECK(second.failure.message.starts_with("journal: locked by another shunt, process "));
}

TEST_CASE("journal: text that is not UTF-8 comes back byte for byte") {
  const Scratch s;
  const std::string odd("a\xff\0b\n", 5);
  route::Identities live;
  live.begin(odd, "x", 1);
  {
    auto j = opened(s);
    for (const auto& r : live.take_records()) j.journal->remember(r);
  }
  const auto back = opened(s);
  REQUIRE(back.remembered.identities.all().size() == 1);
  CHECK(back.remembered.identities.all().begin()->second.client_id == odd);
}

TEST_CASE("journal: torn at every byte, it is cut to whole records and goes on") {
  const Quiet quiet;
  const Scratch s;
  { fill(*opened(s).journal, 2); }
  const std::string whole = s.read("j/" + log_1);
  std::vector<std::size_t> ends = {0};
  scan(whole, [&](std::string_view json) {
    ends.push_back(ends.back() + record_head_bytes + json.size());
    return std::string();
  });
  REQUIRE(ends.back() == whole.size());
  REQUIRE(ends.size() > 6);

  for (std::size_t n = 0; n <= whole.size(); ++n) {
    INFO("cut at " << n);
    s.write("j/" + log_1, whole.substr(0, n));
    const std::size_t kept = *(std::upper_bound(ends.begin(), ends.end(), n) - 1);
    auto j = opened(s);
    if (kept > 0) CHECK(s.read("j/" + log_1) == whole.substr(0, kept));
    j.journal->remember_cluster_id(old_cluster, "after");
    j.journal.reset();
    CHECK(opened(s).remembered.old_cluster_id == "after");
  }
}

TEST_CASE("journal: a byte changed anywhere but in the last record is refused, naming the record") {
  const Quiet quiet;
  const Scratch s;
  { fill(*opened(s).journal, 1); }
  const std::string whole = s.read("j/" + log_1);
  std::vector<std::size_t> starts = {0};
  scan(whole, [&](std::string_view json) {
    starts.push_back(starts.back() + record_head_bytes + json.size());
    return std::string();
  });
  starts.pop_back();  // the end
  for (std::size_t i = 0; i < whole.size(); ++i) {
    INFO("byte " << i);
    std::string damaged = whole;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x10);
    s.write("j/" + log_1, damaged);
    const auto j = Journal::open(s.path("j"));
    const std::size_t record = *(std::upper_bound(starts.begin(), starts.end(), i) - 1);
    if (record == starts.back()) {
      CHECK(j.journal);  // as good as torn: nothing follows it
      continue;
    }
    REQUIRE(!j.journal);
    CHECK(j.failure.code == "journal_untrusted");
    CHECK(j.failure.where == s.path("j/" + log_1) + ": byte " + std::to_string(record));
  }
}

TEST_CASE("journal: records of another version or type are refused, naming the byte") {
  const Quiet quiet;
  struct Case {
    const char *json, *why;
  };
  const Case cases[] = {
      {R"({"v":2,"type":"cluster_id"})", "unknown version 2 (this Shunt knows 1)"},
      {R"({"v":1,"type":"cut"})", "unknown type cut, perhaps of a newer Shunt"},
      {R"({"type":"cut"})", "key v is missing or cannot be"},
      {R"({"v":1,"type":"slot","cluster":"old","node":1})", "key slot is missing or cannot be"},
      {R"({"v":1,"type":"slot","cluster":"x","node":1,"slot":1})",
       "key cluster is missing or cannot be"},
      {R"({"v":1,"type":"block","instance":4294967296,"index":0,"block":0,"at":0})",
       "key instance is missing or cannot be"},
      {R"({"v":1,"type":"begin","snapshot":false})", "a second beginning"},
      {R"({"v":1,)", "not a JSON object"},
      {"[]", "not a JSON object"},
  };
  for (const auto& c : cases) {
    INFO(c.json);
    const Scratch s;
    { opened(s); }
    const std::string begin = s.read("j/" + log_1);
    s.write("j/" + log_1, begin + frame(c.json));
    const auto j = Journal::open(s.path("j"));
    REQUIRE(!j.journal);
    CHECK(j.failure.message == "journal: " + s.path("j/" + log_1) + ": byte " +
                                   std::to_string(begin.size()) + ": " + c.why);
  }
}

TEST_CASE("journal: a large file is replaced by a snapshot that says the same") {
  const Scratch s;
  const Journal::Limits small{.file_bytes_max = 4000};
  auto j = opened(s, small);
  const std::string expected = told(fill(*j.journal, 20));
  j.journal->remember_cluster_id(old_cluster, "abc");
  for (int i = 0; i < 200; ++i)
    j.journal->remember(route::InstanceTouched{route::Instance{1}, 1000});
  const auto before = j.journal->bytes();
  j.journal->tend();
  CHECK(j.journal->bytes() < before / 2);
  CHECK(list_logs(s.path("j")) == std::vector<std::uint32_t>{2});
  REQUIRE(j.journal->bytes() > small.file_bytes_max);
  j.journal->tend();
  CHECK(list_logs(s.path("j")) == std::vector<std::uint32_t>{2});  // not again and again
  j.journal.reset();
  const auto back = opened(s, small);
  CHECK(told(back.remembered.identities) == expected);
  CHECK(back.remembered.old_cluster_id == "abc");
}

TEST_CASE("journal: files left over by a crash in the middle of a rotation go") {
  const Scratch s;
  {
    auto j = opened(s, {.file_bytes_max = 10});
    j.journal->remember_cluster_id(old_cluster, "abc");
    j.journal->tend();
  }
  s.write("j/" + log_1, "left over");
  s.write("j/00000003.log.tmp", "half");
  CHECK(opened(s).remembered.old_cluster_id == "abc");
  CHECK(list_logs(s.path("j")) == std::vector<std::uint32_t>{2});
  CHECK(!std::filesystem::exists(s.path("j/00000003.log.tmp")));
}

TEST_CASE("journal: a full disk stops nothing, and what was not written is written later") {
  std::signal(SIGXFSZ, SIG_IGN);
  const Scratch s;
  auto j = opened(s, {.pending_bytes_max = GENERATE(std::size_t{1} << 20, std::size_t{100})});
  rlimit limit{};
  ::getrlimit(RLIMIT_FSIZE, &limit);
  std::string expected;
  bool durable = true, failing = false;
  const std::string told_once = test::stderr_of([&] {
    rlimit full = limit;
    full.rlim_cur = j.journal->bytes() + 20;  // within the next record
    ::setrlimit(RLIMIT_FSIZE, &full);
    expected = told(fill(*j.journal, 3));
    durable = j.journal->append(to_json(KnownClusterId{old_cluster, "no"}), Durable::yes);
    j.journal->tend();
    failing = j.journal->failing();
    ::setrlimit(RLIMIT_FSIZE, &limit);
    j.journal->tend();
  });
  CHECK(!durable);
  CHECK(failing);
  CHECK(!j.journal->failing());
  CHECK(std::count(told_once.begin(), told_once.end(), '\n') == 2);
  CHECK_THAT(told_once,
             Catch::Contains("error journal.failed why=") && Catch::Contains("info journal.works"));
  CHECK(j.journal->append(to_json(KnownClusterId{old_cluster, "yes"}), Durable::yes));
  j.journal.reset();
  const auto back = opened(s);
  CHECK(told(back.remembered.identities) == expected);
  CHECK(back.remembered.old_cluster_id == "yes");
}

TEST_CASE("journal: a folder that cannot be is refused, naming the key") {
  const Scratch s;
  s.write("file", "");
  const auto j = Journal::open(s.path("file"));
  CHECK(!j.journal);
  CHECK(j.failure.message == "journal: not a folder");
  CHECK(Journal::open("/proc/no/such").failure.message.starts_with("journal: cannot be made"));
}
