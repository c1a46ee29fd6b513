#pragma once

#include <string_view>
#include <vector>

#include "attnbench/host_kernel.h"

namespace attnbench::test {

/// The ways in which SimpleKernel can be broken on purpose.
enum class Fault {
  none,
  no_max_subtraction,
  normalised_over_queries,
  window_shifted,
  head_dropped,
  kv_group_ignored,
  inputs_overwritten,
  rescale_skipped,
  masked_rows_nan,
  last_row_unwritten,
  lse_without_maximum,
  maximum_rounded,    ///< exact products less a rounded maximum
  hidden_keys_weigh,  ///< 2^-90 each
  far_keys_weigh,     ///< no weight below 2^-90
  crashes,
  hangs,
  gives_nan,
  eats_memory,
  throws,
  flushes_denormals,
  crashes_on_rising,
  writes_beside,  ///< one element behind o: for verification in memory with guards alone
};

/// Every one that any verification finds, in order.
const std::vector<Fault>& all_faults();

/// A plain kernel in f32 arithmetic for every softmax mechanism, every element type, core scope: an online
/// softmax over tiles of 16 keys. Single-threaded.
class SimpleKernel final : public HostKernel {
 public:
  explicit SimpleKernel(Fault fault = Fault::none) : fault_(fault) {}
  /// "simple", or the fault's name: each may be registered by a plugin (tests/plugins/simple_kernels.cc).
  std::string_view kernel() const override;
  std::string_view engine() const override { return "test"; }
  bool made_here() const override { return true; }
  std::vector<MechanismKind> mechanisms() const override;
  Support supports_on_cpu(const Problem& problem, const CpuDevice& device) const override;
  std::unique_ptr<HostExecution> prepare_on_cpu(const Problem& problem,
                                                const CpuDevice& device) const override;
  double executed_flops(const Problem& problem) const override { return work(problem).useful_flops; }
  std::int64_t workspace_on_cpu(const Problem& problem, const CpuDevice& device) const override;

 private:
  Fault fault_;
};

}  // namespace attnbench::test
