#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <system_error>
#include <vector>

#include "attnbench/error.h"
#include "core/real_number.h"
#include "plan/study.h"
#include "plan/toml_fields.h"
#include "store/csv.h"
#include "tune/held_out.h"

namespace attnbench {
namespace {

/// A shape as it is written, every value as text.
using Fields = std::map<std::string, std::string>;

const std::vector<std::string> kFields = {"mechanism", "seqlen", "batch",  "heads",   "kv_heads", "seqlen_q",
                                          "head_dim",  "dtype",  "layout", "threads", "weight"};

std::int64_t count_in(const Fields& fields, const std::string& field, std::int64_t otherwise) {
  const auto found = fields.find(field);
  if (found == fields.end()) return otherwise;
  const auto& text = found->second;
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  constexpr std::int64_t kMost = std::numeric_limits<int>::max();
  if (error != std::errc() || end != text.data() + text.size() || value < 1 || value > kMost)
    throw InputError(field, text, fmt::format("is not a whole number from 1 to {}", kMost));
  return value;
}

std::string text_in(const Fields& fields, const std::string& field, const std::string& otherwise) {
  const auto found = fields.find(field);
  if (found != fields.end()) return found->second;
  if (otherwise.empty()) throw InputError(field, "", "is missing");
  return otherwise;
}

HeldOutProblem shape_of(const Fields& fields, int default_threads) {
  HeldOutProblem shape;
  auto& problem = shape.problem;
  auto& s = problem.shape;
  s.batch = count_in(fields, "batch", 1);
  s.num_q_heads = count_in(fields, "heads", 8);
  (void)text_in(fields, "seqlen", "");
  s.seqlen_kv = count_in(fields, "seqlen", 0);
  s.seqlen_q = count_in(fields, "seqlen_q", s.seqlen_kv);
  s.head_dim_qk = s.head_dim_v = count_in(fields, "head_dim", 64);
  s.dtype_q = s.dtype_kv = s.dtype_o = parse_dtype(text_in(fields, "dtype", "f32"));
  s.layout = parse_layout(text_in(fields, "layout", "bhsd"));
  s.softmax_scale = rsqrt_scale(s.head_dim_qk);
  problem.phase = s.seqlen_q == s.seqlen_kv ? Phase::prefill : Phase::decode;
  const auto kv_heads = count_in(fields, "kv_heads", 0);
  problem.mechanism =
      bind_kv_heads(parse_mechanism(text_in(fields, "mechanism", "")), s.num_q_heads, kv_heads);
  if (const auto own = problem.mechanism.num_kv_heads; kv_heads > 0 && own != kv_heads)
    throw InputError("kv_heads", std::to_string(kv_heads),
                     fmt::format("is not what {} has, {}", to_string(problem.mechanism), own));
  validate(problem);
  shape.threads = static_cast<int>(count_in(fields, "threads", default_threads));
  const auto weight = text_in(fields, "weight", "1");
  const auto value = parse_real(weight);
  if (!value || !(*value > 0) || !std::isfinite(*value))
    throw InputError("weight", weight, "is not a positive number");
  shape.weight = *value;
  return shape;
}

std::vector<HeldOutProblem> from_csv(std::string_view text, const std::string& file, int default_threads) {
  std::vector<HeldOutProblem> shapes;
  const auto rows = read_csv(text, file);
  if (rows.empty()) return shapes;
  const auto& header = rows.front();
  toml_fields::located(file, header.line, [&] {
    for (const auto& field : header.fields) {
      if (std::find(kFields.begin(), kFields.end(), field) == kFields.end())
        throw InputError("column", field, "is unknown" + suggestion(field, kFields));
      if (std::count(header.fields.begin(), header.fields.end(), field) > 1)
        throw InputError("column", field, "is there twice");
    }
  });
  for (std::size_t i = 1; i < rows.size(); ++i) {
    toml_fields::located(file, rows[i].line, [&] {
      Fields fields;
      for (std::size_t c = 0; c < header.fields.size(); ++c) {
        if (!rows[i].fields[c].empty()) fields[header.fields[c]] = rows[i].fields[c];
      }
      shapes.push_back(shape_of(fields, default_threads));
    });
  }
  return shapes;
}

std::vector<HeldOutProblem> from_toml(std::string_view text, const std::string& file, int default_threads) {
  using namespace toml_fields;
  std::vector<HeldOutProblem> shapes;
  const auto table = parse_toml(text, file);
  for (const auto& [key, node] : table) {
    located(file, static_cast<int>(key.source().begin.line), [&, &name = key] {
      if (name.str() != "shape")
        throw InputError("key", std::string(name.str()), "is not known here: shapes are [[shape]]");
    });
  }
  const auto* list = table["shape"].as_array();
  if (list == nullptr) return shapes;
  for (const auto& element : *list) {
    const auto* shape = element.as_table();
    if (shape == nullptr) throw InputError("shape", shown(element), "is no table");
    Fields fields;
    Readers readers;
    for (const auto& name : kFields) {
      readers[name] = [&fields](const std::string& field, const toml::node& value) {
        fields[field] = value.is_string() ? text_of(field, value) : shown(value);
      };
    }
    read_keys(*shape, file, readers);
    located(file, line_of(*shape), [&] { shapes.push_back(shape_of(fields, default_threads)); });
  }
  return shapes;
}

}  // namespace

std::vector<HeldOutProblem> parse_traffic(std::string_view text, const std::string& file,
                                          int default_threads) {
  const auto shapes =
      file.ends_with(".csv") ? from_csv(text, file, default_threads) : from_toml(text, file, default_threads);
  if (shapes.empty()) throw InputError("traffic", file, "holds no shapes");
  return shapes;
}

}  // namespace attnbench
