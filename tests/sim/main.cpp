// shunt-sim: runs the migration's real decisions against a model of everything else, seed by seed.
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "tests/sim/proxy.h"

namespace {

using namespace shunt::sim;

constexpr const char* help =
    R"(shunt-sim: the real wire, route and splice code between two model clusters and model clients.

  shunt-sim --seed N [--trace]       one run; --trace prints what happens, when
  shunt-sim --seeds A-B [--jobs N]   many; the last line is the verdict
  shunt-sim --bug NAME ...           with a planted bug: then a violation is what is wanted
  shunt-sim --list-bugs              their names

A run is made by its seed alone: partitions, clients, faults, the operator's cuts and undos. What it
holds against every event stands in oracle.h and consumer.cpp. Exit 0: no violation (with --bug: it
was caught); 1: a violation, whose seed and words are printed; 2: usage.
  shunt-sim --seed 4711 --trace | less      how it came to that
  shunt-sim --bug epoch-base --seeds 1-10000  how many seeds until it is caught
)";

struct Arguments {
  Options options;
  std::uint64_t first = 1, last = 1;
  int jobs = 1;
};

[[noreturn]] void usage(const std::string& why) {
  std::fprintf(stderr, "shunt-sim: %s\ntry: shunt-sim --help\n", why.c_str());
  std::exit(2);
}

std::uint64_t number(const char* text) {
  char* end = nullptr;
  const auto n = std::strtoull(text, &end, 10);
  if (end == text || (*end != 0 && *end != '-')) usage(std::string("not a number: ") + text);
  return n;
}

Arguments parse(int argc, char** argv) {
  Arguments a;
  bool given = false;
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    const auto value = [&]() -> const char* {
      if (++i >= argc) usage(option + " needs a value");
      return argv[i];
    };
    if (option == "--help" || option == "-h") {
      std::fputs(help, stdout);
      std::exit(0);
    } else if (option == "--list-bugs") {
      for (const auto& b : bug_names) {
        std::printf("%-28s %s\n", std::string(b.name).c_str(), std::string(b.what).c_str());
      }
      std::exit(0);
    } else if (option == "--seed") {
      a.first = a.last = number(value());
      given = true;
    } else if (option == "--seeds") {
      const char* range = value();
      const char* dash = std::strchr(range, '-');
      if (dash == nullptr) usage("--seeds wants A-B");
      a.first = number(range);
      a.last = number(dash + 1);
      given = true;
    } else if (option == "--jobs") {
      a.jobs = static_cast<int>(number(value()));
    } else if (option == "--trace") {
      a.options.trace = true;
    } else if (option == "--bug") {
      const std::string name = value();
      for (const auto& b : bug_names) {
        if (b.name == name) a.options.bug = b.bug;
      }
      if (a.options.bug == Bug::none) usage("no bug " + name + "; see --list-bugs");
    } else {
      usage("what is " + option + "?");
    }
  }
  if (!given) usage("--seed N or --seeds A-B");
  if (a.last < a.first || a.jobs < 1) usage("an empty range");
  return a;
}

struct Totals {
  std::uint64_t runs = 0, cuts = 0, aborted = 0, bumps = 0, events = 0, caught = 0;
};

// Every `jobs`th seed from `first` on. Stops at the first violation.
Totals run(const Arguments& a, std::uint64_t first) {
  Totals t;
  for (auto seed = first; seed <= a.last; seed += static_cast<std::uint64_t>(a.jobs)) {
    Options o = a.options;
    o.seed = seed;
    Sim sim(o);
    ++t.runs;
    try {
      sim.run();
    } catch (const std::exception& e) {
      t.caught = seed;
      std::printf("seed %llu at %.3f ms: %s\n", static_cast<unsigned long long>(seed),
                  static_cast<double>(sim.time.now()) / 1000, e.what());
    }
    t.cuts += sim.cuts;
    t.aborted += sim.aborted;
    t.bumps += sim.bumps;
    t.events += sim.time.done();
    if (t.caught != 0) break;
    if (t.runs % 1000 == 0 && a.options.bug == Bug::none && a.first == first) {
      std::printf("seed %llu ...\n", static_cast<unsigned long long>(seed));
      std::fflush(stdout);
    }
  }
  std::fflush(stdout);
  return t;
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments a = parse(argc, argv);
  const auto began = std::chrono::steady_clock::now();
  Totals all;
  if (a.jobs == 1) {
    all = run(a, a.first);
  } else {
    int results[2];
    if (pipe(results) != 0) return 2;
    for (int j = 0; j < a.jobs; ++j) {
      if (fork() != 0) continue;
      const Totals t = run(a, a.first + static_cast<std::uint64_t>(j));
      const bool told = write(results[1], &t, sizeof t) == sizeof t;
      std::_Exit(told ? 0 : 2);
    }
    for (int j = 0; j < a.jobs; ++j) {
      int status = 0;
      wait(&status);
      Totals t;
      if (status != 0 || read(results[0], &t, sizeof t) != sizeof t) {
        std::printf("FAIL: a job has died\n");
        return 1;
      }
      all.runs += t.runs;
      all.cuts += t.cuts;
      all.aborted += t.aborted;
      all.bumps += t.bumps;
      all.events += t.events;
      if (t.caught != 0) all.caught = t.caught;
    }
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  const auto per_second = [&](std::uint64_t n) { return static_cast<double>(n) / took.count(); };
  std::printf(
      "%llu migrations, %llu cuts (%llu aborted), %llu epochs bumped, %llu events in %.1f s: %.0f "
      "migrations/s, %.0f cuts/s\n",
      static_cast<unsigned long long>(all.runs), static_cast<unsigned long long>(all.cuts),
      static_cast<unsigned long long>(all.aborted), static_cast<unsigned long long>(all.bumps),
      static_cast<unsigned long long>(all.events), took.count(), per_second(all.runs),
      per_second(all.cuts));
  const bool planted = a.options.bug != Bug::none;
  const bool good = planted == (all.caught != 0);
  std::printf("%s\n",
              planted ? (good ? "caught" : "NOT CAUGHT") : (good ? "no violation" : "VIOLATION"));
  return good ? 0 : 1;
}
