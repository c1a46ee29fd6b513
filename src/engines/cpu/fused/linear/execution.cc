// A head is cut into no more parts than give each thread the same: every part costs a state of its own
// (16 KiB at D = 64), written, read by another thread and added. With one part a thread of every head, 16
// threads of a Xeon took 0.8 to 1.0 ms for causal_linear in f32 with 8 heads, at N = 128 as at N = 1024; what
// the coarser cut takes there has not been measured yet.
#include "engines/cpu/fused/linear/execution.h"

#include <numeric>

#include "core/parallel.h"
#include "engines/cpu/fused/linear/driver.h"

namespace attnbench::cpu::linear {
namespace {

/// Parts of each of `heads` sequences that let `threads` share them evenly, none shorter than a block.
std::int64_t even_parts(const Shape& shape, std::int64_t heads, std::int64_t threads) {
  if (heads == 0) return 1;
  const auto longest = std::max<std::int64_t>(1, shape.seqlen_kv / kBlock);
  // Heads of unequal lengths: each thread gets a part of each.
  const auto even = shape.seqlens_kv.empty() ? threads / std::gcd(heads, threads) : threads;
  return std::min(even, longest);
}

class Linear final : public Driver {
 public:
  Linear(const Problem& problem, const CpuDevice& device, const Ops& ops)
      : Driver(problem, device, ops, 0), parts_(even_parts(s_, heads(), threads_)) {
    reserve_states(parts_ * heads());
  }

  void call(const Tensors& t) override {
    parallel_for(threads_, parts_ * heads(), [&](std::int64_t begin, std::int64_t end, int thread) {
      const Entered entered(ops_);
      const auto w = scratch(thread);
      for (auto item = begin; item < end; ++item) {
        const auto kv = head(item % heads());
        const auto state = partial_state(item);
        clear(state);
        sum_keys(t, kv, Span{0, keys(t, kv.batch)}.part(item / heads(), parts_), state, w);
      }
    });
    const auto blocks = (s_.seqlen_q + kBlock - 1) / kBlock;
    const auto blocks_per_state = blocks * group();
    parallel_for(threads_, heads() * blocks_per_state, [&](std::int64_t begin, std::int64_t end, int thread) {
      const Entered entered(ops_);
      std::int64_t ready = -1;
      for (auto item = begin; item < end; ++item) {
        const auto state_index = item / blocks_per_state;
        if (state_index != ready) emit_sum(state_index, thread);
        ready = state_index;
        const auto first = item % blocks * kBlock;
        const auto q_head = head(state_index).kv * group() + item % blocks_per_state / blocks;
        apply(t, head(state_index).batch, q_head, {first, std::min(first + kBlock, s_.seqlen_q)},
              scratch(thread));
      }
    });
  }

 private:
  void emit_sum(std::int64_t head_item, int thread) const {
    if (parts_ == 1) return ops_.emit_state(g_, partial_state(head_item), scratch(thread));
    const auto state = local_state(thread);
    clear(state);
    for (std::int64_t part = 0; part < parts_; ++part) add(partial_state(part * heads() + head_item), state);
    ops_.emit_state(g_, state, scratch(thread));
  }

  void apply(const Tensors& t, std::int64_t batch, std::int64_t q_head, Span queries,
             const Scratch& w) const {
    const auto blind = std::clamp(s_.seqlen_q - keys(t, batch), queries.begin, queries.end);
    write_zeros(t, batch, q_head, {queries.begin, blind});
    if (blind == queries.end) return;
    const Span seeing{blind, queries.end};
    ops_.pack_queries(g_, rows(t[Role::q], batch, q_head, seeing), w);
    ops_.attend(g_, eps_, output(t, batch, q_head, seeing), w);
  }

  const std::int64_t parts_;  ///< of each head's keys
};

class CausalLinear final : public Driver {
 public:
  CausalLinear(const Problem& problem, const CpuDevice& device, const Ops& ops)
      : Driver(problem, device, ops, ops.causal_chunk),
        // Heads of unequal lengths are all cut, so that each thread gets a part of each.
        whole_(s_.seqlens_kv.empty() ? heads() / threads_ * threads_ : 0),
        segments_(even_parts(s_, heads() - whole_, threads_)),
        // Two segments: the first one's state alone would leave half of the threads idle.
        pieces_(segments_ == 2 ? 2 : 1) {
    reserve_states((heads() - whole_) * parts());
  }

  void call(const Tensors& t) override {
    parallel_for(threads_, whole_, [&](std::int64_t begin, std::int64_t end, int thread) {
      const Entered entered(ops_);
      for (auto item = begin; item < end; ++item) {
        const auto kv = head(item);
        const auto state = local_state(thread);
        clear(state);
        sum_keys(t, kv, before(t, kv), state, scratch(thread));
        write_blind_rows(t, kv);
        run(t, kv, during(t, kv), state, scratch(thread));
      }
    });
    const auto cut = heads() - whole_;
    if (cut == 0) return;
    sum_parts(t, 0, segments_);
    sum_parts(t, segments_, parts());
    parallel_for(threads_, cut * segments_, [&](std::int64_t begin, std::int64_t end, int thread) {
      const Entered entered(ops_);
      for (auto item = begin; item < end; ++item) {
        const auto kv = head(whole_ + item % cut);
        const auto segment = item / cut;
        if (segment == 0) write_blind_rows(t, kv);
        const auto state = local_state(thread);
        clear(state);
        for (std::int64_t part = 0; part < segments_ + segment * pieces_; ++part) {
          add(partial_state(part * cut + item % cut), state);
        }
        run(t, kv, during(t, kv).part(segment, segments_), state, scratch(thread));
      }
    });
  }

 private:
  /// Parts of a cut head whose states are summed first: the keys before all queries, in as many parts as
  /// there are segments, then all segments of queries but the last, each in pieces.
  std::int64_t parts() const { return segments_ + (segments_ - 1) * pieces_; }

  /// Keys that every query sees, and keys at the positions of queries.
  Span before(const Tensors& t, const Head& kv) const {
    return {0, std::max<std::int64_t>(0, keys(t, kv.batch) - s_.seqlen_q)};
  }
  Span during(const Tensors& t, const Head& kv) const { return {before(t, kv).end, keys(t, kv.batch)}; }

  void sum_parts(const Tensors& t, std::int64_t first, std::int64_t last) {
    const auto cut = heads() - whole_;
    parallel_for(threads_, (last - first) * cut, [&](std::int64_t begin, std::int64_t end, int thread) {
      const Entered entered(ops_);
      for (auto item = begin; item < end; ++item) {
        const auto part = first + item / cut;
        const auto kv = head(whole_ + item % cut);
        const auto state = partial_state(part * cut + item % cut);
        const auto piece = part - segments_;
        const auto positions =
            part < segments_ ? before(t, kv).part(part, segments_)
                             : during(t, kv).part(piece / pieces_, segments_).part(piece % pieces_, pieces_);
        clear(state);
        sum_keys(t, kv, positions, state, scratch(thread));
      }
    });
  }

  void write_blind_rows(const Tensors& t, const Head& kv) const {
    const auto blind = std::max<std::int64_t>(0, s_.seqlen_q - keys(t, kv.batch));
    for (auto q_head = kv.kv * group(); q_head < (kv.kv + 1) * group(); ++q_head) {
      write_zeros(t, kv.batch, q_head, {0, blind});
    }
  }

  /// Queries at `positions`, all query heads of the group; `state` holds the keys before.
  void run(const Tensors& t, const Head& kv, Span positions, const State& state, const Scratch& w) const {
    const auto offset = keys(t, kv.batch) - s_.seqlen_q;
    Cell* chunk_values = w.operand + g_.features / ops_.per_cell * g_.columns;
    if (positions.begin < positions.end) ops_.emit_state(g_, state, w);
    for (auto p = positions.begin; p < positions.end; p += g_.chunk) {
      const Span chunk{p, std::min(p + g_.chunk, positions.end)};
      const auto count = chunk.end - chunk.begin;
      ops_.pack_keys(g_, rows(t[Role::k], kv.batch, kv.kv, chunk), w);
      const auto values = ops_.pack_values(g_, rows(t[Role::v], kv.batch, kv.kv, chunk), false, chunk_values);
      const Span queries{chunk.begin - offset, chunk.end - offset};
      for (auto q_head = kv.kv * group(); q_head < (kv.kv + 1) * group(); ++q_head) {
        ops_.pack_queries(g_, rows(t[Role::q], kv.batch, q_head, queries), w);
        ops_.score(g_, count, w);
        ops_.attend(g_, eps_, output(t, kv.batch, q_head, queries), w);
      }
      if (chunk.end < positions.end) ops_.update_state(g_, count, values, state, true, w);
    }
  }

  const std::int64_t whole_;
  const std::int64_t segments_;  ///< of each head that is cut
  const std::int64_t pieces_;
};

template <typename Form>
std::unique_ptr<HostExecution> allocated(const Problem& problem, const CpuDevice& device, const Ops& ops) {
  auto execution = std::make_unique<Form>(problem, device, ops);
  execution->allocate();
  return execution;
}

bool is_causal(const Problem& problem) { return problem.mechanism.kind == MechanismKind::causal_linear; }

}  // namespace

std::unique_ptr<HostExecution> prepare(const Problem& problem, const CpuDevice& device, const Ops& ops) {
  return is_causal(problem) ? allocated<CausalLinear>(problem, device, ops)
                            : allocated<Linear>(problem, device, ops);
}

std::int64_t workspace_bytes(const Problem& problem, const CpuDevice& device, const Ops& ops) {
  return is_causal(problem) ? CausalLinear(problem, device, ops).workspace_bytes()
                            : Linear(problem, device, ops).workspace_bytes();
}

double executed_flops(const Problem& problem, const Ops& ops) {
  const auto& s = problem.shape;
  const auto state = 2.0 * static_cast<double>(s.head_dim_qk * s.head_dim_v);
  const auto keys = static_cast<double>(s.batch * problem.mechanism.num_kv_heads * s.seqlen_kv);
  const auto queries = static_cast<double>(s.batch * s.num_q_heads * s.seqlen_q);
  double flops = state * (keys + queries);
  if (is_causal(problem)) {
    // About half of each chunk's scores and weights.
    flops += queries * static_cast<double>(ops.causal_chunk * (s.head_dim_qk + s.head_dim_v));
  }
  return flops;
}

}  // namespace attnbench::cpu::linear
