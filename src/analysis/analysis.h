#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "attnbench/kernel.h"
#include "stats/aa_gate.h"
#include "stats/crossover.h"
#include "stats/intervals.h"
#include "stats/median_interval.h"
#include "stats/power_law.h"
#include "stats/step_ratio.h"
#include "stats/verdicts.h"
#include "store/records.h"

namespace attnbench {

// Values that follow from samples, computed here and nowhere else. Times are in seconds, sizes in bytes. A
// ratio is time of the baseline / time of the kernel: above 1 the kernel is faster. An optional without a
// value says that nothing is known; an interval without bounds (stats::Interval::is_bounded) that its error
// is not known.

/// One kernel in one process.
struct ProcessTimes {
  int process = 0;
  double seconds = 0;               ///< stats::process_seconds of the blocks: their median
  double mean_seconds = 0;          ///< over the blocks
  std::optional<double> log_ratio;  ///< log(the baseline's seconds / seconds)
  std::vector<double> blocks;       ///< seconds a call, in the order of the blocks
  std::vector<int> block_numbers;   ///< of each of them
};

/// Single calls, timed one by one.
struct UnbatchedTimes {
  double p95 = 0;  ///< mean over processes of each one's 95th percentile (nearest rank)
  double cv = 0;   ///< mean over processes of each one's coefficient of variation
  int calls = 0;   ///< of all processes together
};

/// Where the spread comes from: within processes that of the blocks' times (stats::VarianceComponents).
struct Spread {
  double cv_within = 0;
  double cv_between = 0;  ///< of process values (stats::cv_interval), not a component
  double icc = 0;
  double design_effect = 1;
};

struct Accuracy {
  double max_error = 0;    ///< max |o - oracle|
  double plain_error = 0;  ///< of the plain same-precision form
  double tolerance = 0;
};

/// What a kernel has to do and how near it comes to what the machine can do.
struct WorkAnalysis {
  double useful_flops = 0;
  std::optional<double> executed_flops;  ///< absent in stores that do not hold it
  double compulsory_bytes = 0;
  std::optional<double> moved_bytes;  ///< KernelInfo's; absent where it does not tell, and in older stores
  /// K and V as kept for later tokens; absent for linear mechanisms, which keep a state instead.
  std::optional<double> kv_cache_bytes;
  /// useful_flops / seconds in percent of the fastest unit measured for the element type, at that thread
  /// count.
  std::optional<double> percent_of_compute;
  /// The same for executed_flops.
  std::optional<double> percent_of_compute_executed;
  /// compulsory_bytes / seconds in percent of the bandwidth measured over as many bytes.
  std::optional<double> percent_of_bandwidth;
  /// Which of useful_flops and compulsory_bytes takes longer at its ceiling, "compute" or "bandwidth"; empty
  /// where one is not known.
  std::string bound;
};

/// What a process spends on a kernel before its first call returns: medians over the processes that are
/// judged.
struct StartUp {
  double prepare_seconds = 0;          ///< plans, workspace, compiled code: once for a shape
  std::optional<double> bind_seconds;  ///< tensors to the device; absent in stores of before it was kept
  double first_call_seconds = 0;
  /// From this call on the kernel, start-up included, has taken less time in all than the cell's baseline
  /// with its own. Absent for the baseline, and where it never has. Of medians: no interval.
  std::optional<std::int64_t> pays_off_after_calls;

  /// All that is spent beyond the calls themselves, each of which takes `seconds`.
  double surplus_seconds(double seconds) const {
    return prepare_seconds + bind_seconds.value_or(0) + first_call_seconds - seconds;
  }
};

/// What rejected processes measured of a kernel that no valid one has: to be shown, and no more.
struct RejectedTimes {
  double seconds = 0;  ///< median of their process values
  int processes = 0;
};

/// One kernel in one cell, or why there is nothing to say of it.
struct KernelAnalysis {
  KernelRecord kernel;
  std::string label;   ///< short, for legends; unique within the group
  std::string status;  ///< ok, unsupported, wrong, failed, quarantined, impossible, not measured
  std::string reason;  ///< empty when ok
  int processes = 0;   ///< with a value

  /// Why it gets no verdict and is never ranked, a baseline, or an answer to a claim; empty where it may be.
  /// "in 6 of 12 processes": so many have all blocks of it. Its time is over the processes that have it, its
  /// ratio over those that have both, so the two need not agree. "less exact: ..", or "computes another
  /// function: ..": how far off it is.
  std::string unranked;
  bool inexact = false;  ///< unranked for its error or its function, whatever the processes
  /// Which code computed, by what the engine told at the end of valid processes; known_by is empty where one
  /// of them could not tell. Absent in stores that do not hold it.
  std::optional<Implementation> implementation;

  std::optional<stats::Interval> seconds;  ///< stats::time_interval of process values. Present when ok
  /// Mean of process means, where it lies outside the interval of `seconds`: disturbed blocks or processes.
  std::optional<double> mean_seconds;
  std::optional<stats::MedianInterval> median;  ///< over process medians
  std::optional<double> mad;                    ///< of process medians; from two processes on
  std::optional<double> min, max;               ///< of the blocks
  std::optional<Spread> spread;                 ///< from two processes on

  /// The quotient of the baseline's `seconds` and these. Absent without a measured baseline.
  std::optional<stats::Interval> ratio;
  /// Its processes fall into groups (stats::has_modes of their log-ratios): the ratio's interval holds mean
  /// and median, and EQUIVALENT is not said.
  bool modes = false;
  bool wide = false;  ///< publish: the ratio's half-width misses its target, kPublishRatioHalfWidth
  /// Against the baseline in its family (device, element type, scope of the run). Absent for the baseline, in
  /// published runs, and where the cell's verdicts are withheld.
  std::optional<stats::Judgement> judgement;
  std::optional<double> welch_p;  ///< on process values, unpaired: for comparison with the publication alone
  std::optional<double> smallest_detectable_ratio;  ///< with 80 % power, at 5 %, with these processes

  /// Share of the keys of dense attention that a query sees, over all queries and sequences.
  double keys_share = 1;
  bool softmax = true;
  /// That in words, with the heads of keys and values where they are not the baseline's: "6 % of the keys",
  /// "all keys, 1 kv head", "all keys, no softmax".
  std::string function;
  bool drop_in = false;  ///< computes what the cell's baseline computes
  /// Time of the group's dense kernel, of its causal one for causal mechanisms / time of this one, in the
  /// same processes. Absent for that kernel itself, and where it has no times.
  std::optional<stats::Interval> to_dense;

  std::optional<RejectedTimes> rejected;  ///< only where not measured
  std::optional<UnbatchedTimes> unbatched;
  WorkAnalysis work;
  std::optional<Accuracy> accuracy;
  std::optional<std::int64_t> peak_bytes, workspace_bytes;
  std::optional<StartUp> start_up;       ///< absent in published runs and where no process tells
  std::vector<ProcessTimes> by_process;  ///< judged processes that have times of it; none in published runs
  std::vector<ProcessTimes> later;       ///< valid ones after the look at which the cell is judged: unused

  std::string id() const { return kernel.id(); }
  bool ok() const { return status == "ok"; }
  bool is_confirmed() const { return !implementation || !implementation->known_by.empty(); }
};

/// Kernels that may be the fastest (stats::find_best_sets; one family for the run), best first. No verdict
/// says of one that it is slower than another kernel. Both empty where verdicts are withheld.
struct BestKernels {
  std::vector<std::string> set;  ///< as fast as, or faster than, every kernel shown not to be it
  std::vector<std::string>
      not_excluded;  ///< slower than one of those by their estimate, kept for their noise

  bool has_winner() const { return set.size() == 1 && not_excluded.empty(); }
};

struct CellAnalysis {
  CellRecord cell;
  int valid_processes = 0;
  /// All results are of the first so many of them: all, but in profile publish the largest planned look
  /// reached.
  int judged_processes = 0;
  int rejected_processes = 0;                ///< that count in NoiseAnalysis::rejected
  std::vector<std::string> invalid_reasons;  ///< one an invalid process
  std::string baseline;                      ///< kernel id; empty when the cell has none
  /// The baseline against its alias, the same kernel as a second entry: the true ratio is 1. p values are
  /// adjusted over the cells of the run.
  std::optional<stats::AaCheck> aa;
  /// Of a kind of process that no judged process was, the share not excluded at 95 %:
  /// stats::share_not_excluded. EQUIVALENT speaks of the others. 1 in published runs.
  double share_not_excluded = 1;
  std::string withheld;  ///< why there are no verdicts: "too noisy to publish: ..", ..; empty when there are
  BestKernels best;      ///< of all kernels
  std::map<std::string, BestKernels> best_of_mechanism;  ///< of each mechanism's kernels
  std::string fastest;  ///< the kernel with the highest ratio, shown to be so or not; empty without ratios
  std::vector<KernelAnalysis> kernels;  ///< canonical order

  /// N: the number of keys, in prefill also that of queries.
  std::int64_t seqlen() const { return cell.shape.seqlen_kv; }
  /// Null when the cell has no such kernel.
  const KernelAnalysis* find(std::string_view kernel_id) const;
};

struct CrossoverAnalysis {
  std::vector<double> estimates;
  std::optional<std::vector<stats::CrossoverRange>> ranges;  ///< absent in published runs
};

/// One kernel over N, from the lengths where it is ok; at least two.
struct SeriesAnalysis {
  std::string kernel_id;
  double theory = 1;  ///< exponent of the useful FLOPs for N to infinity: 0, 1 or 2
  stats::PowerLaw power_law;
  std::vector<stats::StepRatio> steps;
  /// With the baseline; absent for the baseline itself, and where that is not the same at each N.
  std::optional<CrossoverAnalysis> crossover;
};

/// What to use at one N.
struct Recommendation {
  std::int64_t seqlen = 0;
  std::string mechanism;  ///< canonical; empty: of all kernels in the cell
  BestKernels best;
  std::optional<stats::Interval> ratio;  ///< of the best, or of the fastest where verdicts are withheld
  std::string sentence;
};

/// Cells that differ in N alone, N rising.
struct GroupAnalysis {
  std::string id;       ///< the cells' id without its lengths: "core-prefill-hot-f32-bhsd-b1-h8-d64-t0"
  std::string heading;  ///< "core f32", and what else tells it from the run's other groups
  std::string dtype;    ///< "f32"; "bf16/f32/f32" (q, kv, o) where they differ
  std::vector<CellAnalysis> cells;
  std::vector<SeriesAnalysis> series;  ///< canonical order
  std::vector<Recommendation> recommendation;
  /// Ids of the fastest exact dense kernels, without and with a causal mask: of the baseline's mechanism (mha
  /// where that is not dense) the kernel with the lowest geometric mean over the group's N. Empty where none
  /// was measured.
  std::string dense, causal_dense;

  /// What stands first in tables.
  const std::string& reference() const { return dense.empty() ? causal_dense : dense; }
  const CellRecord& first() const { return cells.front().cell; }  ///< what all cells share
  /// Null when there is none.
  const CellAnalysis* at(std::int64_t seqlen) const;
  const SeriesAnalysis* find_series(std::string_view kernel_id) const;
};

/// Processes invalid for reasons that agree up to their first number.
struct NoiseReason {
  std::string reason, cell_id;  ///< of the first such process, in full
  int count = 0;
};
/// What disturbs, perhaps, and rejects nothing until somebody has measured what it costs.
struct NoiseFlag {
  std::string flag;
  int count = 0;  ///< valid processes
};
struct ProcessNoise {
  std::string cell_id;
  int process = 0;
  bool valid = true;
  std::string reason;
  JsonDocument noise;  ///< as recorded
  /// noise_flags(), and a sentinel so much slower than in other processes that it seems to have run on
  /// efficiency cores.
  std::vector<std::string> flags;
};
struct NoiseAnalysis {
  int processes = 0;                     ///< that count: interrupted and re-planned ones do not
  int rejected = 0;                      ///< of these, invalid
  int interrupted = 0;                   ///< or re-planned
  std::vector<NoiseReason> reasons;      ///< of the rejected
  std::vector<NoiseFlag> flags;          ///< of the valid
  std::vector<ProcessNoise> by_process;  ///< all
};

/// What the noise guard's rejections did to the verdicts.
struct RejectedEffect {
  int processes = 0;  ///< rejected ones that have all blocks of all kernels
  int verdicts = 0;   ///< given, without them
  int others = 0;     ///< of these, other ones with them
  int withheld = 0;   ///< of these, withheld with them
  int more = 0;       ///< withheld without them, given with them
  struct Change {
    std::string cell_id, kernel_id;
    std::optional<stats::Verdict> without, with;  ///< absent: withheld
  };
  std::vector<Change> changes;  ///< all of others, withheld and more

  /// "with the 4 rejected processes that are complete, of 66 verdicts given 1 would be another, ..".
  std::string text() const;
};

/// One measured ceiling.
struct CeilingRow {
  std::string device;                  ///< whose it is: "cpu", "cuda:0"
  std::string quantity;                ///< flops, read, copy
  std::string dtype, path, operation;  ///< of flops: "f32", "avx512", "fma"; else empty
  std::optional<std::int64_t> bytes;   ///< working set of read and copy
  int threads = 0;  ///< of the CPU; a device has the same ceilings whatever a cell's threads
  double value = 0;
  std::string unit;  ///< FLOP/s, bytes/s
};

/// One kernel at one N, measured by itself and inside its layer, all else equal.
struct LayerEffect {
  std::string core_group, layer_group;
  std::string dtype;
  std::int64_t seqlen = 0;
  std::string kernel_id;
  std::string function;  ///< KernelAnalysis::function
  /// Time in core scope / time in layer scope: separate processes, Welch's interval on logarithms.
  stats::Interval share;
  std::optional<stats::Interval> core_gain, layer_gain;  ///< ratios to the baseline
  std::optional<stats::Verdict> core_verdict, layer_verdict;
  double core_margin_ratio = 1, layer_margin_ratio = 1;  ///< of EQUIVALENT
  std::optional<bool> differs;  ///< both resolved and not the same; absent where either is withheld
};

/// How our kernel stands against one of another engine, or against all that an engine has.
enum class PeerStanding : std::uint8_t {
  ahead,      ///< shown to be faster
  tied,       ///< shown to be as fast
  behind,     ///< shown to be slower
  undecided,  ///< measured, none of these
  missing,    ///< one of the two has no times
};
/// "ahead", "tied", "behind", "not decided", "missing".
std::string_view to_string(PeerStanding standing);

/// A kernel of another engine beside ours of the same mechanism in the same cell.
struct PeerRow {
  std::string cell_id, group;
  std::int64_t seqlen = 0;
  std::string mechanism, engine;
  std::string ours;    ///< kernel id; empty where no fused kernel of ours is in the cell
  std::string kernel;  ///< kernel id
  std::optional<stats::Interval> our_seconds, seconds;
  /// Time of the other kernel / time of ours: above 1 ours is faster. Absent where one has no times.
  std::optional<stats::Interval> ratio;
  bool modes = false;
  std::optional<stats::Judgement> judgement;  ///< FASTER: ours is
  PeerStanding standing = PeerStanding::missing;
  std::string status;  ///< of the other kernel, as KernelAnalysis::status
  std::string reason;  ///< why it is missing or has no verdict
};

/// An engine over all cells and mechanisms in which it has times beside ours. Of several kernels there the
/// one decides that is worst for us: behind, then not decided, then tied.
struct PeerEngine {
  std::string engine;
  int ahead = 0, tied = 0, behind = 0, undecided = 0;
  std::optional<double> lowest, highest;  ///< ratio of its fastest kernel, over these
  std::string missing;                    ///< why it has no times at all; empty where it has
};

struct PeerComparison {
  std::vector<PeerRow> rows;        ///< in the order of the cells
  std::vector<PeerEngine> engines;  ///< in the order met, then those that were not there
};

/// A ratio that misses the width for which profile publish measures.
struct WideRatio {
  std::string cell_id, kernel_id;
  double half_width = 0;  ///< stats::relative_half_width
};

/// Whether results of a run in profile publish may be cited.
enum class Publishable : std::uint8_t { yes, in_part, no };
/// "yes", "in part", "no".
std::string_view to_string(Publishable publishable);

/// On which CPUs a run measured, as lists ("0-3,8").
struct CpuSet {
  std::string allowed;              ///< to its workers at their start; empty where the store does not tell
  std::map<int, std::string> used;  ///< by number of threads
  /// What kinds of cores those are, by number of threads: "4 Performance, 2 Efficiency". Only where the
  /// machine names kinds; it counts its CPUs through them and binds no thread: these are the cores that were
  /// asked for.
  std::map<int, std::string> cores;
  std::string command;  ///< to put before a command so that it measures on the same CPUs: "taskset -c 0-3";
                        ///< empty where no CPU of the machine was left out
};

/// One run: one machine, one build.
struct RunAnalysis {
  std::string id;  ///< "r0", "r1", .. in the order given
  RunRecord run;
  std::string machine;     ///< label; " (2)", " (3)".. where an earlier run has the same
  bool published = false;  ///< means only, no variance
  std::string standing;    ///< "orientation: 3 processes, not for publication"; empty for profile publish
  std::optional<Publishable> publishable;  ///< absent where the profile is not publish
  std::vector<std::string> marks;          ///< why not, or which cells not and why
  std::string mark;    ///< what stands beside the machine and on every figure; may be empty
  std::string common;  ///< what all groups share: "cpu, prefill, hot caches, batch 1, 8 heads, .."
  CpuSet cpu_set;
  std::string measured_from, measured_to;  ///< start of the first and last process; empty where not known
  /// Which processes were measured, sorted: cell, number, boot and start of each whose start is known.
  std::vector<std::string> processes;
  std::vector<WideRatio> wide;  ///< in the order of the cells; only of profile publish
  NoiseAnalysis noise;
  std::optional<RejectedEffect> rejected_effect;  ///< absent where none is complete, or no verdict given
  std::vector<CeilingRow> ceilings;
  std::vector<GroupAnalysis> groups;  ///< in the order of the run's cells
  std::vector<LayerEffect> layer_effect;
  PeerComparison peers;
};

struct Analysis {
  std::vector<RunAnalysis> runs;
};

/// The order of all tables: by mechanism, its parameters from small to large, then as declared.
bool canonically_before(const KernelRecord& a, const KernelRecord& b);

/// One RunAnalysis a run, in order; runs are never averaged. Depends on nothing but its argument. A kernel
/// with a failure of any stage is not ranked: it has its reason and no times, and no ratio is taken to such a
/// baseline, nor to one that is less exact or computes another function.
Analysis analyze(std::span<const RunContents> runs);

}  // namespace attnbench
