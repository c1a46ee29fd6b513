#include "core/decisions.h"

#include <algorithm>
#include <array>

namespace attnbench {
namespace {

/// A path and the unit that does its multiply-adds, the most specialised first. No unit: f32 arithmetic on
/// the widest registers, as in paths that are not listed.
struct PathUnit {
  std::string_view path;
  std::string_view unit;
};
constexpr std::array kPathUnits{PathUnit{"amx", "tdpbf16ps"}, PathUnit{"avx512bf16", "vdpbf16ps"},
                                PathUnit{"avx512", ""}, PathUnit{"neonbf16", "bfmmla"},
                                PathUnit{"neonf16", "fmlal"}};

/// Rates this close count as equal: what disturbs their measurement chooses no path.
constexpr double kEqualRates = 0.05;
constexpr std::size_t kNoCandidate = kPathUnits.size() + 1;

std::size_t rank(std::string_view path) {
  const auto found = std::find_if(kPathUnits.begin(), kPathUnits.end(),
                                  [&](const PathUnit& entry) { return entry.path == path; });
  return static_cast<std::size_t>(found - kPathUnits.begin());
}

double attainable_flops(std::string_view path, const Ceilings& ceilings) {
  const auto own = rank(path);
  if (own == kPathUnits.size() || kPathUnits[own].unit.empty())
    return compute_ceiling_flops(ceilings, DType::f32);
  double greatest = 0;
  for (const auto& ceiling : ceilings.compute) {
    if (ceiling.unit == kPathUnits[own].unit) greatest = std::max(greatest, ceiling.flops_per_second);
  }
  return greatest;
}

}  // namespace

std::string_view form_of(std::string_view kernel) {
  constexpr std::array<std::string_view, 3> kFused{"fused", "chunked", "sdpa"};
  return std::find(kFused.begin(), kFused.end(), kernel) != kFused.end() ? "fused" : "direct";
}

std::size_t preferred_path(std::span<const std::string_view> paths, const Ceilings& ceilings) {
  double greatest = 0;
  for (const auto path : paths) greatest = std::max(greatest, attainable_flops(path, ceilings));
  const auto candidate = [&](std::string_view path) {
    return attainable_flops(path, ceilings) >= (1 - kEqualRates) * greatest ? rank(path) : kNoCandidate;
  };
  const auto best = std::min_element(paths.begin(), paths.end(),
                                     [&](auto a, auto b) { return candidate(a) < candidate(b); });
  return static_cast<std::size_t>(best - paths.begin());
}

}  // namespace attnbench
