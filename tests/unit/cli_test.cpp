// The two programs as scripts see them: exit codes, what is on stdout and on stderr.
#include <catch2/catch.hpp>

#include <filesystem>

#include <boost/json/parse.hpp>

#include "control/journal.h"
#include "tests/unit/fake_api.h"

using namespace shunt;
using shunt::test::FakeApi;
using shunt::test::Scratch;
namespace fs = std::filesystem;

namespace {

// A program of this build: in a folder above this test's own.
std::string program(const std::string& name) {
  const fs::path self = fs::read_symlink("/proc/self/exe");
  for (fs::path folder = self.parent_path(); folder != folder.root_path();
       folder = folder.parent_path())
    if (fs::is_regular_file(folder / name)) return (folder / name).string();
  FAIL(name << " is not built: build the targets shunt and shuntctl first");
  return "";
}

struct Case {
  std::string arguments;
  int code;
  std::string out, err;  // each must contain this; "=" : must be empty
};

void check(const std::string& text, const std::string& wanted) {
  if (wanted == "=")
    CHECK(text == "");
  else
    CHECK_THAT(text, Catch::Contains(wanted));
}

void check_all(const Scratch& s, const std::string& name, const std::vector<Case>& cases) {
  const std::string path = program(name);
  for (const auto& c : cases) {
    INFO(name << ' ' << c.arguments);
    const auto ran = s.run(path + ' ' + c.arguments);
    CHECK(ran.code == c.code);
    check(ran.out, c.out);
    check(ran.err, c.err);
  }
}

}  // namespace

TEST_CASE("cli: shunt") {
  const Scratch s;
  const auto good = s.write("good.yaml",
                            "clusters: { old: { bootstrap: [a:1] } }\n"
                            "control: { socket: c.sock, http: off }\njournal: j\n");
  const auto both = s.write("both.yaml",
                            "clusters: { old: { bootstrap: [a:1] }, new: { bootstrap: [b:1] } }\n"
                            "control: { socket: c.sock, http: off }\njournal: j\n");
  const auto bad = s.write("bad.yaml", "clusters: { old: { bootstrap: [a:1] } }\nlgo: {}\n");
  const auto taken = control::Journal::open(s.path("j"));
  REQUIRE(taken.journal);
  check_all(s, "shunt",
            {{"", 2, "=", "shunt --help"},
             {"frobnicate", 2, "=", "no such command: frobnicate"},
             {"run --what", 2, "=", "--what"},
             {"--help", 0, "validate", "="},
             {"run --help", 0, "--config", "="},
             {"--version", 0, "shunt ", "="},
             {"validate -c " + good, 0, "bootstrap: [\"a:1\"]", "="},
             {"validate -c " + bad, 2, "=", bad + ":2:1: lgo: unknown key; expected log"},
             {"run -c " + bad, 2, "=", bad + ":2:1: lgo: unknown key; expected log"},
             {"run -c " + s.path("none.yaml"), 2, "=", "cannot be read"},
             {"recover -c " + good, 1, "=", "clusters.new is not configured"},
             {"recover -c " + both, 1, "=", "journal: locked by another shunt"},
             {"recover --help", 0, "__shunt.JOURNAL.MIGRATION", "="},
             {"run -c " + good, 1, "=", "journal: locked by another shunt"}});
}

TEST_CASE("cli: shunt cannot run: the key is named") {
  const FakeApi api;
  const Scratch& s = api.scratch();
  const std::string head = "clusters: { old: { bootstrap: [a:1] } }\njournal: j\ncontrol: ";
  const auto at_port = "127.0.0.1:" + std::to_string(api.port());
  const auto port = s.write("port.yaml", head + "{ socket: c.sock, http: " + at_port + " }\n");
  const auto socket =
      s.write("socket.yaml", head + "{ socket: " + api.socket() + ", http: off }\n");
  const auto group =
      s.write("group.yaml", head + "{ socket: c.sock, http: off, group: no-such-group }\n");
  const auto journal = s.write("journal.yaml",
                               "clusters: { old: { bootstrap: [a:1] } }\n"
                               "journal: /proc/none/j\n");
  check_all(s, "shunt",
            {{"run -c " + port, 1, "=", "control.http: 127.0.0.1:"},
             {"run -c " + socket, 1, "=", "control.socket: "},
             {"run -c " + group, 1, "=", "control.group: "},
             {"run -c " + journal, 1, "=", "journal: cannot be made"}});
}

TEST_CASE("cli: shuntctl without a daemon, and used wrongly") {
  const Scratch s;
  const std::string nobody = "--socket " + s.path("no.sock");
  check_all(s, "shuntctl",
            {{"", 2, "=", "shuntctl --help"},
             {"bogus", 2, "=", "no such command: bogus"},
             {"status -o xml", 2, "=", "xml"},
             {"status --timeout 5", 2, "=", "expected a duration"},
             {"topics -w", 2, "=", "-w"},
             {"--help", 0, "Exit codes", "="},
             {"--version", 0, "shuntctl ", "="},
             {"status " + nobody, 6, "=", "next: start it"},
             {nobody + " -o json clients", 6, R"({"api":1,"error":{"code":"unreachable")",
              "cannot be reached"}});
  const auto ran =
      s.run("SHUNT_SOCKET=" + s.path("env.sock") + ' ' + program("shuntctl") + " status");
  CHECK(ran.code == 6);
  CHECK_THAT(ran.err, Catch::Contains("env.sock"));
}

TEST_CASE("cli: shuntctl shows what the daemon answers") {
  observe::Snapshot shown;
  shown.not_ready_reason = "old: nobody answers";
  shown.topics = {{"orders", 3}};
  shown.groups = {{"billing", "Stable", "range", 3, 0}};
  observe::ClientView client;
  client.id = "c7";
  client.software = "librdkafka";
  client.software_version = "2.0.2";
  client.apis = {{1, "Fetch", 11, 5}};
  shown.clients = {client};
  const FakeApi api(shown);
  const std::string at = " --socket " + api.socket();
  check_all(api.scratch(), "shuntctl",
            {{"status" + at, 0, "why: old: nobody answers", "="},
             {at + " --no-color status", 0, "orders  3 ", "="},
             {"topics" + at, 0, "TOPIC   PARTITIONS", "="},
             {"groups" + at, 0, "billing  Stable", "="},
             {"clients" + at, 0, "librdkafka 2.0.2", "="},
             {"clients" + at, 0, "Fetch:v11", "="},
             {"status -w --timeout 1200ms" + at, 5, "orders", "="}});
  for (const std::string command : {"status", "topics", "groups", "clients"}) {
    const auto ran = api.scratch().run(program("shuntctl") + " -o json " + command + at);
    INFO(command);
    CHECK(ran.code == 0);
    CHECK(std::count(ran.out.begin(), ran.out.end(), '\n') == 1);
    CHECK(boost::json::parse(ran.out).at("api") == 1);
    CHECK(ran.out.find('\033') == std::string::npos);
  }
  // The socket decides over the environment.
  const auto ran =
      api.scratch().run("SHUNT_SOCKET=/no.sock " + program("shuntctl") + " topics" + at);
  CHECK(ran.code == 0);
}
