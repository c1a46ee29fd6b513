#include <malloc.h>

#include "run/allocator.h"

namespace attnbench {

void keep_large_blocks_in_heap() { mallopt(M_MMAP_MAX, 0); }
void give_large_blocks_own_pages() { mallopt(M_MMAP_THRESHOLD, 128 * 1024); }
void release_free_memory() { malloc_trim(0); }

}  // namespace attnbench
