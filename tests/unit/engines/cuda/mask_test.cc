#include "engines/cuda/mask.h"

#include <gtest/gtest.h>

#include "reference/mask.h"

namespace attnbench {
namespace {

TEST(CudaMask, SeesWhatTheReferenceSees) {
  for (const auto* text : {"mha", "mha(causal)", "swa(w=1)", "swa(w=6)", "swa(w=7,causal)", "swa(w=1000)",
                           "block_sparse(bs=4,globals=0)", "block_sparse(bs=4,globals=3)",
                           "block_sparse(bs=5,globals=7,causal)", "block_sparse(bs=1000,globals=1000)"}) {
    const auto mechanism = parse_mechanism(text);
    const auto mask = cuda::mask_of(mechanism);
    for (std::int32_t keys : {0, 1, 7, 19}) {
      for (std::int32_t position = -2; position < keys; ++position) {
        const auto seen = mask.seen(position, keys);
        EXPECT_TRUE(seen.globals == 0 || seen.begin >= seen.globals) << text << " overlaps at " << position;
        for (std::int32_t key = 0; key < keys; ++key) {
          const bool visible = key < seen.globals || (key >= seen.begin && key < seen.end);
          EXPECT_EQ(visible, reference::may_see(mechanism, position, key))
              << text << ", " << keys << " keys, position " << position << ", key " << key;
        }
      }
    }
  }
}

TEST(CudaMask, SizesBeyondTheIndexAreCut) {
  auto mechanism = parse_mechanism("swa(w=9000000000000)");
  const auto seen = cuda::mask_of(mechanism).seen(3, 5);
  EXPECT_EQ(seen.begin, 0);
  EXPECT_EQ(seen.end, 5);
}

}  // namespace
}  // namespace attnbench
