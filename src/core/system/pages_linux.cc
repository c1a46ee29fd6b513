#include <sys/mman.h>

#include "core/system/pages.h"

namespace attnbench {

void ask_for_large_pages(void* memory, std::int64_t bytes) {
  madvise(memory, static_cast<std::size_t>(bytes), MADV_HUGEPAGE);
}

}  // namespace attnbench
