// How fast the fused kernels are on this machine, as Markdown: docs/performance.md is made of its output. A
// kernel and what it is compared with, a measured ceiling or another kernel, are timed in turn, round by
// round, so that a change of clock or a neighbour hits both. One process: the study (attnbench run) is the
// evidence across processes.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <fstream>

#include "attnbench/device.h"
#include "rows.h"
#include "run/environment/environment.h"

namespace {

using namespace attnbench;

struct Options {
  int threads = 2;
  int rounds = 21;
  std::string only;
  bool csv = false;
};

std::string kernel_name(const bench::Entry& entry, const bench::Timed& timed) {
  return fmt::format("{}/{}{}{}", entry.mechanism, entry.kernel, timed.path.empty() ? "" : ":", timed.path);
}

std::string middle_and_range(const std::vector<double>& values, double factor, const char* unit) {
  const auto at = [&](double share) { return factor * bench::quantile(values, share); };
  return fmt::format("{:.3g}{} ({:.3g} to {:.3g})", at(0.5), unit, at(0.1), at(0.9));
}

/// Returns false where this machine has no such path.
bool print_row(const bench::Row& row, const Options& options, const Ceilings& ceilings) {
  const auto& entry = row.subject;
  const auto subject = bench::prepare(entry, ceilings);
  if (!subject.call) return false;
  const bool kernel = row.against == bench::Against::kernel;
  const auto reference = kernel ? bench::prepare(row.reference, ceilings)
                         : row.against == bench::Against::read_ceiling
                             ? bench::read_ceiling(static_cast<std::int64_t>(subject.amount), entry.threads)
                             : bench::compute_ceiling(entry.dtype, entry.threads, ceilings);
  if (!reference.call) return false;
  const bool cpu_time = entry.threads == 1 && (!kernel || row.reference.threads == 1);
  const auto pair = bench::measure_in_turn(subject, reference, options.rounds, cpu_time);

  // Two kernels are compared by calls; where their lengths differ, by queries; a kernel and a ceiling by
  // rates.
  const double per_subject = kernel ? subject.queries : subject.amount;
  const double per_reference = kernel ? reference.queries : reference.amount;
  std::vector<double> ratios;
  for (std::size_t i = 0; i < pair.subject.size(); ++i)
    ratios.push_back(pair.reference[i] / per_reference / (pair.subject[i] / per_subject));
  const double target = cpu_features().amx_bf16 ? row.target_amx : row.target_other;
  const auto seconds = bench::median(pair.subject);
  fmt::print(
      "| {} | {} | {} | {} | {} | {} | {:.4g} | {:.4g} | {} | {} |\n", kernel_name(entry, subject),
      kernel ? kernel_name(row.reference, reference) + (row.reference.seqlen_kv == entry.seqlen_kv
                                                            ? ""
                                                            : fmt::format(" N={}", row.reference.seqlen_kv))
             : fmt::format("{} {:.4g} G/s", reference.path,
                           reference.amount / bench::median(pair.reference) * 1e-9),
      name(entry.dtype), entry.threads, entry.seqlen_kv, entry.head_dim, seconds * 1e9 / subject.queries,
      subject.amount / seconds * 1e-9,
      kernel ? middle_and_range(ratios, 1, "x") : middle_and_range(ratios, 100, " %"),
      target == 0 ? ""
      : kernel    ? fmt::format("{:.3g}x{}", target, bench::median(ratios) < target ? " MISSED" : "")
                  : fmt::format("{:.3g} %{}", 100 * target, bench::median(ratios) < target ? " MISSED" : ""));
  std::fflush(stdout);
  return true;
}

/// library,form,dtype,threads,head_dim,seqlen,seconds of dense attention: what bench/peers/peers.py compares.
void print_csv(const Options& options, const Ceilings& ceilings) {
  for (const auto dtype : {DType::f32, DType::bf16}) {
    for (const std::int64_t head_dim : {64, 128}) {
      for (const std::int64_t seqlen : {128, 256, 512, 1024, 4096}) {
        const bench::Entry entry{"mha", "fused", dtype, seqlen, seqlen, head_dim, 8, 1, ""};
        const auto timed = bench::prepare(entry, ceilings);
        if (!timed.call) continue;
        const auto seconds = bench::median(bench::measure(timed, options.rounds, false));
        fmt::print("attnbench,{},{},1,{},{},{:.9g}\n", kernel_name(entry, timed), name(dtype), head_dim,
                   seqlen, seconds);
      }
    }
  }
}

void print_head(const Options& options, const Ceilings& ceilings) {
  std::string load;
  std::getline(std::ifstream("/proc/loadavg"), load);
  const auto environment = probe_environment();
  fmt::print("CPU: {} ({}), {} physical cores, load before {}; {} rounds.\n\n",
             environment.at("cpu").value("model", "unknown"), to_string(cpu_features()),
             cpu_device(0).cpus.size(), load.substr(0, load.find(' ')), options.rounds);
  for (const auto& c : ceilings.compute)
    fmt::print("- {} ({}): {:.4g} GFLOP/s\n", c.unit, c.path, c.flops_per_second * 1e-9);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Speed of the fused kernels against measured ceilings and against each other, as Markdown"};
  Options options;
  app.add_option("--threads", options.threads, "Threads of the rows that use more than one")
      ->capture_default_str();
  app.add_option("--rounds", options.rounds, "Rounds of each row")
      ->capture_default_str()
      ->check(CLI::Range(5, 1000));
  app.add_option("--only", options.only, "Only tables whose title contains this");
  app.add_flag("--csv", options.csv, "Times of dense attention alone, as CSV, one thread");
  CLI11_PARSE(app, argc, argv);

  const auto ceilings = measure_ceilings(cpu_device(1));
  if (options.csv) {
    print_csv(options, ceilings);
    return 0;
  }
  print_head(options, ceilings);
  for (const auto& table : bench::tables(options.threads)) {
    if (table.title.find(options.only) == std::string::npos) continue;
    fmt::print("\n### {}\n\n{}{}", table.title, table.note, table.note.empty() ? "" : "\n\n");
    fmt::print(
        "| kernel | against | type | threads | N | D | ns a query and head | G/s | result (10 to 90 % of "
        "rounds) | "
        "target |\n|---|---|---|---|---|---|---|---|---|---|\n");
    for (const auto& row : table.rows) print_row(row, options, ceilings);
  }
}
