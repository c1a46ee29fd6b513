#define ATTNBENCH_TARGET \
  "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx512vbmi,avx512bf16,amx-tile,amx-bf16"

#include "attnbench/cpu_device.h"
#include "engines/cpu/fused/softmax/amx_path.h"
#include "engines/cpu/fused/tiles.h"
#include "variants.h"

namespace account {

using namespace attnbench::cpu::fused;

namespace {

struct NoTiles {
  static void configure() {}
  static void release() {}
  template <int Tile>
  static void zero() {}
  template <int Tile>
  static void load(const void*, std::int64_t) {}
  template <int Tile>
  static void load_once(const void*, std::int64_t) {}
  template <int Tile>
  static void store(void*, std::int64_t) {}
  template <int Sum, int A, int B>
  static void dot() {}
};

std::string_view missing(const attnbench::CpuFeatures&) { return ""; }

constexpr auto kWhole = amx_path<AmxTiles>("amx", missing);
constexpr auto kWithoutTiles = amx_path<NoTiles>("no tiles", missing);

using P = Products<AmxTiles, false>;

ATTNBENCH_SIMD void multiply_units(Block& block, const Unit* units, int count) {
  const bool hold = P::holds_queries(block, units, count);
  if (hold) P::hold_queries(block);
  for (int u = 0; u < count; ++u) {
    if (hold) {
      P::held_scores(units[u], scores_of(block, u));
    } else {
      P::scores(block, units[u], scores_of(block, u));
    }
  }
  const int first = count > 1 && units[0].single() ? 1 : 0;
  P::values(block, units, first, count);
}

}  // namespace

const SoftmaxPath& whole_path() { return kWhole; }
const SoftmaxPath& path_without_tiles() { return kWithoutTiles; }

ATTNBENCH_SIMD void tiles_alone(OneBlock& one) {
  auto& block = one.block();
  for (const auto& spans : one.spans()) {
    for_each_group(spans,
                   [&](const Unit* units, int count) ATTNBENCH_SIMD { multiply_units(block, units, count); });
  }
}

ATTNBENCH_SIMD void enter_tiles() { AmxTiles::configure(); }
ATTNBENCH_SIMD void leave_tiles() { AmxTiles::release(); }

void add_chain(std::int64_t additions) {
  std::int64_t sum = 0;
  for (std::int64_t n = 0; n < additions; n += 8) {
    __asm__ volatile(
        "add %1, %0\n add %1, %0\n add %1, %0\n add %1, %0\n add %1, %0\n add %1, %0\n add %1, %0\n add %1, "
        "%0"
        : "+r"(sum)
        : "r"(n));
  }
}

}  // namespace account
