#pragma once

#include <cstddef>
#include <cstdint>

/// The most this core can do, in loops written as assembly so that no compiler can flatter a share of them.
namespace attnbench::bench {

enum class Product {
  fma,    ///< vfmadd231ps on 512-bit registers
  pairs,  ///< vdpbf16ps on 512-bit registers
  tiles,  ///< tdpbf16ps
};

/// FLOPs of one call of run_products().
double flops_of_rounds(Product product, std::int64_t rounds);
/// `rounds` times 16 independent sums, or 2 x 2 tiles.
void run_products(Product product, std::int64_t rounds);
/// Reads every cache line of the range once, in order.
void read_bytes(const std::byte* data, std::int64_t bytes);

}  // namespace attnbench::bench
