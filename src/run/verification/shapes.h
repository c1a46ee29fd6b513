#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "attnbench/problem.h"

namespace attnbench {

/// One entry of the list of shapes to verify: sizes, and the parameters of every mechanism.
struct VerifyShape {
  std::string name;
  Shape shape;  ///< element types are the case's
  Scope scope = Scope::core;
  std::int64_t num_kv_heads = 1;
  std::int64_t window = 1;
  std::int64_t block_size = 1;
  std::int64_t globals = 0;
  bool causal = false;
  std::int64_t keys = 0;          ///< keys of the call; 0: as prepared
  std::int64_t row_stride = 0;    ///< elements; 0: dense
  std::int64_t batch_stride = 0;  ///< elements; 0: dense

  /// One of each mechanism, in one element type, in the order of all_mechanism_kinds(). Layer scope and batch
  /// entries with lengths of their own included where the shape says so.
  std::vector<Problem> problems(DType dtype) const;
};

/// Both lists, in order.
struct VerifyShapes {
  std::vector<VerifyShape> pairwise, hard;
};

/// Reads studies/verify_shapes.toml. Throws InputError naming the entry and field.
VerifyShapes parse_verify_shapes(std::string_view toml);
/// The list built into the program.
const VerifyShapes& verify_shapes();

}  // namespace attnbench
