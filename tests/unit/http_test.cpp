// The API's server over real sockets: answers, limits, hostile peers, files left over.
#include <catch2/catch.hpp>

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "control/client.h"
#include "control/socket.h"
#include "tests/unit/fake_api.h"

using namespace shunt;
using namespace shunt::control;
using shunt::test::FakeApi;
using shunt::test::FakeOperator;
using shunt::test::Scratch;

namespace {

File connect_tcp(std::uint16_t port) {
  File file(::socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_port = htons(port);
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::connect(file.fd(), reinterpret_cast<sockaddr*>(&a), sizeof a) == 0);
  return file;
}

// Sends bytes to control.http and reads until it closes, or nothing comes for a while.
std::string raw(const FakeApi& api, const std::string& request, int quiet_ms = 300) {
  const File file = connect_tcp(api.port());
  (void)!::send(file.fd(), request.data(), request.size(), MSG_NOSIGNAL);
  std::string out;
  char part[4096];
  pollfd p{file.fd(), POLLIN, 0};
  while (::poll(&p, 1, quiet_ms) > 0) {
    const auto n = ::recv(file.fd(), part, sizeof part, 0);
    if (n <= 0) break;
    out.append(part, static_cast<std::size_t>(n));
  }
  return out;
}

}  // namespace

TEST_CASE("http: status over the Unix socket and over TCP; mutations only on the socket") {
  const FakeApi api;
  Failure failure;
  auto a = call(api.socket(), "GET", "/status", "", std::nullopt, failure);
  REQUIRE(a);
  CHECK(a->status == 200);
  CHECK(a->body.starts_with(R"({"api":1,"version":"9.9.9")"));
  a = call(api.socket(), "POST", "/move", "{}", std::nullopt, failure);
  REQUIRE(a);
  CHECK(a->status == 400);
  const std::string head = "POST /move HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n";
  CHECK(raw(api, head).starts_with("HTTP/1.1 405 "));
}

TEST_CASE("http: an answer that comes later; its step goes on when nobody waits any more") {
  FakeOperator acting;
  acting.late = true;
  FakeApi api({}, acting);
  Failure failure;
  const auto asked = [&] {
    std::size_t n = 0;
    api.with([&](FakeOperator& op, observe::Events&) { n = op.asked.size(); });
    return n;
  };
  const auto soon = std::chrono::steady_clock::now() + std::chrono::milliseconds(100);
  const std::string body = R"({"kind":"produce"})";
  CHECK(!call(api.socket(), "POST", "/move", body, soon, failure));
  CHECK(failure.code == "timed_out");
  CHECK(asked() == 1);
  // The asker has gone; the next one is answered all the same.
  std::optional<CallAnswer> got;
  std::thread other([&] { got = call(api.socket(), "POST", "/pause", "", std::nullopt, failure); });
  while (asked() < 2) std::this_thread::yield();
  CHECK(call(api.socket(), "GET", "/status", "", std::nullopt, failure));  // not held up
  api.with([](FakeOperator& op, observe::Events&) { op.let_go(); });
  other.join();
  REQUIRE(got);
  CHECK(got->status == 200);
  const auto waited = call(api.socket(), "POST", "/move", R"({"kind":"produce","wait_ms":20})",
                           std::nullopt, failure);
  REQUIRE(waited);
  CHECK(waited->status == 202);
  CHECK(waited->body == "{\"api\":1,\"move\":null}\n");
}

TEST_CASE("http: one connection asks again and again, also at once") {
  const FakeApi api;
  const std::string get = "GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
  const std::string out = raw(api, get + get + get);
  std::size_t answers = 0;
  for (auto at = out.find("HTTP/1.1 200"); at != std::string::npos;
       at = out.find("HTTP/1.1 200", at + 1))
    ++answers;
  CHECK(answers == 3);
}

TEST_CASE("http: what is not a request gets the error shape, or nothing, and never a crash") {
  const FakeApi api;
  CHECK(raw(api, "BLAH\r\n\r\n").starts_with("HTTP/1.1 400 "));
  CHECK(raw(api, "GET / HTTP/1.1\r\nX: " + std::string(9000, 'x') + "\r\n\r\n")
            .starts_with("HTTP/1.1 413 "));
  CHECK(raw(api, "POST /move HTTP/1.1\r\nHost: localhost\r\nContent-Length: 70000\r\n\r\n" +
                     std::string(70000, 'x'))
            .starts_with("HTTP/1.1 413 "));
  CHECK(raw(api, "GET /").empty());
  CHECK(
      raw(api, "GET /status HTTP/1.1\r\nHost: evil.example\r\n\r\n").starts_with("HTTP/1.1 403 "));
  CHECK(raw(api, "GET /status HTTP/1.1\r\nHost: localhost:9644\r\n\r\n")
            .starts_with("HTTP/1.1 200 "));
  const std::string head = raw(api, "HEAD /status HTTP/1.1\r\nHost: [::1]\r\n\r\n");
  CHECK(head.starts_with("HTTP/1.1 200 "));
  CHECK(head.ends_with("\r\n\r\n"));
}

TEST_CASE("http: connections that say nothing do not keep others out of the socket") {
  const FakeApi api;
  std::vector<File> silent;
  for (int i = 0; i < 80; ++i) silent.push_back(connect_tcp(api.port()));
  Failure failure;
  CHECK(call(api.socket(), "GET", "/status", "", std::nullopt, failure));
}

TEST_CASE("http: the socket is 0660, a stale one is replaced, a live one and a file are not") {
  const Scratch s;
  Failure failure;
  struct stat st {};
  {
    const File first = listen_unix(s.path("run/s.sock"), std::nullopt, failure);
    REQUIRE(first);
    REQUIRE(::stat(s.path("run/s.sock").c_str(), &st) == 0);
    CHECK((st.st_mode & 0777) == 0660);
    CHECK(!listen_unix(s.path("run/s.sock"), std::nullopt, failure));
    CHECK(failure.message ==
          "control.socket: " + s.path("run/s.sock") + " is taken: another daemon answers there");
  }
  CHECK(listen_unix(s.path("run/s.sock"), std::nullopt, failure));  // left over
  s.write("file", "precious");
  CHECK(!listen_unix(s.path("file"), std::nullopt, failure));
  CHECK(s.read("file") == "precious");
  CHECK(!listen_unix("/proc/no/s.sock", std::nullopt, failure));
  CHECK(failure.message.starts_with("control.socket: /proc/no/s.sock cannot be opened"));
}

TEST_CASE("http: a taken port names its key") {
  Failure failure;
  const File first = listen_tcp({"127.0.0.1", 0}, failure);
  REQUIRE(first);
  const auto port = port_of(first);
  CHECK(!listen_tcp({"127.0.0.1", port}, failure));
  CHECK(failure.code == "port_taken");
  CHECK(failure.message == "control.http: 127.0.0.1:" + std::to_string(port) +
                               " cannot be opened: Address already in use");
}

TEST_CASE("http: the socket's file goes when the server closes") {
  std::string path;
  {
    const FakeApi api;
    path = api.socket();
    CHECK(std::filesystem::exists(path));
  }
  CHECK(!std::filesystem::exists(path));
}

TEST_CASE("client: what cannot be reached says so") {
  const Scratch s;
  Failure failure;
  CHECK(!call(s.path("no.sock"), "GET", "/status", "", std::nullopt, failure));
  CHECK(failure.code == "unreachable");
  const File mute = listen_unix(s.path("mute.sock"), std::nullopt, failure);
  const auto soon = std::chrono::steady_clock::now() + std::chrono::milliseconds(50);
  CHECK(!call(s.path("mute.sock"), "GET", "/status", "", soon, failure));
  CHECK(failure.code == "timed_out");
  CHECK(!call(std::string(200, 'x'), "GET", "/status", "", std::nullopt, failure));
  CHECK(failure.code == "unreachable");
}
