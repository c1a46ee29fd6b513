#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "attnbench/error.h"
#include "core/hash.h"
#include "store/check_records.h"
#include "store/format_1.h"
#include "store/import.h"
#include "store/row_fields.h"

namespace attnbench {
namespace {

const std::vector<std::string> kHeader{"name", "b", "n", "dModel", "heads", "kvHeads", "iters", "msPerIter"};

std::int64_t size_field(const RowFields& fields, std::string_view field) {
  const auto value = fields.number<std::int64_t>(field);
  if (value < 1) fields.fail(field, "is below 1");
  return value;
}

/// The publication's names: of "NAME(key=NUMBER)" the words before the number.
struct PublishedName {
  std::string_view start;
  std::string_view mechanism;  ///< "#" stands for the number
  std::string_view kernel;
};
constexpr PublishedName kNames[] = {
    {"MHA", "mha", "unfused"},
    {"GQA(kv=", "gqa(kv=#)", "unfused"},
    {"MQA(kv=1)", "mqa", "unfused"},
    {"SWA(w=", "swa(w=#)", "gather"},
    {"MaskedSWA(w=", "swa(w=#)", "masked"},
    {"BlockSparse(bs=", "block_sparse(bs=#,globals=1)", "batched"},
    {"LinearAttn", "linear", "two_gemm"},
    {"CausalLinearAttn", "causal_linear", "cumsum"},
};

/// The mechanism that a published name means, if it is one.
std::optional<std::string> mechanism_of(const PublishedName& known, std::string_view name) {
  const auto hole = known.mechanism.find('#');
  if (hole == std::string_view::npos)
    return name == known.start ? std::optional<std::string>(known.mechanism) : std::nullopt;
  if (!name.starts_with(known.start) || !name.ends_with(')')) return std::nullopt;
  const auto number = name.substr(known.start.size(), name.size() - known.start.size() - 1);
  const bool digits = std::all_of(number.begin(), number.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (number.empty() || !digits) return std::nullopt;
  return std::string(known.mechanism).replace(hole, 1, number);
}

KernelRecord kernel_of(const RowFields& fields) {
  const auto& name = fields.text("name");
  for (const auto& entry : kNames) {
    const auto text = mechanism_of(entry, name);
    if (!text) continue;
    KernelRecord kernel;
    Mechanism mechanism;
    try {
      mechanism = parse_mechanism(*text);
    } catch (const InputError& error) {
      fields.fail("name", fmt::format("is no mechanism: {}", error.what()));
    }
    kernel.mechanism = to_string(mechanism);
    kernel.kernel = entry.kernel;
    kernel.engine = "mlx";
    kernel.is_baseline = mechanism.kind == MechanismKind::mha;
    kernel.num_kv_heads = size_field(fields, "kvHeads");
    if (mechanism.num_kv_heads > 0 && mechanism.num_kv_heads != kernel.num_kv_heads)
      fields.fail("kvHeads", fmt::format("contradicts the name '{}'", name));
    return kernel;
  }
  std::vector<std::string> known;
  for (const auto& entry : kNames) known.emplace_back(entry.start);
  fields.fail("name", "is not a name of the published study" + suggestion(name, known));
}

CellRecord cell_of(const RowFields& fields) {
  CellRecord cell;
  cell.device = "unknown";
  cell.condition = "hot";
  cell.phase = "prefill";
  cell.scope = "layer";
  auto& s = cell.shape;
  s.batch = size_field(fields, "b");
  s.seqlen_q = s.seqlen_kv = size_field(fields, "n");
  s.num_q_heads = size_field(fields, "heads");
  s.d_model = size_field(fields, "dModel");
  if (s.d_model % s.num_q_heads != 0) fields.fail("dModel", "is not divisible by heads");
  s.head_dim_qk = s.head_dim_v = s.d_model / s.num_q_heads;
  cell.cell_id = fmt::format("layer-prefill-hot-f32-bhsd-b{}-h{}-q{}-kv{}-d{}-t0-m{}", s.batch, s.num_q_heads,
                             s.seqlen_q, s.seqlen_kv, s.head_dim_qk, s.d_model);
  return cell;
}

/// Over the fields: two published tables are two runs.
std::string hash_of(const std::vector<CsvRow>& rows) {
  auto hash = fnv1a("");
  for (const auto& row : rows) {
    for (const auto& field : row.fields) hash = fnv1a(field + ',', hash);
  }
  return fmt::format("{:016x}", hash);
}

}  // namespace

bool is_published_table(const std::vector<CsvRow>& rows) {
  return !rows.empty() && rows[0].fields == kHeader;
}

RunContents published_run(const std::vector<CsvRow>& rows, const std::string& file) {
  RunContents contents;
  auto& run = contents.run;
  run.study = "paper";
  run.profile = "published";
  run.plan_hash = hash_of(rows);
  run.build_id = "published";
  run.machine_key = "published-apple-m4";
  *run.plan = {{"source", "published means"}};
  *run.environment = {{"machine", "Apple M4 (published)"},
                      {"cpu", {{"model", "Apple M4"}}},
                      {"engine", "MLX (Swift)"},
                      {"variance", "no variance published"}};

  std::map<std::string, std::size_t> index;  // by cell id
  for (std::size_t i = 1; i < rows.size(); ++i) {
    const RowFields fields(file, rows[0], rows[i]);
    const auto description = cell_of(fields);
    const auto [at, is_new] = index.try_emplace(description.cell_id, contents.cells.size());
    if (is_new) {
      contents.cells.push_back(description);
      auto& process = contents.processes.emplace_back();
      process.cell_id = description.cell_id;
      *process.noise = {{"variance", "no variance published"}};
    }
    auto& cell = contents.cells[at->second];
    auto& samples = contents.processes[at->second].samples;
    const auto kernel = kernel_of(fields);
    for (const auto& other : cell.kernels) {
      if (other.id() == kernel.id()) fields.fail("name", "appears twice for these sizes");
    }
    if (cell.shape.num_q_heads % kernel.num_kv_heads != 0)
      fields.fail("kvHeads", fmt::format("does not divide heads = {}", cell.shape.num_q_heads));
    SampleRecord sample;
    sample.position = static_cast<int>(cell.kernels.size());
    sample.role = "kernel";
    sample.kernel_id = kernel.id();
    sample.batch_calls = size_field(fields, "iters");
    sample.time_seconds = fields.number<double>("msPerIter") / 1000;
    if (!is_call_time(sample.time_seconds)) fields.fail("msPerIter", kNoCallTime);
    samples.push_back(sample);
    cell.kernels.push_back(kernel);
    cell.kernels.back().batch_calls = sample.batch_calls;
    fields.in_row([&] { check_kernel(cell, kernel); });
  }
  for (auto& cell : contents.cells) decide_as_format_1(run, cell);
  return contents;
}

}  // namespace attnbench
