// Path portable: f32 arithmetic with vectors of any width, chosen at run time; elements of two bytes are
// widened as they are read and rounded as o is written.
// Shares of the FMA ceiling, one Zen 4 core, mha N = 1024, 8 heads, D = 64 / 128, before 256-bit scores were
// summed as 4 x 3: 256 bits f32 80 / 80 %, bf16 77 / 79; 512 bits f32 83 / 81, bf16 80 / 81. 128 bits without
// FMA: 33 GFLOP/s of 118.
#include "engines/cpu/fused/softmax/portable.h"

#include "core/register_kernel.h"
#include "engines/cpu/fused/softmax/softmax_kernel.h"

// Arrays of registers have no form in instruction sets whose width is unknown when compiling.
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engines/cpu/fused/softmax/portable.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "engines/cpu/fused/softmax/portable_rows.h"
#include "engines/cpu/fused/softmax/portable_tile.h"

HWY_BEFORE_NAMESPACE();
namespace attnbench::cpu::fused::HWY_NAMESPACE {

std::string_view missing(const CpuFeatures&) { return ""; }

template <typename T>
constexpr BlockKernel kTile{Tile<T>::begin, Tile<T>::attend, Tile<T>::finish};
template <typename T>
constexpr BlockKernel kFew{Rows<T>::begin, Rows<T>::attend, Rows<T>::finish};
template <typename T>
constexpr SoftmaxPath kPath{"portable", dtype_of<T>, missing,  kTile<T>, kFew<T>,
                            kTile<T>,   kFew<T>,     kFewRows, nullptr};

const SoftmaxPath* path_of(DType dtype) {
  return visit(dtype, [](auto type) { return &kPath<typename decltype(type)::type>; });
}

std::int64_t target() { return HWY_TARGET; }

}  // namespace attnbench::cpu::fused::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attnbench::cpu::fused {

HWY_EXPORT(path_of);
HWY_EXPORT(target);

const SoftmaxPath* portable_path(DType dtype) { return HWY_DYNAMIC_DISPATCH(path_of)(dtype); }
std::int64_t portable_target() { return HWY_DYNAMIC_DISPATCH(target)(); }
std::int64_t portable_targets() { return HWY_SUPPORTED_TARGETS & HWY_TARGETS; }

}  // namespace attnbench::cpu::fused

ATTNBENCH_REGISTER_KERNEL(fused_softmax_portable) {
  static const attnbench::cpu::fused::SoftmaxKernel kernel("portable", attnbench::cpu::fused::portable_path);
  return kernel;
}
#endif
