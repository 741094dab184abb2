// Opens journal, API and data path in the order of what is cheapest to check; runs; drains.
#include "control/run.h"

#include <csignal>
#include <cstdlib>

#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include "control/http.h"
#include "control/journal.h"
#include "control/units.h"
#include "proxy/net/daemon.h"
#include "proxy/net/limits.h"

namespace shunt::control {
namespace {

namespace asio = boost::asio;
namespace log = observe::log;

int cannot_run(const Failure& f) {
  if (f.where.empty())
    log::error("cannot.run", {{"why", f.message}});
  else if (f.next.empty())
    log::error("cannot.run", {{"why", f.message}, {"where", f.where}});
  else
    log::error("cannot.run", {{"why", f.message}, {"where", f.where}, {"next", f.next}});
  return 1;
}

// Every client may need several descriptors; the soft limit is a default of other days.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

class Process {
 public:
  Process(const Config& config, const std::string& version)
      : config_(config), api_(io_, sources(version)) {}

  int run() {
    Failure failure;
    auto opened = Journal::open(config_.journal);
    if (!opened.journal) return cannot_run(opened.failure);
    journal_ = std::move(opened.journal);
    if (!api_.listen_socket(config_.socket, config_.group, failure)) return cannot_run(failure);
    if (config_.http && !api_.listen_http(*config_.http, failure)) return cannot_run(failure);

    net::Settings settings = config_.net;
    if (const char* at = std::getenv("SHUNT_DIE_AT")) settings.die_at = at;  // tests alone
    daemon_ = net::Daemon::make(io_, settings, std::move(opened.remembered), *journal_);
    if (std::string why = daemon_->listen(); !why.empty())
      return cannot_run({"listen_failed", std::move(why), "", ""});
    wait_for_signal();
    tend_journal();
    daemon_->start([this] { ready(); }, [this](const std::string& why) { fatal(why); });
    io_.run();
    return exit_code_;
  }

 private:
  ApiSources sources(const std::string& version) {
    ApiSources s;
    s.version = version;
    s.socket = config_.socket;
    s.snapshot = [this] { return daemon_->snapshot(); };
    s.not_ready = [this] { return draining_ ? std::string("draining") : std::string(); };
    s.operate = [this]() -> net::Operator& { return daemon_->operate(); };
    s.events = [this]() -> const observe::Events& { return daemon_->events(); };
    s.metrics = [this, version] {
      observe::Metrics m = daemon_->metrics();
      m.journal_bytes = journal_->bytes();
      return m.render(version);
    };
    return s;
  }

  void ready() {
    const std::string plain = config_.net.plain ? endpoint_text(*config_.net.plain) : "off";
    std::string http = "off";
    if (config_.http) http = endpoint_text({config_.http->host, api_.http_port()});
    const auto& tls = config_.net.tls;
    log::info("ready", {{"plain", plain},
                        {"tls", tls.on() ? endpoint_text(*tls.address) : "off"},
                        {"socket", config_.socket},
                        {"http", http}});
  }

  void fatal(const std::string& why) {
    Failure f{"fatal", why, "", ""};  // the data path says what to do
    // Another cluster than the journal knows: name the record.
    for (const auto c : {route::Cluster::old_cluster, route::Cluster::new_cluster})
      if (why.starts_with("clusters." + std::string(route::name(c)) + ": cluster id"))
        f.where = journal_->cluster_id_place(c);
    exit_code_ = cannot_run(f);
    drain("fatal");
  }

  void wait_for_signal() {
    signals_.async_wait([this](boost::system::error_code ec, int signal) {
      if (ec) return;
      if (signal == SIGHUP) {
        reload();
        return wait_for_signal();
      }
      if (draining_) {
        log::warn("stopped", {{"drained", false}, {"why", "a second signal"}});
        api_.close();
        ::_exit(1);
      }
      wait_for_signal();
      drain(signal == SIGINT ? "SIGINT" : "SIGTERM");
    });
  }

  void reload() {
    const auto why = daemon_->reload();
    if (why.empty())
      log::info("reloaded", {{"what", "certificates and keys"}});
    else
      log::error("reload.failed",
                 {{"why", why}, {"next", "the former stay in use; mend it, SIGHUP"}});
  }

  void drain(const char* why) {
    if (draining_) return;
    draining_ = true;
    log::info("drain", {{"why", why}, {"limit_ms", config_.net.limits.drain.count()}});
    daemon_->drain([this](bool answered) { stopped(answered); });
  }

  void stopped(bool answered) {
    log::info("stopped", {{"drained", exit_code_ == 0}});
    api_.close();
    journal_->tend();
    if (answered) journal_->drained();
    io_.stop();
  }

  void tend_journal() {
    timer_.expires_after(std::chrono::seconds(1));
    timer_.async_wait([this](boost::system::error_code ec) {
      if (ec) return;
      const std::string step = daemon_->operate().step();
      const bool holding = step.starts_with('S') && step != "S8";
      journal_->tend(!holding);
      tend_journal();
    });
  }

  const Config& config_;
  asio::io_context io_{1};
  asio::signal_set signals_{io_, SIGTERM, SIGINT, SIGHUP};
  asio::steady_timer timer_{io_};
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<net::Daemon> daemon_;
  HttpServer api_;
  bool draining_ = false;
  int exit_code_ = 0;
};

}  // namespace

int run(const Config& config, const std::string& version) {
  // Large answers that had to be held whole go back to the system at once; by default glibc would
  // learn from the first ones to keep tens of megabytes. Requests are collected again and again:
  // their memory stays, else every one costs a page fault for each 4 KiB of it.
  constexpr int returned_bytes_min = 2 * 1024 * 1024;
  static_assert(returned_bytes_min > net::whole_request_bytes_max);
  mallopt(M_MMAP_THRESHOLD, returned_bytes_min);
  mallopt(M_TRIM_THRESHOLD, 2 * returned_bytes_min);
  log::setup(config.level, config.format);
  std::signal(SIGPIPE, SIG_IGN);
  raise_descriptor_limit();
  Process process(config, version);
  return process.run();
}

}  // namespace shunt::control
