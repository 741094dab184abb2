// Records too large for one: cut into pieces that follow each other, and put together again.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "control/records.h"

namespace shunt::control {

// `json` in pieces, each small enough for a record of its own.
std::vector<Part> parts_of(std::string_view json);

class PartReader {
 public:
  // False: not whole yet, or (`problem`) it does not follow the one before. A first part begins
  // anew: without its last one, a record was never written.
  bool take(const Part& part, std::string& problem);
  // The record's JSON, after take() was true.
  const std::string& whole() const { return whole_; }

 private:
  std::string whole_;
  std::uint32_t next_ = 0, parts_ = 0;
};

}  // namespace shunt::control
