#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "attnbench/tensor.h"
#include "reference/inputs.h"
#include "run/verification/shapes.h"

namespace attnbench {

/// Zeroed memory of which only the pages touched exist, so that tensors can lie farther apart than the
/// machine has memory.
class SparseMemory {
 public:
  /// Throws std::system_error where the address space cannot be had.
  explicit SparseMemory(std::int64_t bytes);
  ~SparseMemory();
  SparseMemory(SparseMemory&& other) noexcept;
  SparseMemory& operator=(SparseMemory&&) = delete;
  void* data() const { return data_; }

 private:
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
};

/// Tensors placed as a VerifyShape says.
struct PlacedData {
  reference::ProblemData dense;
  std::vector<SparseMemory> sparse;
  Tensors tensors;
};

/// Inputs of the kind, in the shape's strides and number of keys; lse wherever the problem has one.
PlacedData place_data(const VerifyShape& shape, const Problem& problem, reference::InputKind kind,
                      std::uint64_t seed);

/// The first row of o behind which a kernel has written between rows, in words; empty if none. Looks at up to
/// 16 elements after each row that place_data() left at zero.
std::string find_gap_write(const VerifyShape& shape, const TensorView& o);

}  // namespace attnbench
