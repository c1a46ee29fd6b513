#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "attnbench/cpu_device.h"
#include "attnbench/registry.h"
#include "reference/inputs.h"
#include "reference/oracle.h"
#include "support/elements.h"

/// Layer scope around each unfused kernel, against the oracle and by the rule that verification uses.
namespace attnbench {
namespace {

Problem layer_problem(const char* mechanism, DType dtype) {
  Problem p;
  p.shape = {.batch = 3,
             .num_q_heads = 6,
             .seqlen_q = 37,
             .seqlen_kv = 37,
             .head_dim_qk = 16,
             .head_dim_v = 24,
             .dtype_q = dtype,
             .dtype_kv = dtype,
             .dtype_o = dtype,
             .softmax_scale = 0.25,
             .d_model = 40};
  p.mechanism = bind_kv_heads(parse_mechanism(mechanism), 6, 0);
  p.scope = Scope::layer;
  return p;
}

/// Largest difference of o to the oracle's rows, infinite where o is not finite.
double error_of(const reference::RowResults& exact, const std::vector<reference::Row>& rows,
                const TensorView& o) {
  double worst = 0;
  const auto width = o.sizes[3];
  for (std::size_t r = 0; r < rows.size(); ++r) {
    for (std::int64_t d = 0; d < width; ++d) {
      const double got = get_element(o, rows[r].batch, 0, rows[r].query, d);
      const auto index = r * static_cast<std::size_t>(width) + static_cast<std::size_t>(d);
      const auto error = std::abs(got - exact[Role::o][index]);
      worst = std::isfinite(error) ? std::max(worst, error) : HUGE_VAL;
    }
  }
  return worst;
}

double error_of(const reference::RowResults& exact, const reference::RowResults& plain) {
  double worst = 0;
  for (std::size_t i = 0; i < exact[Role::o].size(); ++i)
    worst = std::max(worst, std::abs(exact[Role::o][i] - plain[Role::o][i]));
  return worst;
}

/// The kernel's layer on each of the devices, by the rule of verification.
void check_layer(const KernelInfo& kernel, const Problem& problem, const std::vector<CpuDevice>& devices) {
  const auto dtype = problem.shape.dtype_q;
  validate(problem);
  auto data = reference::make_data(problem, reference::InputKind::normal, 11, false);
  const auto rows = reference::sample_rows(problem);
  const auto exact = reference::oracle(problem, data.tensors, rows);
  double largest = 0;
  for (const auto o : exact[Role::o]) largest = std::max(largest, std::abs(o));
  double plain_error = 0;
  for (const auto& plain : reference::plain_forms(problem, data.tensors, rows))
    plain_error = std::max(plain_error, error_of(exact, plain));
  const auto tolerance = 2 * plain_error + 4 * unit_in_last_place(dtype) * largest;
  for (const auto& device : devices) {
    const auto support = kernel.supports(problem, device);
    ASSERT_TRUE(support) << support.reason();
    const auto execution = kernel.prepare(problem, device);
    EXPECT_EQ(execution->workspace_bytes(), kernel.workspace_bytes(problem, device));
    reference::poison_outputs(problem, data.tensors);
    run_once(*execution, problem, data.tensors, *device.make_queue());
    EXPECT_LE(error_of(exact, rows, data.tensors[Role::o]), tolerance)
        << name(dtype) << ", " << device.threads << " threads";
  }
}

std::vector<CpuDevice> of_one_and_two_threads(const CpuFeatures& features) {
  std::vector<CpuDevice> devices;
  for (const int threads : {1, 2}) {
    devices.push_back(cpu_device(1));
    devices.back().threads = threads;
    devices.back().features = features;
  }
  return devices;
}

class UnfusedLayer : public testing::TestWithParam<std::pair<const char*, const char*>> {};

TEST_P(UnfusedLayer, ProjectsSplitsAndMerges) {
  const auto& [mechanism, kernel_name] = GetParam();
  const auto* kernel = find_kernel({parse_mechanism(mechanism), kernel_name, "cpu", ""});
  ASSERT_NE(kernel, nullptr);
  const bool converts = kernel->kernel() == "unfused_f32";
  const auto devices = of_one_and_two_threads(cpu_features());
  for (const auto dtype : kDTypes) {
    const auto problem = layer_problem(mechanism, dtype);
    if (converts ? dtype == DType::f32 : dtype == DType::bf16 && !cpu_features().avx512) {
      EXPECT_FALSE(kernel->supports(problem, devices[0]));
      continue;
    }
    check_layer(*kernel, problem, devices);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Cpu, UnfusedLayer,
    testing::Values(std::pair{"mha", "unfused"}, std::pair{"gqa(kv=2,causal)", "unfused"},
                    std::pair{"gqa(kv=2,causal)", "unfused_f32"}, std::pair{"swa(w=8)", "gather"},
                    std::pair{"swa(w=8)", "masked"}, std::pair{"block_sparse(bs=8,globals=1)", "batched"},
                    std::pair{"linear", "two_gemm"}, std::pair{"causal_linear", "cumsum"}));

/// Kernels that need no products of the library have layers there too: the projections are products in f32.
TEST(LayerWithoutBf16Products, ProjectsInF32) {
  auto features = cpu_features();
  features.avx512 = features.avx512_bf16 = features.amx_bf16 = features.neon_bf16 = false;
  auto problem = layer_problem("gqa(kv=2,causal)", DType::bf16);
  problem.shape.head_dim_v = 16;  // portable takes multiples of 16
  for (const auto& [kernel, path] : {std::pair{"unfused_f32", ""}, {"fused", "portable"}}) {
    const auto* found = find_kernel({problem.mechanism, kernel, "cpu", path});
    ASSERT_NE(found, nullptr) << kernel;
    check_layer(*found, problem, of_one_and_two_threads(features));
  }
}

/// Views whose batch entries do not follow each other evenly take one product a batch entry.
TEST(UnfusedLayerViews, BatchEntriesApart) {
  const auto problem = layer_problem("mha", DType::f32);
  const auto* kernel = find_kernel({problem.mechanism, "unfused", "cpu", ""});
  const auto device = cpu_device(1);
  const auto execution = kernel->prepare(problem, device);
  auto data = reference::make_data(problem, reference::InputKind::normal, 11, false);
  run_once(*execution, problem, data.tensors, *device.make_queue());

  const auto& x = data.tensors[Role::x];
  const auto gap = x.strides[0] + 64;
  std::vector<float> spread_x(static_cast<std::size_t>(3 * gap)), spread_o(spread_x.size());
  auto tensors = data.tensors;
  tensors[Role::x].data = spread_x.data();
  tensors[Role::o].data = spread_o.data();
  tensors[Role::x].strides[0] = tensors[Role::o].strides[0] = gap;
  for (std::int64_t b = 0; b < 3; ++b) {
    std::copy_n(x.row<float>(b, 0, 0), x.strides[0], tensors[Role::x].row<float>(b, 0, 0));
  }
  run_once(*execution, problem, tensors, *device.make_queue());
  for (std::int64_t b = 0; b < 3; ++b) {
    for (std::int64_t i = 0; i < 37 * 40; ++i) {
      EXPECT_NEAR(tensors[Role::o].row<float>(b, 0, 0)[i], data.tensors[Role::o].row<float>(b, 0, 0)[i],
                  1e-4);
    }
  }
}

TEST(UnfusedLayerViews, DecodeIsRefusedInWords) {
  auto problem = layer_problem("mha", DType::f32);
  problem.phase = Phase::decode;
  const auto* kernel = find_kernel({problem.mechanism, "unfused", "cpu", ""});
  EXPECT_EQ(kernel->supports(problem, cpu_device(1)).reason(), "layer scope covers prefill only");
}

}  // namespace
}  // namespace attnbench
