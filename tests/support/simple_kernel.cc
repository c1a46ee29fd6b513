#include "support/simple_kernel.h"

#include <unistd.h>

#include <algorithm>
#include <cfenv>
#include <cmath>
#include <csignal>
#include <limits>
#include <stdexcept>
#include <utility>

#include "attnbench/cpu_device.h"
#include "support/elements.h"

namespace attnbench::test {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr std::int64_t kTile = 16;
/// A weight too small to show but on the largest values that the input kinds hold.
float faint(DType dtype) { return dtype == DType::f16 ? 0x1p-17F : 0x1p-90F; }

std::vector<float> read(const TensorView& view, std::int64_t b, std::int64_t h, std::int64_t i) {
  std::vector<float> row(static_cast<std::size_t>(view.sizes[3]));
  for (std::size_t c = 0; c < row.size(); ++c) {
    row[c] = get_element(view, b, h, i, static_cast<std::int64_t>(c));
  }
  return row;
}

void write(const TensorView& view, std::int64_t b, std::int64_t h, std::int64_t i,
           const std::vector<float>& row) {
  for (std::size_t c = 0; c < row.size(); ++c) {
    set_element(view, b, h, i, static_cast<std::int64_t>(c), row[c]);
  }
}

constexpr std::pair<Fault, std::string_view> kNames[] = {
    {Fault::none, "simple"},
    {Fault::no_max_subtraction, "no_max_subtraction"},
    {Fault::normalised_over_queries, "normalised_over_queries"},
    {Fault::window_shifted, "window_shifted"},
    {Fault::head_dropped, "head_dropped"},
    {Fault::kv_group_ignored, "kv_group_ignored"},
    {Fault::inputs_overwritten, "inputs_overwritten"},
    {Fault::rescale_skipped, "rescale_skipped"},
    {Fault::masked_rows_nan, "masked_rows_nan"},
    {Fault::last_row_unwritten, "last_row_unwritten"},
    {Fault::lse_without_maximum, "lse_without_maximum"},
    {Fault::maximum_rounded, "maximum_rounded"},
    {Fault::hidden_keys_weigh, "hidden_keys_weigh"},
    {Fault::far_keys_weigh, "far_keys_weigh"},
    {Fault::crashes, "crashes"},
    {Fault::hangs, "hangs"},
    {Fault::gives_nan, "gives_nan"},
    {Fault::eats_memory, "eats_memory"},
    {Fault::throws, "throws"},
    {Fault::flushes_denormals, "flushes_denormals"},
    {Fault::crashes_on_rising, "crashes_on_rising"},
    {Fault::writes_beside, "writes_beside"},
};

[[noreturn]] void eat_memory() {
  std::vector<std::vector<char>> eaten;
  while (true) eaten.emplace_back(std::size_t{1} << 26, 'x');
}

class SimpleExecution final : public HostExecution {
 public:
  SimpleExecution(const Problem& problem, Fault fault) : problem_(problem), fault_(fault) {}
  std::int64_t workspace_bytes() const override { return 0; }

  void call(const Tensors& t) override {
    misbehave(t);
    const auto& s = problem_.shape;
    for (std::int64_t b = 0; b < s.batch; ++b) {
      for (std::int64_t h = 0; h < s.num_q_heads; ++h) {
        if (fault_ == Fault::head_dropped && h == 1) continue;
        std::vector<float> column_sums;
        if (fault_ == Fault::normalised_over_queries) column_sums = sums_over_queries(t, b, h);
        const auto rows = s.seqlen_q - (fault_ == Fault::last_row_unwritten ? 1 : 0);
        for (std::int64_t i = 0; i < rows; ++i) attend(t, b, h, i, column_sums);
      }
    }
    if (fault_ == Fault::inputs_overwritten)
      write(t[Role::k], 0, 0, 0, std::vector<float>(static_cast<std::size_t>(t[Role::k].sizes[3]), 1));
    if (fault_ == Fault::writes_beside)
      static_cast<std::byte*>(t[Role::o].data)[t[Role::o].elements() * size_bytes(t[Role::o].dtype)] =
          std::byte{1};
    if (fault_ == Fault::gives_nan) write(t[Role::o], 0, 0, 0, {std::numeric_limits<float>::quiet_NaN()});
    if (fault_ == Fault::flushes_denormals) std::fesetround(FE_TOWARDZERO);
  }

 private:
  void misbehave(const Tensors& t) const {
    if (fault_ == Fault::crashes) std::raise(SIGSEGV);
    if (fault_ == Fault::crashes_on_rising) {
      // Of all kinds of input only `rising` gives its first key a score near 64.
      const float first = score(read(t[Role::q], 0, 0, 0), t, 0, 0, 0);
      if (first > 50 && first < 80) std::raise(SIGSEGV);
    }
    while (fault_ == Fault::hangs) pause();
    if (fault_ == Fault::eats_memory) eat_memory();
    if (fault_ == Fault::throws) throw std::runtime_error("no such instruction");
  }

  std::int64_t kv_head(std::int64_t h) const {
    const auto kv_heads = problem_.mechanism.num_kv_heads;
    return fault_ == Fault::kv_group_ignored ? h % kv_heads : h / (problem_.shape.num_q_heads / kv_heads);
  }

  std::int64_t keys(const Tensors& t, std::int64_t b) const {
    const auto& lengths = problem_.shape.seqlens_kv;
    return lengths.empty() ? t[Role::k].sizes[2] : lengths[static_cast<std::size_t>(b)];
  }

  float product(const std::vector<float>& q, const Tensors& t, std::int64_t b, std::int64_t g,
                std::int64_t j) const {
    const auto k = read(t[Role::k], b, g, j);
    float sum = 0;
    for (std::size_t c = 0; c < q.size(); ++c) sum += q[c] * k[c];
    return sum;
  }
  float scale() const { return static_cast<float>(problem_.shape.softmax_scale); }
  float score(const std::vector<float>& q, const Tensors& t, std::int64_t b, std::int64_t g,
              std::int64_t j) const {
    return product(q, t, b, g, j) * scale();
  }

  AllowedKeys allowed(std::int64_t position, std::int64_t count) const {
    if (fault_ == Fault::window_shifted) ++position;
    return allowed_keys(problem_.mechanism, position, count);
  }

  std::vector<float> sums_over_queries(const Tensors& t, std::int64_t b, std::int64_t h) const {
    const auto count = keys(t, b);
    std::vector<float> sums(static_cast<std::size_t>(count));
    for (std::int64_t i = 0; i < problem_.shape.seqlen_q; ++i) {
      const auto q = read(t[Role::q], b, h, i);
      for (std::int64_t j = 0; j < count; ++j)
        sums[static_cast<std::size_t>(j)] += std::exp(std::min(score(q, t, b, kv_head(h), j), 80.0f));
    }
    return sums;
  }

  /// One row; keys in tiles, each tile rescaling what came before to the new maximum.
  void attend(const Tensors& t, std::int64_t b, std::int64_t h, std::int64_t i,
              const std::vector<float>& column_sums) {
    const auto count = keys(t, b);
    const auto keys_seen = allowed(i + count - problem_.shape.seqlen_q, count);
    const auto q = read(t[Role::q], b, h, i);
    const auto g = kv_head(h);
    float maximum = fault_ == Fault::no_max_subtraction || !column_sums.empty() ? 0 : -kInf;
    const bool fixed_maximum = maximum == 0;
    float sum = 0;
    std::vector<float> o(static_cast<std::size_t>(t[Role::v].sizes[3]));
    for (const auto& range : {keys_seen.globals, keys_seen.local}) {
      for (auto begin = range.begin; begin < range.end; begin += kTile) {
        const auto end = std::min(begin + kTile, range.end);
        std::vector<float> scores;
        for (auto j = begin; j < end; ++j) scores.push_back(score(q, t, b, g, j));
        const float old = maximum;
        if (!fixed_maximum) maximum = std::max(maximum, *std::max_element(scores.begin(), scores.end()));
        if (fault_ != Fault::rescale_skipped && old != maximum) {
          const float factor = std::exp(old - maximum);
          sum *= factor;
          for (auto& x : o) x *= factor;
        }
        for (auto j = begin; j < end; ++j) {
          float p = std::exp(scores[static_cast<std::size_t>(j - begin)] - maximum);
          if (fault_ == Fault::maximum_rounded) {
            p = std::exp(std::fma(product(q, t, b, g, j), scale(), -maximum));
          }
          if (fault_ == Fault::far_keys_weigh) p = std::max(p, faint(problem_.shape.dtype_kv));
          sum += p;
          if (!column_sums.empty()) p /= column_sums[static_cast<std::size_t>(j)];
          const auto v = read(t[Role::v], b, g, j);
          for (std::size_t c = 0; c < o.size(); ++c) o[c] += p * v[c];
        }
      }
    }
    for (std::int64_t j = 0; fault_ == Fault::hidden_keys_weigh && sum > 0 && j < count; ++j) {
      if (j < keys_seen.globals.end || (j >= keys_seen.local.begin && j < keys_seen.local.end)) continue;
      const auto v = read(t[Role::v], b, g, j);
      for (std::size_t c = 0; c < o.size(); ++c) o[c] += faint(problem_.shape.dtype_kv) * v[c];
    }
    if (sum > 0 || keys_seen.size() > 0 || fault_ == Fault::masked_rows_nan) {
      if (column_sums.empty()) {
        for (auto& x : o) x /= sum;
      }
    }
    write(t[Role::o], b, h, i, o);
    const float top = fault_ == Fault::lse_without_maximum ? 0 : maximum;
    if (t[Role::lse]) *t[Role::lse].row<float>(b, h, i) = keys_seen.size() == 0 ? -kInf : top + std::log(sum);
  }

  Problem problem_;
  Fault fault_;
};

}  // namespace

const std::vector<Fault>& all_faults() {
  static const auto faults = [] {
    std::vector<Fault> list;
    for (const auto& [fault, name] : kNames) {
      if (fault != Fault::writes_beside) list.push_back(fault);
    }
    return list;
  }();
  return faults;
}

std::string_view SimpleKernel::kernel() const {
  for (const auto& [fault, name] : kNames) {
    if (fault == fault_) return name;
  }
  return "?";
}

std::vector<MechanismKind> SimpleKernel::mechanisms() const {
  return {MechanismKind::mha, MechanismKind::gqa, MechanismKind::mqa, MechanismKind::swa,
          MechanismKind::block_sparse};
}

Support SimpleKernel::supports_on_cpu(const Problem& problem, const CpuDevice&) const {
  if (problem.scope == Scope::layer) return Support::no("it has no projections");
  return problem.mechanism.is_softmax() ? Support::yes() : Support::no("it computes softmax mechanisms");
}

std::unique_ptr<HostExecution> SimpleKernel::prepare_on_cpu(const Problem& problem, const CpuDevice&) const {
  return std::make_unique<SimpleExecution>(problem, fault_);
}

std::int64_t SimpleKernel::workspace_on_cpu(const Problem&, const CpuDevice&) const { return 0; }

}  // namespace attnbench::test
