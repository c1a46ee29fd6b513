#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "attnbench/device.h"
#include "attnbench/problem.h"
#include "attnbench/queue.h"
#include "attnbench/tensor.h"

namespace attnbench {

/// The answer to "is this kernel correct here": yes, or no with a reason in words. Never about speed.
class Support {
 public:
  static Support yes() { return Support({}); }
  static Support no(std::string reason) { return Support(std::move(reason)); }
  explicit operator bool() const { return reason_.empty(); }
  const std::string& reason() const { return reason_; }

 private:
  explicit Support(std::string reason) : reason_(std::move(reason)) {}
  std::string reason_;
};

/// A kernel made ready for one problem: workspace allocated, plans built. Serves one thread at a time.
class Execution {
 public:
  virtual ~Execution() = default;
  /// Runs or queues one call. Allocates nothing. The tensors must satisfy check_tensors() for the prepared
  /// problem; they are not checked again here.
  virtual void enqueue(const Tensors& tensors, Queue& queue) = 0;
  virtual std::int64_t workspace_bytes() const = 0;
};

/// One way to compute one or more mechanisms on one engine. Const and thread-safe.
class KernelInfo {
 public:
  virtual ~KernelInfo() = default;
  virtual std::string_view kernel() const = 0;          ///< algorithm: "unfused", "gather", ...
  virtual std::string_view engine() const = 0;          ///< "cpu", "onednn", ...
  virtual std::string_view path() const { return {}; }  ///< instruction set, where the engine has several
  virtual std::vector<MechanismKind> mechanisms() const = 0;

  virtual Support supports(const Problem& problem, const Device& device) const = 0;
  /// Pre: supports() said yes. The device must outlive the execution.
  virtual std::unique_ptr<Execution> prepare(const Problem& problem, const Device& device) const = 0;
  /// FLOPs this kernel really does, masked work included.
  virtual double executed_flops(const Problem& problem) const = 0;
  /// Workspace it would allocate in prepare(), for memory checks before any work.
  virtual std::int64_t workspace_bytes(const Problem& problem, const Device& device) const = 0;
};

/// "mha/unfused@cpu", "swa(w=64)/fused@cpu:amx".
std::string kernel_id(const Mechanism& mechanism, const KernelInfo& kernel);

}  // namespace attnbench
