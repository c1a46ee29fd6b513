#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "attnbench/kernel.h"

struct CUstream_st;  // what a cudaStream_t points to

namespace attnbench::cudnn {

/// cuDNN's state on the current device. Serves one thread at a time. Pre: the library is there.
class Handle {
 public:
  /// Throws std::runtime_error with cuDNN's reason.
  Handle();
  ~Handle();
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  void* get() const { return handle_; }

 private:
  void* handle_ = nullptr;
};

/// Attention of a core problem as one operation of cuDNN's graph, on dense tensors in the problem's layout,
/// and the plan that cuDNN's heuristic prefers. Pre: the library is there.
class SdpaGraph {
 public:
  /// The operation for a call with so many keys. The first queries of problem.shape.seqlen_q, which see no
  /// key where they are more than the keys, are left out. Throws std::runtime_error with the reason where
  /// cuDNN's frontend refuses it. Needs no device.
  SdpaGraph(const Problem& problem, std::int64_t keys);
  ~SdpaGraph();
  SdpaGraph(const SdpaGraph&) = delete;
  SdpaGraph& operator=(const SdpaGraph&) = delete;

  /// Makes the plan, on the handle's device. Throws std::runtime_error with cuDNN's reason where it has none.
  void plan(const Handle& handle);
  // Pre: it has a plan.
  std::int64_t workspace_bytes() const;
  /// cuDNN's name of the plan: its engine and the settings of it.
  const std::string& plan_name() const;
  /// Enqueues the operation. q and o begin at the first query that sees a key.
  void run(const Handle& handle, void* q, void* k, void* v, void* o, void* workspace,
           CUstream_st* stream) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The bounds of cuDNN's diagonal band: keys j of query i with i + shift - left < j <= i + shift + right,
/// where shift = keys - queries. A bound of -1 excludes nothing and is not set; a left one is never set
/// alone.
struct Band {
  std::int64_t left = -1, right = -1;
  bool operator==(const Band&) const = default;
};
/// Pre: queries <= keys.
Band band_of(const Mechanism& mechanism, std::int64_t queries, std::int64_t keys);

/// What cuDNN need not be asked.
Support problem_support(const Problem& problem);

}  // namespace attnbench::cudnn
