#include "report/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <numeric>

#include "analysis/attention_function.h"
#include "analysis/format.h"
#include "plan/study.h"
#include "report/baselines.h"
#include "report/left_out.h"
#include "report/no_verdicts.h"
#include "report/not_confirmed.h"
#include "report/text_width.h"
#include "stats/constants.h"
#include "stats/intervals.h"

namespace attnbench {
namespace {

constexpr std::size_t kColumnsSideBySide = 4;
constexpr std::size_t kParts = 4;
/// Time, half-width, ratio and its interval of one kernel at one N.
using Parts = std::array<std::string, kParts>;
const Parts kPartNames{"time", "±%", "ratio", "95 % CI"};

std::string right(std::string_view text, std::size_t width) {
  return std::string(width - std::min(width, width_of(text)), ' ') + std::string(text);
}

std::string left(std::string_view text, std::size_t width) {
  return std::string(text) + std::string(width - std::min(width, width_of(text)), ' ');
}

/// Reasons too long for their row, numbered in the order they are met.
class Notes {
 public:
  std::string mark(const std::string& text) {
    const auto at = std::find(texts_.begin(), texts_.end(), text) - texts_.begin();
    if (at == std::ssize(texts_)) texts_.push_back(text);
    return fmt::format("({})", at + 1);
  }
  std::string lines() const {
    std::string lines;
    for (std::size_t i = 0; i < texts_.size(); ++i) lines += fmt::format("({}) {}\n", i + 1, texts_[i]);
    return lines;
  }

 private:
  std::vector<std::string> texts_;
};

std::string on_one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

/// All kernels at one N, ready to print.
struct Column {
  const CellAnalysis* cell;
  TimeUnit unit;
  std::map<std::string, const KernelAnalysis*> kernels;  ///< by id
  std::array<std::size_t, kParts> widths;
  bool any_wide, any_modes;  ///< then all leave room for the mark

  std::size_t width() const { return std::accumulate(widths.begin(), widths.end(), kParts - 1); }
};

/// What tells an interval from the others.
std::string interval_marks(const Column& column, bool wide, bool modes, const std::string& note) {
  const std::string_view mark = " modes";
  return std::string(wide              ? "*"
                     : column.any_wide ? " "
                                       : "") +
         (modes ? std::string(mark) : std::string(column.any_modes ? mark.size() : 0, ' ')) +
         (note.empty() ? "" : " " + note);
}

bool has_times(const KernelAnalysis& k) { return k.seconds || k.rejected; }

Parts parts_of(const Column& column, const KernelAnalysis& k, const std::string& note) {
  if (!k.seconds) return {three_digits(k.rejected->seconds * column.unit.per_second), "", "", "rejected"};
  Parts parts{three_digits(k.seconds->estimate * column.unit.per_second), half_width_percent(*k.seconds), "",
              ""};
  parts[3] = note;
  if (k.ratio) {
    parts[2] = ratio_text(k.ratio->estimate);
    parts[3] = (k.kernel.is_baseline ? "baseline" : range_text(*k.ratio)) +
               interval_marks(column, k.wide, k.modes, note);
  }
  return parts;
}

Parts aa_parts(const Column& column, const stats::AaCheck& aa) {
  return {"", "", fmt::format("{:.3f}", aa.ratio.estimate),
          aa_range_text(aa) + interval_marks(column, false, aa.modes, "")};
}

Column make_column(const CellAnalysis& cell) {
  const bool any_wide =
      std::any_of(cell.kernels.begin(), cell.kernels.end(), [](const auto& k) { return k.wide; });
  const bool any_modes = (cell.aa && cell.aa->modes) || std::any_of(cell.kernels.begin(), cell.kernels.end(),
                                                                    [](const auto& k) { return k.modes; });
  Column column{&cell, unit_for(1e-6), {}, {}, any_wide, any_modes};
  double smallest = 0;
  for (const auto& kernel : cell.kernels) {
    column.kernels[kernel.kernel.id()] = &kernel;
    if (!has_times(kernel)) continue;
    const double seconds = kernel.seconds ? kernel.seconds->estimate : kernel.rejected->seconds;
    if (smallest == 0 || seconds < smallest) smallest = seconds;
  }
  column.unit = unit_for(smallest);
  const auto widen = [&](const Parts& parts) {
    for (std::size_t p = 0; p < kParts; ++p)
      column.widths[p] = std::max(column.widths[p], width_of(parts[p]));
  };
  widen(kPartNames);
  if (cell.aa) widen(aa_parts(column, *cell.aa));
  for (const auto& kernel : cell.kernels) {
    if (has_times(kernel)) widen(parts_of(column, kernel, kernel.unranked.empty() ? "" : "(99)"));
  }
  return column;
}

std::string parts_text(const Column& column, const Parts& parts) {
  std::string text;
  for (std::size_t p = 0; p < kParts; ++p) text += (p > 0 ? " " : "") + right(parts[p], column.widths[p]);
  return text;
}

std::vector<KernelRecord> rows_of(const GroupAnalysis& group) {
  std::vector<KernelRecord> rows;
  for (const auto& cell : group.cells) {
    for (const auto& kernel : cell.kernels) {
      const bool known =
          std::any_of(rows.begin(), rows.end(), [&](const auto& r) { return r.id() == kernel.kernel.id(); });
      if (!known && has_row(group, kernel.id())) rows.push_back(kernel.kernel);
    }
  }
  std::stable_sort(rows.begin(), rows.end(), canonically_before);
  std::stable_partition(rows.begin(), rows.end(),
                        [&](const auto& row) { return row.id() == group.reference(); });
  return rows;
}

/// "@cpu" where all rows end in it, so that the heading can say it once.
std::string common_suffix(const std::vector<KernelRecord>& rows) {
  const auto suffix = [](const KernelRecord& row) { return row.id().substr(row.id().find('@')); };
  for (const auto& row : rows) {
    if (suffix(row) != suffix(rows[0])) return {};
  }
  return rows.empty() ? "" : suffix(rows[0]);
}

class Block {
 public:
  /// `names_baseline`: whether its tables say what their ratios are to.
  Block(const GroupAnalysis& group, Notes& notes, std::size_t width, bool names_baseline)
      : group_(group), notes_(notes), width_(width), names_baseline_(names_baseline), rows_(rows_of(group)) {
    const auto suffix = common_suffix(rows_);
    heading_ = group.heading + (suffix.empty() ? "" : ", kernels " + suffix);
    alias_ = "  A/A, 90 % CI" + margins();
    for (const auto& cell : group_.cells) columns_.push_back(make_column(cell));
    label_rows(suffix.size());
  }

  std::string text() {
    if (rows_.empty()) return "";
    const auto& columns = columns_;
    std::size_t widest = 0;
    for (const auto& column : columns) widest = std::max(widest, column.width() + kGap);
    const auto before = label_width_ + kGap + 1;  // and 3 characters of "44/24 %" for each N
    const auto fitting = std::clamp<std::size_t>((width_ - std::min(width_, before)) / (widest + kKeyWidth),
                                                 1, kColumnsSideBySide);
    std::string text;
    for (const auto& part : in_parts(columns, fitting)) text += times_of(part);
    return text + gains();
  }

 private:
  static constexpr std::size_t kGap = 2;
  static constexpr const char* kKeys = "keys";
  static constexpr std::size_t kWidestKeys = 6;  ///< "44/6 %", of one N or two
  static constexpr std::size_t kKeyWidth = 3;

  /// A mechanism and its kernel on one line where one N then fits beside it; else the mechanism on a line of
  /// its own above its kernels.
  void label_rows(std::size_t suffix) {
    std::size_t widest = 0;
    for (const auto& column : columns_) widest = std::max(widest, column.width());
    const auto fits = [&] { return label_width_ + 3 * kGap + kWidestKeys + widest <= width_; };
    for (const bool stacked : {false, true}) {
      stacked_ = stacked;
      labels_.clear();
      label_width_ = width_of(alias_);
      for (const auto& row : rows_) {
        const auto id = row.id();
        const auto name = id.substr(0, id.size() - suffix);
        const std::string softmax = parse_mechanism(row.mechanism).is_softmax() ? "" : ", no softmax";
        const auto mark = not_confirmed_mark(group_, id);
        labels_.push_back(stacked ? "  " + name.substr(name.rfind('/') + 1) + mark : name + softmax + mark);
        label_width_ = std::max(label_width_, width_of(labels_.back()));
      }
      if (fits()) return;
    }
  }

  /// The line above a kernel's where that has its mechanism no more and the one before is of another.
  std::string mechanism_line(std::size_t row, std::string& last) const {
    if (!stacked_ || rows_[row].mechanism == last) return "";
    last = rows_[row].mechanism;
    return last + (parse_mechanism(last).is_softmax() ? "\n" : ", no softmax\n");
  }

  /// " (±2 %)": of the A/A checks.
  std::string margins() const {
    std::vector<std::string> texts;
    for (const auto& cell : group_.cells) {
      if (!cell.aa) continue;
      const auto text = "±" + margin_text(cell.aa->margin_ratio);
      if (std::find(texts.begin(), texts.end(), text) == texts.end()) texts.push_back(text);
    }
    return texts.empty() ? "" : fmt::format(" ({})", fmt::join(texts, ", "));
  }

  /// Parts of the same size, of at most `fitting` columns.
  template <typename Column>
  static std::vector<std::vector<Column>> in_parts(const std::vector<Column>& columns, std::size_t fitting) {
    const auto blocks = (columns.size() + fitting - 1) / fitting;
    const auto size = (columns.size() + blocks - 1) / blocks;
    std::vector<std::vector<Column>> parts;
    for (std::size_t i = 0; i < columns.size(); ++i) {
      if (i % size == 0) parts.emplace_back();
      parts.back().push_back(columns[i]);
    }
    return parts;
  }

  std::string times_of(const std::vector<Column>& columns) {
    std::string text = "\n" + heading_ + "\n";
    std::vector<const CellAnalysis*> cells;
    for (const auto& column : columns) cells.push_back(column.cell);
    if (const auto baseline = baselines_text(cells); names_baseline_ && !baseline.empty())
      text += fmt::format("ratio to {}\n", baseline);
    keys_width_ = width_of(kKeys);
    for (const auto& row : rows_) keys_width_ = std::max(keys_width_, width_of(keys_text(row.id(), columns)));
    std::vector<std::string> names, parts;
    for (const auto& column : columns) {
      names.push_back(
          left(fmt::format("N = {}, {}", column.cell->seqlen(), column.unit.name), column.width()));
      parts.push_back(parts_text(column, kPartNames));
    }
    text += line("", "", names) + line("", kKeys, parts);
    std::string last;
    for (std::size_t r = 0; r < rows_.size(); ++r) {
      text += mechanism_line(r, last) + row(labels_[r], rows_[r].id(), columns);
      if (rows_[r].is_baseline) text += alias_row(columns);
    }
    for (const auto& without : no_verdicts(cells)) text += without + '\n';
    return text;
  }

  /// What a query sees, at each N.
  static std::string keys_text(const std::string& id, const std::vector<Column>& columns) {
    std::vector<double> shares;
    for (const auto& column : columns) {
      if (const auto found = column.kernels.find(id); found != column.kernels.end())
        shares.push_back(found->second->keys_share);
    }
    return keys_in_short(shares);
  }

  /// The second ratio, of all kernels that have it.
  std::string gains() const {
    if (group_.reference().empty()) return "";
    std::string text = "\n" + group_.heading + ": gain over the fastest exact dense kernel";
    const bool is_ratio = group_.causal_dense.empty() &&
                          std::all_of(group_.cells.begin(), group_.cells.end(),
                                      [&](const auto& cell) { return cell.baseline == group_.dense; });
    text += is_ratio ? ", the baseline: it is the ratio\n" : ", 95 % CI\n";
    if (const auto without = without_reference(); !without.empty())
      text += fmt::format("no causal softmax kernel was measured that {} could be set against\n", without);
    if (is_ratio) return text;
    const auto against = [](const std::string& id) {
      return fmt::format("time of {} / time of the kernel\n", id);
    };
    if (!group_.dense.empty()) text += against(group_.dense);
    if (!group_.causal_dense.empty())
      text += (group_.dense.empty() ? "" : "causal mechanisms: ") + against(group_.causal_dense);
    return text + gain_lines();
  }

  static std::string gain_text(const CellAnalysis& cell, const std::string& id) {
    const auto* kernel = cell.find(id);
    if (kernel == nullptr || !kernel->to_dense) return "-";
    const auto ratio = ratio_text(kernel->to_dense->estimate);
    return kernel->to_dense->is_bounded() ? ratio + " " + range_text(*kernel->to_dense) : ratio;
  }

  std::string gain_lines() const {
    std::vector<const CellAnalysis*> cells;
    std::size_t width = 0;
    for (const auto& cell : group_.cells) {
      cells.push_back(&cell);
      width = std::max(width, width_of(fmt::format("N = {}", cell.seqlen())));
      for (const auto& row : rows_) width = std::max(width, width_of(gain_text(cell, row.id())));
    }
    const auto fitting = std::max<std::size_t>(1, (width_ - std::min(width_, label_width_)) / (width + kGap));
    std::string text;
    for (const auto& part : in_parts(cells, fitting)) {
      const auto add = [&](const std::string& label, auto text_of_cell) {
        auto words = left(label, label_width_);
        for (const auto* cell : part) words += std::string(kGap, ' ') + left(text_of_cell(*cell), width);
        words.erase(words.find_last_not_of(' ') + 1);
        text += words + '\n';
      };
      add("", [](const auto& cell) { return fmt::format("N = {}", cell.seqlen()); });
      std::string last;
      for (std::size_t r = 0; r < rows_.size(); ++r) {
        const auto id = rows_[r].id();
        if (std::all_of(part.begin(), part.end(),
                        [&](const auto* cell) { return gain_text(*cell, id) == "-"; }))
          continue;
        text += mechanism_line(r, last);
        add(labels_[r], [&](const auto& cell) { return gain_text(cell, id); });
      }
    }
    return text;
  }

  /// Causal mechanisms, where there is no causal dense kernel.
  std::string without_reference() const {
    std::vector<std::string> names;
    for (const auto& row : rows_) {
      const bool lacks = group_.causal_dense.empty() && group_.first().shape.seqlen_q > 1 &&
                         parse_mechanism(row.mechanism).is_causal();
      if (lacks && std::find(names.begin(), names.end(), row.mechanism) == names.end())
        names.push_back(row.mechanism);
    }
    return fmt::format("{}", fmt::join(names, ", "));
  }

  std::string line(const std::string& label, const std::string& keys,
                   const std::vector<std::string>& cells) const {
    std::string text = left(label, label_width_) + std::string(kGap, ' ') + left(keys, keys_width_);
    for (const auto& cell : cells) text += std::string(kGap, ' ') + cell;
    text.erase(text.find_last_not_of(' ') + 1);
    return text + '\n';
  }

  std::string row(const std::string& label, const std::string& id, const std::vector<Column>& columns) {
    std::vector<std::string> cells;
    for (const auto& column : columns) cells.push_back(cell_text(id, column));
    return line(label, keys_text(id, columns), cells);
  }

  std::string cell_text(const std::string& id, const Column& column) {
    const auto found = column.kernels.find(id);
    if (found == column.kernels.end()) return left("-", column.width());
    const auto& kernel = *found->second;
    if (has_times(kernel)) {
      const auto note =
          kernel.unranked.empty() ? "" : notes_.mark(kernel.unranked + ": no verdict, not ranked");
      return parts_text(column, parts_of(column, kernel, note));
    }
    return left(fmt::format("{} {}", kernel.status, notes_.mark(reason_text(kernel))), column.width());
  }

  std::string alias_row(const std::vector<Column>& columns) const {
    std::vector<std::string> cells;
    bool any = false;
    for (const auto& column : columns) {
      any |= column.cell->aa.has_value();
      cells.push_back(parts_text(column, column.cell->aa ? aa_parts(column, *column.cell->aa) : Parts{}));
    }
    return any ? line(alias_, "", cells) : "";
  }

  static std::string reason_text(const KernelAnalysis& kernel) {
    return on_one_line(fmt::format("{}: {}", kernel.status, kernel.reason));
  }

  const GroupAnalysis& group_;
  Notes& notes_;
  std::size_t width_;
  bool names_baseline_;
  std::vector<KernelRecord> rows_;
  std::vector<std::string> labels_;
  std::vector<Column> columns_;
  std::string heading_, alias_;
  bool stacked_ = false;
  std::size_t label_width_ = 0;
  std::size_t keys_width_ = 0;
};

std::string baseline_line(const RunAnalysis& run) {
  const auto baselines = baselines_of(run);
  if (baselines.empty()) return "no baseline: no ratios\n";
  return fmt::format("ratio: time of {} / time of the kernel; above 1 the kernel is faster\n",
                     baselines.size() == 1 ? baselines.front() : "the baseline that the table names");
}

/// In place of a table in which nothing would count; empty where some process does.
std::string rejected_line(const GroupAnalysis& group) {
  std::size_t rejected = 0;
  for (const auto& cell : group.cells) {
    if (cell.valid_processes > 0) return "";
    rejected += static_cast<std::size_t>(cell.rejected_processes);
  }
  if (rejected == 0) return "";
  return fmt::format("\n{}: no table, since each of {} processes was rejected, as told below\n",
                     group.heading, rejected);
}

std::string invalid_lines(const RunAnalysis& run) {
  std::string text;
  const auto& noise = run.noise;
  if (noise.rejected > 0) {
    text += fmt::format("rejected, not counted: {} of {} processes\n", noise.rejected, noise.processes);
    for (const auto& kind : noise.reasons)
      text +=
          fmt::format("  {}, the first: {} (in {})\n", kind.count, on_one_line(kind.reason), kind.cell_id);
  }
  for (const auto& flag : noise.flags)
    text += fmt::format("flagged, counted all the same: {} of {} processes: {}\n", flag.count,
                        noise.processes - noise.rejected, on_one_line(flag.flag));
  if (run.rejected_effect) text += run.rejected_effect->text() + '\n';
  return text;
}

/// How many intervals miss the target; their rows are marked.
std::string wide_line(const RunAnalysis& run) {
  if (run.wide.empty()) return "";
  std::size_t ratios = 0;
  for (const auto& group : run.groups) {
    for (const auto& cell : group.cells) {
      for (const auto& kernel : cell.kernels) ratios += kernel.ratio && !kernel.kernel.is_baseline;
    }
  }
  const auto widest = std::max_element(run.wide.begin(), run.wide.end(), [](const auto& a, const auto& b) {
    return a.half_width < b.half_width;
  });
  return fmt::format(
      "* wider than ±{:.0f} %, for which the profile measures: {} of the {} ratios to the baseline, the "
      "widest ±{} %\n",
      100 * kPublishRatioHalfWidth, run.wide.size(), ratios, three_digits(100 * widest->half_width));
}

std::string mean_line(const RunAnalysis& run) {
  std::size_t outside = 0;
  std::size_t times = 0;
  for (const auto& group : run.groups) {
    for (const auto& cell : group.cells) {
      for (const auto& kernel : cell.kernels) {
        outside += kernel.mean_seconds.has_value();
        times += kernel.seconds.has_value();
      }
    }
  }
  if (outside == 0) return "";
  return fmt::format(
      "of {} of the {} times, the baseline's among them, the mean of process means (mean_seconds of "
      "summary.json "
      "and --csv) lies outside the time's interval: disturbed blocks or processes\n",
      outside, times);
}

/// Of how many ratios the processes fall into groups; their rows are marked.
std::string modes_line(const RunAnalysis& run) {
  std::size_t modes = 0;
  std::size_t ratios = 0;
  std::size_t aliases = 0;
  std::size_t aliases_with_modes = 0;
  for (const auto& group : run.groups) {
    for (const auto& cell : group.cells) {
      aliases_with_modes += cell.aa && cell.aa->modes;
      aliases += cell.aa.has_value();
      for (const auto& kernel : cell.kernels) {
        modes += kernel.modes;
        ratios += kernel.ratio && !kernel.kernel.is_baseline;
      }
    }
  }
  if (modes + aliases_with_modes == 0) return "";
  return fmt::format(
      "modes: some processes lie apart from the others, and the next may be of either kind. The interval "
      "holds mean and median, and no verdict there is EQUIVALENT: {} of the {} ratios to the baseline and {} "
      "of the {} of A/A\n",
      modes, ratios, aliases_with_modes, aliases);
}

std::string look_lines(const RunAnalysis& run) {
  std::string text;
  for (const auto& group : run.groups) {
    for (const auto& cell : group.cells) {
      if (cell.judged_processes < cell.valid_processes) {
        text += fmt::format(
            "{}, N = {}: judged at {} processes, a planned look; {} later ones are not used\n", group.heading,
            cell.seqlen(), cell.judged_processes, cell.valid_processes - cell.judged_processes);
      }
    }
  }
  return text;
}

}  // namespace

std::string run_table(const RunAnalysis& run, std::size_t width) {
  std::string text = fmt::format("AttnBench: study {}, profile {}{}{}\n", run.run.study, run.run.profile,
                                 run.standing.empty() ? "" : "; ", run.standing);
  if (run.publishable && !run.mark.empty()) text += run.mark + '\n';
  text += fmt::format("{}; {}\n", run.machine, run.common);
  text += baseline_line(run);
  Notes notes;
  const bool names_baseline = baselines_of(run).size() > 1;
  for (const auto& group : run.groups) {
    const auto rejected = rejected_line(group);
    text += rejected.empty() ? Block(group, notes, width, names_baseline).text() : rejected;
  }
  const auto ends = left_out_lines(run) + notes.lines() + wide_line(run) + mean_line(run) + modes_line(run) +
                    look_lines(run) + invalid_lines(run);
  if (!ends.empty()) text += "\n" + ends;
  return wrapped(text + "\nWhat each column means: attnbench run --help\n", width);
}

std::string table_legend() {
  return R"(Columns of the table:
  N         sequence length: keys, in prefill also queries; the unit of the times stands beside it
  keys      share of the keys that a query sees, at each N in turn: kernels that differ in it compute different
            functions, of which a model was trained for one; nor does one without softmax stand in for one with it
  time      time of one call: each process's median over its blocks, then the geometric mean of these
  ±%        half the width of its 95 % confidence interval (Student's t over processes, which may resemble
            their neighbours), in percent
  ratio     time of the baseline / time of the kernel, of these times; above 1 is faster
  95 % CI   interval of that ratio over processes, unadjusted for the number of comparisons
  A/A       the baseline measured a second time as if it were another kernel: its true ratio is 1.
            To three decimals, with the interval that decides: of 90 %, for two one-sided tests at 5 %. Only a
            cell where it lies within the margin that stands beside it (±2 %, of fewer than ten processes ±5 %)
            has verdicts. With modes it is their interval
  gain      against the fastest exact dense kernel, which stands first: of the baseline's mechanism (mha where that
            is not dense) the one with the lowest geometric mean over N. Chosen by the same data, which makes
            it look fast, so the gains of others are rather too small. Causal mechanisms: the causal one
  *         profile publish: that interval is wider than the ±2 % for which it measures
  modes     some processes lie apart from the others: the interval holds mean and median of their ratios
  (1)       behind an interval: the kernel is not ranked, as the note below the table says: it is missing in some
            processes, less exact (of another maker, off by up to ten times what is allowed), or computes another
            function
  not confirmed  behind a kernel: its engine could not tell which implementation ran
  -         cannot be known: from one process no interval follows, or the kernel has no part in that cell
  rejected  in place of an interval: the noise guard rejected each process that has times of the kernel; shown
            is their median, which is in no ratio, verdict or ranking
Kernels without times stand below the tables, a line a reason: unsupported (the kernel cannot compute this), wrong
(failed verification), failed or quarantined (crashed, hung or was wrong while measured), impossible (faster than
the machine can be), not measured.)";
}

}  // namespace attnbench
