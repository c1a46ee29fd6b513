// Takes the place of the C library's allocation functions in the programs that link this file: operator new,
// the OpenMP runtime and oneDNN come through here too.
#include "support/allocations.h"

#include <atomic>
#include <cstddef>

namespace {
std::atomic<std::int64_t> count{0};
}

namespace attnbench::testing_support {

std::int64_t allocations() { return count.load(); }

}  // namespace attnbench::testing_support

#if defined(__has_feature)
#define ATTNBENCH_SANITIZED __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ATTNBENCH_SANITIZED 1
#else
#define ATTNBENCH_SANITIZED 0
#endif

#if ATTNBENCH_SANITIZED || !defined(__GLIBC__)
bool attnbench::testing_support::counts_allocations() { return false; }
#else
bool attnbench::testing_support::counts_allocations() { return true; }

extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* memory, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);

void* malloc(std::size_t size) {
  ++count;
  return __libc_malloc(size);
}
void* calloc(std::size_t elements, std::size_t size) {
  ++count;
  return __libc_calloc(elements, size);
}
void* realloc(void* memory, std::size_t size) {
  ++count;
  return __libc_realloc(memory, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) {
  ++count;
  return __libc_memalign(alignment, size);
}
int posix_memalign(void** memory, std::size_t alignment, std::size_t size) {
  ++count;
  *memory = __libc_memalign(alignment, size);
  return *memory == nullptr ? 12 : 0;
}
}
#endif
