// How fast the fused kernels are on this machine, as Markdown: docs/performance.md is made of its output. A
// kernel and what it is compared with, a measured ceiling or another kernel, are timed in turn, round by
// round, so that a change of clock or a neighbour hits both. One process: the study (attnbench run) is the
// evidence across processes.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>

#include "attnbench/cpu_device.h"
#include "rows.h"
#include "run/environment/environment.h"

namespace {

using namespace attnbench;

struct Options {
  int threads = 2;
  int rounds = 21;
  std::string only;
  bool peer = false;
  std::string json;
};

std::string kernel_name(const bench::Entry& entry, const bench::Timed& timed) {
  return fmt::format("{}/{}{}{}", entry.mechanism, entry.kernel, timed.path.empty() ? "" : ":", timed.path);
}

std::string against(const bench::Row& row, const bench::Timed& reference, double reference_seconds) {
  if (row.against != bench::Against::kernel)
    return fmt::format("{} {:.4g} G/s", reference.path, reference.amount / reference_seconds * 1e-9);
  const auto name = kernel_name(row.reference, reference);
  if (row.reference.seqlen_kv != row.subject.seqlen_kv)
    return fmt::format("{} N={}", name, row.reference.seqlen_kv);
  return row.reference.threads == row.subject.threads ? name : name + ", one thread";
}

/// One measured row as it stands in tables and in the file that `bench/kernels/performance.py` reads. Nothing
/// where this machine has no such path.
std::optional<nlohmann::json> measure_row(const bench::Row& row, const Options& options,
                                          const Ceilings& ceilings) {
  const auto& entry = row.subject;
  const auto subject = bench::prepare(entry, ceilings);
  if (!subject.call) return std::nullopt;
  const bool kernel = row.against == bench::Against::kernel;
  const auto reference = kernel ? bench::prepare(row.reference, ceilings)
                         : row.against == bench::Against::read_ceiling
                             ? bench::read_ceiling(static_cast<std::int64_t>(subject.amount), entry.threads)
                             : bench::compute_ceiling(entry.dtype, entry.threads, ceilings);
  if (!reference.call) return std::nullopt;
  const bool cpu_time = entry.threads == 1 && (!kernel || row.reference.threads == 1);
  const auto pair = bench::measure_in_turn(subject, reference, options.rounds, cpu_time);

  // Two kernels are compared by calls; where their lengths differ, by queries; a kernel and a ceiling by
  // rates.
  const double per_subject = kernel ? subject.queries : subject.amount;
  const double per_reference = kernel ? reference.queries : reference.amount;
  std::vector<double> ratios;
  for (std::size_t i = 0; i < pair.subject.size(); ++i)
    ratios.push_back(pair.reference[i] / per_reference / (pair.subject[i] / per_subject));
  const auto seconds = bench::median(pair.subject);
  return nlohmann::json{{"kernel", entry.mechanism + "/" + entry.kernel},
                        {"path", subject.path},
                        {"asked_path", entry.path},
                        {"against", against(row, reference, bench::median(pair.reference))},
                        {"is_share", !kernel},
                        {"dtype", name(entry.dtype)},
                        {"threads", entry.threads},
                        {"seqlen", entry.seqlen_kv},
                        {"head_dim", entry.head_dim},
                        {"nanoseconds", seconds * 1e9 / subject.queries},
                        {"rate", subject.amount / seconds},
                        {"ratio", bench::median(ratios)},
                        {"ratio_10", bench::quantile(ratios, 0.1)},
                        {"ratio_90", bench::quantile(ratios, 0.9)},
                        {"target", cpu_features().amx_bf16 ? row.target_amx : row.target_other}};
}

/// "85.1 %" or "1.93x".
std::string ratio_text(double ratio, bool is_share) {
  return is_share ? fmt::format("{:.3g} %", 100 * ratio) : fmt::format("{:.3g}x", ratio);
}

void print_row(const nlohmann::json& row) {
  const bool share = row.at("is_share");
  const double target = row.at("target"), ratio = row.at("ratio");
  const auto path = row.at("path").get<std::string>();
  fmt::print("| {}{}{} | {} | {} | {} | {} | {} | {:.4g} | {:.4g} | {} ({} to {}) | {}{} |\n",
             row.at("kernel").get<std::string>(), path.empty() ? "" : ":", path,
             row.at("against").get<std::string>(), row.at("dtype").get<std::string>(),
             row.at("threads").get<int>(), row.at("seqlen").get<int>(), row.at("head_dim").get<int>(),
             row.at("nanoseconds").get<double>(), row.at("rate").get<double>() * 1e-9,
             ratio_text(ratio, share), ratio_text(row.at("ratio_10"), share),
             ratio_text(row.at("ratio_90"), share), target == 0 ? "" : ratio_text(target, share),
             ratio < target ? " MISSED" : "");
  std::fflush(stdout);
}

/// Answers requests of bench/peers/peers.py, lines "dtype head_dim seqlen": times a batch of dense attention,
/// after an untimed one, and prints library,form,dtype,threads,head_dim,seqlen,seconds and an empty line.
void serve_peers(const Ceilings& ceilings) {
  std::string type;
  bench::Entry entry{"mha", "fused", DType::f32, 0, 0, 0, 8, 1, ""};
  bench::Timed timed;
  std::int64_t head_dim = 0, seqlen = 0;
  while (std::cin >> type >> head_dim >> seqlen) {
    const auto dtype = parse_dtype(type);
    if (dtype != entry.dtype || head_dim != entry.head_dim || seqlen != entry.seqlen_q) {
      entry.dtype = dtype;
      entry.head_dim = head_dim;
      entry.seqlen_q = entry.seqlen_kv = seqlen;
      timed = bench::prepare(entry, ceilings);
    }
    if (timed.call) {
      fmt::print("attnbench,{},{},1,{},{},{:.9g}\n", kernel_name(entry, timed), type, head_dim, seqlen,
                 bench::measure(timed, 1, false).front());
    }
    fmt::print("\n");
    std::fflush(stdout);
  }
}

/// What the tables were measured on.
nlohmann::json machine(const Options& options, const Ceilings& ceilings) {
  std::string load;
  std::getline(std::ifstream("/proc/loadavg"), load);
  const auto environment = probe_environment("unknown");
  auto compute = nlohmann::json::array();
  for (const auto& c : ceilings.compute)
    compute.push_back({{"unit", c.unit}, {"path", c.path}, {"flops_per_second", c.flops_per_second}});
  return {{"cpu", environment.at("cpu").value("model", "unknown")},
          {"features", to_string(cpu_features())},
          {"physical_cores", cpu_device(0).cpus.size()},
          {"load_before", std::stod(load)},
          {"rounds", options.rounds},
          {"ceilings", compute}};
}

void print_head(const nlohmann::json& machine) {
  fmt::print("CPU: {} ({}), {} physical cores, load before {}; {} rounds.\n\n",
             machine.at("cpu").get<std::string>(), machine.at("features").get<std::string>(),
             machine.at("physical_cores").get<int>(), machine.at("load_before").get<double>(),
             machine.at("rounds").get<int>());
  for (const auto& c : machine.at("ceilings"))
    fmt::print("- {} ({}): {:.4g} GFLOP/s\n", c.at("unit").get<std::string>(),
               c.at("path").get<std::string>(), c.at("flops_per_second").get<double>() * 1e-9);
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
  app.add_flag("--peer", options.peer, "Answer bench/peers/peers.py on standard input and output");
  app.add_option("--json", options.json, "Also write the rows to this file, for performance.py");
  CLI11_PARSE(app, argc, argv);

  const auto ceilings = cpu_device(1).ceilings();
  if (options.peer) {
    serve_peers(ceilings);
    return 0;
  }
  nlohmann::json document{{"machine", machine(options, ceilings)}, {"tables", nlohmann::json::array()}};
  print_head(document["machine"]);
  for (const auto& table : bench::tables(options.threads)) {
    if (table.title.find(options.only) == std::string::npos) continue;
    fmt::print("\n### {}\n\n{}{}", table.title, table.note, table.note.empty() ? "" : "\n\n");
    fmt::print(
        "| kernel | against | type | threads | N | D | ns a query and head | G/s | result (10 to 90 % of "
        "rounds) | target |\n|---|---|---|---|---|---|---|---|---|---|\n");
    auto rows = nlohmann::json::array();
    for (const auto& row : table.rows) {
      if (auto measured = measure_row(row, options, ceilings)) {
        print_row(*measured);
        rows.push_back(std::move(*measured));
      }
    }
    document["tables"].push_back({{"title", table.title}, {"note", table.note}, {"rows", rows}});
    if (!options.json.empty()) std::ofstream(options.json) << document.dump(1) << "\n";
  }
}
