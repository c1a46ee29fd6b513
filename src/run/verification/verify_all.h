#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "attnbench/kernel.h"
#include "run/protocol/process.h"
#include "run/verification/shapes.h"

namespace attnbench {

/// A kernel that crashed or hung this often is given up: the rest of its cases would cost minutes or hours.
inline constexpr int kMostRestarts = 5;

struct VerifyAllOptions {
  std::vector<const KernelInfo*> kernels;
  std::vector<MechanismKind> mechanisms;
  std::vector<DType> dtypes{kDTypes.begin(), kDTypes.end()};
  std::vector<VerifyShape> shapes;
  std::string device = "cpu";
  int threads = 2;                                    ///< cases take turns between this and 1
  double seconds_per_case = 30;                       ///< without a result for longer is a hang
  std::int64_t memory_bytes = std::int64_t{4} << 30;  ///< that a kernel may add in a case
  std::uint64_t seed = 1;
  Program worker;  ///< starts the process of a kernel
};

/// One kernel in one element type, over all cases.
struct KernelVerdict {
  const KernelInfo* kernel = nullptr;
  DType dtype = DType::f32;
  std::int64_t passed = 0;          ///< cases within the tolerance
  std::int64_t less_exact = 0;      ///< beyond it by no more than another maker's kernel may be
  std::int64_t other_function = 0;  ///< in which it computes something else on purpose
  std::map<std::string, std::int64_t> unsupported;  ///< problems, by the kernel's reason
  double worst_share = 0;                           ///< largest error / tolerance of a case that did not fail
  std::string worst_case;
  struct Failure {
    std::string case_name, reason;
  };
  std::vector<Failure> failures;
  Failure unranked;  ///< of the less exact and the other_function ones the one that is most off
  double unranked_share = 0;
};

/// Every kernel and element type over every shape, each with every kind of input. One process for each kernel
/// and element type, a worker, started again at the next case after a crash, up to kMostRestarts times;
/// element types side by side. The oracle runs once for each (mechanism, shape, input, element type) that
/// some kernel supports; kernels share its results. `on_verdict` comes in order of completion, `on_progress`
/// with a line now and then, neither while the other runs.
void verify_all(const VerifyAllOptions& options, const std::function<void(const KernelVerdict&)>& on_verdict,
                const std::function<void(const std::string&)>& on_progress);

}  // namespace attnbench
