// Decode of few queries over a long cache (speculative decoding), as Markdown: the time of a call beside the
// least that it can take, which is the greater of reading K and V once and of the arithmetic at 80 % of the
// dense kernel's rate. Call, read and dense kernel are timed in turn, round by round, so that a change of
// clock or a neighbour hits all three.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <string>
#include <vector>

#include "attnbench/cpu_device.h"
#include "timed.h"

namespace {

using namespace attnbench;

constexpr std::int64_t kHeads = 32, kHeadDim = 128;
constexpr const char* kMechanism = "gqa(kv=8)";
constexpr double kShareOfDense = 0.8, kBar = 1.35;

struct Options {
  std::vector<int> threads{1, 2};
  std::vector<std::int64_t> keys{8192, 32768};
  std::vector<std::int64_t> queries{1, 2, 3, 4, 6, 8, 12, 16};
  std::vector<std::string> types{"bf16", "f32"};
  int rounds = 11;
};

bench::Entry entry(const char* mechanism, DType dtype, std::int64_t queries, std::int64_t keys, int threads) {
  return {mechanism, "fused", dtype, queries, keys, kHeadDim, kHeads, threads, ""};
}

double once(const bench::Timed& timed) { return bench::measure(timed, 1, false).front(); }

struct Line {
  std::vector<double> seconds, over_floor;
  int bound_by_reading = 0;  ///< rounds
};

void print_table(DType dtype, std::int64_t keys, int threads, const Options& options,
                 const Ceilings& ceilings) {
  const auto dense = bench::prepare(entry("mha", dtype, 2048, 2048, threads), ceilings);
  const double bytes = 2.0 * 8 * static_cast<double>(keys * kHeadDim * size_bytes(dtype));
  const auto read = bench::read_ceiling(static_cast<std::int64_t>(bytes), threads);
  std::vector<bench::Timed> calls;
  for (const auto q : options.queries)
    calls.push_back(bench::prepare(entry(kMechanism, dtype, q, keys, threads), ceilings));

  std::vector<Line> lines(calls.size());
  for (int round = 0; round < options.rounds; ++round) {
    const double dense_rate = dense.amount / once(dense);
    const double reading = bytes * once(read) / read.amount;
    for (std::size_t n = 0; n < calls.size(); ++n) {
      const double flops = 4.0 * static_cast<double>(kHeads * options.queries[n] * keys * kHeadDim);
      const double computing = flops / (kShareOfDense * dense_rate);
      const double seconds = once(calls[n]);
      lines[n].seconds.push_back(seconds);
      lines[n].over_floor.push_back(seconds / std::max(reading, computing));
      lines[n].bound_by_reading += reading >= computing ? 1 : 0;
    }
  }

  double before = 0;
  for (std::size_t n = 0; n < calls.size(); ++n) {
    const auto& line = lines[n];
    const double seconds = bench::median(line.seconds), ratio = bench::median(line.over_floor);
    fmt::print("| {} | {} | {} | {} | {} | {:.4g} | {} | {:.3g} ({:.3g} to {:.3g}){}{} |\n", name(dtype),
               threads, keys, options.queries[n], calls[n].path, seconds * 1e6,
               2 * line.bound_by_reading >= options.rounds ? "reading" : "arithmetic", ratio,
               bench::quantile(line.over_floor, 0.1), bench::quantile(line.over_floor, 0.9),
               ratio > kBar ? " MISSED" : "", seconds < before ? ", faster than fewer queries" : "");
    std::fflush(stdout);
    before = seconds;
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Decode of q = 1..16 queries against the least time they can take, as Markdown"};
  Options options;
  app.add_option("--threads", options.threads, "Numbers of threads")->delimiter(',')->capture_default_str();
  app.add_option("--keys", options.keys, "Lengths of the cache")->delimiter(',')->capture_default_str();
  app.add_option("--queries", options.queries, "Query tokens of a call, ascending")
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--types", options.types, "Element types: bf16, f32")
      ->check(CLI::IsMember({"bf16", "f32"}))
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--rounds", options.rounds, "Rounds of each table")
      ->capture_default_str()
      ->check(CLI::Range(5, 1000));
  CLI11_PARSE(app, argc, argv);

  const auto ceilings = cpu_device(1).ceilings();
  fmt::print(
      "{} with {} query heads, D = {}; {} rounds. Floor: the greater of reading K and V once and of the "
      "arithmetic at {:.0f} % of the dense kernel's rate (N = 2048).\n\n",
      kMechanism, kHeads, kHeadDim, options.rounds, 100 * kShareOfDense);
  fmt::print(
      "| type | threads | keys | queries | path | µs | floor set by | time over the floor (10 to 90 % of "
      "rounds), bar {} |\n|---|---|---|---|---|---|---|---|\n",
      kBar);
  for (const auto& type : options.types)
    for (const auto threads : options.threads)
      for (const auto keys : options.keys) print_table(parse_dtype(type), keys, threads, options, ceilings);
}
