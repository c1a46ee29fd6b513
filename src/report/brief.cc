#include "report/brief.h"

#include <fmt/format.h>

#include <cstddef>
#include <sstream>
#include <string_view>
#include <utility>
#include <vector>

#include "report/answer.h"
#include "report/left_out.h"
#include "report/markdown.h"

namespace attnbench {
namespace {

/// More reasons than these are counted: a page has no room for them.
constexpr std::size_t kReasons = 6;

struct Part {
  std::string title;
  std::vector<Statement> statements;
};

struct Page {
  std::string machine, study, mark;
  std::vector<Part> parts;
};

std::vector<Statement> not_measured(const RunAnalysis& run) {
  std::vector<Statement> lines;
  std::istringstream text(left_out_lines(run));
  std::size_t more = 0;
  for (std::string line; std::getline(text, line);) {
    if (lines.size() < kReasons)
      lines.push_back({0, line});
    else
      ++more;
  }
  if (more > 0)
    lines.push_back({0, fmt::format("{} more reason{}: see the report", more, more == 1 ? "" : "s")});
  if (lines.empty()) lines.push_back({0, "nothing that the study asked for"});
  return lines;
}

Page page_of(const RunAnalysis& run) {
  Page page{run.machine,
            fmt::format("Study {}, profile {}; {}", run.run.study, run.run.profile, run.common),
            run.mark,
            {}};
  auto answer = answer_statements(run);
  if (answer.empty()) answer.push_back({0, "nothing can be said: no kernel has a ratio to a baseline"});
  std::vector<Statement> sure;
  for (const auto& line : how_sure(run)) {
    constexpr std::string_view kTitle = "how sure: ";
    sure.push_back(
        {line.starts_with("  ") ? 1 : 0, line.starts_with(kTitle) ? line.substr(kTitle.size()) : line});
  }
  page.parts = {
      {"What to use", std::move(answer)}, {"How sure", std::move(sure)}, {"Not measured", not_measured(run)}};
  return page;
}

std::string for_html(std::string_view text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      default:
        result += c;
    }
  }
  return result;
}

std::string_view trimmed(std::string_view text) {
  const auto from = text.find_first_not_of(' ');
  return from == std::string_view::npos ? "" : text.substr(from);
}

}  // namespace

std::string brief_markdown(const Analysis& analysis) {
  std::string text;
  for (const auto& run : analysis.runs) {
    const auto page = page_of(run);
    text += fmt::format("{}## {}\n\n{}.\n", text.empty() ? "" : "\n", for_markdown(page.machine),
                        for_markdown(page.study));
    if (!page.mark.empty()) text += fmt::format("\n**{}**\n", for_markdown(page.mark));
    for (const auto& part : page.parts) {
      text += fmt::format("\n### {}\n\n", part.title);
      for (const auto& [level, statement] : part.statements)
        text += fmt::format("{:{}}- {}\n", "", 2 * level, for_markdown(trimmed(statement)));
    }
  }
  return text;
}

std::string brief_html(const Analysis& analysis) {
  std::string text =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>AttnBench</title>\n"
      "<style>body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 1rem auto; padding: 0 "
      "1rem; "
      "overflow-wrap: anywhere; } p { margin: .2rem 0; } .l1 { margin-left: 1.2rem; } .l2 { margin-left: "
      "2.4rem; } "
      ".mark { font-weight: 600; } h3 { margin: 1rem 0 .2rem; }</style>\n</head>\n<body>\n";
  for (const auto& run : analysis.runs) {
    const auto page = page_of(run);
    text += fmt::format("<h2>{}</h2>\n<p>{}.</p>\n", for_html(page.machine), for_html(page.study));
    if (!page.mark.empty()) text += fmt::format("<p class=\"mark\">{}</p>\n", for_html(page.mark));
    for (const auto& part : page.parts) {
      text += fmt::format("<h3>{}</h3>\n", part.title);
      for (const auto& [level, statement] : part.statements)
        text += fmt::format("<p class=\"l{}\">{}</p>\n", level, for_html(trimmed(statement)));
    }
  }
  return text + "</body>\n</html>\n";
}

}  // namespace attnbench
