#pragma once

#include <memory>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "attnbench/kernel.h"
#include "run/external/engine.h"

namespace attnbench {

/// A kernel in an engine's program. Its tensors lie in memory that both share: on the host's CPUs they are
/// read and written where they are; a program that computes on copies of them, on a device, makes those.
class ExternalKernel final : public KernelInfo {
 public:
  ExternalKernel(const ExternalEngine& engine, PeerKernel description)
      : engine_(engine), description_(std::move(description)) {}

  std::string_view kernel() const override { return description_.kernel; }
  std::string_view engine() const override { return engine_.description().engine; }
  std::string_view path() const override { return description_.path; }
  /// The file of the engine's program.
  const std::string& program() const { return engine_.file(); }
  std::vector<MechanismKind> mechanisms() const override { return description_.mechanisms; }
  std::string implementation() const override { return description_.implementation; }
  bool computes_lse() const override { return description_.computes_lse; }

  /// What the program answers. Throws where it gives no such answer, from then on always: it is asked no
  /// more.
  Support supports(const Problem& problem, const Device& device) const override;
  std::unique_ptr<Execution> prepare(const Problem& problem, const Device& device) const override;
  /// The program's figure; where it gives none, the useful FLOPs.
  double executed_flops(const Problem& problem) const override;
  std::int64_t workspace_bytes(const Problem& problem, const Device& device) const override;

 private:
  nlohmann::json request(const char* type, const Problem& problem, std::string_view device,
                         int threads) const;
  nlohmann::json ask_support(const Problem& problem, std::string_view device, int threads) const;

  const ExternalEngine& engine_;
  PeerKernel description_;
  mutable std::mutex mutex_;
  mutable std::string fault_;  ///< why supports() throws
};

}  // namespace attnbench
