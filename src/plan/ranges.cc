#include "plan/ranges.h"

#include <fmt/format.h>

#include <charconv>

#include "attnbench/error.h"
#include "core/real_number.h"

namespace attnbench {
namespace {

constexpr std::size_t kMostNumbers = 10000;

std::int64_t parse_number(std::string_view field, std::string_view part, std::string_view digits) {
  std::int64_t value = 0;
  const auto* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, value);
  if (error == std::errc::result_out_of_range) throw InputError(field, part, "is too large for 64 bits");
  if (error != std::errc{} || stop != end) {
    throw InputError(field, part, "is not a number or a range such as 128..4096*2 or 8..64+8");
  }
  if (value < 0) throw InputError(field, part, "is negative");
  return value;
}

void append_range(std::string_view field, std::string_view part, std::size_t dots,
                  std::vector<std::int64_t>& numbers) {
  const auto step_at = part.find_first_of("*+", dots);
  if (step_at == std::string_view::npos) {
    throw InputError(field, part, "is a range without a step, such as *2 or +64");
  }
  const auto first = parse_number(field, part, part.substr(0, dots));
  const auto last = parse_number(field, part, part.substr(dots + 2, step_at - dots - 2));
  const auto step = parse_number(field, part, part.substr(step_at + 1));
  const bool multiplies = part[step_at] == '*';
  if (last < first) throw InputError(field, part, "is a range that goes down");
  if (step < (multiplies ? 2 : 1)) {
    throw InputError(field, part, multiplies ? "multiplies by less than 2" : "adds less than 1");
  }
  if (multiplies && first == 0) throw InputError(field, part, "multiplies 0, which never ends");
  for (std::int64_t value = first;;) {
    if (numbers.size() == kMostNumbers) {
      throw InputError(field, part, fmt::format("is more than {} numbers", kMostNumbers));
    }
    numbers.push_back(value);
    const bool another = multiplies ? value <= last / step : value <= last - step;
    if (!another) return;
    value = multiplies ? value * step : value + step;
  }
}

}  // namespace

std::vector<std::string> split_list(std::string_view field, std::string_view text) {
  std::vector<std::string> parts(1);
  int depth = 0;
  for (const char c : text) {
    depth += (c == '(') - (c == ')');
    if (c == ',' && depth == 0) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  for (const auto& part : parts) {
    if (part.empty()) throw InputError(field, text, "has an empty place in its list");
  }
  return parts;
}

std::vector<std::int64_t> parse_numbers(std::string_view field, std::string_view text) {
  std::vector<std::int64_t> numbers;
  for (const auto& part : split_list(field, text)) {
    if (const auto dots = part.find(".."); dots != std::string::npos) {
      append_range(field, part, dots, numbers);
    } else {
      numbers.push_back(parse_number(field, part, part));
    }
  }
  return numbers;
}

double parse_seconds(std::string_view field, std::string_view text) {
  const auto fail = [&] { throw InputError(field, text, "is not a time such as 90s, 20m or 1h30m"); };
  double total = 0;
  auto rest = text;
  while (!rest.empty()) {
    const double value = take_real(rest).value_or(-1);
    if (rest.empty() || !(value >= 0)) fail();
    switch (rest.front()) {
      case 's':
        total += value;
        break;
      case 'm':
        total += value * 60;
        break;
      case 'h':
        total += value * 3600;
        break;
      default:
        fail();
    }
    rest.remove_prefix(1);
  }
  if (!(total > 0 && total < 1e9)) fail();
  return total;
}

}  // namespace attnbench
