#include "study_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "attnbench/error.h"
#include "attnbench/registry.h"
#include "plan/find_study.h"
#include "plan/ranges.h"

namespace attnbench {
namespace {

constexpr const char* kGroup = "Change the study";

using Numbers = std::vector<std::int64_t> StudyOverrides::*;

class OptionAdder {
 public:
  OptionAdder(Command& command, std::shared_ptr<StudyOptions> given)
      : command_(command), given_(std::move(given)) {}

  /// `parse` is tried at once, so that a bad value is said before anything else happens.
  void add(const std::string& option, const std::string& value, const std::string& help,
           std::function<void(StudyOverrides&, const std::string&)> parse) {
    const auto take = [option, parse, given = given_](const std::string& text) {
      StudyOption taken{option + ' ' + text, [parse, text](StudyOverrides& o) { parse(o, text); }};
      StudyOverrides tried;
      try {
        taken.apply(tried);
      } catch (const InputError& error) {
        throw InputError(fmt::format("{}: {}", taken.words, error.what()));
      }
      given->push_back(std::move(taken));
    };
    command_.add_option_function(option, take, help).type_name(value).group(kGroup);
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
  Command& command_;
  std::shared_ptr<StudyOptions> given_;
};

/// The mechanism that a filter names with its parameters, if it does.
std::optional<Mechanism> mechanism_named(std::string_view filter) {
  filter = without_sign(filter);
  if (filter.find('/') != std::string_view::npos) return mechanism_of("kernel", filter);
  if (filter.find('(') != std::string_view::npos) return parse_mechanism(filter);
  return std::nullopt;
}

std::string parse_kernel_filter(std::string_view text) {
  mechanism_named(text);
  return std::string(text);
}

bool matches_a_kernel(const std::string& filter) {
  const auto named = mechanism_named(filter);
  for (const auto* kernel : kernels()) {
    for (const auto kind : kernel->mechanisms()) {
      const auto mechanism = named.value_or(Mechanism{.kind = kind});
      if (mechanism.kind == kind && kernel_matches(without_sign(filter), kernel_id(mechanism, *kernel)))
        return true;
    }
  }
  return false;
}

/// A study may leave out kernels of engines that are not there; who types it means one that is.
void check_kernel_names(const Study& study, bool exclusions_too) {
  for (const auto& cell : study.cells) {
    for (const auto& baseline : cell.baselines()) parse_kernel_id(baseline);
    for (const auto& filter : cell.kernels) {
      if (without_sign(filter).find_first_not_of("@:/") == std::string_view::npos)
        throw InputError("kernel", filter, "names nothing");
      if (matches_a_kernel(filter) || (is_exclusion(filter) && !exclusions_too)) continue;
      std::vector<std::string> known;
      for (const auto* kernel : kernels()) {
        for (const auto kind : kernel->mechanisms()) known.emplace_back(name(kind));
        known.emplace_back(kernel->kernel());
        known.push_back(fmt::format("@{}", kernel->engine()));
        if (!kernel->path().empty()) known.push_back(fmt::format(":{}", kernel->path()));
      }
      std::sort(known.begin(), known.end());
      known.erase(std::unique(known.begin(), known.end()), known.end());
      throw InputError(
          "kernel", filter,
          fmt::format("matches no registered kernel{}", suggestion(without_sign(filter), known)));
    }
  }
}

Study checked_study(const std::string& name_or_path, const StudyOptions& options) {
  StudyOverrides overrides;
  for (const auto& option : options) option.apply(overrides);
  auto study = find_study(name_or_path, overrides);
  check_kernel_names(study, !overrides.kernels.empty());
  return study;
}

/// What is wrong; empty where nothing is.
std::string error_of(const std::string& name_or_path, const StudyOptions& options) {
  try {
    checked_study(name_or_path, options);
    return {};
  } catch (const InputError& error) {
    return error.what();
  }
}

}  // namespace

std::shared_ptr<const StudyOptions> add_study_options(Command& command) {
  const auto given = std::make_shared<StudyOptions>();
  OptionAdder options(command, given);
  options.numbers("seqlen", &StudyOverrides::seqlen,
                  "Sequence lengths (decode: keys in the cache): 128,256 or 128..4096*2 or 64..512+64");
  options.numbers("heads", &StudyOverrides::heads, "Query heads");
  options.numbers("kv-heads", &StudyOverrides::kv_heads,
                  "Key-value heads of gqa, swa, block_sparse and linear");
  options.numbers("head-dim", &StudyOverrides::head_dim, "Elements of a head");
  options.numbers("batch", &StudyOverrides::batch, "Batch sizes");
  options.names("dtype", "LIST", parse_dtype, &StudyOverrides::dtype, "Element types: f32, bf16, f16");
  options.numbers("threads", &StudyOverrides::threads, "Threads; 0 is one for each physical core");
  options.names("device", "LIST", parse_device_name, &StudyOverrides::device,
                "Devices to measure on, as `attnbench list` names them: cpu, cuda:0");
  options.add(
      "--baseline", "LIST",
      "What ratios are taken against, as mechanism/kernel@engine[:path]; of several the first that can"
      " compute a cell",
      [](StudyOverrides& o, const std::string& text) {
        o.baselines = split_list("baseline", text);
        for (const auto& baseline : o.baselines) mechanism_of("baseline", baseline);
      });
  options.names("cache", "hot|cold", parse_condition, &StudyOverrides::condition,
                "State of the caches before a call");
  options.names("layout", "bhsd|bshd", parse_layout, &StudyOverrides::layout,
                "Order of dimensions in memory");
  command
      .add_flag_callback(
          "--causal", [given] { given->push_back({"--causal", [](StudyOverrides& o) { o.causal = true; }}); },
          "Measure the causal form of every mechanism")
      .group(kGroup);
  options.names("scope", "core|layer", parse_scope, &StudyOverrides::scope,
                "Keep cells of this scope: attention alone, or with its projections");
  options.names("phase", "prefill|decode", parse_phase, &StudyOverrides::phase, "Keep cells of this phase");
  options.add(
      "--mechanism", "LIST",
      "Keep mechanisms: a kind (swa), or a form that replaces the study's (swa(w=256))",
      [](StudyOverrides& o, const std::string& text) { o.mechanisms = parse_mechanism_filters(text); });
  options.names("kernel", "LIST", parse_kernel_filter, &StudyOverrides::kernels,
                "Keep kernels by any part of mechanism/kernel@engine:path: linear, swa, swa(w=64), gather,"
                " swa(w=64)/gather, @cpu, :avx512; with ! before it, leave them out. Baselines stay");
  return given;
}

Study find_changed_study(const std::string& name_or_path, const StudyOptions& options) {
  if (error_of(name_or_path, options).empty()) return checked_study(name_or_path, options);
  auto guilty = options;
  for (std::size_t i = 0; i < guilty.size();) {
    auto fewer = guilty;
    fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(i));
    if (error_of(name_or_path, fewer).empty()) {
      ++i;
    } else {
      guilty = std::move(fewer);
    }
  }
  std::vector<std::string> words;
  for (const auto& option : guilty) words.push_back(option.words);
  const auto error = error_of(name_or_path, guilty);
  throw InputError(words.empty() ? error : fmt::format("{}: {}", fmt::join(words, " "), error));
}

}  // namespace attnbench
