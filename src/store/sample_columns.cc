#include "store/sample_columns.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

namespace attnbench {
namespace {

using nlohmann::json;
using Row = SampleRow;

json dtype_text(const Shape& s) {
  if (s.dtype_q == s.dtype_kv && s.dtype_q == s.dtype_o) return name(s.dtype_q);
  return fmt::format("{}/{}/{}", name(s.dtype_q), name(s.dtype_kv), name(s.dtype_o));
}

json number_or_null(double value) { return std::isnan(value) ? json() : json(value); }

template <typename Value>
json of_kernel(const Row& row, Value value) {
  return row.kernel == nullptr ? json() : json(value(*row.kernel));
}

json reason_text(const Row& row) {
  if (row.sample.valid && !row.process.valid) return "process: " + row.process.reason;
  return row.sample.reason;
}

}  // namespace

const std::vector<SampleColumn>& sample_columns() {
  static const std::vector<SampleColumn> columns{
      {"machine", [](const Row& r) -> json { return r.machine; }},
      {"device", [](const Row& r) -> json { return r.cell.device; }},
      {"cell_id", [](const Row& r) -> json { return r.cell.cell_id; }},
      {"process", [](const Row& r) -> json { return r.process.process; }},
      {"block", [](const Row& r) -> json { return r.sample.block; }},
      {"position", [](const Row& r) -> json { return r.sample.position; }},
      {"role", [](const Row& r) -> json { return r.sample.role; }},
      {"mechanism",
       [](const Row& r) {
         return of_kernel(r, [](const auto& k) { return name(parse_mechanism(k.mechanism).kind); });
       }},
      {"params",
       [](const Row& r) {
         return of_kernel(r, [](const auto& k) { return params(parse_mechanism(k.mechanism)); });
       }},
      {"kernel", [](const Row& r) { return of_kernel(r, [](const auto& k) { return k.kernel; }); }},
      {"engine", [](const Row& r) { return of_kernel(r, [](const auto& k) { return k.engine; }); }},
      {"path", [](const Row& r) { return of_kernel(r, [](const auto& k) { return k.path; }); }},
      {"threads", [](const Row& r) -> json { return r.cell.threads; }},
      {"dtype", [](const Row& r) { return dtype_text(r.cell.shape); }},
      {"scope", [](const Row& r) -> json { return r.cell.scope; }},
      {"phase", [](const Row& r) -> json { return r.cell.phase; }},
      {"condition", [](const Row& r) -> json { return r.cell.condition; }},
      {"layout", [](const Row& r) -> json { return name(r.cell.shape.layout); }},
      {"batch", [](const Row& r) -> json { return r.cell.shape.batch; }},
      {"num_q_heads", [](const Row& r) -> json { return r.cell.shape.num_q_heads; }},
      {"num_kv_heads",
       [](const Row& r) { return of_kernel(r, [](const auto& k) { return k.num_kv_heads; }); }},
      {"seqlen_q", [](const Row& r) -> json { return r.cell.shape.seqlen_q; }},
      {"seqlen_kv", [](const Row& r) -> json { return r.cell.shape.seqlen_kv; }},
      {"head_dim_qk", [](const Row& r) -> json { return r.cell.shape.head_dim_qk; }},
      {"head_dim_v", [](const Row& r) -> json { return r.cell.shape.head_dim_v; }},
      {"d_model", [](const Row& r) -> json { return r.cell.shape.d_model; }},
      {"causal",
       [](const Row& r) {
         return of_kernel(r, [](const auto& k) { return parse_mechanism(k.mechanism).is_causal(); });
       }},
      {"softmax_scale", [](const Row& r) { return number_or_null(r.cell.shape.softmax_scale); }},
      {"batch_calls", [](const Row& r) -> json { return r.sample.batch_calls; }},
      {"time_seconds", [](const Row& r) -> json { return r.sample.time_seconds; }},
      {"valid", [](const Row& r) -> json { return r.sample.valid && r.process.valid; }},
      {"reason", [](const Row& r) { return reason_text(r); }},
  };
  return columns;
}

std::string csv_text(const nlohmann::json& value) {
  if (value.is_null()) return {};
  return value.is_string() ? value.get<std::string>() : value.dump();
}

const KernelRecord* find_kernel(const CellRecord& cell, const std::string& kernel_id) {
  for (const auto& kernel : cell.kernels) {
    if (kernel.id() == kernel_id) return &kernel;
  }
  return nullptr;
}

}  // namespace attnbench
