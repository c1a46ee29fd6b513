#pragma once

#include <algorithm>
#include <cstdint>

#include "attnbench/host_kernel.h"
#include "engines/cpu/fused/linear/ops.h"
#include "engines/cpu/workspace.h"

namespace attnbench::cpu::linear {

/// Query rows attended at a time, and what work is cut into: with D = 64 in bf16 the packed chunk (16 KB) and
/// the state (16 KB) share the first-level cache.
inline constexpr std::int64_t kBlock = 64;

/// Part `index` of `parts` nearly equal parts of [begin, end), cut at multiples of kBlock from `begin`.
struct Span {
  std::int64_t begin = 0;
  std::int64_t end = 0;

  Span part(std::int64_t index, std::int64_t parts) const {
    const auto blocks = (end - begin + kBlock - 1) / kBlock;
    const auto cut = [&](std::int64_t i) { return std::min(end, begin + i * blocks / parts * kBlock); };
    return {cut(index), cut(index + 1)};
  }
};

/// The thread computes on `ops` while this lives.
class Entered {
 public:
  explicit Entered(const Ops& ops) : ops_(ops) {
    if (ops_.enter != nullptr) ops_.enter();
  }
  ~Entered() {
    if (ops_.leave != nullptr) ops_.leave();
  }
  Entered(const Entered&) = delete;
  Entered& operator=(const Entered&) = delete;

 private:
  const Ops& ops_;
};

/// What the causal and the non-causal form share: sizes, buffers, and the steps on one head.
class Driver : public HostExecution {
 public:
  void allocate();
  std::int64_t workspace_bytes() const final { return workspace_.bytes(); }

 protected:
  /// `states`: partial states that outlive a thread's step.
  Driver(const Problem& problem, const CpuDevice& device, const Ops& ops, std::int64_t chunk);
  void reserve_states(std::int64_t count) { states_ = workspace_.reserve(count * state_bytes()); }

  std::int64_t kv_heads() const { return kv_heads_; }
  std::int64_t group() const { return s_.num_q_heads / kv_heads_; }
  /// Keys in use of one batch entry in this call.
  std::int64_t keys(const Tensors& t, std::int64_t batch) const;
  /// A kv head of the whole batch.
  struct Head {
    std::int64_t batch, kv;
  };
  Head head(std::int64_t item) const { return {item / kv_heads_, item % kv_heads_}; }
  std::int64_t heads() const { return s_.batch * kv_heads_; }

  InputRows rows(const TensorView& view, std::int64_t batch, std::int64_t head, Span positions) const;
  Scratch scratch(int thread) const;
  State local_state(int thread) const { return state_at(local_.at<float>(workspace_, thread)); }
  State partial_state(std::int64_t index) const {
    return state_at(workspace_.at<float>(states_ + index * state_bytes()));
  }
  void clear(const State& state) const;
  void add(const State& from, const State& to) const;
  /// state += the keys at `positions`.
  void sum_keys(const Tensors& t, const Head& head, Span positions, const State& state,
                const Scratch& w) const;
  /// Rows of queries without any key.
  void write_zeros(const Tensors& t, std::int64_t batch, std::int64_t q_head, Span queries) const;
  OutputRows output(const Tensors& t, std::int64_t batch, std::int64_t q_head, Span queries) const;

  const Shape s_;
  const Ops& ops_;
  const float eps_;
  const int threads_;
  Geometry g_;

 private:
  std::int64_t state_bytes() const {
    return g_.features * (g_.columns + ops_.normaliser_floats) * static_cast<std::int64_t>(sizeof(float));
  }
  State state_at(float* data) const { return {data, data + g_.features * g_.columns}; }

  const std::int64_t kv_heads_;
  Workspace workspace_;
  ThreadParts key_rows_, keys_, transposed_, values_, operand_, normaliser_, rows_, local_;
  std::int64_t states_ = 0;
};

/// One thread, unless the work is worth a fork and join.
int useful_threads(const Problem& problem, const CpuDevice& device);

}  // namespace attnbench::cpu::linear
