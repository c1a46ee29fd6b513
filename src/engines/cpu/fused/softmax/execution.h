#pragma once

#include <vector>

#include "attnbench/host_kernel.h"
#include "engines/cpu/fused/softmax/block.h"
#include "engines/cpu/fused/softmax/geometry.h"
#include "engines/cpu/workspace.h"

namespace attnbench::cpu::fused {

/// Runs a path over all blocks of a problem of core scope: work goes to threads by cost; where there are too
/// few blocks for the threads, each block's keys are split and the parts merged by their log-sum-exp.
class SoftmaxExecution final : public HostExecution {
 public:
  SoftmaxExecution(const SoftmaxPath& path, const Problem& problem, const CpuDevice& device);

  void call(const Tensors& tensors) override;
  std::int64_t workspace_bytes() const override { return workspace_.bytes(); }

  /// Of an execution that would be prepared, without allocating it.
  static std::int64_t planned_bytes(const SoftmaxPath& path, const Problem& problem, const CpuDevice& device);

 private:
  /// One block of rows of one kv head.
  struct Item {
    std::int64_t batch = 0;
    std::int64_t kv_head = 0;
    std::int64_t begin = 0;  ///< rows
    std::int64_t end = 0;
    std::int64_t number = 0;  ///< over the whole problem
  };
  /// A block between begin() and finish().
  struct Running {
    Block block;
    Item item;
    const BlockKernel* kernel = nullptr;
    bool in_place = false;  ///< the kernel reads K and V where they lie, for all rows alike
    bool has_masks = false;
  };
  /// A buffer of packed rows and one of those of the global keys.
  struct Packed {
    std::byte* local = nullptr;
    std::byte* globals = nullptr;
  };
  /// A thread's state. K and V stay packed for the blocks of the same kv head that follow.
  struct Worker {
    std::vector<Running> running;  ///< blocks_at_once_
    int opened = 0;
    std::int64_t packed_batch = -1;
    std::int64_t packed_kv_head = -1;
    KeyRange packed_keys;
    Packed packed_k;
    Packed packed_v;
  };

  SoftmaxExecution(const SoftmaxPath& path, const Problem& problem, const CpuDevice& device, bool allocate);
  void bind_workers();
  HeadGeometry geometry(const Tensors& tensors, std::int64_t batch) const;
  /// visit(head, item) for all kv heads where wanted(batch) says so, with the number of the first block.
  template <typename Wanted, typename Visit>
  void for_each_head(const Tensors& tensors, Wanted&& wanted, Visit&& visit) const;
  /// visit(item) for all blocks of rows of a head that see a key.
  template <typename Visit>
  static void for_each_block(const HeadGeometry& head, Item first, Visit&& visit);
  KeyRange keys_of_part(const HeadGeometry& head, const Item& item, int part) const;
  KeyRange globals_of_part(const HeadGeometry& head, const Item& item, int part) const;
  void clear_rows_without_keys(const Tensors& tensors) const;
  /// Of a packed unit.
  /// Some block may be SoftmaxPath::decode's.
  bool has_decode_blocks() const;
  std::int64_t key_unit_bytes() const;
  std::int64_t value_unit_bytes() const;
  /// Items whose cost begins in [begin, end) of the running sum.
  void run_share(const Tensors& tensors, std::int64_t begin, std::int64_t end, Worker& worker);
  void run_block(const Tensors& tensors, const HeadGeometry& head, const Item& item, int part,
                 Worker& worker);
  /// Takes the worker's opened blocks through all keys of their part, chunk by chunk.
  void run_opened(const Tensors& tensors, const HeadGeometry& head, int part, Worker& worker);
  void open(const Tensors& tensors, const HeadGeometry& head, const Item& item, int part,
            Running& running) const;
  /// Tells the block's kernel what the next block of the head will need.
  void look_ahead(const Tensors& tensors, const HeadGeometry& head, const Item& item, Block& block) const;
  /// The keys of `globals`, then local ones within `within`.
  void feed(const Tensors& tensors, const HeadGeometry& head, Running& running, KeyRange globals,
            KeyRange within, Worker& worker) const;
  void close(Running& running) const;
  void bind_rows(const Tensors& tensors, const HeadGeometry& head, const Item& item, Block& block) const;
  void bind_masks(const HeadGeometry& head, const Item& item, Block& block) const;
  void pack(const Tensors& tensors, const HeadGeometry& head, const Item& item, KeyRange local,
            Worker& worker) const;
  /// f32 rows [rows][head_dim_v], then kLanes maxima, then kLanes sums.
  float* partial(const Item& item, int part) const;
  void merge(const Tensors& tensors, const HeadGeometry& head, const Item& item) const;

  const SoftmaxPath& path_;
  Problem problem_;
  std::int64_t group_;
  bool windowed_ = false;
  int threads_ = 1;
  int parts_ = 1;                 ///< of each block's keys
  int blocks_at_once_ = 1;        ///< of a thread, between begin() and finish()
  std::int64_t chunk_keys_ = 0;   ///< of blocks that run together; 0: each goes through its keys alone
  std::int64_t packed_keys_ = 0;  ///< capacity of a thread's packed K and V
  std::vector<std::int64_t> head_costs_;  ///< of the running call, by batch entry
  std::vector<Worker> workers_;
  Workspace workspace_;
  ThreadParts output_, queries_, weights_, scores_;
  ThreadParts keys_, global_keys_, values_, global_values_, decode_values_;
  std::int64_t partials_ = 0;
};

/// FLOPs the path really does: lanes without a row and masked keys of its tiles included.
double executed_softmax_flops(const SoftmaxPath& path, const Problem& problem);
/// q and o once, k and v once for each block of rows that sees them.
double softmax_moved_bytes(const Problem& problem);

}  // namespace attnbench::cpu::fused
