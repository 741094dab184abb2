// The features brokers show in ApiVersions (KIP-584), and what two clusters have in common.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "proxy/wire/value.h"

namespace shunt::route {

class Features {
 public:
  struct Levels {
    std::int16_t min = 0, max = 0;
    bool operator==(const Levels&) const = default;
  };
  // From an ApiVersions answer of v3 or later; none below.
  static Features from(const wire::Value& body);
  // What both have: supported ranges overlap, finalized levels are the lower ones. The epoch is
  // this one's.
  Features intersect(const Features& other) const;
  // Adds the fields of an ApiVersions answer of `version`, if there is anything to show. Below v4 a
  // supported feature whose minimum is 0 is left out, as brokers do (KAFKA-17011).
  void put(wire::Struct& answer, wire::Version version) const;
  bool operator==(const Features&) const = default;

 private:
  std::map<std::string, Levels> supported_, finalized_;
  std::int64_t epoch_ = -1;  // of the finalized ones; -1: unknown
};

}  // namespace shunt::route
