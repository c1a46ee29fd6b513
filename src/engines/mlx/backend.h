#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "attnbench/kernel.h"

/// What stands between the program and the module libattnbench_mlx.so, which alone is linked to MLX. The
/// program knows the kernels and loads the module when one of them is asked for, so that it starts, and
/// measures all else in a process without MLX's and OpenBLAS's threads, where libmlx is absent or in use by
/// nobody.
namespace attnbench::mlx {

/// How a mechanism is written in MLX's operations (module/forms.h).
enum class Form : std::uint8_t {
  unfused,
  masked,
  gather,
  gather_view,
  batched,
  two_gemm,
  cumsum,
  sdpa,
  // As published, where that is another function than the mechanism.
  gather_published,
  batched_published,
};

/// Where calls compute: MLX's GPU, or these CPUs with so many threads.
struct Place {
  bool gpu = false;
  std::vector<int> cpus = {};
  int threads = 1;

  bool operator==(const Place&) const = default;
};

/// The functions of the attention library that the module uses; it is linked to none.
struct Services {
  AllowedKeys (*allowed_keys)(const Mechanism&, std::int64_t position, std::int64_t seqlen_kv);
  std::vector<TensorSpec> (*roles_of)(const Problem&);
  void (*fill_nan)(const TensorView&);
};

class Backend {
 public:
  virtual ~Backend() = default;
  /// "mlx", "mlx_blas": name to version, as loaded. Of a BLAS that the products must not come from: why.
  virtual std::map<std::string, std::string> libraries() const = 0;
  /// Why calls on the CPU cannot be measured; empty if they can.
  virtual std::string cpu_problem() const = 0;
  virtual bool has_gpu() const = 0;
  /// Whether it is an NVIDIA one.
  virtual bool gpu_is_cuda() const = 0;
  virtual std::map<std::string, std::string> gpu_identity() const = 0;
  virtual std::int64_t gpu_free_bytes() const = 0;
  /// Computes something on the GPU, so that the threads are there that it takes.
  virtual void gpu_start() = 0;
  /// Reads and writes more than a GPU's last-level cache holds.
  virtual void gpu_evict() = 0;
  /// Whether mlx.fast has a fused kernel for the problem on the GPU.
  virtual bool gpu_fuses(const Problem& problem) = 0;
  virtual std::unique_ptr<Execution> prepare(Form form, const Problem& problem, const Place& place) = 0;
};

}  // namespace attnbench::mlx

/// The module's only name. Null where it was compiled for another plugin ABI.
extern "C" attnbench::mlx::Backend* attnbench_mlx_backend(int plugin_abi,
                                                          const attnbench::mlx::Services* services);
