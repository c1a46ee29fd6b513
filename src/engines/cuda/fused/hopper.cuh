#pragma once

#include <cuda.h>

#include <cstdint>
#include <type_traits>

#include "engines/cuda/fused/tensor_core.cuh"

/// Instructions of Hopper (sm_90a): barriers that count bytes, tiles copied by the tensor memory accelerator, products of
/// a warpgroup. PTX ISA 8.8, sections 9.7.13 (mbarrier), 9.7.9.27 (cp.async.bulk.tensor) and 9.7.15 (wgmma).
namespace attnbench::cuda {

__device__ __forceinline__ void init_barrier(std::uint32_t barrier, int arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(arrivals) : "memory");
}
__device__ __forceinline__ void fence_barrier_init() { asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory"); }
__device__ __forceinline__ void expect_bytes(std::uint32_t barrier, std::uint32_t bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes) : "memory");
}
__device__ __forceinline__ void arrive(std::uint32_t barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(barrier) : "memory");
}
/// Until the phase of that parity is complete. The phase before the first counts as complete.
__device__ __forceinline__ void wait_barrier(std::uint32_t barrier, std::uint32_t parity) {
  asm volatile(
      "{\n"
      ".reg .pred done;\n"
      "again:\n"
      "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
      "@!done bra again;\n"
      "}" ::"r"(barrier),
      "r"(parity)
      : "memory");
}

/// A box of the map at these coordinates, innermost first; what lies outside the tensor is zeros.
__device__ __forceinline__ void copy_box(std::uint32_t to, const CUtensorMap& map, std::uint32_t barrier, int column,
                                         int row, int head, int batch) {
  asm volatile(
      "cp.async.bulk.tensor.4d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %5, %6}], [%2];" ::"r"(
          to),
      "l"(&map), "r"(barrier), "r"(column), "r"(row), "r"(head), "r"(batch)
      : "memory");
}
/// 64 packed rows of a map whose dimensions are column, head of its group, query, kv head and batch.
__device__ __forceinline__ void copy_rows(std::uint32_t to, const CUtensorMap& map, std::uint32_t barrier, int column,
                                          int query, int kv_head, int batch) {
  asm volatile(
      "cp.async.bulk.tensor.5d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %5, %6, %7}], "
      "[%2];" ::"r"(to),
      "l"(&map), "r"(barrier), "r"(column), "r"(0), "r"(query), "r"(kv_head), "r"(batch)
      : "memory");
}
/// The other way; rows outside the tensor are left out.
__device__ __forceinline__ void store_rows(const CUtensorMap& map, std::uint32_t from, int column, int query,
                                           int kv_head, int batch) {
  asm volatile(
      "cp.async.bulk.tensor.5d.global.shared::cta.bulk_group [%0, {%2, %3, %4, %5, %6}], [%1];" ::"l"(&map), "r"(from),
      "r"(column), "r"(0), "r"(query), "r"(kv_head), "r"(batch)
      : "memory");
}
__device__ __forceinline__ void commit_stores() { asm volatile("cp.async.bulk.commit_group;" ::: "memory"); }
/// Until shared memory that this thread stores from may be written, or until all is stored.
__device__ __forceinline__ void wait_stores_read() { asm volatile("cp.async.bulk.wait_group.read 0;" ::: "memory"); }
__device__ __forceinline__ void wait_stores() { asm volatile("cp.async.bulk.wait_group 0;" ::: "memory"); }
__device__ __forceinline__ void store_matrices(std::uint32_t to, std::uint32_t a, std::uint32_t b, std::uint32_t c,
                                               std::uint32_t d) {
  asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(to), "r"(a), "r"(b), "r"(c),
               "r"(d)
               : "memory");
}
__device__ __forceinline__ void prefetch_map(const CUtensorMap& map) {
  asm volatile("prefetch.tensormap [%0];" ::"l"(&map) : "memory");
}
__device__ __forceinline__ void store_chunk(std::uint32_t to, uint4 values) {
  asm volatile("st.shared.v4.b32 [%0], {%1, %2, %3, %4};" ::"r"(to), "r"(values.x), "r"(values.y), "r"(values.z),
               "r"(values.w)
               : "memory");
}
/// Ordinary stores to shared memory before this are seen by copies and products after it.
__device__ __forceinline__ void fence_shared_for_products() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

/// Waits for so many threads at a barrier of the block, or only tells it.
__device__ __forceinline__ void sync_threads(int barrier, int threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(barrier), "r"(threads) : "memory");
}
__device__ __forceinline__ void arrive_threads(int barrier, int threads) {
  asm volatile("bar.arrive %0, %1;" ::"r"(barrier), "r"(threads) : "memory");
}

/// The launch that follows, where it may begin early, need not wait longer than for all blocks to have come here.
__device__ __forceinline__ void start_next_launch() { asm volatile("griddepcontrol.launch_dependents;" ::: "memory"); }
/// Until the launch before has ended and what it wrote is seen.
__device__ __forceinline__ void wait_for_last_launch() { asm volatile("griddepcontrol.wait;" ::: "memory"); }

template <int kRegisters>
__device__ __forceinline__ void take_registers() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(kRegisters));
}
template <int kRegisters>
__device__ __forceinline__ void give_registers() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(kRegisters));
}

/// An operand in shared memory, in panels of 64 elements (128 bytes) a row, chunks of 16 bytes swizzled by the row modulo
/// 8. `panel_bytes` from one panel to the next, where the operand's rows are the sum's dimension.
__device__ __forceinline__ std::uint64_t operand(std::uint32_t address, std::uint32_t panel_bytes = 16) {
  constexpr std::uint64_t kSwizzle128 = std::uint64_t{1} << 62;
  constexpr std::uint64_t kEightRows = std::uint64_t{1024 >> 4} << 32;
  return kSwizzle128 | kEightRows | (std::uint64_t{panel_bytes >> 4} << 16) | ((address & 0x3ffff) >> 4);
}

__device__ __forceinline__ void begin_products() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ __forceinline__ void commit_products() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
/// Until no more than kLeft groups are on their way.
template <int kLeft>
__device__ __forceinline__ void wait_products() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kLeft) : "memory");
}
/// The compiler knows nothing of products on their way: it moves no use of these registers across.
template <typename R, int kCount>
__device__ __forceinline__ void hold(R (&registers)[kCount]) {
#pragma unroll
  for (int n = 0; n < kCount; ++n) {
    if constexpr (std::is_same_v<R, float>) {
      asm volatile("" : "+f"(registers[n])::"memory");
    } else {
      asm volatile("" : "+r"(registers[n])::"memory");
    }
  }
}

#define ATTNBENCH_F4(c, n) "+f"(c[n]), "+f"(c[(n) + 1]), "+f"(c[(n) + 2]), "+f"(c[(n) + 3])
#define ATTNBENCH_F16(c, n) ATTNBENCH_F4(c, n), ATTNBENCH_F4(c, (n) + 4), ATTNBENCH_F4(c, (n) + 8), ATTNBENCH_F4(c, (n) + 12)
#define ATTNBENCH_F32(c) ATTNBENCH_F16(c, 0), ATTNBENCH_F16(c, 16)
#define ATTNBENCH_F64(c) ATTNBENCH_F32(c), ATTNBENCH_F16(c, 32), ATTNBENCH_F16(c, 48)
#define ATTNBENCH_R32 \
  "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, " \
  "%20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}"
#define ATTNBENCH_R64 \
  "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, " \
  "%20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, %37, %38, " \
  "%39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, " \
  "%58, %59, %60, %61, %62, %63}"

/// c = a b^T, or c += a b^T where there is more; a 64 x 16, b 128 x 16, both in shared memory.
template <typename T>
__device__ __forceinline__ void multiply_rows(float (&c)[64], std::uint64_t a, std::uint64_t b, bool more) {
  if constexpr (std::is_same_v<T, __nv_bfloat16>) {
      asm volatile(
          "{\n.reg .pred more;\nsetp.ne.b32 more, %66, 0;\n"
          "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 " ATTNBENCH_R64 ", %64, %65, more, 1, 1, 0, 0;\n}"
          : ATTNBENCH_F64(c)
          : "l"(a), "l"(b), "r"(static_cast<int>(more)));
  } else {
      asm volatile(
          "{\n.reg .pred more;\nsetp.ne.b32 more, %66, 0;\n"
          "wgmma.mma_async.sync.aligned.m64n128k16.f32.f16.f16 " ATTNBENCH_R64 ", %64, %65, more, 1, 1, 0, 0;\n}"
          : ATTNBENCH_F64(c)
          : "l"(a), "l"(b), "r"(static_cast<int>(more)));
  }
}

/// The same with b 64 x 16.
template <typename T>
__device__ __forceinline__ void multiply_rows(float (&c)[32], std::uint64_t a, std::uint64_t b, bool more) {
  if constexpr (std::is_same_v<T, __nv_bfloat16>) {
    asm volatile(
        "{\n.reg .pred more;\nsetp.ne.b32 more, %34, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 " ATTNBENCH_R32 ", %32, %33, more, 1, 1, 0, 0;\n}"
        : ATTNBENCH_F32(c)
        : "l"(a), "l"(b), "r"(static_cast<int>(more)));
  } else {
    asm volatile(
        "{\n.reg .pred more;\nsetp.ne.b32 more, %34, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n64k16.f32.f16.f16 " ATTNBENCH_R32 ", %32, %33, more, 1, 1, 0, 0;\n}"
        : ATTNBENCH_F32(c)
        : "l"(a), "l"(b), "r"(static_cast<int>(more)));
  }
}

/// The same with a in registers.
template <typename T>
__device__ __forceinline__ void multiply_rows(float (&c)[32], const std::uint32_t (&a)[4], std::uint64_t b, bool more) {
  if constexpr (std::is_same_v<T, __nv_bfloat16>) {
    asm volatile(
        "{\n.reg .pred more;\nsetp.ne.b32 more, %37, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 " ATTNBENCH_R32
        ", {%32, %33, %34, %35}, %36, more, 1, 1, 0;\n}"
        : ATTNBENCH_F32(c)
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(static_cast<int>(more)));
  } else {
    asm volatile(
        "{\n.reg .pred more;\nsetp.ne.b32 more, %37, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n64k16.f32.f16.f16 " ATTNBENCH_R32
        ", {%32, %33, %34, %35}, %36, more, 1, 1, 0;\n}"
        : ATTNBENCH_F32(c)
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(static_cast<int>(more)));
  }
}

/// c += a b; a 64 x 16 in registers, b 16 x 64 in shared memory.
template <typename T>
__device__ __forceinline__ void multiply_columns(float (&c)[32], const std::uint32_t (&a)[4], std::uint64_t b) {
  if constexpr (std::is_same_v<T, __nv_bfloat16>) {
    asm volatile("wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 " ATTNBENCH_R32
                 ", {%32, %33, %34, %35}, %36, 1, 1, 1, 1;"
                 : ATTNBENCH_F32(c)
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));
  } else {
    asm volatile("wgmma.mma_async.sync.aligned.m64n64k16.f32.f16.f16 " ATTNBENCH_R32
                 ", {%32, %33, %34, %35}, %36, 1, 1, 1, 1;"
                 : ATTNBENCH_F32(c)
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));
  }
}

/// c += a b; a 64 x 16 in registers, b 16 x 128 in shared memory.
template <typename T>
__device__ __forceinline__ void multiply_columns(float (&c)[64], const std::uint32_t (&a)[4], std::uint64_t b) {
  if constexpr (std::is_same_v<T, __nv_bfloat16>) {
    asm volatile("wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 " ATTNBENCH_R64
                 ", {%64, %65, %66, %67}, %68, 1, 1, 1, 1;"
                 : ATTNBENCH_F64(c)
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));
  } else {
    asm volatile("wgmma.mma_async.sync.aligned.m64n128k16.f32.f16.f16 " ATTNBENCH_R64
                 ", {%64, %65, %66, %67}, %68, 1, 1, 1, 1;"
                 : ATTNBENCH_F64(c)
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));
  }
}

/// c += a^T b; a 16 x 64, b 16 x 128, both in shared memory.
template <typename T>
__device__ __forceinline__ void multiply_transposed(float (&c)[64], std::uint64_t a, std::uint64_t b) {
  static_assert(std::is_same_v<T, __nv_bfloat16>);
  asm volatile("wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 " ATTNBENCH_R64 ", %64, %65, 1, 1, 1, 1, 1;"
               : ATTNBENCH_F64(c)
               : "l"(a), "l"(b));
}

#undef ATTNBENCH_R64
#undef ATTNBENCH_R32
#undef ATTNBENCH_F64
#undef ATTNBENCH_F32
#undef ATTNBENCH_F16
#undef ATTNBENCH_F4

}  // namespace attnbench::cuda
