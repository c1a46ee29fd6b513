#include "engines/cuda/binding.h"

#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include <atomic>

#include "engines/cuda/cuda_error.h"

namespace attnbench::cuda {
namespace {

std::uint64_t next_serial() {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

}  // namespace

bool is_dense(const TensorView& view, Layout layout) {
  const auto& [batch, heads, rows, width] = view.sizes;
  const auto dense = dense_view(view.data, view.dtype, layout, batch, heads, rows, width);
  for (std::size_t d = 0; d < 4; ++d) {
    if (view.sizes[d] > 1 && view.strides[d] != dense.strides[d]) return false;
  }
  return true;
}

CudaBinding::CudaBinding(const Problem& problem, const Tensors& host, int device)
    : host_(host), number_(device), serial_(next_serial()) {
  use_device();
  for (const auto& spec : roles_of(problem)) {
    const auto& view = host[spec.role];
    if (!view) continue;  // lse may be left out
    auto& p = part(spec.role);
    p.bytes = view.elements() * size_bytes(view.dtype);
    p.layout = spec.layout;
    p.memory = DeviceMemory(p.bytes);
    const auto& [batch, heads, rows, width] = view.sizes;
    device_[spec.role] = dense_view(p.memory.data(), view.dtype, spec.layout, batch, heads, rows, width);
    write(spec.role);
  }
}

CudaBinding::~CudaBinding() { cudaSetDevice(number_); }

void CudaBinding::use_device() const { check(cudaSetDevice(number_), "cudaSetDevice"); }

TensorView CudaBinding::staged(Role role) {
  const auto& p = part(role);
  staging_.resize(static_cast<std::size_t>(p.bytes));
  const auto& view = host_[role];
  const auto& [batch, heads, rows, width] = view.sizes;
  return dense_view(staging_.data(), view.dtype, p.layout, batch, heads, rows, width);
}

void CudaBinding::write(Role role) {
  use_device();
  auto from = host_[role];
  if (!is_dense(from, part(role).layout)) {
    from = staged(role);
    copy_elements(host_[role], from);
  }
  check(cudaMemcpy(part(role).memory.data(), from.data, static_cast<std::size_t>(part(role).bytes),
                   cudaMemcpyHostToDevice),
        fmt::format("cudaMemcpy of {} to the device", name(role)));
}

void CudaBinding::read(Role role) {
  use_device();
  const bool dense = is_dense(host_[role], part(role).layout);
  const auto to = dense ? host_[role] : staged(role);
  check(cudaMemcpy(to.data, part(role).memory.data(), static_cast<std::size_t>(part(role).bytes),
                   cudaMemcpyDeviceToHost),
        fmt::format("cudaMemcpy of {} from the device", name(role)));
  if (!dense) copy_elements(to, host_[role]);
}

void CudaBinding::poison(Role role) {
  use_device();
  fill_nan(host_[role]);
  // All bits set are NaN in each element type.
  check(cudaMemset(part(role).memory.data(), 0xff, static_cast<std::size_t>(part(role).bytes)), "cudaMemset");
  check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
}

}  // namespace attnbench::cuda
