#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plan/study.h"

namespace attnbench {

/// A study as written: each [[cells]] table is a cross product of its axes. An axis that is empty was not
/// given.
struct CellTable {
  int line = 0;  ///< where the table begins in its file
  std::vector<Scope> scope;
  std::vector<Phase> phase;
  std::vector<Condition> condition;
  std::vector<DType> dtype;
  std::vector<Layout> layout;
  std::vector<std::string> device;  ///< empty: the CPU
  std::vector<std::int64_t> threads, batch, heads, head_dim;
  std::vector<std::int64_t> seqlen;               ///< prefill
  std::vector<std::int64_t> seqlen_q, seqlen_kv;  ///< decode
  std::vector<std::int64_t> d_model;              ///< layer scope
  std::vector<std::int64_t> head_dim_v;           ///< empty: head_dim
  std::vector<std::int64_t> kv_heads;  ///< of mechanisms whose name does not give them; empty: heads

  bool scale_is_rsqrt = false;
  std::optional<double> softmax_scale;

  std::vector<Mechanism> mechanisms;
  std::vector<std::string> kernels;
  std::vector<std::string> baselines;  ///< the first that can compute a cell is its baseline
  int processes = 0, blocks = 0;       ///< 0: the profile's
  bool default_path_only = false;
};

struct StudyTables {
  std::string source;  ///< file or embedded name, for messages; empty: they name no place
  std::string name;
  std::string description;
  std::vector<CellTable> tables;
  std::vector<std::string> not_computed = {};  ///< Study::not_computed
  std::string model = {};                      ///< whose shapes these are; empty: of no model
};

/// Reads TOML (see studies/README.md). Throws InputError "source:line: field: 'value' problem" for bad
/// syntax, unknown keys (with the nearest names), values of the wrong type and missing keys.
StudyTables parse_study_tables(std::string_view toml, const std::string& source);

/// Forms the cross products. Tables that describe the same cell are merged; baselines and kernels must
/// then be the same. Throws InputError naming the table for an invalid problem, a key that its scope or phase
/// lacks, cells that contradict each other, or more than 10,000 cells.
Study expand(const StudyTables& study);

}  // namespace attnbench
