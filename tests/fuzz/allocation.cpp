#include "tests/fuzz/allocation.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <new>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FUZZ_SANITIZED 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define FUZZ_SANITIZED 1
#endif

namespace {

// The standard library's start-up allocates from here too; one thread fuzzes.
std::atomic<std::size_t> live{0}, peak{0};

void count(std::size_t size) {
  const auto now = live += size;
  if (now > peak) peak = now;
}

}  // namespace

#if FUZZ_SANITIZED
// The address sanitizer has its own operator new, which libFuzzer uses as well: it is listened to.
// (As in sanitizer/allocator_interface.h, which gcc does not ship.)
using OnMalloc = void (*)(const volatile void*, std::size_t);
using OnFree = void (*)(const volatile void*);
extern "C" int __sanitizer_install_malloc_and_free_hooks(OnMalloc, OnFree);
extern "C" std::size_t __sanitizer_get_allocated_size(const volatile void*);
namespace {
const int listening = __sanitizer_install_malloc_and_free_hooks(
    [](const volatile void* p, std::size_t) { count(__sanitizer_get_allocated_size(p)); },
    [](const volatile void* p) {
      if (p != nullptr) live -= __sanitizer_get_allocated_size(p);
    });
}  // namespace
#else
#include <malloc.h>
void* operator new(std::size_t size) {
  void* p = std::malloc(size == 0 ? 1 : size);
  if (p == nullptr) throw std::bad_alloc();
  count(malloc_usable_size(p));
  return p;
}
void* operator new[](std::size_t size) { return operator new(size); }
void operator delete(void* p) noexcept {
  if (p == nullptr) return;
  live -= malloc_usable_size(p);
  std::free(p);
}
void operator delete[](void* p) noexcept { operator delete(p); }
void operator delete(void* p, std::size_t) noexcept { operator delete(p); }
void operator delete[](void* p, std::size_t) noexcept { operator delete(p); }
#endif

namespace fuzz {

AllocationBound::AllocationBound(std::size_t received) : received_(received), before_(live) {
#if FUZZ_SANITIZED
  if (listening == 0) std::abort();
#endif
  peak = before_;
}

AllocationBound::~AllocationBound() {
  const std::size_t grown = peak - before_;
  if (grown <= 2 * received_ + 64 * 1024) return;
  std::fprintf(stderr, "allocation bound: %zu bytes received, %zu lived at once\n", received_,
               grown);
  std::abort();
}

}  // namespace fuzz
