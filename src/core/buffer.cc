#include "core/buffer.h"

#include <cstdlib>
#include <new>

namespace attnbench {

Buffer::Buffer(std::int64_t bytes) : bytes_(bytes) {
  constexpr std::size_t kAlignment = 64;
  const auto rounded = (static_cast<std::size_t>(bytes) + kAlignment - 1) / kAlignment * kAlignment;
  if (rounded == 0) return;
  data_.reset(std::aligned_alloc(kAlignment, rounded));
  if (!data_) throw std::bad_alloc();
}

void Buffer::Free::operator()(void* pointer) const { std::free(pointer); }

}  // namespace attnbench
