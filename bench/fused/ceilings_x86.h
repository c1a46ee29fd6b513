#pragma once

#include <cstddef>
#include <cstdint>

/// The most this core can do, in loops written as assembly so that no compiler can flatter a share of them.
namespace attnbench::bench {

/// FLOPs of one call of the loops below: 16 independent sums, `rounds` times.
double flops_of_rounds(bool bf16, std::int64_t rounds);
/// vdpbf16ps (bf16) or vfmadd231ps (f32) on 512-bit registers.
void run_products(bool bf16, std::int64_t rounds);
/// vfmadd231ps on 256-bit registers: half the FLOPs.
void run_products_256(std::int64_t rounds);
/// Reads every cache line of the range once, in order.
void read_bytes(const std::byte* data, std::int64_t bytes);

}  // namespace attnbench::bench
