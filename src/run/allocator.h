#pragma once

namespace attnbench {

/// Wishes to the C library's allocator. macOS takes none of the first two.

/// Large blocks come from the heap too, after what was allocated before them.
void keep_large_blocks_in_heap();
/// Every block above 128 KiB has pages of its own, given back when it is freed.
void give_large_blocks_own_pages();
/// Freed memory goes back to the system now.
void release_free_memory();

}  // namespace attnbench
