#pragma once

#include <cstdint>
#include <memory>
#include <stdexcept>

#include "attnbench/kernel.h"

namespace attnbench {

/// The times an execution reports cannot be true.
class WrongTiming : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// How long runs took, by two clocks.
struct RunTime {
  double seconds = 0;       ///< all runs, as the execution reports
  double host_seconds = 0;  ///< the host's clock around them
};

/// An execution bound to tensors of the host, for all that verification and timing ask of it.
class BoundCall {
 public:
  /// Pre: check_tensors(). All must outlive this.
  BoundCall(Execution& execution, const Problem& problem, const Tensors& host, Queue& queue);

  /// Complete calls. Throws WrongTiming where the execution made another number of them, reports no time, or
  /// more than the host waited.
  RunTime run(std::int64_t runs = 1);
  /// Makes calls until the host has waited 20 ms for them. Throws WrongTiming where the execution reports
  /// less than half of that, three times in a row: then it is no thread that had to wait for a CPU.
  void require_whole_time();
  void poison_outputs();
  void read_outputs();
  /// As the device holds them now: a kernel must not change them.
  void read_inputs();
  void write(Role role) { binding_->write(role); }

 private:
  Execution& execution_;
  std::vector<TensorSpec> roles_;  ///< those given
  Queue& queue_;
  std::unique_ptr<Binding> binding_;
};

/// Why the code that ran is not the kernel's; empty where it is.
std::string wrong_implementation(const KernelInfo& kernel, const Execution& execution);

}  // namespace attnbench
