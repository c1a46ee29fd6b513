#include "study_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "attnbench/error.h"
#include "attnbench/registry.h"
#include "plan/ranges.h"

namespace attnbench {
namespace {

constexpr const char* kGroup = "Change the study";

using Numbers = std::vector<std::int64_t> StudyOverrides::*;

class OptionAdder {
 public:
  OptionAdder(CLI::App& command, std::shared_ptr<StudyOverrides> overrides)
      : command_(command), overrides_(std::move(overrides)) {}

  void add(const std::string& option, const std::string& value, const std::string& help,
           std::function<void(StudyOverrides&, const std::string&)> parse) {
    command_
        .add_option_function<std::string>(
            option, [parse, overrides = overrides_](const std::string& text) { parse(*overrides, text); },
            help)
        ->type_name(value)
        ->group(kGroup);
  }

  void numbers(const std::string& field, Numbers member, const std::string& help) {
    add("--" + field, "LIST", help, [field, member](StudyOverrides& overrides, const std::string& text) {
      overrides.*member = parse_numbers(field, text);
    });
  }

  template <typename T>
  void names(const std::string& field, const std::string& value, T (*parse)(std::string_view),
             std::vector<T> StudyOverrides::* member, const std::string& help) {
    add("--" + field, value, help,
        [field, parse, member](StudyOverrides& overrides, const std::string& text) {
          for (const auto& part : split_list(field, text)) (overrides.*member).push_back(parse(part));
        });
  }

 private:
  CLI::App& command_;
  std::shared_ptr<StudyOverrides> overrides_;
};

std::string parse_kernel_filter(std::string_view text) {
  if (text.find('/') != std::string_view::npos) mechanism_of("kernel", text);
  return std::string(text);
}

bool matches_a_kernel(const std::string& filter) {
  const bool names_mechanism = filter.find('/') != std::string::npos;
  for (const auto* kernel : kernels()) {
    for (const auto kind : kernel->mechanisms()) {
      const auto mechanism = names_mechanism ? mechanism_of("kernel", filter) : Mechanism{.kind = kind};
      if (mechanism.kind == kind && kernel_matches(filter, kernel_id(mechanism, *kernel))) return true;
    }
  }
  return false;
}

}  // namespace

std::shared_ptr<const StudyOverrides> add_study_options(CLI::App& command) {
  const auto overrides = std::make_shared<StudyOverrides>();
  OptionAdder options(command, overrides);
  options.numbers("seqlen", &StudyOverrides::seqlen,
                  "Sequence lengths (decode: keys in the cache): 128,256 or 128..4096*2 or 64..512+64");
  options.numbers("heads", &StudyOverrides::heads, "Query heads");
  options.numbers("kv-heads", &StudyOverrides::kv_heads,
                  "Key-value heads of gqa, swa, block_sparse and linear");
  options.numbers("head-dim", &StudyOverrides::head_dim, "Elements of a head");
  options.numbers("batch", &StudyOverrides::batch, "Batch sizes");
  options.names("dtype", "LIST", parse_dtype, &StudyOverrides::dtype, "Element types: f32, bf16, f16");
  options.numbers("threads", &StudyOverrides::threads, "Threads; 0 is one for each physical core");
  options.names("cache", "hot|cold", parse_condition, &StudyOverrides::condition,
                "State of the caches before a call");
  options.names("layout", "bhsd|bshd", parse_layout, &StudyOverrides::layout,
                "Order of dimensions in memory");
  command.add_flag("--causal", overrides->causal, "Measure the causal form of every mechanism")
      ->group(kGroup);
  options.names("scope", "core|layer", parse_scope, &StudyOverrides::scope,
                "Keep cells of this scope: attention alone, or with its projections");
  options.names("phase", "prefill|decode", parse_phase, &StudyOverrides::phase, "Keep cells of this phase");
  options.add(
      "--mechanism", "LIST",
      "Keep mechanisms: a kind (swa), or a form that replaces the study's (swa(w=256))",
      [](StudyOverrides& o, const std::string& text) { o.mechanisms = parse_mechanism_filters(text); });
  options.names(
      "kernel", "LIST", parse_kernel_filter, &StudyOverrides::kernels,
      "Keep kernels by any part of mechanism/kernel@engine:path: gather, @cpu, :avx512. The baseline stays");
  return overrides;
}

void check_kernel_names(const Study& study) {
  for (const auto& cell : study.cells) {
    parse_kernel_id(cell.baseline);
    for (const auto& filter : cell.kernels) {
      if (matches_a_kernel(filter)) continue;
      std::vector<std::string> known;
      for (const auto* kernel : kernels()) {
        known.emplace_back(kernel->kernel());
        known.push_back(fmt::format("@{}", kernel->engine()));
        if (!kernel->path().empty()) known.push_back(fmt::format(":{}", kernel->path()));
      }
      std::sort(known.begin(), known.end());
      known.erase(std::unique(known.begin(), known.end()), known.end());
      throw InputError("kernel", filter,
                       fmt::format("matches no registered kernel{}", suggestion(filter, known)));
    }
  }
}

}  // namespace attnbench
