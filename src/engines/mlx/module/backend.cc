#include "engines/mlx/backend.h"

#include <mlx/backend/cuda/cuda.h>
#include <mlx/device.h>
#include <mlx/memory.h>
#include <mlx/ops.h>
#include <mlx/transforms.h>
#include <mlx/version.h>

#include <optional>
#include <string>
#include <variant>

#include "attnbench/plugin.h"
#include "engines/mlx/module/execution.h"
#include "engines/mlx/module/threads.h"

namespace attnbench::mlx {
namespace {

namespace mx = ::mlx::core;

std::string compiled_version() {
  return std::to_string(MLX_VERSION_MAJOR) + "." + std::to_string(MLX_VERSION_MINOR) + "." +
         std::to_string(MLX_VERSION_PATCH);
}

class LinkedBackend final : public Backend {
 public:
  explicit LinkedBackend(const Services& services) : services_(services) {}

  std::map<std::string, std::string> libraries() const override {
    return {{"mlx", std::string(mx::version()) + " (MLX_ENABLE_TF32=0)"}, {"mlx_blas", blas().version}};
  }
  std::string cpu_problem() const override { return blas().problem; }
  bool has_gpu() const override { return mx::is_available(mx::Device(mx::Device::gpu)); }

  bool gpu_is_cuda() const override { return mx::cu::is_available(); }

  std::map<std::string, std::string> gpu_identity() const override {
    std::map<std::string, std::string> identity = {{"mlx", mx::version()}};
    for (const char* field : {"device_name", "architecture", "total_memory", "memory_size"}) {
      if (const auto found = of_gpu(field)) identity[field] = in_words(*found);
    }
    return identity;
  }
  /// By CUDA; by Metal, which tells no free memory, what it recommends to have in use, less what MLX has.
  std::int64_t gpu_free_bytes() const override {
    if (const auto free = bytes_of_gpu("free_memory")) return *free;
    const auto recommended = bytes_of_gpu("max_recommended_working_set_size");
    return recommended ? *recommended - static_cast<std::int64_t>(mx::get_active_memory()) : 0;
  }
  void gpu_start() override {
    mx::set_default_device(mx::Device::gpu);
    mx::eval(mx::add(mx::zeros({1}), mx::array(1.0f)));
    mx::synchronize();
  }
  void gpu_evict() override {
    constexpr int kElements = 1 << 26;  // 256 MiB read and as many written: more than any L2
    mx::set_default_device(mx::Device::gpu);
    mx::eval(mx::add(mx::zeros({kElements}), mx::array(1.0f)));
  }
  bool gpu_fuses(const Problem& problem) override { return is_fused(Form::sdpa, problem, {true}, services_); }
  std::unique_ptr<Execution> prepare(Form form, const Problem& problem, const Place& place) override {
    return make_execution(form, problem, place, services_);
  }

 private:
  using Fact = std::variant<std::string, std::size_t>;

  static std::string in_words(const Fact& fact) {
    const auto* text = std::get_if<std::string>(&fact);
    return text != nullptr ? *text : std::to_string(std::get<std::size_t>(fact));
  }
  static std::optional<Fact> of_gpu(const char* field) {
    const auto& info = mx::device_info(mx::Device(mx::Device::gpu));
    const auto found = info.find(field);
    return found == info.end() ? std::nullopt : std::optional<Fact>(found->second);
  }
  static std::optional<std::int64_t> bytes_of_gpu(const char* field) {
    const auto fact = of_gpu(field);
    const auto* bytes = fact ? std::get_if<std::size_t>(&*fact) : nullptr;
    return bytes == nullptr ? std::nullopt : std::optional(static_cast<std::int64_t>(*bytes));
  }

  Services services_;
};

}  // namespace
}  // namespace attnbench::mlx

__attribute__((visibility("default"))) attnbench::mlx::Backend* attnbench_mlx_backend(
    int plugin_abi, const attnbench::mlx::Services* services) {
  if (plugin_abi != attnbench::kPluginAbi) return nullptr;
  if (attnbench::mlx::compiled_version() != ::mlx::core::version()) return nullptr;
  static attnbench::mlx::LinkedBackend backend(*services);
  return &backend;
}
