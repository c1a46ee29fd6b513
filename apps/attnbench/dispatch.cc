#include "attnbench/dispatch.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "attnbench/cpu_device.h"
#include "attnbench/error.h"
#include "attnbench/registry.h"
#include "command.h"
#include "commands.h"
#include "io/json.h"
#include "plan/ranges.h"
#include "plan/study.h"

namespace attnbench {
namespace {

struct DispatchArguments {
  std::vector<std::string> mechanisms;
  std::string allow;
  int batch = 1, heads = 8, kv_heads = 0, seqlen = 1024, seqlen_q = 0, head_dim = 64, d_model = 0,
      threads = 0;
  std::string dtype = "f32", layout = "bhsd";
  Policy policy;
  std::uint64_t byte_limit = 0;
  std::vector<std::string> plugins;
  bool json = false;
};

Problem read_problem(const DispatchArguments& arguments, const std::string& mechanism) {
  Problem problem;
  auto& s = problem.shape;
  s.batch = arguments.batch;
  s.num_q_heads = arguments.heads;
  s.seqlen_kv = arguments.seqlen;
  s.seqlen_q = arguments.seqlen_q > 0 ? arguments.seqlen_q : arguments.seqlen;
  s.head_dim_qk = s.head_dim_v = arguments.head_dim;
  s.dtype_q = s.dtype_kv = s.dtype_o = parse_dtype(arguments.dtype);
  s.layout = parse_layout(arguments.layout);
  s.softmax_scale = rsqrt_scale(arguments.head_dim);
  s.d_model = arguments.d_model;
  problem.scope = arguments.d_model > 0 ? Scope::layer : Scope::core;
  problem.phase = s.seqlen_q == s.seqlen_kv ? Phase::prefill : Phase::decode;
  problem.mechanism = bind_kv_heads(parse_mechanism(mechanism), arguments.heads, arguments.kv_heads);
  validate(problem);
  return problem;
}

std::string seconds_text(const Candidate& candidate) {
  if (std::isnan(candidate.seconds)) return "-";
  return fmt::format("{:.4g} us +-{:.1f} %", 1e6 * candidate.seconds, 196 * candidate.log_error);
}

nlohmann::json number_or_null(double value) {
  if (std::isnan(value)) return nullptr;
  return value;
}

nlohmann::json to_json(const Dispatcher& dispatcher, const Problem& problem,
                       std::span<const Mechanism> allowed) {
  const auto decision = dispatcher.choose(problem, allowed);
  const auto& because = decision.because;
  nlohmann::json out = {{"problem", to_json(problem)},
                        {"kernel", nullptr},
                        {"reason", name(because.reason)},
                        {"words", in_words(decision)},
                        {"profile", name(because.profile)},
                        {"verified", because.verified},
                        {"other", nullptr},
                        {"ratio", number_or_null(because.ratio)},
                        {"ratio_low", number_or_null(because.ratio_low)},
                        {"ratio_high", number_or_null(because.ratio_high)},
                        {"seconds", number_or_null(because.seconds)},
                        {"candidates", nlohmann::json::array()}};
  if (decision) out["kernel"] = kernel_id(decision.mechanism, *decision.kernel);
  if (because.other != nullptr) out["other"] = kernel_id(because.other_mechanism, *because.other);
  for (const auto& candidate : dispatcher.candidates(problem, allowed)) {
    out["candidates"].push_back({{"kernel", kernel_id(candidate.mechanism, *candidate.kernel)},
                                 {"default", candidate.is_default},
                                 {"excluded", candidate.excluded},
                                 {"workspace_bytes", candidate.workspace_bytes},
                                 {"seconds", number_or_null(candidate.seconds)},
                                 {"log_error", number_or_null(candidate.log_error)}});
  }
  return out;
}

bool print_choice(const Dispatcher& dispatcher, const Problem& problem, std::span<const Mechanism> allowed) {
  const auto decision = dispatcher.choose(problem, allowed);
  fmt::print("{}\n", in_words(decision));
  for (const auto& candidate : dispatcher.candidates(problem, allowed)) {
    fmt::print("  {:<44} {:<22} {:>12} bytes  {}\n", kernel_id(candidate.mechanism, *candidate.kernel),
               seconds_text(candidate), candidate.workspace_bytes,
               candidate.excluded.empty() ? (candidate.is_default ? "default" : "") : candidate.excluded);
  }
  return static_cast<bool>(decision);
}

/// A number of heads that no mechanism takes would be dropped without a word.
void require_kv_heads_used(const DispatchArguments& arguments) {
  if (arguments.kv_heads == 0) return;
  auto texts = arguments.mechanisms;
  if (!arguments.allow.empty()) {
    const auto allowed = split_list("allow", arguments.allow);
    texts.insert(texts.end(), allowed.begin(), allowed.end());
  }
  const bool used = std::any_of(texts.begin(), texts.end(), [&](const auto& text) {
    return read_problem(arguments, text).mechanism.num_kv_heads == arguments.kv_heads;
  });
  if (!used)
    throw InputError("kv-heads", std::to_string(arguments.kv_heads),
                     fmt::format("is of none of these mechanisms: {}", fmt::join(texts, ", ")));
}

int dispatch(DispatchArguments arguments) {
  for (const auto& plugin : arguments.plugins) load_plugin(plugin);
  if (arguments.byte_limit > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
    throw InputError("byte-limit", std::to_string(arguments.byte_limit), "is more than 2^63 - 1");
  arguments.policy.byte_limit = static_cast<std::int64_t>(arguments.byte_limit);
  std::vector<Mechanism> allowed;
  if (!arguments.allow.empty()) {
    for (const auto& text : split_list("allow", arguments.allow))
      allowed.push_back(read_problem(arguments, text).mechanism);
  }
  require_kv_heads_used(arguments);
  const auto device = cpu_device(arguments.threads);
  const Dispatcher dispatcher(device, arguments.policy);
  bool all = true;
  auto list = nlohmann::json::array();
  if (!arguments.json) {
    fmt::print("Profile: {}\n", dispatcher.profile_problem().empty() ? name(dispatcher.profile_state())
                                                                     : dispatcher.profile_problem());
    if (const auto& problem = dispatcher.certificate_problem(); !problem.empty())
      fmt::print("Its certificate does not hold: {}\n", problem);
  }
  for (const auto& mechanism : arguments.mechanisms) {
    const auto problem = read_problem(arguments, mechanism);
    if (arguments.json) {
      list.push_back(to_json(dispatcher, problem, allowed));
      all = all && !list.back().at("kernel").is_null();
    } else {
      all = print_choice(dispatcher, problem, allowed) && all;
    }
  }
  if (arguments.json) {
    const nlohmann::json page = {{"profile", name(dispatcher.profile_state())},
                                 {"profile_problem", dispatcher.profile_problem()},
                                 {"certificate_problem", dispatcher.certificate_problem()},
                                 {"decisions", list}};
    fmt::print("{}\n", json_text(page, 2));
  }
  return all ? kDone : kGateFailed;
}

}  // namespace

void add_dispatch_command(CLI::App& app, int& exit_code) {
  Command command(app, "dispatch", "Say which kernel the dispatcher chooses for a problem, and why");
  command.footer(
      "Uses the profile that --profile or ATTNBENCH_PROFILE names (attnbench tune writes one). Exit code 1 "
      "where\n"
      "no kernel may be used.\n"
      "Examples:\n"
      "  attnbench dispatch mha --seqlen 4096 --heads 32 --head-dim 128 --dtype bf16\n"
      "  attnbench dispatch 'gqa(kv=8)' --heads 32 --seqlen 8192 --seqlen-q 1 --profile profile.json\n"
      "  attnbench dispatch mha --allow 'swa(w=256),linear' --deterministic --json");
  const auto arguments = std::make_shared<DispatchArguments>();
  command.add_option("MECHANISM", arguments->mechanisms, "'mha', 'gqa(kv=4)', 'swa(w=64,causal)'").required();
  command.add_option("--allow", arguments->allow, "Mechanisms that may be taken instead");
  const auto size = [&](const char* option, int& value, const char* help) {
    command.add_option(option, value, help).range(1, std::numeric_limits<int>::max()).capture_default_str();
  };
  size("--batch", arguments->batch, "Sequences");
  size("--heads", arguments->heads, "Query heads");
  size("--seqlen", arguments->seqlen, "Keys, and queries unless --seqlen-q is given");
  size("--head-dim", arguments->head_dim, "Elements of a head");
  command
      .add_option("--kv-heads", arguments->kv_heads,
                  "Heads of K and V of mechanisms that do not name them (default: --heads)")
      .range(1, std::numeric_limits<int>::max());
  command.add_option("--seqlen-q", arguments->seqlen_q, "Queries").range(1, std::numeric_limits<int>::max());
  command.add_option("--d-model", arguments->d_model, "A whole layer of this width")
      .range(1, std::numeric_limits<int>::max());
  command.add_option("--dtype", arguments->dtype, "f32, bf16 or f16").capture_default_str();
  command.add_option("--layout", arguments->layout, "bhsd or bshd").capture_default_str();
  command.add_option("--threads", arguments->threads, "Threads; 0 is one for each physical core")
      .range(0, 65535)
      .capture_default_str();
  command.add_option("--profile", arguments->policy.profile, "Profile of this machine");
  command.add_option("--force", arguments->policy.forced, "Use this kernel or none: 'fused@cpu:avx512'");
  command.add_option("--deny", arguments->policy.denied, "Never use this kernel; may be given again");
  command.add_option("--byte-limit", arguments->byte_limit, "Largest workspace");
  command.add_flag("--deterministic", arguments->policy.deterministic,
                   "Only kernels whose repeated calls were equal bit by bit here");
  command.add_option("--plugin", arguments->plugins, "Load kernels from this shared object").delimiter(',');
  command.add_flag("--json", arguments->json, "Print the results as JSON");
  command.callback([arguments, &exit_code] { exit_code = dispatch(*arguments); });
}

}  // namespace attnbench
