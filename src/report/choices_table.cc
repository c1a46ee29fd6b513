#include "report/choices_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "report/markdown.h"

namespace attnbench {
namespace {

using nlohmann::json;

/// Of some numbers of heads and batches: which kernel at which N.
struct ChoiceLine {
  std::string heads;
  std::vector<std::string> batches;
  std::string kernels;  ///< "1-64 A, 128-512 B*, 1024 C"
};

struct ChoiceBlock {
  std::string title;
  std::set<std::string> labels;  ///< "A fused@cpu:avx2"
  std::vector<ChoiceLine> lines;
};

std::string text(const json& row, const char* column) { return row.at(column).get<std::string>(); }
std::int64_t number(const json& row, const char* column) { return row.at(column).get<std::int64_t>(); }

std::string setting_of(const json& row) {
  const auto threads = number(row, "threads");
  return fmt::format("{} in {}, {}, {} thread{}", text(row, "mechanism"), text(row, "dtype"),
                     row.at("phase") == "decode" ? "decode of one query" : "prefill", threads,
                     threads == 1 ? "" : "s");
}

std::string heads_of(const json& row) {
  return fmt::format("{}/{} heads of {}", number(row, "num_q_heads"), number(row, "num_kv_heads"),
                     number(row, "head_dim"));
}

/// Letter of the kernel; * where others are tied with it, ? where its time is not known.
std::string mark_of(const json& row) {
  const auto* mark = row.at("seconds").is_null() ? "?" : row.at("tied").empty() ? "" : "*";
  return text(row, "label").substr(0, 1) + mark;
}

/// Neighbouring rows with the same mark as one range. Pre: not empty, sorted by N.
std::string ranges_of(const std::vector<const json*>& rows) {
  std::string all;
  for (std::size_t first = 0; first < rows.size();) {
    const auto mark = mark_of(*rows[first]);
    std::size_t last = first;
    while (last + 1 < rows.size() && mark_of(*rows[last + 1]) == mark) ++last;
    const auto from = number(*rows[first], "seqlen"), to = number(*rows[last], "seqlen");
    all += fmt::format("{}{} {}", all.empty() ? "" : ", ",
                       from == to ? fmt::format("{}", from) : fmt::format("{}-{}", from, to), mark);
    first = last + 1;
  }
  return all;
}

std::vector<ChoiceBlock> blocks_of(const json& choices) {
  std::vector<ChoiceBlock> blocks;
  for (auto row = choices.begin(); row != choices.end();) {
    const auto title = setting_of(*row), heads = heads_of(*row);
    const auto batch = number(*row, "batch");
    auto block =
        std::find_if(blocks.begin(), blocks.end(), [&](const ChoiceBlock& b) { return b.title == title; });
    if (block == blocks.end()) block = blocks.insert(blocks.end(), ChoiceBlock{title, {}, {}});
    std::vector<const json*> of_line;
    for (; row != choices.end() && setting_of(*row) == title && heads_of(*row) == heads &&
           number(*row, "batch") == batch;
         ++row) {
      of_line.push_back(&*row);
      block->labels.insert(text(*row, "label"));
    }
    const auto kernels = ranges_of(of_line);
    auto& lines = block->lines;
    if (!lines.empty() && lines.back().heads == heads && lines.back().kernels == kernels)
      lines.back().batches.push_back(std::to_string(batch));
    else
      lines.push_back({heads, {std::to_string(batch)}, kernels});
  }
  return blocks;
}

std::string joined(const auto& parts, const char* between) {
  std::string all;
  for (const auto& part : parts) all += (all.empty() ? "" : between) + part;
  return all;
}

const char* length_name(const ChoiceBlock& block) {
  return block.title.find(", decode") == std::string::npos ? "N" : "keys";
}

constexpr const char* kMarks =
    "* other kernels are tied: not shown to take more than 2 % longer; ? no time is known, the default is "
    "used";

/// What is said before and after the blocks.
std::vector<std::string> before(const json& profile) {
  return {fmt::format("{}, device {}. {}", text(profile, "machine"), text(profile, "device"),
                      text(profile, "belongs")),
          text(profile, "choices_words")};
}

}  // namespace

std::string choices_table(const json& summary, std::size_t width) {
  if (!summary.contains("profile")) return "";
  const auto& profile = summary.at("profile");
  auto all = "\nWhat dispatch chooses: " + joined(before(profile), "\n") + "\n";
  const auto blocks = blocks_of(summary.at("tables").at("choices"));
  for (const auto& block : blocks) {
    all += fmt::format("\n{}: {}\n", block.title, joined(block.labels, ", "));
    for (const auto& line : block.lines)
      all += fmt::format("  {:<20} batch {:<8} {} {}\n", line.heads, joined(line.batches, ", "),
                         length_name(block), line.kernels);
  }
  if (!blocks.empty()) all += std::string(kMarks) + "\n";
  all += "\nWhat it costs: ";
  for (const auto& words : profile.at("regret_words")) all += words.get<std::string>() + "\n";
  return wrapped(all, width);
}

std::string choices_markdown(const json& summary) {
  if (!summary.contains("profile")) return "";
  const auto& profile = summary.at("profile");
  std::string all = "\n### What dispatch chooses\n";
  for (const auto& words : before(profile)) all += "\n" + for_markdown(words) + "\n";
  const auto blocks = blocks_of(summary.at("tables").at("choices"));
  for (const auto& block : blocks) {
    all +=
        fmt::format("\n<details><summary>{}</summary>\n\n{}\n\n| heads | batch | {} |\n|:--|:--|:--|\n",
                    for_markdown(block.title), for_markdown(joined(block.labels, ", ")), length_name(block));
    for (const auto& line : block.lines)
      all += fmt::format("| {} | {} | {} |\n", line.heads, joined(line.batches, ", "), line.kernels);
    all += "\n</details>\n";
  }
  if (!blocks.empty()) all += fmt::format("\n\\{}\n", kMarks);
  for (const auto& words : profile.at("regret_words"))
    all += "\n" + for_markdown(words.get<std::string>()) + "\n";
  return all;
}

}  // namespace attnbench
