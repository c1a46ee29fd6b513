#pragma once

#include <ggml-cpu.h>
#include <ggml.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engines/ggml/backend.h"

namespace attnbench::ggml {

/// Where a query sees a key: 0, elsewhere -infinity, in f16; (queries, keys). Empty where all see all.
using Mask = std::vector<ggml_fp16_t>;

/// Of the queries that see a key.
Mask make_mask(const Problem& problem, std::int64_t keys, const Services& services);
std::int64_t mask_bytes(const Problem& problem, std::int64_t keys);

std::int64_t bytes_of(DType dtype);
/// Start of a row. (The view's own asks the attention library.)
std::byte* row_of(const TensorView& view, std::int64_t batch, std::int64_t head, std::int64_t row);

/// The tensors of ggml and the operations on them that are one call. Inputs are the host's memory, whatever
/// its strides, and so is the output where it lies as the last operation writes it.
class Graph {
 public:
  /// `memory` holds what operations hand to each other; null: nothing is computed, memory_bytes() is the most
  /// that tensors of this problem take. Queries that see no key are not in it.
  Graph(Form form, const Problem& problem, const Tensors& tensors, const Mask& mask, std::byte* memory);
  std::int64_t memory_bytes() const { return taken_; }
  /// The operations that compute, in order: "FLASH_ATTN_EXT".
  std::string operations() const;
  ggml_cgraph* get() const { return graph_; }

 private:
  ggml_tensor* own(ggml_tensor* tensor);
  ggml_tensor* of_host(const TensorView& view, std::int64_t first_row) const;
  ggml_tensor* transposed(const ggml_tensor* matrix) const;
  ggml_tensor* as(ggml_tensor* tensor, ggml_type type);
  /// A tensor (queries, keys) over the mask; null where there is none.
  ggml_tensor* of_mask(const Mask& mask, std::int64_t queries, std::int64_t keys) const;
  /// Writes `result` to o: it becomes its memory, or is copied.
  void finish(ggml_tensor* result, bool heads_first, ggml_tensor* o);

  struct Free {
    void operator()(ggml_context* context) const { ggml_free(context); }
  };
  std::unique_ptr<ggml_context, Free> context_;
  ggml_cgraph* graph_ = nullptr;
  std::byte* memory_;
  std::int64_t taken_ = 0;
};

}  // namespace attnbench::ggml
