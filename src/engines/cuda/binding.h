#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "attnbench/kernel.h"
#include "engines/cuda/device_memory.h"

namespace attnbench::cuda {

/// Whether the view's elements lie as dense memory of this layout does.
bool is_dense(const TensorView& view, Layout layout);

/// Device memory for one set of host tensors: dense, in the problem's layout. k and v hold the keys of the
/// call.
class CudaBinding final : public Binding {
 public:
  CudaBinding(const Problem& problem, const Tensors& host, int device);
  ~CudaBinding() override;

  void write(Role role) override;
  void read(Role role) override;
  void poison(Role role) override;

  /// Views of device memory.
  const Tensors& tensors() const { return device_; }
  /// Differs between all bindings of a process.
  std::uint64_t serial() const { return serial_; }

 private:
  struct Part {
    DeviceMemory memory;
    std::int64_t bytes = 0;
    Layout layout = Layout::bhsd;
  };
  Part& part(Role role) { return parts_[static_cast<std::size_t>(role)]; }
  /// Dense host memory with the layout of the part, as a view of staging_.
  TensorView staged(Role role);
  void use_device() const;

  Tensors host_, device_;
  std::array<Part, kAllRoles.size()> parts_;
  std::vector<std::byte> staging_;
  int number_;
  std::uint64_t serial_;
};

}  // namespace attnbench::cuda
