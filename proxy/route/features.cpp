#include "proxy/route/features.h"

#include <algorithm>

namespace shunt::route {
namespace {

using Named = std::map<std::string, Features::Levels>;

Named read(const wire::Value& list, std::string_view min, std::string_view max) {
  Named out;
  for (const auto& f : list.array()) {
    out[std::string(f["Name"].text())] = {static_cast<std::int16_t>(f[min].number()),
                                          static_cast<std::int16_t>(f[max].number())};
  }
  return out;
}

Named common(const Named& a, const Named& b) {
  Named out;
  for (const auto& [name, mine] : a) {
    const auto theirs = b.find(name);
    if (theirs == b.end()) continue;
    const Features::Levels both{std::max(mine.min, theirs->second.min),
                                std::min(mine.max, theirs->second.max)};
    if (both.min <= both.max) out[name] = both;
  }
  return out;
}

wire::Array write(const Named& named, std::string_view min, std::string_view max) {
  wire::Array out;
  for (const auto& [name, levels] : named) {
    out.emplace_back(wire::Struct{{"Name", name}, {min, int{levels.min}}, {max, int{levels.max}}});
  }
  return out;
}

}  // namespace

Features Features::from(const wire::Value& body) {
  Features f;
  f.supported_ = read(body["SupportedFeatures"], "MinVersion", "MaxVersion");
  if (body["FinalizedFeaturesEpoch"].null()) return f;  // below v3
  f.epoch_ = body["FinalizedFeaturesEpoch"].number();
  f.finalized_ = read(body["FinalizedFeatures"], "MinVersionLevel", "MaxVersionLevel");
  return f;
}

Features Features::intersect(const Features& other) const {
  Features f;
  f.supported_ = common(supported_, other.supported_);
  f.finalized_ = common(finalized_, other.finalized_);
  f.epoch_ = f.finalized_.empty() ? -1 : epoch_;
  return f;
}

void Features::put(wire::Struct& answer, wire::Version version) const {
  auto supported = supported_;
  if (version < 4) std::erase_if(supported, [](const auto& f) { return f.second.min == 0; });
  if (!supported.empty()) {
    answer.set("SupportedFeatures", write(supported, "MinVersion", "MaxVersion"));
  }
  if (epoch_ < 0) return;
  answer.set("FinalizedFeaturesEpoch", epoch_);
  answer.set("FinalizedFeatures", write(finalized_, "MinVersionLevel", "MaxVersionLevel"));
}

}  // namespace shunt::route
