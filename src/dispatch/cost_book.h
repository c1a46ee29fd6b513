#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "dispatch/profile.h"

namespace attnbench {

/// What a profile says of the kernels that are registered here, ready to be asked. Constant.
class CostBook {
 public:
  CostBook() = default;
  /// Times of kernels on problems that they do not support on the device are left out.
  CostBook(const CostProfile& profile, const Device& device);

  /// Whether anything was verified for that kind of problem.
  bool knows(const ProblemKind& kind) const { return verified_.contains(kind); }
  struct Verdict {
    bool deterministic = false;
  };
  /// Nothing where the kernel did not pass.
  std::optional<Verdict> verified(const KernelInfo& kernel, const ProblemKind& kind) const;

  struct Cost {
    std::optional<CostModel::Prediction> time;  ///< nothing: not known
    bool out_of_range = false;                  ///< that is why
  };
  /// Of one call on so many threads, by the times of that window and block size, and of query heads that
  /// share K and V or do not, where there are such near it, else by all of its kind. Where that number was
  /// not measured but a smaller and a larger one were, the logarithm is interpolated over that of the
  /// threads, with the larger of their errors.
  Cost cost(const KernelInfo& kernel, const Problem& problem, int threads) const;

 private:
  using ByThreads = std::map<int, CostModel>;
  std::map<ProblemKind, std::map<const KernelInfo*, Verdict>> verified_;
  std::map<std::pair<const KernelInfo*, ProblemKind>, ByThreads> models_;
  /// Window, block size, globals, and whether query heads share a head of K and V.
  using Parameters = std::array<std::int64_t, 4>;
  static Parameters parameters_of(const Problem& problem);
  /// Of kernels with times of several parameters of one kind: what a tile or a window costs beside its useful
  /// FLOPs is a model's own. So is what shared heads cost, whose rows fill a tile with few queries.
  std::map<std::tuple<const KernelInfo*, ProblemKind, Parameters>, ByThreads> models_of_parameters_;
  static Cost cost_by(const ByThreads& models, const Problem& problem, int threads);
};

}  // namespace attnbench
