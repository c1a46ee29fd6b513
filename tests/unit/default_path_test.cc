#include "run/ceilings/default_path.h"

#include <gtest/gtest.h>

#include "attnbench/host_kernel.h"

namespace attnbench {
namespace {

/// A path that supports one element type, or both.
class PathKernel final : public HostKernel {
 public:
  PathKernel(std::string_view path, std::vector<DType> dtypes, std::string_view kernel = "fused")
      : path_(path), kernel_(kernel), dtypes_(std::move(dtypes)) {}
  std::string_view kernel() const override { return kernel_; }
  std::string_view engine() const override { return "cpu"; }
  std::string_view path() const override { return path_; }
  std::vector<MechanismKind> mechanisms() const override { return {MechanismKind::mha}; }
  Support supports_on_cpu(const Problem& problem, const CpuDevice&) const override {
    const auto found = std::find(dtypes_.begin(), dtypes_.end(), problem.shape.dtype_q);
    return found != dtypes_.end() ? Support::yes() : Support::no("another element type");
  }
  std::unique_ptr<HostExecution> prepare_on_cpu(const Problem&, const CpuDevice&) const override {
    return nullptr;
  }
  double executed_flops(const Problem&) const override { return 0; }
  std::int64_t workspace_on_cpu(const Problem&, const CpuDevice&) const override { return 0; }

 private:
  std::string_view path_, kernel_;
  std::vector<DType> dtypes_;
};

const PathKernel kPortable("portable", {DType::f32, DType::bf16, DType::f16});
const PathKernel kAvx512("avx512", {DType::f32});
const PathKernel kAvx512Bf16("avx512bf16", {DType::bf16});
const PathKernel kAmx("amx", {DType::bf16});
const PathKernel kUnfused("", {DType::f32, DType::bf16}, "unfused");
const std::vector<const KernelInfo*> kAll{&kPortable, &kUnfused, &kAvx512, &kAvx512Bf16, &kAmx};

std::string_view chosen(DType dtype, const Ceilings& ceilings,
                        const std::vector<const KernelInfo*>& from = kAll) {
  Problem problem;
  problem.shape.dtype_q = dtype;
  const auto* path = default_path(kPortable, from, problem, CpuDevice{}, ceilings);
  return path == nullptr ? "none" : path->path();
}

Ceilings measured(double fma, double vdpbf16ps, double tdpbf16ps = 0) {
  Ceilings c;
  // On a CPU that halves 512-bit operations either width may come out ahead by a hair.
  c.compute = {{"fma", "avx2", DType::f32, fma * 1.01}, {"fma", "avx512", DType::f32, fma}};
  if (vdpbf16ps > 0) c.compute.push_back({"vdpbf16ps", "avx512", DType::bf16, vdpbf16ps});
  if (tdpbf16ps > 0) c.compute.push_back({"tdpbf16ps", "amx", DType::bf16, tdpbf16ps});
  return c;
}

TEST(DefaultPath, FollowsTheMeasuredUnitNotItsName) {
  EXPECT_EQ(chosen(DType::bf16, measured(115e9, 232e9), {&kPortable, &kAvx512, &kAvx512Bf16}), "avx512bf16");
  EXPECT_EQ(chosen(DType::bf16, measured(175e9, 86e9), {&kPortable, &kAvx512, &kAvx512Bf16}), "portable");
  EXPECT_EQ(chosen(DType::bf16, measured(175e9, 86e9, 2500e9)), "amx");
}

TEST(DefaultPath, EqualUnitsTakeTheMoreSpecialisedPath) {
  EXPECT_EQ(chosen(DType::f32, measured(115e9, 232e9)), "avx512");
  EXPECT_EQ(chosen(DType::f32, measured(115e9, 232e9), {&kAvx512, &kPortable}), "avx512");
}

TEST(DefaultPath, OnlySupportedPathsOfTheSameKernelCompete) {
  EXPECT_EQ(chosen(DType::f16, measured(115e9, 232e9, 2500e9)), "portable");
  EXPECT_EQ(chosen(DType::f16, measured(115e9, 232e9), {&kAvx512, &kAvx512Bf16, &kAmx}), "none");
  EXPECT_EQ(chosen(DType::bf16, measured(115e9, 232e9), {&kUnfused, &kPortable}), "portable");
  EXPECT_EQ(chosen(DType::bf16, measured(115e9, 0), {&kAvx512Bf16, &kPortable}), "portable");  // not measured
}

}  // namespace
}  // namespace attnbench
