/// The kernels of engine `ggml`: what each computes and costs. Their code is in module/.
#include <fmt/format.h>

#include <algorithm>

#include "core/allowed_pairs.h"
#include "core/register_kernel.h"
#include "engines/ggml/load.h"

namespace attnbench::ggml {
namespace {

/// Queries and keys of a tile of flash_attn_ext.
constexpr std::int64_t kTile = 64;

/// Pairs of one head in the tiles that hold a visible key: flash_attn_ext skips the others. With more threads
/// it cuts tiles where a thread's share of the rows ends; those are not counted.
double pairs_in_tiles(const Mechanism& m, std::int64_t queries, std::int64_t keys) {
  std::int64_t tiles = 0;
  for (std::int64_t row = 0; row < queries; row += kTile) {
    // Both ends of a window rise with the query.
    const auto last = std::min(row + kTile, queries) - 1;
    const auto begin = allowed_keys(m, keys - queries + row, keys).local.begin;
    const auto end = allowed_keys(m, keys - queries + last, keys).local.end;
    if (end > begin) tiles += (end + kTile - 1) / kTile - begin / kTile;
  }
  return static_cast<double>(tiles) * kTile * kTile;
}

/// (query, key) pairs of one head whose scores are computed.
double computed_pairs(Form form, const Problem& p) {
  const auto& s = p.shape;
  const auto queries = std::min(s.seqlen_q, s.seqlen_kv);
  if (form == Form::unfused) return static_cast<double>(queries) * static_cast<double>(s.seqlen_kv);
  const bool tiled = queries >= kTile && s.dtype_kv != DType::bf16;
  if (!tiled) return allowed_pairs(p.mechanism, s.seqlen_q, s.seqlen_kv);
  return pairs_in_tiles(p.mechanism, queries, s.seqlen_kv);
}

class GgmlKernel final : public KernelInfo {
 public:
  GgmlKernel(std::string_view name, Form form) : name_(name), form_(form) {}

  std::string_view kernel() const override { return name_; }
  std::string_view engine() const override { return "ggml"; }
  std::vector<MechanismKind> mechanisms() const override {
    return {MechanismKind::mha, MechanismKind::gqa, MechanismKind::mqa, MechanismKind::swa};
  }
  bool computes_lse() const override { return false; }
  std::string implementation() const override {
    return form_ == Form::unfused ? "MUL_MAT, SOFT_MAX, MUL_MAT" : "FLASH_ATTN_EXT";
  }

  Support supports(const Problem& problem, const Device& device) const override {
    if (dynamic_cast<const CpuDevice*>(&device) == nullptr)
      return Support::no(fmt::format("computes on device cpu, not on {}", device.name()));
    if (problem.scope != Scope::core) return Support::no("core scope only");
    if (!problem.shape.seqlens_kv.empty())
      return Support::no("one length for the whole batch only (seqlens_kv)");
    if (!load().problem.empty()) return Support::no(load().problem);
    return Support::yes();
  }
  std::unique_ptr<Execution> prepare(const Problem& problem, const Device& device) const override {
    return load().backend->prepare(form_, problem, device.host_threads());
  }
  double executed_flops(const Problem& problem) const override {
    const auto& s = problem.shape;
    return 2 * computed_pairs(form_, problem) * static_cast<double>(s.batch * s.num_q_heads) *
           static_cast<double>(s.head_dim_qk + s.head_dim_v);
  }
  std::int64_t workspace_bytes(const Problem& problem, const Device& device) const override {
    return load().backend->workspace_bytes(form_, problem, device.host_threads());
  }

 private:
  std::string_view name_;
  Form form_;
};

}  // namespace
}  // namespace attnbench::ggml

using attnbench::ggml::Form;
using attnbench::ggml::GgmlKernel;

ATTNBENCH_REGISTER_KERNEL(ggml_unfused) {
  static const GgmlKernel kernel("unfused", Form::unfused);
  return kernel;
}

ATTNBENCH_REGISTER_KERNEL(ggml_flash) {
  static const GgmlKernel kernel("flash", Form::flash);
  return kernel;
}

ATTNBENCH_REGISTER_LIBRARIES(ggml_libraries) { return attnbench::ggml::libraries(); }
