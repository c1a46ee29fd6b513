#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "attnbench/device.h"
#include "attnbench/problem.h"
#include "attnbench/tensor.h"

#pragma GCC visibility push(default)

namespace attnbench {

/// The answer to "is this kernel correct here": yes, or no with a reason in words. Never about speed.
class Support {
 public:
  static Support yes() { return Support({}); }
  static Support no(std::string reason) {
    return Support(reason.empty() ? "no reason given" : std::move(reason));
  }
  explicit operator bool() const { return reason_.empty(); }
  const std::string& reason() const { return reason_; }

 private:
  explicit Support(std::string reason) : reason_(std::move(reason)) {}
  std::string reason_;
};

/// The tensors of a call on the device, tied to tensors of the host. Where the device reads host memory as it
/// is, they are the same and nothing is copied. None of this is timed, and none of it does a part of a call's
/// work: tensors only change address space; packing, conversion and layout belong to the call.
class Binding {
 public:
  virtual ~Binding() = default;
  /// From the host's tensor to the device's. The next run must follow the new values.
  virtual void write(Role role) = 0;
  /// From the device's tensor to the host's, inputs too. Pre: all runs are complete.
  virtual void read(Role role) = 0;
  /// Fills both with NaN.
  virtual void poison(Role role) = 0;
};

/// How long calls took. The instrument holds its own clock beside it, since one who reports a wrong time
/// would report a wrong one of the host as well.
struct Timing {
  double seconds = 0;  ///< of all runs, by the clock of the device
  std::int64_t runs = 0;
};

/// Which code computed.
struct Implementation {
  std::string ran;       ///< as the engine reports it; empty: the kernel's own code, there is no other
  std::string known_by;  ///< "a profiler's trace", "the library's log", ...; empty: not confirmed
};

/// A kernel made ready for one problem: workspace allocated, plans built. Serves one thread at a time.
class Execution {
 public:
  virtual ~Execution() = default;
  /// Binds the tensors given, which satisfy check_tensors() for the prepared problem; on a device with memory
  /// of its own that is a set of device memory, with what the host's inputs hold. Several bindings of one
  /// execution may exist at once, so that inputs rotate past a cache. Must not outlive execution or host
  /// memory.
  virtual std::unique_ptr<Binding> bind(const Tensors& host) = 0;
  /// Makes `runs` complete calls in order, the i-th on bindings[i % size], by a loop, a graph, an evaluation
  /// or a message, and returns when all are complete. Allocates nothing on a CPU.
  virtual Timing time(std::span<Binding* const> bindings, std::int64_t runs, Queue& queue) = 0;
  virtual std::int64_t workspace_bytes() const = 0;
  /// What ran in the last call of time().
  virtual Implementation implementation() const = 0;
  /// Another kernel's turn follows: whatever threads it still has running are to disturb nobody until it is
  /// used again.
  virtual void rest() {}
};

/// One way to compute one or more mechanisms on an engine. Const and thread-safe.
class KernelInfo {
 public:
  virtual ~KernelInfo() = default;
  virtual std::string_view kernel() const = 0;          ///< algorithm: "unfused", "gather", ...
  virtual std::string_view engine() const = 0;          ///< "cpu", "onednn", ...
  virtual std::string_view path() const { return {}; }  ///< instruction set, where the engine has several
  virtual std::vector<MechanismKind> mechanisms() const = 0;
  /// What name and mechanisms do not tell of how it computes, in a sentence without its full stop; may be
  /// empty.
  virtual std::string description() const { return {}; }
  /// Whether a call that is given lse writes it.
  virtual bool computes_lse() const { return true; }
  /// What Implementation::ran must say. No kernel stands in for another: an execution that reports other code
  /// failed, whatever it computed.
  virtual std::string implementation() const { return std::string(kernel()); }
  /// Whether its code is made here and held to the tolerance of verification. One of another maker that is
  /// off by up to ten times as much is timed, called less exact, and never ranked.
  virtual bool made_here() const { return false; }
  /// What it computes on purpose in place of the mechanism, in words; empty: the mechanism. Such a kernel is
  /// timed and shown with its error, and never ranked or chosen.
  virtual std::string other_function(const Problem&) const { return {}; }

  virtual Support supports(const Problem& problem, const Device& device) const = 0;
  /// Pre: supports() said yes. The device must outlive the execution.
  virtual std::unique_ptr<Execution> prepare(const Problem& problem, const Device& device) const = 0;
  /// FLOPs this kernel really does, masked work included.
  virtual double executed_flops(const Problem& problem) const = 0;
  /// Bytes that its operations read and write, each its operands once and its result once, at whatever level
  /// of memory: tensors of the call and intermediate results. Nothing where it does not tell.
  virtual std::optional<double> moved_bytes(const Problem&) const { return std::nullopt; }
  /// Workspace it would allocate in prepare(), for memory checks before any work.
  virtual std::int64_t workspace_bytes(const Problem& problem, const Device& device) const = 0;
};

/// One call on these tensors: bound, run, its outputs read back. Who makes many calls binds once.
Timing run_once(Execution& execution, const Problem& problem, const Tensors& tensors, Queue& queue);

/// "mha/unfused@cpu", "swa(w=64)/fused@cpu:amx".
std::string kernel_id(const Mechanism& mechanism, const KernelInfo& kernel);
/// Whether the mechanism is among the kernel's.
bool computes(const KernelInfo& kernel, MechanismKind kind);

}  // namespace attnbench

#pragma GCC visibility pop
