// All chance of a run: splitmix64 from the seed, alike on every machine.
#pragma once

#include <cstdint>

namespace shunt::sim {

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15U);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
  }
  std::int64_t below(std::int64_t n) {
    return static_cast<std::int64_t>(next() % static_cast<std::uint64_t>(n));
  }
  std::int64_t between(std::int64_t least, std::int64_t most) {
    return least + below(most - least + 1);
  }
  bool percent(int p) { return below(100) < p; }
  bool one_in(int n) { return below(n) == 0; }
  // For parts that must not shift each other's chances.
  Random fork() { return Random(next()); }

 private:
  std::uint64_t state_;
};

}  // namespace shunt::sim
