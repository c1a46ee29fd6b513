#include "report/claims_table.h"

#include <fmt/format.h>

#include <algorithm>

namespace attnbench {
namespace {

constexpr std::size_t kTitleWidth = 54;
constexpr std::size_t kDirectionWidth = 12;
constexpr std::size_t kMagnitudeWidth = 9;

const ClaimAnswer* find(const ClaimResult& claim, const RunAnalysis& run, Form form, auto&& matches) {
  const auto found = std::find_if(claim.answers.begin(), claim.answers.end(), [&](const auto& answer) {
    return answer.run == run.id && answer.form == form && matches(answer);
  });
  return found == claim.answers.end() ? nullptr : &*found;
}

const ClaimAnswer* as_published(const ClaimResult& claim, const RunAnalysis& run, Form form) {
  return find(claim, run, form, [](const auto& answer) { return answer.as_published; });
}

/// "core bf16" where that names one group of the run, else the group's heading.
std::string setting_name(const ClaimAnswer& answer, const RunAnalysis& run) {
  const auto same = std::count_if(run.groups.begin(), run.groups.end(), [&](const auto& group) {
    return group.dtype == answer.dtype && group.first().scope == answer.scope;
  });
  return same > 1 ? answer.heading : answer.scope + ' ' + answer.dtype;
}

/// Settings other than the published one, in the order of the answers.
std::vector<std::string> other_settings(std::span<const ClaimResult> claims, const RunAnalysis& run) {
  std::vector<std::string> settings;
  for (const auto& claim : claims) {
    for (const auto& answer : claim.answers) {
      if (answer.run != run.id || answer.as_published) continue;
      const auto setting = setting_name(answer, run);
      if (std::find(settings.begin(), settings.end(), setting) == settings.end()) settings.push_back(setting);
    }
  }
  return settings;
}

std::string without_spaces_at_end(std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  return line + '\n';
}

std::string introduction(const RunAnalysis& run) {
  auto text = fmt::format("Published findings on {}: study {}, profile {}", run.machine, run.run.study,
                          run.run.profile);
  if (!run.standing.empty()) text += "; " + run.standing;
  for (const auto& mark : run.marks) text += "\nNOT PUBLISHABLE: " + mark;
  return text + '\n';
}

std::string counts(std::span<const ClaimResult> claims, const RunAnalysis& run) {
  constexpr Direction kAll[] = {Direction::holds, Direction::reversed, Direction::unresolved,
                                Direction::not_tested};
  std::string text;
  for (const auto direction : kAll) {
    const auto count = std::count_if(claims.begin(), claims.end(), [&](const auto& claim) {
      const auto* answer = as_published(claim, run, Form::published);
      return (answer ? answer->direction : Direction::not_tested) == direction;
    });
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, to_string(direction));
  }
  return text + '\n';
}

}  // namespace

std::string claims_table(std::span<const ClaimResult> claims, const RunAnalysis& run) {
  if (claims.empty()) return introduction(run);
  const auto settings = other_settings(claims, run);
  std::size_t width = kDirectionWidth;
  for (const auto& setting : settings) width = std::max(width, setting.size() + 2);
  const auto& first = claims[0].claim;
  auto text = introduction(run);
  auto header = fmt::format("{:>3}  {:<{}}{:<{}}{:<{}}", "#", "finding", kTitleWidth,
                            first.published_scope + ' ' + first.published_dtype,
                            kDirectionWidth + kMagnitudeWidth, "fastest", kDirectionWidth);
  for (const auto& setting : settings) header += fmt::format("{:<{}}", setting, width);
  text += without_spaces_at_end(header);
  for (const auto& claim : claims) {
    const auto* published = as_published(claim, run, Form::published);
    const auto* best = as_published(claim, run, Form::best);
    auto line = fmt::format("{:>3}  {:<{}}{:<{}}{:<{}}{:<{}}", claim.claim.number, claim.claim.title,
                            kTitleWidth, to_string(published ? published->direction : Direction::not_tested),
                            kDirectionWidth, published ? to_string(published->magnitude) : "",
                            kMagnitudeWidth, best ? to_string(best->direction) : "-", kDirectionWidth);
    for (const auto& setting : settings) {
      const auto* other = find(claim, run, Form::published, [&](const auto& answer) {
        return !answer.as_published && setting_name(answer, run) == setting;
      });
      line += fmt::format("{:<{}}", other ? to_string(other->direction) : "-", width);
    }
    text += without_spaces_at_end(line);
  }
  return text + "published setting: " + counts(claims, run);
}

std::string claims_explained(std::span<const ClaimResult> claims, const RunAnalysis& run) {
  std::string text;
  for (const auto& claim : claims) {
    text += fmt::format("\n{}. {}\n", claim.claim.number, claim.claim.title);
    const bool measured = as_published(claim, run, Form::published) != nullptr;
    for (const auto& answer : claim.answers) {
      if (answer.run == run.id && (answer.as_published || !measured)) text += "   " + answer.sentence + '\n';
    }
  }
  return text;
}

std::string claims_legend() {
  return "The first two columns answer in the setting in which the publication measured, with the kernels "
         "that\n"
         "compute as the published ones do; 'fastest' takes of each mechanism the fastest kernel measured "
         "here,\n"
         "and so tells a finding about mechanisms from one about implementations; the columns after it "
         "answer\n"
         "as the first does, in other settings.\n"
         "  HOLDS       every part of the finding is resolved as published\n"
         "  REVERSED    a part of it is resolved the opposite way\n"
         "  UNRESOLVED  measured, and neither\n"
         "  NOT TESTED  cells, kernels or the variance are missing\n"
         "  -           no such question\n"
         "  AGREES, SMALLER, LARGER, MIXED  the published size lies in the 95 % interval, or the effect is\n"
         "              smaller or larger here (by an interval that excludes the published size)\n"
         "The parts of a finding are one family of tests (Holm, 5 %).\n";
}

}  // namespace attnbench
