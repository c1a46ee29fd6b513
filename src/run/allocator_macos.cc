#include <malloc/malloc.h>

#include "run/allocator.h"

namespace attnbench {

void keep_large_blocks_in_heap() {}
void give_large_blocks_own_pages() {}
void release_free_memory() { malloc_zone_pressure_relief(nullptr, 0); }

}  // namespace attnbench
