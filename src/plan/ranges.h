#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace attnbench {

/// Splits at commas outside parentheses: "mha,block_sparse(bs=32,globals=1)" has two parts. Throws
/// InputError(field, ...) for an empty part.
std::vector<std::string> split_list(std::string_view field, std::string_view text);

/// Whole numbers >= 0 written as a list of numbers and ranges, ends included where the steps meet them:
/// "128,256", "128..4096*2", "8..64+8", "1,128..512*2". Throws InputError(field, ...): not a number, a range
/// without step or that goes down, more than 10,000 numbers.
std::vector<std::int64_t> parse_numbers(std::string_view field, std::string_view text);

/// A length of time: "90s", "20m", "1h30m", in seconds. Throws InputError(field, ...).
double parse_seconds(std::string_view field, std::string_view text);

}  // namespace attnbench
