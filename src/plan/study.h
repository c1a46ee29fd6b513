#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "attnbench/problem.h"

namespace attnbench {

/// State of the caches when a call starts.
enum class Condition : std::uint8_t { hot, cold };
std::string_view name(Condition condition);
Condition parse_condition(std::string_view text);

/// All that is measured against each other: one Shape, one scope, phase, condition and thread count, and the
/// mechanisms to compute there. Pure description: which kernels exist is the registry's knowledge.
struct Cell {
  Shape shape;
  Scope scope = Scope::core;
  Phase phase = Phase::prefill;
  Condition condition = Condition::hot;
  int threads = 0;                    ///< 0: all physical cores of the measuring machine
  std::vector<Mechanism> mechanisms;  ///< num_kv_heads bound
  /// Kernel ids or parts to keep: an algorithm ("gather"), engine ("@cpu"), path (":amx") or
  /// mechanism-qualified form ("swa(w=64)/gather@cpu"); empty keeps all.
  std::vector<std::string> kernels;
  /// What ratios are taken against, as a full kernel id: "mha/unfused@cpu".
  std::string baseline;

  /// Stable name made of everything but mechanisms, kernels and baseline, readable:
  /// "core-prefill-hot-f32-bhsd-b1-h8-q128-kv128-d64-t0" (+ "-v.." where head_dim_v differs, "-m512" in layer
  /// scope). Used as cell_id.
  std::string id() const;
  Problem problem(const Mechanism& mechanism) const { return {shape, mechanism, scope, phase}; }
};

/// How much is measured and how a run is judged.
struct Profile {
  std::string name;
  std::vector<int> processes;  ///< numbers of processes at which a cell may stop; the last is the most
  int blocks = 0;              ///< per process
  int unbatched_calls = 0;     ///< single calls a kernel and process, for p95 and within-process CV
  double warmup_limit_seconds = 2;
  int warmup_limit_calls = 50;
  bool default_path_only = false;
  bool stops_on_width = false;  ///< publish: A/A half-width <= 1 %, each ratio's <= 2 % at a look

  int max_processes() const { return processes.back(); }
};
/// quick, spec, publish; throws InputError otherwise.
Profile parse_profile(std::string_view text);

struct Study {
  std::string name;
  std::string description;
  std::vector<Cell> cells;
};

}  // namespace attnbench
