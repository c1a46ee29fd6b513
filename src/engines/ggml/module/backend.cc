#include "engines/ggml/backend.h"

#include <ggml-backend.h>
#include <ggml-cpu.h>
#include <ggml.h>

#include "attnbench/plugin.h"
#include "engines/ggml/module/execution.h"

namespace attnbench::ggml {
namespace {

/// "AVX2 FMA AVX512 LLAMAFILE OPENMP": what ggml says that it was compiled with.
std::string features() {
  const auto get = reinterpret_cast<ggml_backend_get_features_t>(
      ggml_backend_reg_get_proc_address(ggml_backend_cpu_reg(), "ggml_backend_get_features"));
  std::string all;
  for (const auto* feature = get(ggml_backend_cpu_reg()); feature->name != nullptr; ++feature)
    all += (all.empty() ? "" : " ") + std::string(feature->name);
  return all;
}

class LinkedBackend final : public Backend {
 public:
  explicit LinkedBackend(const Services& services) : services_(services) {}

  std::map<std::string, std::string> libraries() const override {
    return {{"ggml", std::string(ggml_version()) + " (" + features() + ")"}};
  }
  CpuFeatures needs() const override {
    CpuFeatures all;
    all.avx2 = ggml_cpu_has_avx2() != 0;
    all.avx512 = ggml_cpu_has_avx512() != 0;
    all.avx512_bf16 = ggml_cpu_has_avx512_bf16() != 0;
    return all;
  }
  std::int64_t workspace_bytes(Form form, const Problem& problem, int threads) const override {
    return ggml::workspace_bytes(form, problem, threads);
  }
  std::unique_ptr<Execution> prepare(Form form, const Problem& problem, int threads) const override {
    return make_execution(form, problem, threads, services_);
  }

 private:
  Services services_;
};

}  // namespace
}  // namespace attnbench::ggml

__attribute__((visibility("default"))) const attnbench::ggml::Backend* attnbench_ggml_backend(
    int plugin_abi, const attnbench::ggml::Services* services) {
  if (plugin_abi != attnbench::kPluginAbi) return nullptr;
  static const attnbench::ggml::LinkedBackend backend(*services);
  return &backend;
}
