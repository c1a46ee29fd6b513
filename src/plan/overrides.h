#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plan/study_tables.h"

namespace attnbench {

/// A mechanism asked for by kind ("swa": every form of the study) or by form ("swa(w=64)": its parameters
/// replace the study's).
struct MechanismFilter {
  MechanismKind kind = MechanismKind::mha;
  std::optional<Mechanism> form;

  bool operator==(const MechanismFilter&) const = default;
};
/// A list such as "mha,swa(w=64)". Throws InputError with the nearest names.
std::vector<MechanismFilter> parse_mechanism_filters(std::string_view text);

/// Changes to a study from the command line. What is empty changes nothing.
struct StudyOverrides {
  // These replace the axis in every table.
  std::vector<std::int64_t> seqlen = {};  ///< prefill: seqlen; decode: seqlen_kv
  std::vector<std::int64_t> heads = {}, head_dim = {}, batch = {}, threads = {};
  std::vector<std::int64_t> kv_heads = {};  ///< of gqa's forms too
  std::vector<DType> dtype = {};
  std::vector<Condition> condition = {};
  std::vector<Layout> layout = {};
  std::vector<std::string> device = {};
  std::vector<std::string> baselines = {};  ///< of every table
  bool causal = false;                      ///< every mechanism, baselines included, becomes its causal form
  // These keep what matches.
  std::vector<Scope> scope = {};
  std::vector<Phase> phase = {};
  std::vector<MechanismFilter> mechanisms = {};
  std::vector<std::string> kernels = {};  ///< as Cell::kernels; replaces the study's

  bool operator==(const StudyOverrides&) const = default;
};

/// Throws InputError naming the override that leaves nothing to measure.
void apply_overrides(const StudyOverrides& overrides, StudyTables& study);

}  // namespace attnbench
