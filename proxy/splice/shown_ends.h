// Keeps how far clients have seen each partition, through a SIGKILL: where a cluster that is left
// without being asked ends (rules B1), and what no log end may lie below.
#pragma once

#include <cstdint>
#include <string>

namespace shunt::splice {

class ShownEnds {
 public:
  using Slot = std::uint32_t;
  virtual ~ShownEnds() = default;
  virtual Slot slot(const std::string& migration, const std::string& topic,
                    std::int32_t partition) = 0;
  virtual std::int64_t kept(Slot slot) const = 0;  // virtual; 0: nothing yet
  // Called before it shows, with rising ends.
  virtual void keep(Slot slot, std::int64_t end) = 0;
};

}  // namespace shunt::splice
