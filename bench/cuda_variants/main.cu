/// Verifies and times forms of the softmax kernels of engine `cuda` side by side, among them forms that the engine does not
/// choose.
///
///   bench_cuda_variants [--variant SUBSTRING] [--shape SUBSTRING] [--json FILE] [--verify-only | --list]
///
/// Each form is first compared with float64 sums over the keys that the mechanism's definition allows (all rows of small
/// shapes, rows here and there of the shape that is timed); one that differs is not timed. Device time by graph replay, over
/// one set of tensors (hot) and over sets that rotate past the L2.
#include <cuda_bf16.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "cuda_variants/variants.h"
#include "engines/cuda/mask.h"

namespace attnbench::cuda {
namespace {

void check(cudaError_t error, const char* what) {
  if (error != cudaSuccess) throw std::runtime_error(std::string(what) + ": " + cudaGetErrorString(error));
}

struct Array {
  void* data = nullptr;
  explicit Array(std::size_t bytes) { check(cudaMalloc(&data, std::max<std::size_t>(bytes, 16)), "cudaMalloc"); }
  ~Array() { cudaFree(data); }
  Array(const Array&) = delete;
  Array& operator=(const Array&) = delete;
  template <typename T>
  T* as() const {
    return static_cast<T*>(data);
  }
};

struct Case {
  const char* name;
  MechanismKind kind;
  int window, block, globals;
  bool causal;
  int batch, q_heads, kv_heads, queries, keys, head_dim;
  bool timed;
  bool decode() const { return queries * (q_heads / kv_heads) <= 64; }
};

constexpr auto kDense = MechanismKind::gqa;
constexpr auto kWindow = MechanismKind::swa;
constexpr auto kBlocks = MechanismKind::block_sparse;

constexpr Case kCases[] = {
    {"swa100 N700 8/2", kWindow, 100, 0, 0, false, 2, 8, 2, 700, 700, 0, false},
    {"swa256 causal N1000", kWindow, 256, 0, 0, true, 1, 3, 3, 1000, 1000, 0, false},
    {"swa7 N65", kWindow, 7, 0, 0, false, 1, 2, 2, 65, 65, 0, false},
    {"block40+3 N333", kBlocks, 0, 40, 3, false, 2, 4, 4, 333, 333, 0, false},
    {"block128+1 N1024 8/4", kBlocks, 0, 128, 1, false, 1, 8, 4, 1024, 1024, 0, false},
    {"block7+80 causal N300", kBlocks, 0, 7, 80, true, 1, 2, 2, 300, 300, 0, false},
    {"dense N515 8/2", kDense, 0, 0, 0, false, 1, 8, 2, 515, 515, 0, false},
    {"causal N777", kDense, 0, 0, 0, true, 2, 3, 3, 777, 777, 0, false},
    {"causal q90 of 35", kDense, 0, 0, 0, true, 1, 2, 2, 90, 35, 0, false},
    {"causal q5 of 900 8/1", kDense, 0, 0, 0, true, 2, 8, 1, 5, 900, 0, false},
    {"causal q1 of 4096 8/2", kDense, 0, 0, 0, true, 1, 8, 2, 1, 4096, 0, false},
    {"causal q6 of 5000 16/2", kDense, 0, 0, 0, true, 1, 16, 2, 6, 5000, 0, false},
    {"swa256 B2H16 N8192 D128", kWindow, 256, 0, 0, false, 2, 16, 16, 8192, 8192, 128, true},
    {"swa256 B1H16 N8192 D128", kWindow, 256, 0, 0, false, 1, 16, 16, 8192, 8192, 128, true},
    {"swa128 H8 N8192 D64", kWindow, 128, 0, 0, false, 1, 8, 8, 8192, 8192, 64, true},
    {"swa1024 H16 N8192 D128", kWindow, 1024, 0, 0, false, 1, 16, 16, 8192, 8192, 128, true},
    {"swa64 H8 N512 D64", kWindow, 64, 0, 0, false, 1, 8, 8, 512, 512, 64, true},
    {"swa64 H8 N1024 D64", kWindow, 64, 0, 0, false, 1, 8, 8, 1024, 1024, 64, true},
    {"block128 H16 N32768 D128", kBlocks, 0, 128, 1, false, 1, 16, 16, 32768, 32768, 128, true},
    {"block32 H8 N1024 D64", kBlocks, 0, 32, 1, false, 1, 8, 8, 1024, 1024, 64, true},
    {"decode q8 64/8 S131072", kDense, 0, 0, 0, true, 1, 64, 8, 8, 131072, 128, true},
    {"decode q1 32/8 S4096", kDense, 0, 0, 0, true, 1, 32, 8, 1, 4096, 128, true},
    {"decode q8 32/8 S4096", kDense, 0, 0, 0, true, 1, 32, 8, 8, 4096, 128, true},
    {"decode q1 32/8 S1024", kDense, 0, 0, 0, true, 1, 32, 8, 1, 1024, 128, true},
    {"decode q1 32/8 S131072", kDense, 0, 0, 0, true, 1, 32, 8, 1, 131072, 128, true},
    {"decode B32 32/8 S8192", kDense, 0, 0, 0, true, 32, 32, 8, 1, 8192, 128, true},
    {"dense H8 N1024 D64", kDense, 0, 0, 0, false, 1, 8, 8, 1024, 1024, 64, true},
    {"dense H16 N2048 D128", kDense, 0, 0, 0, false, 1, 16, 16, 2048, 2048, 128, true},
    {"dense H16 N2048 D64", kDense, 0, 0, 0, false, 1, 16, 16, 2048, 2048, 64, true},
    {"dense H16 N4096 D128", kDense, 0, 0, 0, false, 1, 16, 16, 4096, 4096, 128, true},
    {"dense H16 N4096 D64", kDense, 0, 0, 0, false, 1, 16, 16, 4096, 4096, 64, true},
    {"dense H16 N8192 D128", kDense, 0, 0, 0, false, 1, 16, 16, 8192, 8192, 128, true},
    {"dense H16 N8192 D64", kDense, 0, 0, 0, false, 1, 16, 16, 8192, 8192, 64, true},
    {"causal H16 N2048 D128", kDense, 0, 0, 0, true, 1, 16, 16, 2048, 2048, 128, true},
    {"causal H16 N4096 D64", kDense, 0, 0, 0, true, 1, 16, 16, 4096, 4096, 64, true},
    {"causal H16 N8192 D128", kDense, 0, 0, 0, true, 1, 16, 16, 8192, 8192, 128, true},
};

Problem problem_of(const Case& c) {
  Problem problem;
  auto& s = problem.shape;
  s.batch = c.batch;
  s.num_q_heads = c.q_heads;
  s.seqlen_q = c.queries;
  s.seqlen_kv = c.keys;
  s.head_dim_qk = s.head_dim_v = c.head_dim;
  s.dtype_q = s.dtype_kv = s.dtype_o = DType::bf16;
  s.softmax_scale = 1 / std::sqrt(static_cast<double>(c.head_dim));
  auto& m = problem.mechanism;
  m.kind = c.kind;
  m.num_kv_heads = c.kv_heads;
  m.window = c.window;
  m.block_size = c.block;
  m.globals = c.globals;
  m.causal_bottom_right = c.causal;
  return problem;
}

__device__ std::uint32_t mixed(std::uint64_t x) {
  x ^= x >> 31;
  x *= 0x7fb5d329728ea185ull;
  x ^= x >> 27;
  x *= 0x81dadef4bc2dd44dull;
  x ^= x >> 33;
  return static_cast<std::uint32_t>(x);
}
/// Numbers of variance 1: sums of four uniform ones.
__global__ void fill(__nv_bfloat16* to, std::int64_t count, std::uint64_t seed) {
  for (std::int64_t n = blockIdx.x * std::int64_t{blockDim.x} + threadIdx.x; n < count; n += std::int64_t{gridDim.x} * blockDim.x) {
    float sum = 0;
    for (std::uint64_t k = 0; k < 4; ++k) sum += static_cast<float>(mixed((seed << 48) + 4 * static_cast<std::uint64_t>(n) + k) >> 8) * 0x1p-24f - 0.5f;
    to[n] = __float2bfloat16_rn(sum * 1.7320508f);
  }
}

/// By the definition of mechanisms (mechanism.h), apart from the engine's masks.
__device__ bool allowed(const Case& c, int position, int key) {
  if (position < 0 || (c.causal && key > position)) return false;
  if (c.kind == MechanismKind::swa)
    return c.causal ? key > position - c.window : key >= position - c.window / 2 && key <= position + c.window / 2;
  if (c.kind == MechanismKind::block_sparse)
    return key / c.block == position / c.block || key < c.globals || position < c.globals;
  return true;
}

/// Row rows[blockIdx.x] = (batch, query head, query) in float64; results of head_dim numbers and the log-sum-exp.
__global__ void reference(const Case c, const __nv_bfloat16* q, const __nv_bfloat16* k, const __nv_bfloat16* v,
                          const std::int64_t* rows, double* scratch, double* out, double scale) {
  const std::int64_t row = rows[blockIdx.x];
  const int d = c.head_dim, query = static_cast<int>(row % c.queries);
  const std::int64_t head = row / c.queries % c.q_heads, batch = row / c.queries / c.q_heads;
  const std::int64_t kv = (batch * c.kv_heads + head / (c.q_heads / c.kv_heads)) * c.keys;
  const auto* mine = q + row * d;
  double* p = scratch + static_cast<std::int64_t>(blockIdx.x) * c.keys;
  __shared__ double reduced[128];
  const int thread = static_cast<int>(threadIdx.x);
  double highest = -INFINITY;
  for (int key = thread; key < c.keys; key += 128) {
    double sum = -INFINITY;
    if (allowed(c, query + c.keys - c.queries, key)) {
      sum = 0;
      for (int n = 0; n < d; ++n)
        sum += static_cast<double>(__bfloat162float(mine[n])) * static_cast<double>(__bfloat162float(k[(kv + key) * d + n]));
      sum *= scale;
    }
    p[key] = sum;
    highest = fmax(highest, sum);
  }
  const auto reduce = [&](double mine_too, auto with) {
    reduced[thread] = mine_too;
    __syncthreads();
    for (int n = 64; n > 0; n /= 2) {
      if (thread < n) reduced[thread] = with(reduced[thread], reduced[thread + n]);
      __syncthreads();
    }
    const double all = reduced[0];
    __syncthreads();
    return all;
  };
  highest = reduce(highest, [](double a, double b) { return fmax(a, b); });
  double total = 0;
  for (int key = thread; key < c.keys; key += 128) {
    p[key] = highest == -INFINITY || p[key] == -INFINITY ? 0 : exp(p[key] - highest);
    total += p[key];
  }
  total = reduce(total, [](double a, double b) { return a + b; });
  __syncthreads();
  for (int n = thread; n < d; n += 128) {
    double sum = 0;
    for (int key = 0; key < c.keys; ++key) {
      if (p[key] != 0) sum += p[key] * static_cast<double>(__bfloat162float(v[(kv + key) * d + n]));
    }
    out[blockIdx.x * std::int64_t{d + 1} + n] = total == 0 ? 0 : sum / total;
  }
  if (thread == 0) out[blockIdx.x * std::int64_t{d + 1} + d] = total == 0 ? -INFINITY : highest + log(total);
}

Strided view_of(void* data, int heads, int rows, int width, DType dtype = DType::bf16) {
  return {data, dtype, heads, rows, width, std::int64_t{heads} * rows * width, std::int64_t{rows} * width, width};
}

decltype(&cuTensorMapEncodeTiled) encode_tiled() {
  void* found = nullptr;
  cudaDriverEntryPointQueryResult result{};
  check(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &found, 12000, cudaEnableDefault, &result),
        "cuTensorMapEncodeTiled");
  if (result != cudaDriverEntryPointSuccess) throw std::runtime_error("the driver has no cuTensorMapEncodeTiled");
  return reinterpret_cast<decltype(&cuTensorMapEncodeTiled)>(found);
}

template <int kRank>
CUtensorMap map_of(void* data, const cuuint64_t (&sizes)[kRank], const std::int64_t (&strides)[kRank - 1],
                   const cuuint32_t (&box)[kRank]) {
  static const auto encode = encode_tiled();
  cuuint64_t bytes[kRank - 1];
  cuuint32_t steps[kRank];
  for (int n = 0; n < kRank; ++n) steps[n] = 1;
  for (int n = 0; n + 1 < kRank; ++n) bytes[n] = static_cast<cuuint64_t>(strides[n]) * 2;
  CUtensorMap map;
  const auto result = encode(&map, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, kRank, data, sizes, bytes, box, steps,
                             CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
                             CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (result != CUDA_SUCCESS) throw std::runtime_error("cuTensorMapEncodeTiled: error " + std::to_string(result));
  return map;
}
CUtensorMap keys_map(const Strided& view, int batch, int keys) {
  return map_of<4>(view.data,
                   {cuuint64_t(view.width), cuuint64_t(view.rows), cuuint64_t(view.heads), cuuint64_t(batch)},
                   {view.row_stride, view.head_stride, view.batch_stride}, {64, cuuint32_t(keys), 1, 1});
}
CUtensorMap rows_map(const Strided& view, int batch, int group) {
  return map_of<5>(view.data,
                   {cuuint64_t(view.width), cuuint64_t(group), cuuint64_t(view.rows), cuuint64_t(view.heads / group),
                    cuuint64_t(batch)},
                   // That of a single head does not matter; each stride is then a multiple of the one before.
                   {group > 1 ? view.head_stride : view.row_stride, view.row_stride, view.head_stride * group,
                    view.batch_stride},
                   {64, cuuint32_t(group), cuuint32_t(64 / group), 1, 1});
}

/// Tensors of a call and its maps.
struct Set {
  Array q, k, v, o;
  SoftmaxCall call;
  CUtensorMap q_map, k_map, v_map, o_map;
  std::string without_rows;  ///< why there is no map of rows

  Set(const Case& c, int tile_keys, std::uint64_t seed)
      : q(count(c.batch, c.q_heads, c.queries, c.head_dim) * 2),
        k(count(c.batch, c.kv_heads, c.keys, c.head_dim) * 2),
        v(count(c.batch, c.kv_heads, c.keys, c.head_dim) * 2),
        o(count(c.batch, c.q_heads, c.queries, c.head_dim) * 2) {
    fill<<<1024, 256>>>(q.as<__nv_bfloat16>(), static_cast<std::int64_t>(count(c.batch, c.q_heads, c.queries, c.head_dim)), seed + 1);
    fill<<<1024, 256>>>(k.as<__nv_bfloat16>(), static_cast<std::int64_t>(count(c.batch, c.kv_heads, c.keys, c.head_dim)), seed + 2);
    fill<<<1024, 256>>>(v.as<__nv_bfloat16>(), static_cast<std::int64_t>(count(c.batch, c.kv_heads, c.keys, c.head_dim)), seed + 3);
    check(cudaGetLastError(), "fill");
    call.q = view_of(q.data, c.q_heads, c.queries, c.head_dim);
    call.k = view_of(k.data, c.kv_heads, c.keys, c.head_dim);
    call.v = view_of(v.data, c.kv_heads, c.keys, c.head_dim);
    call.o = view_of(o.data, c.q_heads, c.queries, c.head_dim);
    const int group = c.q_heads / c.kv_heads;
    try {
      if (64 % group == 0) {
        q_map = rows_map(call.q, c.batch, group);
        o_map = rows_map(call.o, c.batch, group);
      }
    } catch (const std::exception& error) {
      without_rows = error.what();
    }
    k_map = keys_map(call.k, c.batch, tile_keys);
    v_map = keys_map(call.v, c.batch, tile_keys);
  }
  static std::size_t count(int a, int b, int c, int d) { return std::size_t(a) * b * c * d; }
};

/// How a case is computed: a form, the blocks that its work list is for, and who merges.
struct Variant {
  std::string name;
  int head_dim = 0;
  Blocks blocks;
  bool merge_apart = false;
  bool sorted = true;
  std::function<cudaError_t(const Set&, const SoftmaxCall&, cudaStream_t)> launch;
};

struct Plan {
  Plan(const Case& c, const Variant& variant)
      : list(make_work_list(problem_of(c), c.keys, variant.blocks)),
        items(list.items.size() * sizeof(WorkItem)),
        values(std::size_t(list.parts) * c.kv_heads * variant.blocks.rows * c.head_dim * 4),
        sums(std::size_t(list.parts) * c.kv_heads * variant.blocks.rows * 8),
        arrived(std::size_t(list.units) * c.kv_heads * 4),
        split(list.items.size() * sizeof(WorkItem)) {
    if (!variant.sorted)
      std::stable_sort(list.items.begin(), list.items.end(),
                       [&](const WorkItem& a, const WorkItem& b) {
                         return c.kind == MechanismKind::block_sparse ? a.begin < b.begin : a.unit < b.unit;
                       });
    std::vector<WorkItem> units;
    for (const auto& item : list.items) {
      if (item.parts < 2 || item.part != 0) continue;
      units.push_back(item);
      split_rows = std::max(split_rows, item.end_row - item.first_row);
    }
    split_count = static_cast<int>(units.size());
    check(cudaMemcpy(items.data, list.items.data(), list.items.size() * sizeof(WorkItem), cudaMemcpyHostToDevice), "items");
    check(cudaMemcpy(split.data, units.data(), units.size() * sizeof(WorkItem), cudaMemcpyHostToDevice), "units");
    check(cudaMemset(arrived.data, 0, std::size_t(list.units) * c.kv_heads * 4), "cudaMemset");
    check(cudaMemset(values.data, 0xff, std::size_t(list.parts) * c.kv_heads * variant.blocks.rows * c.head_dim * 4), "cudaMemset");
  }

  void enqueue(const Case& c, const Variant& variant, const Set& set, cudaStream_t stream, float* lse = nullptr) const {
    auto call = set.call;
    if (lse != nullptr) call.lse = view_of(lse, c.q_heads, c.queries, 1, DType::f32);
    const auto problem = problem_of(c);
    call.items = items.as<WorkItem>();
    call.item_count = static_cast<std::int32_t>(list.items.size());
    call.kv_heads = c.kv_heads;
    call.group = c.q_heads / c.kv_heads;
    call.mask = mask_of(problem.mechanism);
    call.scale = static_cast<float>(problem.shape.softmax_scale);
    call.part_values = values.as<float>();
    call.part_sums = sums.as<float2>();
    call.arrived = variant.merge_apart ? nullptr : arrived.as<std::int32_t>();
    check(variant.launch(set, call, stream), "launch");
    if (variant.merge_apart && split_count > 0)
      check(launch_merge_bf16(call, split.as<WorkItem>(), split_count, split_rows, variant.blocks.rows, stream), "merge");
  }

  WorkList list;
  Array items, values, sums, arrived, split;
  int split_count = 0, split_rows = 0;
};

/// Why the results differ from the reference; empty where they do not.
std::string difference(const Case& c, const Variant& variant, bool every_row) {
  const Set set(c, variant.blocks.tile_keys, 77);
  const Plan plan(c, variant);
  const std::int64_t rows_in_all = std::int64_t{c.batch} * c.q_heads * c.queries;
  std::vector<std::int64_t> rows;
  const std::int64_t wanted = every_row ? rows_in_all : std::min<std::int64_t>(rows_in_all, c.keys > 50000 ? 96 : 384);
  for (std::int64_t n = 0; n < wanted; ++n)
    rows.push_back(every_row ? n : (n * (rows_in_all / wanted) + n * 37 % 191) % rows_in_all);
  rows.back() = rows_in_all - 1;
  const Array device_rows(rows.size() * 8), scratch(rows.size() * c.keys * 8), expected(rows.size() * (c.head_dim + 1) * 8);
  const Array lse(static_cast<std::size_t>(rows_in_all) * 4);
  check(cudaMemcpy(device_rows.data, rows.data(), rows.size() * 8, cudaMemcpyHostToDevice), "rows");
  reference<<<static_cast<unsigned>(rows.size()), 128>>>(c, set.q.as<__nv_bfloat16>(), set.k.as<__nv_bfloat16>(),
                                                       set.v.as<__nv_bfloat16>(), device_rows.as<std::int64_t>(),
                                                       scratch.as<double>(), expected.as<double>(),
                                                       problem_of(c).shape.softmax_scale);
  check(cudaGetLastError(), "reference");
  std::vector<double> right(rows.size() * (c.head_dim + 1));
  check(cudaMemcpy(right.data(), expected.data, right.size() * 8, cudaMemcpyDeviceToHost), "reference");
  const auto elements = static_cast<std::size_t>(rows_in_all * c.head_dim);
  std::vector<std::uint16_t> out(elements);
  std::vector<float> sums(static_cast<std::size_t>(rows_in_all));
  for (int round = 0; round < 3; ++round) {  // a race need not show at once
    check(cudaMemset(set.o.data, 0xff, elements * 2), "cudaMemset");
    check(cudaMemset(lse.data, 0xff, sums.size() * 4), "cudaMemset");
    plan.enqueue(c, variant, set, nullptr, lse.as<float>());
    check(cudaDeviceSynchronize(), "the kernel");
    check(cudaMemcpy(out.data(), set.o.data, elements * 2, cudaMemcpyDeviceToHost), "results");
    check(cudaMemcpy(sums.data(), lse.data, sums.size() * 4, cudaMemcpyDeviceToHost), "results");
    double squares = 0, off = 0, worst = 0;
    for (std::size_t n = 0; n < rows.size(); ++n) {
      const auto row = static_cast<std::size_t>(rows[n]);
      const double* expect = &right[n * (c.head_dim + 1)];
      const auto where = " of batch " + std::to_string(rows[n] / c.queries / c.q_heads) + " head " +
                         std::to_string(rows[n] / c.queries % c.q_heads) + " query " + std::to_string(rows[n] % c.queries);
      for (int d = 0; d < c.head_dim; ++d) {
        const double got = static_cast<float>(bf16_t::from_bits(out[row * c.head_dim + d]));
        if (!std::isfinite(got)) return "not finite: column " + std::to_string(d) + where;
        squares += expect[d] * expect[d];
        off += (got - expect[d]) * (got - expect[d]);
        worst = std::max(worst, std::fabs(got - expect[d]) - 0.008 * std::fabs(expect[d]));
      }
      const double got = sums[row], want = expect[c.head_dim];
      if (std::isinf(want) ? got != want : !(std::fabs(got - want) <= 1e-3))
        return "log-sum-exp " + std::to_string(got) + " for " + std::to_string(want) + where;
    }
    const double scale = std::sqrt(squares / static_cast<double>(rows.size() * c.head_dim));
    if (off > squares * 25e-6 || worst > 0.03 * std::max(scale, 1e-3)) {
      char text[120];
      std::snprintf(text, sizeof text, "off by %.1e of its size in all, at most by %.1e (size %.1e), round %d",
                    std::sqrt(off / std::max(squares, 1e-30)), worst, scale, round);
      return text;
    }
  }
  return "";
}

/// Median seconds of a call.
double seconds_of(const Case& c, const Variant& variant, const Plan& plan, const std::vector<Set*>& sets, cudaStream_t stream) {
  const auto calls = std::max<std::size_t>(sets.size(), 24 / sets.size() * sets.size());
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed), "capture");
  for (std::size_t n = 0; n < calls; ++n) plan.enqueue(c, variant, *sets[n % sets.size()], stream);
  check(cudaStreamEndCapture(stream, &graph), "capture");
  check(cudaGraphInstantiate(&executable, graph, 0), "instantiate");
  cudaEvent_t start, stop;
  check(cudaEventCreate(&start), "event");
  check(cudaEventCreate(&stop), "event");
  const auto timed = [&](int replays) {
    check(cudaEventRecord(start, stream), "record");
    for (int n = 0; n < replays; ++n) check(cudaGraphLaunch(executable, stream), "graph");
    check(cudaEventRecord(stop, stream), "record");
    check(cudaEventSynchronize(stop), "the kernel, timed");
    float ms = 0;
    check(cudaEventElapsedTime(&ms, start, stop), "elapsed");
    return static_cast<double>(ms) * 1e-3 / replays / static_cast<double>(calls);
  };
  timed(2);
  const double once = timed(1);
  const int replays = std::clamp(static_cast<int>(6e-3 / (once * static_cast<double>(calls))), 1, 60);
  std::vector<double> times;
  for (int n = 0; n < 9; ++n) times.push_back(timed(replays));
  std::nth_element(times.begin(), times.begin() + 4, times.end());
  cudaEventDestroy(start);
  cudaEventDestroy(stop);
  cudaGraphExecDestroy(executable);
  cudaGraphDestroy(graph);
  return times[4];
}

/// Multiply-adds times 2 of what the mask shows, by the masks of all rows of a head.
double useful_flops(const Case& c) {
  const auto mask = mask_of(problem_of(c).mechanism);
  double pairs = 0;
  for (int query = 0; query < c.queries; ++query) {
    const auto seen = mask.seen(query + c.keys - c.queries, c.keys);
    pairs += seen.globals + seen.end - seen.begin;
  }
  return pairs * 4 * c.head_dim * c.q_heads * c.batch;
}

std::vector<Variant> variants_of(const Case& c, std::int32_t multiprocessors) {
  std::vector<Variant> all;
  const int rows = c.queries * (c.q_heads / c.kv_heads);
  const auto add_mma = [&](const MmaEntry& form, const std::string& suffix, int divisor, int least, bool apart) {
    Variant v;
    v.name = form.name + suffix;
    v.head_dim = form.head_dim;
    const auto each = std::max(form.blocks(), 1);
    v.blocks = {16 * form.row_warps, std::max(multiprocessors * each / divisor, 1), least};
    v.merge_apart = apart;
    v.launch = [launch = form.launch](const Set&, const SoftmaxCall& call, cudaStream_t stream) { return launch(call, stream); };
    all.push_back(v);
  };
  const int kept = rows <= 16 ? 1 : rows <= 32 ? 2 : 4;
  for (const auto& form : mma_forms()) {
    if (form.head_dim != c.head_dim) continue;
    const std::string name = form.name;
    if (c.decode()) {
      if (form.row_warps < kept || (form.row_warps == 4 && kept < 4)) continue;
      const bool plain = form.key_warps == 1;
      add_mma(form, "", 1, 1, false);
      add_mma(form, "-apart", 1, 1, true);
      if (!plain && c.keys <= 8192) {
        add_mma(form, "-half", 2, 1, false);
        add_mma(form, "-quarter", 4, 1, false);
        add_mma(form, "-half-apart", 2, 1, true);
      }
    } else if (name == "m4x1") {
      add_mma(form, "", 1, 16, false);
      if (c.kind == MechanismKind::block_sparse) add_mma(form, "-apart", 1, 16, true);
    }
  }
  if (!c.decode()) {
    Variant v;
    v.name = "wide";
    v.head_dim = c.head_dim;
    v.blocks = {kWideRows, multiprocessors, 1, kWideTileKeys, false};
    v.launch = [](const Set& set, const SoftmaxCall& call, cudaStream_t stream) {
      return launch_wide_of(call, set.k_map, set.v_map, stream);
    };
    all.push_back(v);
  }
  for (const auto& form : persistent_forms()) {
    if (form.head_dim != c.head_dim || 64 % (c.q_heads / c.kv_heads) != 0 || (c.decode() && form.rows != 64)) continue;
    const auto add = [&](const char* suffix, bool sorted, std::int32_t grid) {
      Variant v;
      v.name = std::string(form.name) + suffix;
      v.head_dim = form.head_dim;
      v.blocks = {form.rows, multiprocessors * form.blocks, c.decode() ? 1 : 16, form.keys};
      v.merge_apart = true;
      v.sorted = sorted;
      v.launch = [launch = form.launch, grid](const Set& set, const SoftmaxCall& call, cudaStream_t stream) {
        if (!set.without_rows.empty()) throw std::runtime_error(set.without_rows);
        return launch(call, set.q_map, set.k_map, set.v_map, set.o_map, grid, stream);
      };
      all.push_back(v);
    };
    add("", true, multiprocessors);
    // Blocks in order: the global query's parts beside the units that read the same keys.
    if ((c.causal && !c.decode()) || c.kind == MechanismKind::block_sparse) add("-inorder", false, multiprocessors);
    if (!c.decode()) add("-once", true, 1 << 20);  // a thread block for each item: what staying brings
  }
  return all;
}

int run(const std::vector<std::string>& arguments) {
  std::string wanted, shape, json;
  bool list = false, verify_only = false;
  for (std::size_t n = 0; n < arguments.size(); ++n) {
    const auto& a = arguments[n];
    const auto value = [&] {
      if (n + 1 == arguments.size()) throw std::runtime_error(a + " wants a value");
      return arguments[++n];
    };
    if (a == "--variant") wanted = value();
    else if (a == "--shape") shape = value();
    else if (a == "--json") json = value();
    else if (a == "--list") list = true;
    else if (a == "--verify-only") verify_only = true;
    else throw std::runtime_error("unknown option " + a);
  }
  if (list) {
    for (const auto& c : kCases) {
      if (c.timed) std::printf("%s\n", c.name);
    }
    return 0;
  }
  int count = 0;
  if (const auto error = cudaGetDeviceCount(&count); error != cudaSuccess || count == 0) {
    std::fprintf(stderr, "no device: %s\n", cudaGetErrorString(error));
    return 3;
  }
  std::int32_t multiprocessors = 0;
  check(cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, 0), "cudaDeviceGetAttribute");
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreate");
  std::FILE* lines = json.empty() ? nullptr : std::fopen(json.c_str(), "a");
  const auto matches = [](const std::string& name, const std::string& part) { return name.find(part) != std::string::npos; };
  int failed = 0;
  for (const auto& c : kCases) {
    if (!matches(c.name, shape) || (verify_only && c.timed)) continue;
    for (const int head_dim : c.head_dim > 0 ? std::vector{c.head_dim} : std::vector{64, 128}) {
      auto at = c;
      at.head_dim = head_dim;
      if (!c.timed && !verify_only) continue;
      std::vector<Set*> sets;
      int tile_keys = 0;
      for (const auto& variant : variants_of(at, multiprocessors)) {
        // A leading '=' asks for that name alone.
        if (wanted.starts_with('=') ? variant.name != wanted.substr(1) : !matches(variant.name, wanted)) continue;
        std::string wrong;
        try {
          wrong = difference(at, variant, !at.timed);
        } catch (const std::exception& error) {
          wrong = error.what();
        }
        if (!wrong.empty() || !at.timed) {
          std::printf("%-28s D%-4d %-20s %s\n", c.name, head_dim, variant.name.c_str(), wrong.empty() ? "ok" : ("WRONG: " + wrong).c_str());
          std::fflush(stdout);
          failed += !wrong.empty();
          continue;
        }
        if (tile_keys != variant.blocks.tile_keys) {
          for (auto* set : sets) delete set;
          sets.clear();
          tile_keys = variant.blocks.tile_keys;
          const double bytes = 4.0 * at.head_dim * at.batch * (double{1} * at.q_heads * at.queries + double{1} * at.kv_heads * at.keys);
          const int number = std::clamp(static_cast<int>(268435456.0 / bytes) + 1, 2, 24);
          for (int n = 0; n < number; ++n) sets.push_back(new Set(at, tile_keys, 100 + 4 * static_cast<std::uint64_t>(n)));
          check(cudaDeviceSynchronize(), "fill");
        }
        const Plan plan(at, variant);
        const double hot = seconds_of(at, variant, plan, {sets[0]}, stream);
        const double rotated = seconds_of(at, variant, plan, sets, stream);
        std::printf("%-28s D%-4d %-20s %9.2f us hot %9.2f us rotated %7.1f TFLOP/s  items %zu parts %d\n", c.name, head_dim,
                    variant.name.c_str(), hot * 1e6, rotated * 1e6, useful_flops(at) / rotated * 1e-12,
                    plan.list.items.size(), plan.list.parts);
        std::fflush(stdout);
        if (lines != nullptr) {
          std::fprintf(lines, "{\"shape\": \"%s\", \"head_dim\": %d, \"variant\": \"%s\", \"hot_us\": %.3f, \"rotated_us\": %.3f}\n",
                       c.name, head_dim, variant.name.c_str(), hot * 1e6, rotated * 1e6);
          std::fflush(lines);
        }
      }
      for (auto* set : sets) delete set;
    }
  }
  if (lines != nullptr) std::fclose(lines);
  return failed > 0 ? 1 : 0;
}

}  // namespace
}  // namespace attnbench::cuda

int main(int argc, char** argv) {
  try {
    return attnbench::cuda::run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_cuda_variants: %s\n", error.what());
    return 2;
  }
}
