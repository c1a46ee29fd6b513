#include "engines/cuda/unfused/elementwise.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <type_traits>

#include "engines/cuda/elements.cuh"

namespace attnbench::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kWarp = 32;

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

/// kAtOnce elements a thread, kLanes threads a row at a time.
template <typename From, typename To, bool kPhi, int kAtOnce>
__global__ void __launch_bounds__(kThreads) copy_rows(Strided from, RowMap map, std::int32_t lanes, To* to) {
  struct alignas(sizeof(From) * kAtOnce) Source {
    From element[kAtOnce];
  };
  struct alignas(sizeof(To) * kAtOnce < 16 ? sizeof(To) * kAtOnce : 16) Target {
    To element[kAtOnce];
  };
  const auto head = static_cast<std::int32_t>(blockIdx.y) % map.heads;
  const auto batch = static_cast<std::int32_t>(blockIdx.y) / map.heads;
  const auto lane = static_cast<std::int32_t>(threadIdx.x) % lanes;
  const auto rows_at_once = kThreads / lanes;
  const auto* source = static_cast<const From*>(from.data) + batch * from.batch_stride;
  auto* target = to + std::int64_t{blockIdx.y} * map.rows * from.width;
  for (auto r = static_cast<std::int32_t>(blockIdx.x) * rows_at_once + static_cast<std::int32_t>(threadIdx.x) / lanes;
       r < map.rows; r += static_cast<std::int32_t>(gridDim.x) * rows_at_once) {
    std::int32_t row, source_head;
    if (map.interleaved > 0) {
      row = r / map.interleaved;
      source_head = head * map.interleaved + r % map.interleaved;
    } else {
      row = r / map.places * map.step + r % map.places + map.offset;
      source_head = head / map.group;
    }
    const bool there = row >= 0 && row < from.rows;
    const auto* row_from = source + source_head * from.head_stride + row * from.row_stride;
    auto* row_to = target + std::int64_t{r} * from.width;
    for (auto c = lane * kAtOnce; c < from.width; c += lanes * kAtOnce) {
      Source in{};
      if (there) in = *reinterpret_cast<const Source*>(row_from + c);
      Target out;
#pragma unroll
      for (int n = 0; n < kAtOnce; ++n) {
        float value = to_float(in.element[n]);
        if (kPhi && there) value = to_float(from_float<From>(phi_of(value)));
        out.element[n] = from_float<To>(value);
      }
      *reinterpret_cast<Target*>(row_to + c) = out;
    }
  }
}

/// The sum or maximum over a block, for all its threads.
template <bool kMaximum>
__device__ float reduce_block(float value) {
  __shared__ float parts[kThreads / kWarp];
  const auto combine = [](float a, float b) { return kMaximum ? fmaxf(a, b) : a + b; };
  for (int lane = kWarp / 2; lane > 0; lane /= 2) {
    value = combine(value, __shfl_xor_sync(0xffffffffu, value, lane));
  }
  __syncthreads();
  if (threadIdx.x % kWarp == 0) parts[threadIdx.x / kWarp] = value;
  __syncthreads();
  value = parts[0];
  for (int n = 1; n < kThreads / kWarp; ++n) value = combine(value, parts[n]);
  return value;
}

/// Columns that a row sees: two ranges.
struct SeenColumns {
  std::int32_t begin[2], end[2];
  __device__ bool has(std::int32_t c) const {
    return (c >= begin[0] && c < end[0]) || (c >= begin[1] && c < end[1]);
  }
};

__device__ SeenColumns seen_columns(const SoftmaxRows& s, std::int32_t position) {
  const auto seen = s.mask.seen(position, s.keys);
  if (s.kind == Columns::keys) return {{0, seen.begin}, {seen.globals, seen.end}};
  if (s.kind == Columns::window) {
    const auto start = s.places_left < 0 ? 0 : position - s.places_left;
    return {{0, seen.begin - start}, {0, seen.end - start}};
  }
  const auto block = s.mask.block;
  if (position < s.mask.globals || position < 0) return {{0, 0}, {0, 0}};  // rows of their own
  const auto start = position / block * block;
  return {{seen.begin - start, s.global_column}, {seen.end - start, s.global_column + seen.globals}};
}

template <typename P>
__global__ void __launch_bounds__(kThreads) softmax_rows(SoftmaxRows s) {
  const auto row = static_cast<std::int32_t>(blockIdx.x);
  const auto head = static_cast<std::int32_t>(blockIdx.y);
  auto* scores = s.scores + (std::int64_t{head} * s.rows + row) * s.row_stride;
  const auto seen = seen_columns(s, s.first_position + row);

  // A negative scale turns the order of scores round.
  const float sign = s.scale < 0 ? -1.0f : 1.0f;
  const float scale = fabsf(s.scale);
  float maximum = -INFINITY;
  for (auto c = static_cast<std::int32_t>(threadIdx.x); c < s.columns; c += kThreads) {
    if (seen.has(c)) maximum = fmaxf(maximum, sign * scores[c]);
  }
  maximum = reduce_block<true>(maximum);
  float sum = 0;
  for (auto c = static_cast<std::int32_t>(threadIdx.x); c < s.columns; c += kThreads) {
    if (seen.has(c)) sum += expf((sign * scores[c] - maximum) * scale);
  }
  sum = reduce_block<false>(sum);
  auto* p = reinterpret_cast<P*>(scores);
  for (std::int32_t first = 0; first < s.columns; first += kThreads) {
    const auto c = first + static_cast<std::int32_t>(threadIdx.x);
    float weight = 0;
    if (c < s.columns && seen.has(c)) weight = expf((sign * scores[c] - maximum) * scale) / sum;
    __syncthreads();  // all that will be overwritten here has been read
    if (c < s.columns) p[c] = from_float<P>(weight);
  }
  const auto query = row + s.first_query;
  if (threadIdx.x != 0 || s.lse.data == nullptr || query < 0 || query >= s.lse.rows) return;
  if (s.kind == Columns::block && s.first_position + row < s.mask.globals) return;
  static_cast<float*>(s.lse.data)[head / s.heads * s.lse.batch_stride + head % s.heads * s.lse.head_stride +
                                  query * s.lse.row_stride] =
      sum > 0 ? maximum * scale + logf(sum) : sum == sum && maximum == -INFINITY ? -INFINITY : sum;
}

template <typename F, typename O>
__global__ void __launch_bounds__(kThreads) finish_rows(FinishRows f) {
  constexpr int kRows = kThreads / kWarp;
  const auto query = std::int64_t{blockIdx.x} * kRows + threadIdx.x / kWarp;
  if (query >= f.o.rows) return;
  const auto lane = static_cast<std::int32_t>(threadIdx.x % kWarp);
  const auto head = static_cast<std::int32_t>(blockIdx.y) % f.o.heads;
  const auto batch = static_cast<std::int32_t>(blockIdx.y) / f.o.heads;
  auto* o = static_cast<O*>(f.o.data) + batch * f.o.batch_stride + head * f.o.head_stride +
            query * f.o.row_stride;
  const auto row = query + f.offset;
  if (row < 0 || query < f.first_seeing) {
    for (auto c = lane; c < f.o.width; c += kWarp) o[c] = from_float<O>(0);
    return;
  }
  const auto heads = f.o.heads / f.interleaved;
  const auto item = (std::int64_t{batch} * heads + head / f.interleaved) * f.rows * f.interleaved +
                    row * f.interleaved + head % f.interleaved;
  float divisor = 1;
  if (f.features != nullptr) {
    const auto* features = static_cast<const F*>(f.features) + item * f.feature_width;
    const auto kv_item = std::int64_t{batch} * (f.o.heads / f.group) + head / f.group;
    const auto* z = f.normalisers + (f.by_row ? kv_item * f.rows + row : kv_item) * f.feature_width;
    float dot = 0;
    for (auto d = lane; d < f.feature_width; d += kWarp) dot += to_float(features[d]) * z[d];
    for (int other = kWarp / 2; other > 0; other /= 2) dot += __shfl_xor_sync(0xffffffffu, dot, other);
    divisor = dot + f.eps;
  }
  const auto* numerators = f.numerators + item * f.o.width;
  for (auto c = lane; c < f.o.width; c += kWarp) o[c] = from_float<O>(numerators[c] / divisor);
}

/// A block for each (row of the state, head): threads are its columns.
template <typename T>
__global__ void prefix_sums(const T* features, Strided v, std::int32_t d, std::int64_t first_row,
                            float* states, float* normalisers) {
  const auto row_of_state = static_cast<std::int32_t>(blockIdx.x);
  const auto head = static_cast<std::int32_t>(blockIdx.y);
  const auto* values = static_cast<const T*>(v.data) + head / v.heads * v.batch_stride +
                       head % v.heads * v.head_stride;
  const auto kept = v.rows - first_row;
  const auto* feature = features + std::int64_t{head} * v.rows * d + row_of_state;
  for (auto e = static_cast<std::int32_t>(threadIdx.x); e < v.width; e += static_cast<std::int32_t>(blockDim.x)) {
    float sum = 0, z = 0;
    for (std::int64_t j = 0; j < v.rows; ++j) {
      const float weight = to_float(feature[j * d]);
      sum += weight * to_float(values[j * v.row_stride + e]);
      z += weight;
      if (j < first_row) continue;
      const auto at = (std::int64_t{head} * kept + j - first_row) * d + row_of_state;
      states[at * v.width + e] = sum;
      if (e == 0) normalisers[at] = z;
    }
  }
}

}  // namespace

cudaError_t launch_copy_rows(const Strided& from, const RowMap& map, void* to, bool phi, DType to_dtype,
                             cudaStream_t stream) {
  if (map.rows == 0) return cudaSuccess;
  return with_type(from.dtype, [&](auto element) {
    using From = decltype(element);
    constexpr int kVector = 16 / sizeof(From);
    const auto aligned = [](std::int64_t count) { return count % kVector == 0; };
    const bool vectors = aligned(from.width) && aligned(from.row_stride) && aligned(from.head_stride) &&
                         aligned(from.batch_stride) && reinterpret_cast<std::uintptr_t>(from.data) % 16 == 0;
    const auto chunks = vectors ? from.width / kVector : from.width;
    std::int32_t lanes = 1;
    while (lanes < chunks && lanes < kWarp) lanes *= 2;
    const dim3 grid(
        static_cast<unsigned>(std::min<std::int64_t>(ceil_div(map.rows, kThreads / lanes), 1 << 16)),
        static_cast<unsigned>(map.batch * map.heads));
    const auto launch = [&](auto* typed, auto with_phi) {
      using To = std::remove_pointer_t<decltype(typed)>;
      constexpr bool kPhi = decltype(with_phi)::value;
      if (vectors) {
        copy_rows<From, To, kPhi, kVector><<<grid, kThreads, 0, stream>>>(from, map, lanes, typed);
      } else {
        copy_rows<From, To, kPhi, 1><<<grid, kThreads, 0, stream>>>(from, map, lanes, typed);
      }
      return cudaGetLastError();
    };
    const auto launch_to = [&](auto* typed) {
      return phi ? launch(typed, std::true_type()) : launch(typed, std::false_type());
    };
    return to_dtype == from.dtype ? launch_to(static_cast<From*>(to)) : launch_to(static_cast<float*>(to));
  });
}

cudaError_t launch_softmax_rows(const SoftmaxRows& s, cudaStream_t stream) {
  const dim3 grid(static_cast<unsigned>(s.rows), static_cast<unsigned>(s.batch * s.heads));
  if (s.rows == 0) return cudaSuccess;
  return with_type(s.p_dtype, [&](auto element) {
    softmax_rows<decltype(element)><<<grid, kThreads, 0, stream>>>(s);
    return cudaGetLastError();
  });
}

template <typename T>
__global__ void fill_ones(T* to, std::int64_t count) {
  const auto at = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (at < count) to[at] = from_float<T>(1);
}

cudaError_t launch_ones(void* to, DType dtype, std::int64_t count, cudaStream_t stream) {
  return with_type(dtype, [&](auto element) {
    using T = decltype(element);
    fill_ones<<<static_cast<unsigned>(ceil_div(count, kThreads)), kThreads, 0, stream>>>(static_cast<T*>(to), count);
    return cudaGetLastError();
  });
}

cudaError_t launch_finish_rows(const FinishRows& f, cudaStream_t stream) {
  const dim3 grid(static_cast<unsigned>(ceil_div(f.o.rows, kThreads / kWarp)),
                  static_cast<unsigned>(f.batch * f.o.heads));
  return with_type(f.o.dtype, [&](auto element) {
    using O = decltype(element);
    if (f.feature_dtype == DType::f32) {
      finish_rows<float, O><<<grid, kThreads, 0, stream>>>(f);
    } else {
      finish_rows<O, O><<<grid, kThreads, 0, stream>>>(f);
    }
    return cudaGetLastError();
  });
}

cudaError_t launch_prefix_sums(const void* features, DType dtype, const Strided& v, std::int64_t batch,
                               std::int32_t d, std::int64_t first_row, float* states, float* normalisers,
                               cudaStream_t stream) {
  const dim3 grid(static_cast<unsigned>(d), static_cast<unsigned>(batch * v.heads));
  const auto threads = static_cast<unsigned>(std::min(kThreads, (v.width + kWarp - 1) / kWarp * kWarp));
  return with_type(dtype, [&](auto element) {
    using T = decltype(element);
    prefix_sums<<<grid, threads, 0, stream>>>(static_cast<const T*>(features), v, d, first_row, states,
                                              normalisers);
    return cudaGetLastError();
  });
}

}  // namespace attnbench::cuda
