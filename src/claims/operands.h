#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/analysis.h"
#include "claims/claim.h"
#include "claims/claim_answer.h"

namespace attnbench {

/// Who stands for a claim's names in one group of cells, and what was measured of them.
class Operands {
 public:
  /// Form::published: the kernel that the selector matches, on the baseline's engine where several do, else
  /// the first in canonical order. Form::best: of the kernels matched the fastest, by the geometric mean of
  /// its times over the claim's lengths, the same at all of them. Where an engine is named its kernels alone
  /// are matched. In either form: where the baseline of the cells is `unfused_f32`, which does by products in
  /// f32 what `unfused` does not compute there, it stands in for an `unfused` kernel without times, and of
  /// other mechanisms so does the kernel of its name. Keeps a reference to the group.
  Operands(const Claim& claim, const GroupAnalysis& group, Form form, std::string_view engine = {});

  /// Kernel id; empty where none matches.
  const std::string& kernel(const std::string& name) const { return chosen_.at(name); }
  /// The kernels it was chosen from by their times; alone in Form::published. Empty where none matches.
  const std::vector<std::string>& candidates(const std::string& name) const { return candidates_.at(name); }

  /// "mha/unfused_f32@cpu for mha/unfused", of each name that has one, in their order.
  const std::vector<std::string>& stand_ins() const { return stand_ins_; }

  /// Why there is no time of a name at a length; empty where there is.
  std::string missing(const std::string& name, std::int64_t seqlen) const;
  /// Why its times there allow no verdict: "... is not ranked: in 6 of 12 processes"; empty where they do.
  std::string unranked(const std::string& name, std::int64_t seqlen) const;
  /// Processes that have times of it there.
  std::size_t processes(const std::string& name, std::int64_t seqlen) const;

  /// log of the seconds in each process (ProcessTimes::seconds). Of published means: of the one mean.
  std::vector<double> log_seconds(const std::string& kernel_id, std::int64_t seqlen) const;
  /// log(time of `against` / time of `kernel`) by process, of those that have both: the same quotient of
  /// process times as a ratio to the baseline. Above 0: the kernel is faster. Of published means: of the two
  /// means, as process 0.
  std::map<int, double> process_log_ratios(const std::string& kernel_id, const std::string& against_id,
                                           std::int64_t seqlen) const;
  /// The same without the processes' numbers.
  std::vector<double> log_ratios(const std::string& kernel_id, const std::string& against_id,
                                 std::int64_t seqlen) const;
  const GroupAnalysis& group() const { return group_; }

 private:
  const KernelAnalysis* find(const std::string& kernel_id, std::int64_t seqlen) const;
  bool is_measured(const std::string& kernel_id) const;
  void choose_fastest(const std::string& name, const std::vector<std::int64_t>& seqlens);

  const GroupAnalysis& group_;
  std::map<std::string, std::string> selectors_;
  std::map<std::string, std::string> chosen_;
  std::map<std::string, std::vector<std::string>> candidates_;
  std::vector<std::string> stand_ins_;
};

/// All lengths that headline and details name, rising.
std::vector<std::int64_t> lengths_of(const Claim& claim);

}  // namespace attnbench
