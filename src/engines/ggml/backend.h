#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "attnbench/cpu_device.h"
#include "attnbench/kernel.h"

/// What stands between the program and the module libattnbench_ggml.so, which holds ggml, compiled for the
/// CPU of the machine where that was built. The program knows the kernels and loads the module when one of
/// them is asked for.
namespace attnbench::ggml {

enum class Form : std::uint8_t {
  unfused,  ///< mul_mat, soft_max_ext, mul_mat
  flash,    ///< flash_attn_ext
};

/// The functions of the attention library that the module uses; it is linked to none.
struct Services {
  AllowedKeys (*allowed_keys)(const Mechanism&, std::int64_t position, std::int64_t seqlen_kv);
  void (*fill_nan)(const TensorView&);
};

class Backend {
 public:
  virtual ~Backend() = default;
  /// "ggml": version and what it was compiled for.
  virtual std::map<std::string, std::string> libraries() const = 0;
  /// Instruction sets that ggml was compiled for: a CPU without them cannot run it.
  virtual CpuFeatures needs() const = 0;
  virtual std::int64_t workspace_bytes(Form form, const Problem& problem, int threads) const = 0;
  virtual std::unique_ptr<Execution> prepare(Form form, const Problem& problem, int threads) const = 0;
};

}  // namespace attnbench::ggml

/// The module's only name. Null where it was compiled for another plugin ABI.
extern "C" const attnbench::ggml::Backend* attnbench_ggml_backend(int plugin_abi,
                                                                  const attnbench::ggml::Services* services);
