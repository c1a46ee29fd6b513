#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "analysis/analysis.h"
#include "attnbench/error.h"
#include "claims/answer_claims.h"
#include "claims/load_claims.h"
#include "plan/study.h"
#include "stats/process_value.h"

namespace attnbench {

/// Five processes around a centre: standard deviation sqrt(2.5) x spread, standard error sqrt(0.5) x spread,
/// 95 % half-width 2.776445 (t, 4 degrees of freedom) x sqrt(0.5) x spread.
inline std::vector<double> five(double centre, double spread = 0.01) {
  return {centre - 2 * spread, centre + spread, centre, centre - spread, centre + 2 * spread};
}
constexpr double kHalfWidth = 2.776445 * 0.70710678 * 0.01;

inline const std::string kMha = "mha/unfused@cpu";
inline const std::string kGqa = "gqa(kv=4)/unfused@cpu";
inline const std::string kLinear = "linear/two_gemm@cpu";

/// A run of one group, from log seconds by process.
class ClaimRun {
 public:
  explicit ClaimRun(const std::string& scope = "layer", const std::string& dtype = "f32") {
    run_.id = "r0";
    run_.machine = "Synthetic";
    run_.run.profile = "spec";
    auto& group = run_.groups.emplace_back();
    group.id = scope + "-" + dtype;
    group.heading = scope + " " + dtype;
    group.dtype = dtype;
    scope_ = scope;
  }

  /// Every process has three blocks of the same time.
  ClaimRun& add(const std::string& id, std::int64_t seqlen, const std::vector<double>& log_seconds) {
    auto& kernel = add_kernel(id, seqlen);
    for (std::size_t p = 0; p < log_seconds.size(); ++p) {
      const double seconds = std::exp(log_seconds[p]);
      kernel.by_process.push_back(
          {static_cast<int>(p), seconds, seconds, {}, {seconds, seconds, seconds}, {0, 1, 2}});
    }
    kernel.status = "ok";
    kernel.processes = static_cast<int>(log_seconds.size());
    kernel.seconds = stats::time_interval(log_seconds);
    return *this;
  }
  /// mha/unfused takes 1 s in every process, and the kernel exp(-log_speed).
  ClaimRun& against_mha(const std::string& id, std::int64_t seqlen, const std::vector<double>& log_speed) {
    std::vector<double> logs;
    for (const double speed : log_speed) logs.push_back(-speed);
    if (!has("mha/unfused@cpu", seqlen)) add("mha/unfused@cpu", seqlen, std::vector(log_speed.size(), 0.0));
    return add(id, seqlen, logs);
  }
  ClaimRun& add_failed(const std::string& id, std::int64_t seqlen, const std::string& reason) {
    auto& kernel = add_kernel(id, seqlen);
    kernel.status = "wrong";
    kernel.reason = reason;
    return *this;
  }
  CellAnalysis& cell(std::int64_t seqlen) {
    auto& cells = run_.groups[0].cells;
    for (auto& cell : cells) {
      if (cell.seqlen() == seqlen) return cell;
    }
    auto& cell = cells.emplace_back();
    cell.cell.scope = scope_;
    cell.cell.phase = "prefill";
    cell.cell.condition = "hot";
    cell.cell.shape.batch = 1;
    cell.cell.shape.num_q_heads = 8;
    cell.cell.shape.head_dim_qk = cell.cell.shape.head_dim_v = 64;
    cell.cell.shape.seqlen_q = cell.cell.shape.seqlen_kv = seqlen;
    cell.baseline = "mha/unfused@cpu";
    return cell;
  }
  RunAnalysis& run() { return run_; }

 private:
  bool has(const std::string& id, std::int64_t seqlen) { return cell(seqlen).find(id) != nullptr; }
  KernelAnalysis& add_kernel(const std::string& id, std::int64_t seqlen) {
    auto& kernel = cell(seqlen).kernels.emplace_back();
    const auto slash = id.find('/');
    const auto at = id.find('@');
    const auto colon = id.find(':', at);
    kernel.kernel.mechanism = id.substr(0, slash);
    kernel.kernel.kernel = id.substr(slash + 1, at - slash - 1);
    kernel.kernel.engine = id.substr(at + 1, colon == std::string::npos ? colon : colon - at - 1);
    if (colon != std::string::npos) kernel.kernel.path = id.substr(colon + 1);
    kernel.kernel.is_baseline = id == "mha/unfused@cpu";
    return kernel;
  }

  RunAnalysis run_;
  std::string scope_;
};

constexpr const char* kClaimHead = R"(number = 1
title = "T"
[where]
phase = "prefill"
heads = 8
[published]
scope = "layer"
dtype = "f32"
[kernels]
mha = "mha/unfused"
gqa = "gqa(kv=4)/unfused"
linear = "linear/two_gemm"
)";

inline const std::string kQuoted = "[headline]\nquote = \"Q\"\nsource = \"S\"\n";

/// A claim about mha, gqa and linear with these [[headline.parts]] and [[details]].
inline Claim claim_of(const std::string& parts) {
  return parse_claim(kClaimHead + kQuoted + parts, "t", "t.toml");
}

inline std::vector<ClaimAnswer> answers_of(const Claim& claim, const RunAnalysis& run) {
  return answer_claims(std::vector{claim}, std::vector{run}).at(0).answers;
}
inline ClaimAnswer answer_of(const std::string& parts, ClaimRun& run) {
  return answers_of(claim_of(parts), run.run()).at(0);
}

}  // namespace attnbench
