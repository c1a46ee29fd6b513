#include <fmt/format.h>

#include <cmath>
#include <string>

#include "attnbench/dispatch.h"
#include "core/names.h"

namespace attnbench {
namespace {

constexpr NameTable<ProfileState, 7> kStates{{{ProfileState::trusted, "trusted"},
                                              {ProfileState::none, "none"},
                                              {ProfileState::unreadable, "unreadable"},
                                              {ProfileState::corrupt, "corrupt"},
                                              {ProfileState::newer, "newer"},
                                              {ProfileState::foreign, "foreign"},
                                              {ProfileState::stale, "stale"}}};

constexpr NameTable<Reason, 12> kReasons{{{Reason::only_candidate, "only_candidate"},
                                          {Reason::default_fastest, "default_fastest"},
                                          {Reason::default_stays, "default_stays"},
                                          {Reason::faster, "faster"},
                                          {Reason::less_memory, "less_memory"},
                                          {Reason::default_unprofiled, "default_unprofiled"},
                                          {Reason::default_unmeasured, "default_unmeasured"},
                                          {Reason::default_out_of_range, "default_out_of_range"},
                                          {Reason::forced, "forced"},
                                          {Reason::none_computes, "none_computes"},
                                          {Reason::none_allowed, "none_allowed"},
                                          {Reason::forced_refused, "forced_refused"}}};

std::string profile_in_words(ProfileState state) {
  switch (state) {
    case ProfileState::trusted:
      return "this machine's profile";
    case ProfileState::none:
      return "no profile of this machine was given";
    case ProfileState::unreadable:
      return "the profile cannot be read";
    case ProfileState::corrupt:
      return "the profile is corrupt";
    case ProfileState::newer:
      return "the profile is of a newer version than this library knows";
    case ProfileState::foreign:
      return "the profile is of another machine";
    case ProfileState::stale:
      return "the profile is of another build of the kernels";
  }
  return {};
}

std::string words_of(const Because& because) {
  const auto other = [&] { return kernel_id(because.other_mechanism, *because.other); };
  const auto takes = [&] {
    return fmt::format("{:.3g} [{:.3g}, {:.3g}] times as long", because.ratio, because.ratio_low,
                       because.ratio_high);
  };
  switch (because.reason) {
    case Reason::only_candidate:
      return "the only kernel that may be used here";
    case Reason::default_fastest:
      return fmt::format("the default kernel; the next, {}, takes {}", other(), takes());
    case Reason::default_stays:
      return fmt::format("the default kernel; {} takes {}, not shown to be more than 2 % faster", other(),
                         takes());
    case Reason::faster:
      return fmt::format("not the default {}, which takes {}", other(), takes());
    case Reason::less_memory:
      return fmt::format("within 2 % of the fastest, in less memory; the default {} takes {}", other(),
                         takes());
    case Reason::default_unprofiled:
      return fmt::format("the default kernel: {}", profile_in_words(because.profile));
    case Reason::default_unmeasured:
      return "the default kernel: the profile has no times to compare for this kind of problem, or for so "
             "many threads";
    case Reason::default_out_of_range:
      return "the default kernel: the profile has no times near enough to this problem";
    case Reason::forced:
      return "forced";
    case Reason::none_computes:
      return "no registered kernel supports this problem here";
    case Reason::none_allowed:
      return "every kernel that supports this problem is denied, needs too much memory, or is not verified "
             "or "
             "not known to be deterministic here";
    case Reason::forced_refused:
      return "the kernel that is forced cannot be used here";
  }
  return {};
}

}  // namespace

std::string_view name(ProfileState state) { return name_in(kStates, state); }
std::string_view name(Reason reason) { return name_in(kReasons, reason); }

std::string in_words(const Decision& decision) {
  auto words = words_of(decision.because);
  if (decision && decision.because.profile != ProfileState::trusted &&
      decision.because.reason != Reason::default_unprofiled)
    words += fmt::format("; {}", profile_in_words(decision.because.profile));
  if (!decision) return fmt::format("no kernel for {}: {}", to_string(decision.mechanism), words);
  return fmt::format("{} ({})", kernel_id(decision.mechanism, *decision.kernel), words);
}

}  // namespace attnbench
