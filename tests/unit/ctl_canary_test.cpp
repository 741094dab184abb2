// A canary against its own past: samples in, verdict and words out.
#include <catch2/catch.hpp>

#include <functional>

#include "control/ctl_canary.h"

using namespace shunt::control;
using Is = CanaryVerdict::Is;
using Samples = std::vector<CanarySample>;

namespace {

// One a second: position and lag by the second.
Samples series(std::int64_t from_s, int count, std::int64_t at, std::int64_t rate,
               std::int64_t lag) {
  Samples out;
  for (int i = 0; i < count; ++i) {
    CanarySample s;
    s.at_ms = (from_s + i) * 1000;
    s.position = at + i * rate;
    s.lag = lag;
    s.members = 2;
    s.state = "Stable";
    out.push_back(s);
  }
  return out;
}

struct Case {
  const char* what;
  Samples past, since;
  CanaryRules rules;
  Is is;
  const char* saw;
};

Samples changed(Samples s, const std::function<void(CanarySample&, std::size_t)>& change) {
  for (std::size_t i = 0; i < s.size(); ++i) change(s[i], i);
  return s;
}

}  // namespace

TEST_CASE("canary: judged against its own past") {
  const CanaryRules minute{60'000, {}}, strict{60'000, 100}, brief{6'000, 100};
  const Samples past = series(0, 31, 1000, 50, 20);
  const Samples well = series(40, 61, 2500, 50, 15), begun = series(40, 20, 2500, 50, 15);
  const std::vector<Case> cases = {
      {"no samples yet", past, {}, minute, Is::watching, ""},
      {"not over yet", past, begun, strict, Is::watching, ""},
      {"well", past, well, strict, Is::good, "rate 50.0/s (50.0/s before)"},
      {"well, its past unknown", {}, well, minute, Is::good, "rate 50.0/s"},
      {"catches up with what had piled up", past,
       changed(well,
               [](auto& s, auto i) { s.lag = i < 30 ? 5000 - 166 * static_cast<int>(i) : 9; }),
       strict, Is::good, "lag 9 (20 at most before)"},
      {"still far behind at the end", past,
       changed(well, [](auto& s, auto i) { s.lag = 50'000 - static_cast<int>(i); }), strict,
       Is::bad, "lag: 49940 at the end of the soak, 100 at most are allowed (--max-lag)"},
      {"far behind, but nearer and nearer, and no --max-lag", past,
       changed(well, [](auto& s, auto i) { s.lag = 50'000 - static_cast<int>(i); }), minute,
       Is::good, "lag 49940"},
      {"grows at once beyond what it had", past,
       changed(begun, [](auto& s, auto i) { s.lag = 90 + 30 * static_cast<int>(i); }), strict,
       Is::bad, "lag: 660 and growing, 90 when it was moved"},
      {"had caught up and falls behind", past,
       changed(begun, [](auto& s, auto i) { s.lag = i == 0   ? 500
                                                    : i < 18 ? 10
                                                             : 130; }), strict,
       Is::bad, "lag: it has grown to 130, 100 at most are allowed"},
      {"once beyond is no trend", past,
       changed(begun, [](auto& s, auto i) { s.lag = i < 19 ? 10 : 130; }), strict, Is::watching,
       ""},
      {"its past was as far behind", series(0, 31, 0, 50, 4000), series(40, 61, 2500, 50, 3900),
       minute, Is::good, "lag 3900 (4000 at most before)"},
      {"the lag is not known at the end: a little more time", past,
       changed(well, [](auto& s, auto i) { s.lag = i > 50 ? decltype(s.lag)() : 3; }), strict,
       Is::watching, ""},
      {"nor later", past,
       changed(series(40, 80, 2500, 50, 9),
               [](auto& s, auto i) { s.lag = i > 50 ? decltype(s.lag)() : 3; }),
       strict, Is::bad, "lag: it cannot be read"},
      {"stands still with records before it", past, series(40, 22, 2500, 0, 99), strict, Is::bad,
       "rate: it reads nothing for 21 s, with 99 records before it"},
      {"stands still, but nothing is written", past, series(40, 61, 2500, 0, 0), strict, Is::good,
       "lag 0"},
      {"its past stood still as long: commits every 15 s",
       changed(past, [](auto& s, auto i) { s.position = static_cast<int>(i / 15) * 750; }),
       changed(begun, [](auto& s, auto) { s.position = 7; }), strict, Is::watching, ""},
      {"reads nothing in a soak too short for that, its past unknown",
       {},
       series(40, 7, 2500, 0, 9),
       brief,
       Is::bad,
       "rate: it has read nothing at all"},
      {"slower than half, and its lag grows", past,
       changed(series(40, 61, 2500, 20, 0),
               [](auto& s, auto i) { s.lag = 20 + static_cast<int>(i); }),
       strict, Is::bad, "rate: 20.0/s, 50.0/s before, and its lag grows"},
      {"slower as less is written", past, series(40, 61, 2500, 20, 3), strict, Is::good,
       "rate 20.0/s (50.0/s before)"},
      {"rebalances", past,
       changed(begun, [](auto& s, auto i) { s.state = i > 17 ? "PreparingRebalance" : "Stable"; }),
       strict, Is::bad, "rebalances: its state is PreparingRebalance, not Stable"},
      {"rebalances, as in its past",
       changed(past, [](auto& s, auto i) { s.state = i % 9 ? "Stable" : "PreparingRebalance"; }),
       changed(begun, [](auto& s, auto i) { s.state = i > 17 ? "PreparingRebalance" : "Stable"; }),
       strict, Is::watching, ""},
      {"a member is missing", past,
       changed(begun, [](auto& s, auto i) { s.members = i > 17 ? 1 : 2; }), strict, Is::bad,
       "members: 1 left of 2"},
      {"none is there, its past unknown",
       {},
       changed(begun, [](auto& s, auto) { s.members = 0; }),
       strict,
       Is::bad,
       "members: 0 left"},
      {"members join again", past, changed(begun, [](auto& s, auto i) { s.joins = i > 5 ? 2 : 0; }),
       strict, Is::bad,
       "rebalances: members joined again 2 times in 19 s, 0 times in the 30 s before"},
      {"members join again as often as before",
       changed(past, [](auto& s, auto i) { s.joins = static_cast<int>(i) / 10; }),
       changed(begun, [](auto& s, auto i) { s.joins = 3 + static_cast<int>(i) / 10; }), strict,
       Is::watching, ""},
      {"a join before it was moved counts as its past",
       changed(past, [](auto& s, auto i) { s.joins = i > 28 ? 2 : 0; }),
       changed(begun, [](auto& s, auto) { s.joins = 2; }), strict, Is::watching, ""},
      {"one look for the coordinator by each", past,
       changed(begun, [](auto& s, auto) { s.lookups = 2; }), strict, Is::watching, ""},
      {"errors", past, changed(begun, [](auto& s, auto i) { s.lookups = static_cast<int>(i); }),
       strict, Is::bad, "errors: members looked for their coordinator 19 times in 19 s, 0 times"},
      {"what stood at the seam was no standstill",
       changed(past, [](auto& s, auto i) { s.reading = i < 10; }), well, strict, Is::good,
       "rate 50.0/s (50.0/s before)"},
  };
  for (const auto& c : cases) {
    INFO(c.what);
    const auto verdict = judge_canary(c.past, c.since, c.rules);
    std::string saw;
    for (const auto& words : verdict.saw) saw += words + '\n';
    INFO(saw);
    CHECK(verdict.is == c.is);
    CHECK_THAT(saw, Catch::Contains(c.saw));
    CHECK(saw.empty() == (c.is == Is::watching));
  }
}

TEST_CASE("canary: what scripts are told") {
  const auto f =
      judge_canary(series(0, 31, 1000, 50, 20), series(40, 11, 2500, 40, 15), {}).figures;
  CHECK(f.rate_before == 50.0);
  CHECK(f.rate == 40.0);
  CHECK(f.lag_before == 20);
  CHECK(f.lag == 15);
  CHECK(f.members == 2);
  CHECK(f.joins == 0);
  CHECK(f.lookups == 0);
}
