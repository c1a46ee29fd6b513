#include "report/claims_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "report/text_width.h"

namespace attnbench {
namespace {

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

/// A claim a line: number and title, then columns, as wide as what stands in them. Columns that do not fit
/// side by side follow below, with the titles again.
class Lines {
 public:
  explicit Lines(std::span<const ClaimResult> claims) : claims_(claims) {
    Column numbers{"#"};
    Column titles{"finding"};
    for (const auto& claim : claims) {
      numbers.push_back(std::to_string(claim.claim.number));
      titles.push_back(claim.claim.title);
    }
    const auto width = widest(numbers);
    for (std::size_t row = 0; row < titles.size(); ++row)
      titles[row] = fmt::format("{:>{}}  {}", numbers[row], width, titles[row]);
    columns_.push_back(titles);
  }

  template <typename TextOf>
  void add_column(const std::string& heading, TextOf text_of) {
    Column column{heading};
    for (const auto& claim : claims_) column.push_back(text_of(claim));
    columns_.push_back(column);
  }

  std::string text() const {
    std::string text;
    for (std::size_t begin = 1; begin < columns_.size();) {
      auto lines = columns_[0];
      auto width = widest(columns_[0]);
      const auto first = begin;
      for (; begin < columns_.size(); ++begin) {
        const auto& column = columns_[begin];
        if (begin > first && width + 1 + widest(column) > kTextWidth) break;
        for (std::size_t row = 0; row < lines.size(); ++row)
          lines[row] += std::string(width + 1 - width_of(lines[row]), ' ') + column[row];
        width += 1 + widest(column);
      }
      for (auto& line : lines) text += line.erase(line.find_last_not_of(' ') + 1) + '\n';
    }
    return text;
  }

 private:
  using Column = std::vector<std::string>;

  static std::size_t widest(const Column& column) {
    std::size_t width = 0;
    for (const auto& text : column) width = std::max(width, width_of(text));
    return width;
  }

  std::span<const ClaimResult> claims_;
  std::vector<Column> columns_;
};

std::string introduction(const RunAnalysis& run) {
  auto text = fmt::format("Published findings on {}: study {}, profile {}", run.machine, run.run.study,
                          run.run.profile);
  if (!run.mark.empty()) text += "; " + run.mark;
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
  if (claims.empty()) return wrapped(introduction(run));
  auto text = introduction(run);
  Lines lines(claims);
  const auto& first = claims[0].claim;
  lines.add_column(first.published_scope + ' ' + first.published_dtype, [&](const auto& claim) {
    const auto* answer = as_published(claim, run, Form::published);
    return std::string(to_string(answer ? answer->direction : Direction::not_tested));
  });
  lines.add_column("size", [&](const auto& claim) {
    const auto* answer = as_published(claim, run, Form::published);
    return std::string(answer ? to_string(answer->magnitude) : "");
  });
  lines.add_column("fastest", [&](const auto& claim) {
    const auto* answer = as_published(claim, run, Form::best);
    return std::string(answer ? to_string(answer->direction) : "-");
  });
  for (const auto& setting : other_settings(claims, run)) {
    lines.add_column(setting, [&](const auto& claim) {
      const auto* answer = find(claim, run, Form::published, [&](const auto& other) {
        return !other.as_published && setting_name(other, run) == setting;
      });
      return std::string(answer ? to_string(answer->direction) : "-");
    });
  }
  return wrapped(text + lines.text() + "published setting: " + counts(claims, run));
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
  return wrapped(text);
}

std::string claims_legend() {
  return R"(The first column and 'size' answer in the setting in which the publication measured, with the kernels that
compute as the published ones do; 'fastest' takes of each mechanism the fastest kernel measured here, and so
tells a finding about mechanisms from one about implementations; the columns after it answer as the first
does, in other settings.
  HOLDS       every part of the finding is resolved as published
  REVERSED    a part of it is resolved the opposite way
  UNRESOLVED  measured, and neither
  NOT TESTED  cells, kernels or the variance are missing
  -           no such question
  AGREES, SMALLER, LARGER, MIXED  the published size lies in the 95 % interval, or the effect is
              smaller or larger here (by an interval that excludes the published size)
The parts of a finding are one family of tests (Holm, 5 %).
)";
}

}  // namespace attnbench
