#include "run/verification/invariance.h"

#include <cstring>
#include <new>

#include "attnbench/cpu_device.h"
#include "core/buffer.h"
#include "core/each_row.h"
#include "run/bound_call.h"

namespace attnbench {
namespace {

/// An output of its own with the sizes and dtype of `like`.
struct Output {
  explicit Output(const TensorView& like)
      : memory(like.elements() * size_bytes(like.dtype)),
        view(dense_view(memory.data(), like.dtype, Layout::bhsd, like.sizes[0], like.sizes[1], like.sizes[2],
                        like.sizes[3])) {}
  Buffer memory;
  TensorView view;
};

/// The part [begin, begin + count) of one dimension.
TensorView part(TensorView view, std::size_t dimension, std::int64_t begin, std::int64_t count) {
  if (!view) return view;
  view.data = static_cast<char*>(view.data) + begin * view.strides[dimension] * size_bytes(view.dtype);
  view.sizes[dimension] = count;
  return view;
}

/// `count` copies of a view's last batch entry, all the same memory.
TensorView repeat_last_entry(const TensorView& view, std::int64_t count) {
  if (!view) return view;
  auto repeated = part(view, 0, view.sizes[0] - 1, 1);
  repeated.sizes[0] = count;
  repeated.strides[0] = 0;
  return repeated;
}

/// False where the kernel does not compute the problem or its workspace, which a larger batch makes larger,
/// does not fit.
bool run(const KernelInfo& kernel, const Problem& problem, const Device& device, const Tensors& tensors) {
  if (!kernel.supports(problem, device)) return false;
  const auto queue = device.make_queue();
  try {
    const auto execution = kernel.prepare(problem, device);
    BoundCall call(*execution, problem, tensors, *queue);
    call.poison_outputs();
    call.run();
    call.read_outputs();
  } catch (const std::bad_alloc&) {
    return false;
  }
  return true;
}

}  // namespace

bool same_output(const TensorView& a, const TensorView& b) {
  const auto bytes = static_cast<std::size_t>(a.sizes[3] * size_bytes(a.dtype));
  return !any_row(a, [&](auto n, auto h, auto i) {
    return std::memcmp(a.row_bytes(n, h, i), b.row_bytes(n, h, i), bytes) != 0;
  });
}

std::optional<bool> unchanged_alone(const KernelInfo& kernel, const Problem& problem, const Device& device,
                                    const Tensors& tensors) {
  if (problem.scope == Scope::layer) return std::nullopt;
  const auto entry = problem.shape.batch - 1;
  const auto query = problem.shape.seqlen_q - 1;
  auto alone = problem;
  alone.shape.batch = 1;
  alone.shape.seqlen_q = 1;
  alone.phase = alone.shape.seqlen_kv == 1 ? Phase::prefill : Phase::decode;
  if (!alone.shape.seqlens_kv.empty()) alone.shape.seqlens_kv = {problem.shape.seqlens_kv.back()};
  Tensors t;
  t[Role::q] = part(part(tensors[Role::q], 0, entry, 1), 2, query, 1);
  t[Role::k] = part(tensors[Role::k], 0, entry, 1);
  t[Role::v] = part(tensors[Role::v], 0, entry, 1);
  const auto before = part(part(tensors[Role::o], 0, entry, 1), 2, query, 1);
  const Output output(before);
  t[Role::o] = output.view;
  if (!run(kernel, alone, device, t)) return std::nullopt;
  return same_output(before, t[Role::o]);
}

std::optional<bool> unchanged_in_batch(const KernelInfo& kernel, const Problem& problem, const Device& device,
                                       const Tensors& tensors) {
  const auto entries = problem.shape.batch + 1;
  auto repeated = problem;
  repeated.shape.batch = entries;
  if (!repeated.shape.seqlens_kv.empty()) {
    repeated.shape.seqlens_kv.assign(static_cast<std::size_t>(entries), problem.shape.seqlens_kv.back());
  }
  auto t = tensors;
  const auto roles = roles_of(problem);
  const auto repeated_roles = roles_of(repeated);
  for (std::size_t n = 0; n < roles.size(); ++n) {
    const auto role = roles[n].role;
    if (roles[n].sizes != repeated_roles[n].sizes) t[role] = repeat_last_entry(t[role], entries);
  }
  t[Role::lse] = {};
  const auto before = t[Role::o];
  const Output output(before);
  t[Role::o] = output.view;
  if (!run(kernel, repeated, device, t)) return std::nullopt;
  return same_output(before, t[Role::o]);
}

std::optional<bool> unchanged_threads(const KernelInfo& kernel, const Problem& problem, const Device& device,
                                      const Tensors& tensors) {
  const auto* cpu = dynamic_cast<const CpuDevice*>(&device);
  if (cpu == nullptr) return std::nullopt;
  auto other = *cpu;
  other.threads = cpu->threads == 1 ? 2 : 1;
  auto t = tensors;
  t[Role::lse] = {};
  const Output output(tensors[Role::o]);
  t[Role::o] = output.view;
  if (!run(kernel, problem, other, t)) return std::nullopt;
  return same_output(tensors[Role::o], t[Role::o]);
}

}  // namespace attnbench
