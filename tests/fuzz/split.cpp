// Requests taken apart and answers put together: every element in one part, and in the whole again.
#include "proxy/wire/split.h"

#include <algorithm>
#include <map>
#include <string>

#include "proxy/wire/merge.h"
#include "tests/fuzz/allocation.h"
#include "tests/fuzz/target.h"

using namespace shunt::wire;

namespace {

// The elements by the topic they stand in.
using ByTopic = std::map<std::pair<std::string, Uuid>, std::vector<std::string>>;

std::string text(Bytes b) { return {reinterpret_cast<const char*>(b.data()), b.size()}; }

void collect(const Parts& p, ByTopic& into) {
  std::uint64_t before = p.array().at;
  std::uint32_t count = 0;
  for (const Leaf& l : p.leaves()) {
    fuzz::promise(before <= l.begin && l.begin <= l.end && l.end <= p.array().end, "its place");
    before = l.end;
    ++count;
    into[{std::string(l.topic), l.topic_id}].push_back(
        text(p.body().subspan(l.begin, l.end - l.begin)));
  }
  fuzz::promise(count == p.leaf_count(), "as many as were counted");
}

bool same_elements(ByTopic a, ByTopic b) {
  for (auto* m : {&a, &b}) {
    for (auto& [key, list] : *m) std::sort(list.begin(), list.end());
  }
  return a == b;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::Input in(data, size);
  if (in.message == nullptr) return 0;
  Parts whole;
  {
    const fuzz::AllocationBound bound(in.body.size());
    if (whole.parse(*in.message, in.version, in.body) != nullptr) return 0;
    // What the daemon keeps of it: a destination for each.
    std::vector<Choice> choices;
    choices.reserve(whole.leaf_count());
    for (const Leaf& l : whole.leaves()) choices.push_back(static_cast<Choice>(l.partition & 1));
  }
  if (whole.levels() == 0) return 0;

  fuzz::Dice dice(in.knob);
  const std::uint32_t destinations = 1 + in.knob % 4;
  std::vector<Choice> chosen(whole.leaf_count());
  for (auto& c : chosen) c = static_cast<Choice>(dice.below(destinations));
  ByTopic before, apart;
  collect(whole, before);
  std::vector<std::vector<std::byte>> bodies(destinations);
  std::vector<Bytes> views;
  for (std::uint32_t d = 0; d < destinations; ++d) {
    whole.append_selected(chosen, d, bodies[d]);
    Parts part;
    fuzz::promise(part.parse(*in.message, in.version, bodies[d]) == nullptr, "a part is a message");
    collect(part, apart);
    views.emplace_back(bodies[d]);
  }
  fuzz::promise(same_elements(before, apart), "each element in one part");
  if (in.message->request) return 0;

  std::vector<std::byte> out;
  const char* problem = merge(*in.message, in.version, views, out);
  fuzz::promise(problem == nullptr, problem != nullptr ? problem : "");
  Parts merged;
  fuzz::promise(merged.parse(*in.message, in.version, out) == nullptr, "the merged is a message");
  ByTopic after;
  collect(merged, after);
  fuzz::promise(same_elements(before, after), "each element in the whole again");
  return 0;
}
