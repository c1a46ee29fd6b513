#include "engines/cuda/binding.h"

#include <gtest/gtest.h>

#include <vector>

namespace attnbench {
namespace {

TEST(CudaBinding, CopiesDenseViewsAsTheyAre) {
  std::vector<float> memory(2 * 3 * 5 * 4);
  const auto bhsd = dense_view(memory.data(), DType::f32, Layout::bhsd, 2, 3, 5, 4);
  EXPECT_TRUE(cuda::is_dense(bhsd, Layout::bhsd));
  EXPECT_FALSE(cuda::is_dense(bhsd, Layout::bshd));
  auto padded = bhsd;
  padded.strides[2] = 6;
  EXPECT_FALSE(cuda::is_dense(padded, Layout::bhsd));
  // The stride of a single row says nothing.
  auto single = dense_view(memory.data(), DType::f32, Layout::bhsd, 2, 3, 1, 4);
  single.strides[2] = 1000;
  EXPECT_TRUE(cuda::is_dense(single, Layout::bhsd));
}

}  // namespace
}  // namespace attnbench
