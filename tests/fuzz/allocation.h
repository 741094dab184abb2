// Counts the memory that lives: operator new and delete are replaced, or under the address
// sanitizer listened to (allocation.cpp).
#pragma once

#include <cstddef>

namespace fuzz {

// Ends the process when more than twice `received` bytes and 64 KiB came to life at once while it
// stood: what a peer sends may cost no more, whatever it claims.
class AllocationBound {
 public:
  explicit AllocationBound(std::size_t received);
  ~AllocationBound();
  AllocationBound(const AllocationBound&) = delete;
  AllocationBound& operator=(const AllocationBound&) = delete;

 private:
  std::size_t received_, before_;
};

}  // namespace fuzz
