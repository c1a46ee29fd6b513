#include "engines/cpu/fused/linear/driver.h"

#include <cstring>

namespace attnbench::cpu::linear {
namespace {

std::int64_t round_up(std::int64_t value, std::int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

Geometry geometry(const Shape& s, const Ops& ops, std::int64_t chunk) {
  const auto features = round_up(s.head_dim_qk, ops.multiple);
  return {.head_dim_qk = s.head_dim_qk,
          .head_dim_v = s.head_dim_v,
          .features = features,
          .columns = round_up(s.head_dim_v, ops.multiple),
          .chunk = chunk,
          .row_cells = round_up((features + chunk) / ops.per_cell, 16)};
}

}  // namespace

int useful_threads(const Problem& problem, const CpuDevice& device) {
  // A fork and join takes some microseconds; this many FLOPs take a core about ten.
  constexpr double kFlopsWorthAThread = 1e6;
  const auto wanted = work(problem).useful_flops / kFlopsWorthAThread;
  return static_cast<int>(std::clamp(wanted, 1.0, static_cast<double>(device.threads)));
}

Driver::Driver(const Problem& problem, const CpuDevice& device, const Ops& ops, std::int64_t chunk)
    : s_(problem.shape),
      ops_(ops),
      eps_(static_cast<float>(problem.mechanism.eps)),
      threads_(useful_threads(problem, device)),
      g_(geometry(problem.shape, ops, chunk)),
      kv_heads_(problem.mechanism.num_kv_heads) {
  const auto cells = [&](std::int64_t count) {
    return ThreadParts(workspace_, threads_, count * static_cast<std::int64_t>(sizeof(Cell)));
  };
  key_rows_ = cells(ops.key_rows * g_.row_cells);
  keys_ = cells(ops.key_block / ops.per_cell * g_.features);
  transposed_ = cells(round_up(g_.features / ops.per_cell, 16) * chunk);
  values_ = cells(ops.key_block / ops.per_cell * g_.columns);
  operand_ = cells((g_.features + chunk) / ops.per_cell * g_.columns);
  normaliser_ = cells(std::max(2 * g_.row_cells, g_.features * ops.normaliser_floats / ops.per_cell));
  rows_ = cells(std::max(kBlock, chunk) * g_.row_cells);
  local_ = ThreadParts(workspace_, threads_, state_bytes());
}

void Driver::allocate() {
  workspace_.allocate();
  // Padding of packed rows is multiplied with zeros, so it has to be finite.
  std::memset(workspace_.at<char>(0), 0, static_cast<std::size_t>(workspace_.bytes()));
}

std::int64_t Driver::keys(const Tensors& t, std::int64_t batch) const {
  const auto given = t[Role::k].sizes[2];
  return s_.seqlens_kv.empty() ? given : std::min(given, s_.seqlens_kv[static_cast<std::size_t>(batch)]);
}

InputRows Driver::rows(const TensorView& view, std::int64_t batch, std::int64_t head, Span positions) const {
  return {view.row<char>(0, 0, 0) +
              (batch * view.strides[0] + head * view.strides[1] + positions.begin * view.strides[2]) *
                  ops_.element_bytes,
          view.strides[2], positions.end - positions.begin};
}

OutputRows Driver::output(const Tensors& t, std::int64_t batch, std::int64_t q_head, Span queries) const {
  const auto in = rows(t[Role::o], batch, q_head, queries);
  return {const_cast<void*>(in.data), in.stride, in.count};
}

Scratch Driver::scratch(int thread) const {
  const auto part = [&](const ThreadParts& parts) { return parts.at<Cell>(workspace_, thread); };
  return {.key_rows = part(key_rows_),
          .keys = part(keys_),
          .transposed = part(transposed_),
          .values = part(values_),
          .operand = part(operand_),
          .normaliser = part(normaliser_),
          .rows = part(rows_)};
}

void Driver::clear(const State& state) const {
  std::fill(state.s, state.s + g_.features * g_.columns, 0.0f);
  std::fill(state.z, state.z + g_.features * ops_.normaliser_floats, 0.0f);
}

void Driver::add(const State& from, const State& to) const {
  for (std::int64_t n = 0; n < g_.features * g_.columns; ++n) to.s[n] += from.s[n];
  for (std::int64_t n = 0; n < g_.features * ops_.normaliser_floats; ++n) to.z[n] += from.z[n];
}

void Driver::sum_keys(const Tensors& t, const Head& head, Span positions, const State& state,
                      const Scratch& w) const {
  auto unmasked = g_;
  unmasked.chunk = 0;
  for (auto j = positions.begin; j < positions.end; j += ops_.key_block) {
    const Span block{j, std::min(j + ops_.key_block, positions.end)};
    ops_.pack_keys(unmasked, rows(t[Role::k], head.batch, head.kv, block), w);
    const auto values =
        ops_.pack_values(unmasked, rows(t[Role::v], head.batch, head.kv, block), true, w.values);
    ops_.update_state(unmasked, block.end - block.begin, values, state, false, w);
  }
}

void Driver::write_zeros(const Tensors& t, std::int64_t batch, std::int64_t q_head, Span queries) const {
  const auto o = output(t, batch, q_head, queries);
  for (std::int64_t i = 0; i < o.count; ++i) {
    std::memset(static_cast<char*>(o.data) + i * o.stride * ops_.element_bytes, 0,
                static_cast<std::size_t>(s_.head_dim_v * ops_.element_bytes));
  }
}

}  // namespace attnbench::cpu::linear
