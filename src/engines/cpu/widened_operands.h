#pragma once

#include "engines/cpu/matmul.h"
#include "engines/cpu/workspace.h"

namespace attnbench::cpu {

/// What the library sees of a product: matrices of a type that it does not multiply are dense copies in their
/// operand_type(), with the same unit stride.
MatmulShape operand_shape(const MatmulShape& shape);

/// Those copies, of every caller of a Matmul.
class WidenedOperands {
 public:
  struct Operands {
    const void* a;
    const void* b;
    void* c;
  };

  WidenedOperands() = default;
  /// `threads`: that one caller may use.
  WidenedOperands(const MatmulShape& shape, int callers, int threads, Workspace& workspace);
  /// The matrices of `shape`, or copies where they are widened: of A and B filled, of C to be filled.
  Operands widen(const Workspace& workspace, int caller, const MatmulShape& shape, const void* a,
                 const void* b, void* c) const;
  /// Rounds the copy of C into C, where there is one.
  void round(const MatmulShape& shape, const Operands& operands, void* c) const;

 private:
  MatmulShape most_;  ///< as prepared
  int threads_ = 1;
  ThreadParts a_, b_, c_;
};

}  // namespace attnbench::cpu
