#include "core/layer.h"

#include <gtest/gtest.h>

namespace attnbench {
namespace {

TEST(Layer, IsTheCoreAndItsProjections) {
  for (const auto* text : {"mha", "gqa(kv=3)", "mqa", "linear"}) {
    Problem layer;
    layer.shape = {.batch = 3,
                   .num_q_heads = 6,
                   .seqlen_q = 37,
                   .seqlen_kv = 37,
                   .head_dim_qk = 16,
                   .head_dim_v = 24,
                   .softmax_scale = 0.25,
                   .d_model = 40};
    layer.mechanism = bind_kv_heads(parse_mechanism(text), 6, 0);
    layer.scope = Scope::layer;
    const auto core = core_problem(layer);
    EXPECT_NO_THROW(validate(core));
    EXPECT_EQ(core.scope, Scope::core);
    EXPECT_EQ(core.shape.layout, Layout::bshd);
    EXPECT_EQ(core.mechanism, layer.mechanism);
    EXPECT_EQ(work(layer).useful_flops - work(core).useful_flops, projection_flops(layer)) << text;
  }
}

}  // namespace
}  // namespace attnbench
