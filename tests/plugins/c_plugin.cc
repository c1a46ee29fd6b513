// Plugins by the C interface, for its tests. ATTNBENCH_TEST_PLUGIN says which: 0 has kernels, one right and
// others with the fault that their name tells; 1 is of another version; 2 lacks the list of kernels; 3 has a
// kernel without a function.

#include <cmath>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "attnbench/plugin_c.h"

namespace {

struct Prepared {
  double scale = 1;
  bool causal = false;
};

const char* supports(const attnbench_problem* p) {
  const bool plain = p->scope == ATTNBENCH_CORE && p->dtype_q == ATTNBENCH_F32 &&
                     p->dtype_kv == ATTNBENCH_F32 && p->dtype_o == ATTNBENCH_F32 && p->seqlens_kv == nullptr;
  return plain ? nullptr : "computes f32 of full lengths in core scope alone";
}
double executed_flops(const attnbench_problem*) { return 1; }
std::int64_t workspace_bytes(const attnbench_problem* p) { return p->threads; }
void* prepare(const attnbench_problem* p) { return new Prepared{p->softmax_scale, p->causal != 0}; }
void* cannot_prepare(const attnbench_problem*) { return nullptr; }
void release(void* prepared) { delete static_cast<Prepared*>(prepared); }

float* row(const attnbench_tensor& t, std::int64_t b, std::int64_t h, std::int64_t i) {
  return static_cast<float*>(t.data) + b * t.strides[0] + h * t.strides[1] + i * t.strides[2];
}

std::int32_t attend(void* prepared, const attnbench_tensors* t) {
  const auto& plan = *static_cast<const Prepared*>(prepared);
  for (std::int64_t b = 0; b < t->q.sizes[0]; ++b) {
    for (std::int64_t h = 0; h < t->q.sizes[1]; ++h) {
      for (std::int64_t i = 0; i < t->q.sizes[2]; ++i) {
        const auto seen = plan.causal ? i + t->k.sizes[2] - t->q.sizes[2] + 1 : t->k.sizes[2];
        std::vector<double> o(static_cast<std::size_t>(t->o.sizes[3]));
        double sum = 0;
        double top = -INFINITY;
        for (const bool weigh : {false, true}) {
          for (std::int64_t j = 0; j < seen; ++j) {
            double score = 0;
            for (std::int64_t c = 0; c < t->q.sizes[3]; ++c)
              score += double{row(t->q, b, h, i)[c]} * row(t->k, b, h, j)[c];
            score *= plan.scale;
            if (!weigh) {
              top = std::fmax(top, score);
              continue;
            }
            const double weight = std::exp(score - top);
            sum += weight;
            for (std::size_t c = 0; c < o.size(); ++c) o[c] += weight * row(t->v, b, h, j)[c];
          }
        }
        for (std::size_t c = 0; c < o.size(); ++c)
          row(t->o, b, h, i)[c] = static_cast<float>(sum > 0 ? o[c] / sum : 0);
      }
    }
  }
  return 0;
}
std::int32_t crash(void*, const attnbench_tensors*) { return std::raise(SIGSEGV); }
std::int32_t fail(void*, const attnbench_tensors*) { return 7; }

const char* const mechanisms[] = {"mha", nullptr};

constexpr attnbench_kernel kernel(const char* name, decltype(attnbench_kernel::call) call,
                                  decltype(attnbench_kernel::prepare) prepare_it = prepare) {
  return {name, "c", "", mechanisms, 0, supports, executed_flops, workspace_bytes, prepare_it, call, release};
}

const attnbench_kernel right = kernel("right", attend);
const attnbench_kernel crashes = kernel("crashes", crash);
const attnbench_kernel fails = kernel("fails", fail);
const attnbench_kernel prepares_nothing = kernel("prepares_nothing", attend, cannot_prepare);
const attnbench_kernel lacks_call = kernel("lacks_call", nullptr);

}  // namespace

extern "C" {

std::int32_t attnbench_c_plugin_version() {
  return ATTNBENCH_C_PLUGIN_VERSION + (ATTNBENCH_TEST_PLUGIN == 1);
}

#if ATTNBENCH_TEST_PLUGIN != 2
const attnbench_kernel* const* attnbench_c_plugin_kernels() {
  static const attnbench_kernel* const good[] = {&right, &crashes, &fails, &prepares_nothing, nullptr};
  static const attnbench_kernel* const bad[] = {&lacks_call, nullptr};
  return ATTNBENCH_TEST_PLUGIN == 3 ? bad : good;
}
#endif
}
