#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "attnbench/error.h"
#include "plan/study_tables.h"

namespace attnbench {
namespace {

constexpr std::size_t kMostCells = 10000;

/// Replaces each cell by one cell a value. An axis that was not given changes nothing.
template <typename T, typename Set>
void cross(std::vector<Cell>& cells, const std::vector<T>& axis, Set set) {
  if (axis.empty()) return;
  if (cells.size() * axis.size() > kMostCells) {
    throw InputError("[[cells]]", std::to_string(cells.size() * axis.size()),
                     fmt::format("cells are more than {}", kMostCells));
  }
  std::vector<Cell> crossed;
  for (const auto& cell : cells) {
    for (const auto& value : axis) set(crossed.emplace_back(cell), value);
  }
  cells = std::move(crossed);
}

template <typename T>
bool contains(const std::vector<T>& list, const T& value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

/// A key belongs to one scope or phase: it must be there with it and must not be there without.
void require_with(bool applies, const std::vector<std::int64_t>& axis, const char* key,
                  std::string_view owner) {
  if (applies && axis.empty()) throw InputError("[[cells]]", key, fmt::format("is missing for {}", owner));
  if (!applies && !axis.empty())
    throw InputError("[[cells]]", key, fmt::format("is given, but nothing has {}", owner));
}

struct Lengths {
  Phase phase;
  std::int64_t queries, keys;
};

std::vector<Lengths> lengths_of(const CellTable& table) {
  const bool decodes = contains(table.phase, Phase::decode);
  require_with(contains(table.phase, Phase::prefill), table.seqlen, "seqlen", "phase prefill");
  require_with(decodes, table.seqlen_q, "seqlen_q", "phase decode");
  require_with(decodes, table.seqlen_kv, "seqlen_kv", "phase decode");
  std::vector<Lengths> lengths;
  for (const auto phase : table.phase) {
    if (phase == Phase::prefill) {
      for (const auto n : table.seqlen) lengths.push_back({phase, n, n});
      continue;
    }
    for (const auto queries : table.seqlen_q) {
      for (const auto keys : table.seqlen_kv) lengths.push_back({phase, queries, keys});
    }
  }
  return lengths;
}

struct ScopeWidth {
  Scope scope;
  std::int64_t d_model;
};

std::vector<ScopeWidth> scopes_of(const CellTable& table) {
  require_with(contains(table.scope, Scope::layer), table.d_model, "d_model", "scope layer");
  std::vector<ScopeWidth> scopes;
  for (const auto scope : table.scope) {
    if (scope == Scope::core) scopes.push_back({scope, 0});
    if (scope == Scope::layer) {
      for (const auto width : table.d_model) scopes.push_back({scope, width});
    }
  }
  return scopes;
}

void set_scale(const CellTable& table, Cell& cell) {
  const bool needed = std::any_of(table.mechanisms.begin(), table.mechanisms.end(),
                                  [](const Mechanism& m) { return m.is_softmax(); });
  if (table.softmax_scale) {
    cell.shape.softmax_scale = *table.softmax_scale;
  } else if (table.scale_is_rsqrt && cell.shape.head_dim_qk > 0) {
    cell.shape.softmax_scale = rsqrt_scale(cell.shape.head_dim_qk);
  } else if (needed && !table.scale_is_rsqrt) {
    throw InputError("[[cells]]", "softmax_scale",
                     "is missing: write \"rsqrt\" (1/sqrt(head_dim)) or a number");
  }
}

std::vector<Cell> cells_of(const CellTable& table) {
  const auto lengths = lengths_of(table);
  const auto scopes = scopes_of(table);
  std::vector<Cell> cells(1);
  cross(cells, scopes, [](Cell& cell, const ScopeWidth& value) {
    cell.scope = value.scope;
    cell.shape.d_model = value.d_model;
  });
  cross(cells, table.dtype, [](Cell& cell, DType value) {
    cell.shape.dtype_q = cell.shape.dtype_kv = cell.shape.dtype_o = value;
  });
  cross(cells, table.condition, [](Cell& cell, Condition value) { cell.condition = value; });
  cross(cells, table.device, [](Cell& cell, const std::string& value) { cell.device = value; });
  cross(cells, table.layout, [](Cell& cell, Layout value) { cell.shape.layout = value; });
  cross(cells, table.threads, [](Cell& cell, std::int64_t value) {
    if (value < 0 || value > 4096) throw InputError("threads", std::to_string(value), "is outside 0..4096");
    cell.threads = static_cast<int>(value);
  });
  cross(cells, table.batch, [](Cell& cell, std::int64_t value) { cell.shape.batch = value; });
  cross(cells, table.heads, [](Cell& cell, std::int64_t value) { cell.shape.num_q_heads = value; });
  cross(cells, table.kv_heads, [](Cell& cell, std::int64_t value) {
    if (value < 1) throw InputError("kv_heads", std::to_string(value), "is not a positive size");
    cell.kv_heads = value;
  });
  cross(cells, table.head_dim,
        [](Cell& cell, std::int64_t value) { cell.shape.head_dim_qk = cell.shape.head_dim_v = value; });
  cross(cells, table.head_dim_v, [](Cell& cell, std::int64_t value) { cell.shape.head_dim_v = value; });
  cross(cells, lengths, [](Cell& cell, const Lengths& value) {
    cell.phase = value.phase;
    cell.shape.seqlen_q = value.queries;
    cell.shape.seqlen_kv = value.keys;
  });

  for (auto& cell : cells) {
    set_scale(table, cell);
    for (const auto& mechanism : table.mechanisms) {
      const auto bound = bind_kv_heads(mechanism, cell.shape.num_q_heads, cell.kv_heads);
      if (!contains(cell.mechanisms, bound)) cell.mechanisms.push_back(bound);
    }
    cell.kernels = table.kernels;
    cell.baseline = table.baselines.front();
    cell.other_baselines.assign(table.baselines.begin() + 1, table.baselines.end());
    cell.processes = table.processes;
    cell.blocks = table.blocks;
    cell.default_path_only = table.default_path_only;
    for (const auto& mechanism : cell.measured_mechanisms()) validate(cell.problem(mechanism));
  }
  return cells;
}

/// Adds the mechanisms of a cell described again. Kernel ids do not tell two numbers of kv heads apart, so a
/// mechanism must have the same number in both.
void merge(Cell& cell, const Cell& again) {
  const auto id = cell.id();
  if (cell.baselines() != again.baselines()) {
    throw InputError(
        "baseline", fmt::format("{}", fmt::join(again.baselines(), ", ")),
        fmt::format("differs from '{}' in the same cell {}", fmt::join(cell.baselines(), ", "), id));
  }
  if (cell.kernels != again.kernels) {
    throw InputError("kernels", fmt::format("{}", fmt::join(again.kernels, ", ")),
                     fmt::format("differs from '{}' in the same cell {}", fmt::join(cell.kernels, ", "), id));
  }
  const auto require_same = [&](const char* field, int first, int second) {
    if (first != second)
      throw InputError(field, std::to_string(second),
                       fmt::format("differs from {} in the same cell {}", first, id));
  };
  require_same("processes", cell.processes, again.processes);
  require_same("blocks", cell.blocks, again.blocks);
  if (cell.default_path_only != again.default_path_only)
    throw InputError("paths", again.default_path_only ? "default" : "all",
                     fmt::format("differs from the same cell {}", id));
  for (const auto& mechanism : again.mechanisms) {
    const auto text = to_string(mechanism);
    for (const auto& other : cell.mechanisms) {
      if (to_string(other) == text && other.num_kv_heads != mechanism.num_kv_heads) {
        throw InputError(
            "kv_heads", std::to_string(mechanism.num_kv_heads),
            fmt::format("differs from {} for {} in the same cell {}", other.num_kv_heads, text, id));
      }
    }
    if (!contains(cell.mechanisms, mechanism)) cell.mechanisms.push_back(mechanism);
  }
}

}  // namespace

Study expand(const StudyTables& tables) {
  Study study{tables.name, tables.description, {}, tables.not_computed};
  std::map<std::string, std::size_t> index_of;
  for (const auto& table : tables.tables) {
    try {
      for (auto& cell : cells_of(table)) {
        const auto [place, is_new] = index_of.try_emplace(cell.id(), study.cells.size());
        if (is_new) {
          study.cells.push_back(std::move(cell));
        } else {
          merge(study.cells[place->second], cell);
        }
      }
    } catch (const InputError& error) {
      if (tables.source.empty()) throw;
      throw InputError(fmt::format("{}:{}: {}", tables.source, table.line, error.what()));
    }
  }
  return study;
}

}  // namespace attnbench
