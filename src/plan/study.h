#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "attnbench/problem.h"

namespace attnbench {

/// State of the caches when a call starts.
enum class Condition : std::uint8_t { hot, cold };
std::string_view name(Condition condition);
Condition parse_condition(std::string_view text);

/// A device's name: an engine's kind of device, and where it has several, which: "cpu", "cuda:0", "mlx:gpu".
/// What devices there are the measuring machine knows. Throws InputError("device", ...) for other forms.
std::string parse_device_name(std::string_view text);

/// All that is measured against each other: one Shape, one scope, phase, condition, device and thread count,
/// and the mechanisms to compute there. Pure description: which kernels exist is the registry's knowledge.
struct Cell {
  Shape shape;
  Scope scope = Scope::core;
  Phase phase = Phase::prefill;
  Condition condition = Condition::hot;
  std::string device = "cpu";         ///< as Device::name()
  int threads = 0;                    ///< 0: all physical cores of the measuring machine
  std::int64_t kv_heads = 0;          ///< of mechanisms whose name does not give them; 0: num_q_heads
  std::vector<Mechanism> mechanisms;  ///< num_kv_heads bound
  /// Kernels to keep, as matched by kernel_matches(); those with a leading '!' are left out. Without any to
  /// keep all others are kept.
  std::vector<std::string> kernels;
  /// What ratios are taken against, as a full kernel id: "mha/unfused@cpu". It is measured even where
  /// `mechanisms` or `kernels` leave it out.
  std::string baseline;
  /// What takes its place where it cannot compute the cell, in this order, as full kernel ids.
  std::vector<std::string> other_baselines;
  /// How much is measured where the profile's numbers are not to hold (for_cell()); 0: they hold.
  int processes = 0, blocks = 0;
  bool default_path_only = false;  ///< whatever the profile says

  /// Stable name made of what is computed, where and on which inputs, readable:
  /// "core-prefill-hot-f32-bhsd-b1-h8-q128-kv128-d64-t0". Added where they apply: "-v.." (head_dim_v other
  /// than head_dim_qk), "-m512" (layer scope), "-s.." (softmax_scale other than 1/sqrt(head_dim_qk)),
  /// "-n.." (seqlens_kv), and at the end the device where it is not the CPU, "-cuda:0".
  std::string id() const;
  Problem problem(const Mechanism& mechanism) const { return {shape, mechanism, scope, phase}; }

  /// `baseline` and `other_baselines`.
  std::vector<std::string> baselines() const;
  bool may_be_baseline(std::string_view kernel_id) const;
  /// The first of baselines() among `able`, the kernels that can compute the cell; `baseline` where none is.
  std::string baseline_among(const std::set<std::string>& able) const;
  /// Whether the kernel is there for cells without this baseline alone: its implementation, of whatever
  /// mechanism, is one of the baselines after it, and no filter names it.
  bool is_spare_beside(std::string_view baseline_id, std::string_view kernel_id) const;
  /// `mechanisms`, preceded by those of baselines that are not among them.
  std::vector<Mechanism> measured_mechanisms() const;
  /// Whether the kernel takes part: it may be the baseline, or its mechanism is asked for and `kernels` keep
  /// it.
  bool keeps(std::string_view kernel_id) const;
  bool operator==(const Cell&) const = default;
};

/// Why a kernel that is_spare_beside() this baseline is not measured, in words.
std::string why_spare(std::string_view baseline_id);

/// 1 / sqrt(head_dim_qk), the scale that "rsqrt" stands for.
double rsqrt_scale(std::int64_t head_dim_qk);

/// A filter is any part of "mechanism(params)/kernel@engine:path" with its separator: "gather", "@cpu",
/// ":amx", "fused@cpu", "swa(w=64)/", "swa(w=64)/gather@cpu". Parts left out match everything. A word alone
/// may also be a mechanism, with or without its parameters: "linear", "swa", "swa(w=64)".
bool kernel_matches(std::string_view filter, std::string_view kernel_id);
/// Whether a filter leaves kernels out: "!gather".
bool is_exclusion(std::string_view filter);
/// The filter without that sign.
std::string_view without_sign(std::string_view filter);
/// The mechanism of a kernel id or filter. Throws InputError(field, ...) where it is missing or not
/// canonical.
Mechanism mechanism_of(std::string_view field, std::string_view kernel_id);

/// How a slot is timed, the same in all profiles.
inline constexpr double kBatchSeconds = 1e-3;  ///< shortest timed batch (hot)
inline constexpr int kMaxPrimingCalls = 20;
inline constexpr double kOnePrimingCallAboveSeconds = 5e-3;

/// Half-widths of 95 % intervals, as a share of the ratio, for which profile publish measures.
inline constexpr double kPublishAaHalfWidth = 0.01;
inline constexpr double kPublishRatioHalfWidth = 0.02;

/// How much is measured and how a run is judged.
struct Profile {
  std::string name;
  std::vector<int> processes;  ///< numbers of processes at which a cell may stop; the last is the most
  int blocks = 0;              ///< per process
  int unbatched_calls = 0;     ///< single calls a kernel and process, for p95 and within-process CV
  double warmup_limit_seconds = 2;
  int warmup_limit_calls = 50;
  double reruns = 1;  ///< most processes that take the place of rejected ones, per planned process
  bool default_path_only = false;
  bool stops_on_width = false;  ///< a cell stops at a look at which its intervals are so narrow:
  double aa_half_width = kPublishAaHalfWidth;        ///< of the baseline against itself
  double ratio_half_width = kPublishRatioHalfWidth;  ///< of each kernel against the baseline
  /// 0: a budget is met by planning fewer processes. Else cells are measured in a fixed order (steps_of())
  /// until it is spent, which is this many seconds where none is asked for.
  double budget_seconds = 0;

  int max_processes() const { return processes.back(); }
  /// Of `planned` processes with their re-runs.
  int most_tries(int planned) const { return planned + static_cast<int>(std::ceil(reruns * planned)); }
  bool operator==(const Profile&) const = default;
};
/// quick, report, spec, publish; throws InputError otherwise.
Profile parse_profile(std::string_view text);
std::vector<std::string> profile_names();
/// The same profile with at most `processes` processes; looks beyond that number are dropped.
Profile with_at_most(Profile profile, int processes);
/// The profile as it holds for a cell with these own numbers, 0 for none. A profile that stops on width keeps
/// its numbers of processes: they belong to its rule. With blocks of its own a cell makes no single calls
/// besides: such are for slow kernels, of which a batch is one call.
Profile with_own(Profile profile, int processes, int blocks);
/// The same by the cell's fields.
Profile for_cell(const Profile& profile, const Cell& cell);

/// Cells that are measured in turns, by their place in the study, until each has so many processes.
struct Step {
  std::vector<std::size_t> cells;
  int processes = 0;

  bool operator==(const Step&) const = default;
};
/// The order of a profile that measures until its budget is spent: look after look, at each the cells of f32,
/// then those of bf16, then of f16. Never by what was measured.
std::vector<Step> steps_of(const Profile& profile, const std::vector<Cell>& cells);

struct Study {
  std::string name;
  std::string description;
  std::vector<Cell> cells;  ///< ids are unique
  /// What the attention of the model has whose shapes these are, and no kernel here computes: "soft cap 50.0
  /// of the scores". Said beside every table of results.
  std::vector<std::string> not_computed = {};

  bool operator==(const Study&) const = default;
};

}  // namespace attnbench
