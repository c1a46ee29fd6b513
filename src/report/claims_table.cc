#include "report/claims_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

#include "claims/part_text.h"
#include "report/text_width.h"

namespace attnbench {
namespace {

/// "core bf16" where that names one group of the run, else the group's heading.
std::string setting_name(const ClaimAnswer& answer, const RunAnalysis& run) {
  const auto same = std::count_if(run.groups.begin(), run.groups.end(), [&](const auto& group) {
    return group.dtype == answer.dtype && group.first().scope == answer.scope;
  });
  return same > 1 ? answer.heading : answer.scope + ' ' + answer.dtype;
}

/// Settings in which the run has answers, the published one first, then in the order of the answers; without
/// the published one where nothing was measured in it but something elsewhere.
std::vector<std::string> settings_of(std::span<const ClaimResult> claims, const RunAnalysis& run) {
  std::vector<std::string> published, others;
  for (const auto& claim : claims) {
    for (const auto& answer : claim.answers) {
      if (answer.run != run.id || answer.group.empty()) continue;
      auto& list = answer.as_published ? published : others;
      const auto setting = setting_name(answer, run);
      if (std::find(list.begin(), list.end(), setting) == list.end()) list.push_back(setting);
    }
  }
  published.insert(published.end(), others.begin(), others.end());
  return published;
}

const ClaimAnswer* find(const ClaimResult& claim, const RunAnalysis& run, const std::string& setting,
                        Form form) {
  const auto found = std::find_if(claim.answers.begin(), claim.answers.end(), [&](const auto& answer) {
    return answer.run == run.id && answer.form == form && setting_name(answer, run) == setting;
  });
  return found == claim.answers.end() ? nullptr : &*found;
}

using Cell = std::vector<std::string>;  // lines

/// Text broken into lines of at most `width` characters at spaces, but not in "N = 128" and "5 %".
Cell broken(const std::string& text, std::size_t width) {
  std::vector<std::string> words;
  std::istringstream stream(text);
  for (std::string word; stream >> word;) {
    const bool joins =
        !words.empty() && (word.starts_with('%') || word == "=" || words.back().ends_with('='));
    if (joins)
      words.back() += ' ' + word;
    else
      words.push_back(word);
  }
  Cell lines;
  for (const auto& word : words) {
    if (lines.empty() || width_of(lines.back()) + 1 + width_of(word) > width)
      lines.push_back(word);
    else
      lines.back() += ' ' + word;
  }
  return lines;
}

void append(Cell& cell, const Cell& lines) { cell.insert(cell.end(), lines.begin(), lines.end()); }

/// Direction; value; size; details; why it is not resolved.
Cell cell_of(const ClaimAnswer* answer) {
  if (answer == nullptr) return {"-"};
  Cell cell{std::string(to_string(answer->direction))};
  constexpr std::size_t kCell = 24;
  std::vector<std::string> values;
  for (const auto& part : answer->parts) values.push_back(estimate_text(part));
  std::erase(values, "");
  append(cell, broken(fmt::format("{}", fmt::join(values, ", ")), kCell));
  if (answer->magnitude != Magnitude::none)
    cell.push_back(fmt::format("size: {}", to_string(answer->magnitude)));
  const auto counts = detail_counts(*answer);
  if (counts.not_tested < counts.all) append(cell, broken("details: " + details_text(*answer), kCell));
  if (!answer->stand_ins.empty())
    append(cell, broken(fmt::format("by products in f32: {}", fmt::join(answer->stand_ins, ", ")), kCell));
  if (answer->direction == Direction::unresolved) {
    const auto open = std::find_if(answer->parts.begin(), answer->parts.end(),
                                   [](const auto& part) { return !part.reason.empty(); });
    if (open != answer->parts.end()) append(cell, broken(open->reason, kCell));
  }
  return cell;
}

/// A claim a row of several lines: number and headline, then columns, as wide as what stands in them. Columns
/// that do not fit side by side follow below, with the headlines again.
class Rows {
 public:
  Rows(std::span<const ClaimResult> claims, std::size_t width) : claims_(claims), width_(width) {}

  template <typename CellOf>
  void add_column(const std::string& heading, CellOf cell) {
    Column column{{heading}};
    for (const auto& claim : claims_) column.push_back(cell(claim));
    columns_.push_back(std::move(column));
  }

  std::string text() const {
    const auto headlines = headline_column();
    std::string text;
    for (std::size_t begin = 0; begin < columns_.size();) {
      std::vector<const Column*> side_by_side{&headlines};
      auto width = widest(headlines);
      for (; begin < columns_.size(); ++begin) {
        width += 2 + widest(columns_[begin]);
        if (side_by_side.size() > 1 && width > width_) break;
        side_by_side.push_back(&columns_[begin]);
      }
      for (std::size_t row = 0; row < headlines.size(); ++row) text += lines_of(side_by_side, row);
      if (begin < columns_.size()) text += '\n';
    }
    return text;
  }

 private:
  using Column = std::vector<Cell>;

  /// As wide as leaves room for the widest answer, within bounds: some have the name of a kernel in a line.
  Column headline_column() const {
    constexpr std::size_t kNarrowest = 20, kWidest = 37;
    std::size_t digits = 1, answers = 0;
    for (const auto& claim : claims_) digits = std::max(digits, std::to_string(claim.claim.number).size());
    for (const auto& column : columns_) answers = std::max(answers, widest(column));
    const auto others = digits + 2 + 2 + answers;
    const auto width = std::clamp(width_ - std::min(width_, others), kNarrowest, kWidest);
    Column column{{fmt::format("{:>{}}  headline", "#", digits)}};
    for (const auto& [claim, all] : claims_) {
      auto lines = broken(claim.title, width);
      if (const auto values = published_text(claim.headline.parts); !values.empty())
        append(lines, broken("published: " + values, width));
      for (std::size_t i = 0; i < lines.size(); ++i)
        lines[i] = fmt::format("{:>{}}  {}", i == 0 ? std::to_string(claim.number) : "", digits, lines[i]);
      column.push_back(std::move(lines));
    }
    return column;
  }

  static std::size_t widest(const Column& column) {
    std::size_t width = 0;
    for (const auto& cell : column) {
      for (const auto& line : cell) width = std::max(width, width_of(line));
    }
    return width;
  }

  static std::string lines_of(const std::vector<const Column*>& columns, std::size_t row) {
    std::size_t height = 0;
    for (const auto* column : columns) height = std::max(height, (*column)[row].size());
    std::string text;
    for (std::size_t i = 0; i < height; ++i) {
      std::string line;
      std::size_t end = 0;
      for (const auto* column : columns) {
        const auto& cell = (*column)[row];
        line += std::string(end - width_of(line), ' ') + (i < cell.size() ? cell[i] : "");
        end += widest(*column) + 2;
      }
      text += line.erase(line.find_last_not_of(' ') + 1) + '\n';
    }
    return text;
  }

  std::span<const ClaimResult> claims_;
  std::size_t width_;
  std::vector<Column> columns_;
};

std::string introduction(const RunAnalysis& run) {
  const bool is_apple = run.machine.starts_with("Apple");
  auto text = fmt::format("Published findings on {}{}: study {}, profile {}", run.machine,
                          is_apple ? "" : " (not Apple Silicon)", run.run.study, run.run.profile);
  if (!run.mark.empty()) text += "; " + run.mark;
  return text + '\n';
}

/// "9 HOLDS, 2 REVERSED, 4 NOT TESTED": what there is.
std::string counts(std::span<const ClaimResult> claims, const RunAnalysis& run, const std::string& setting) {
  constexpr Direction kAll[] = {Direction::holds,   Direction::reversed,   Direction::outside,
                                Direction::in_part, Direction::unresolved, Direction::not_tested};
  std::vector<std::string> texts;
  for (const auto direction : kAll) {
    const auto count = std::count_if(claims.begin(), claims.end(), [&](const auto& claim) {
      const auto* answer = find(claim, run, setting, Form::published);
      return (answer ? answer->direction : Direction::not_tested) == direction;
    });
    if (count > 0) texts.push_back(fmt::format("{} {}", count, to_string(direction)));
  }
  return fmt::format("{}", fmt::join(texts, ", "));
}

/// A detail on a line of its own, published and measured value side by side.
std::string detail_line(const ClaimPart& part) {
  const auto what = part.spec.relation == Relation::best_set
                        ? comparison_text(part.spec)
                        : fmt::format("{}, {}", comparison_text(part.spec), measure_text(part.spec));
  const auto published = published_text(part.spec);
  const auto measured = measured_text(part);
  return fmt::format("     - {}: {}{}: {}\n", what,
                     published.empty() ? "" : fmt::format("published {}; ", published),
                     measured.empty() ? "no value" : "measured " + measured, outcome_text(part));
}

}  // namespace

std::string claims_table(std::span<const ClaimResult> claims, const RunAnalysis& run, std::size_t width) {
  auto text = introduction(run);
  const auto settings = settings_of(claims, run);
  if (settings.empty()) return wrapped(text + "The run has no cells that a finding is about.\n", width);
  Rows rows(claims, width);
  for (const auto& setting : settings) {
    const auto column = [&](Form form) {
      return [&, form](const auto& claim) { return cell_of(find(claim, run, setting, form)); };
    };
    rows.add_column(setting, column(Form::published));
    const bool is_first = setting == settings.front();
    if (is_first && !run.published) rows.add_column("fastest kernels", column(Form::best));
  }
  text += rows.text();
  return wrapped(
      text + fmt::format("{}, kernels as published: {}\n", settings[0], counts(claims, run, settings[0])),
      width);
}

std::string claims_explained(std::span<const ClaimResult> claims, const RunAnalysis& run, std::size_t width) {
  std::string text;
  for (const auto& [claim, answers] : claims) {
    text += fmt::format("\n{}. {}\n   published: \"{}\" ({})\n", claim.number, claim.title,
                        claim.headline.quote, claim.headline.source);
    if (!claim.headline.note.empty()) text += fmt::format("   note: {}\n", claim.headline.note);
    const bool has_published = std::any_of(answers.begin(), answers.end(), [&](const auto& answer) {
      return answer.run == run.id && answer.as_published;
    });
    for (const auto& answer : answers) {
      if (answer.run != run.id || (has_published && !answer.as_published)) continue;
      text += "   " + answer.sentence + '\n';
      if (answer.form == Form::best) continue;
      if (!answer.details.empty()) text += "   details, each judged alone, at 5 %:\n";
      for (const auto& part : answer.details) text += detail_line(part);
      for (const auto& [says, part] : answer.beside)
        text += fmt::format("   beside: {}: {}: {}\n", comparison_text(part.spec), measured_text(part), says);
    }
  }
  return wrapped(text, width);
}

std::string claims_legend() {
  return R"(Each finding has a headline, which its title says and which alone decides, and details, the other values
that were published. A column is a setting (scope and element type) with the kernels that compute as the
published ones do, the published setting first; 'fastest kernels' takes of each mechanism the fastest kernel
measured here, and so tells a finding about mechanisms from one about implementations. A finding about an
implementation (gathered, masked, cumsum) has no such answer.
Mechanisms are different functions: block-sparse, windowed and linear attention do not compute what MHA does,
nor do GQA and MQA. A ratio of their times compares costs, not implementations of one function.
First line of a cell:
  HOLDS       the headline is resolved as published, in all its comparisons
  REVERSED    it is resolved the opposite way
  OUTSIDE     the value is resolved to lie outside the published range
  IN PART     of its comparisons some hold and others are resolved against it
  UNRESOLVED  measured, and none of these
  NOT TESTED  cells, kernels or the variance are missing
  -           no such question
Then what was measured, and, where the direction is resolved, the size of the effect beside the published
one, by its 95 % interval (of steps: of the quotient of the two steps):
  AGREES           the interval holds the published value and lies within a factor of 1.1 of it (of small
                   effects less), or it lies within the published range
  SMALLER, LARGER  the interval lies wholly on the side of a smaller or larger effect
  OPPOSITE         it lies wholly beyond no effect
  TOO WIDE         none of these: the interval is too wide to tell
  DIFFERS          it is not the same for the headline's comparisons
Then the details: how many are as published (direction and size), in direction alone, opposite, not resolved.
All headlines of a run, of all settings and both kinds of kernels, are one family of tests (Holm, 5 %).
Intervals are unadjusted. Details are exploratory: each is judged alone, at 5 %; 'attnbench analyze', which
judges a ratio together with its family, may say UNRESOLVED of the same one. 'modes': the processes fall into
groups; the interval is wide, and a verdict holds only if all of it lies on one side.
A published cause (a cache, a memory system, a unit of the chip) is not tested: a time has no cause in it.
)";
}

}  // namespace attnbench
