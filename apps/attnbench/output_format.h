#pragma once

#include <string>
#include <vector>

namespace attnbench {

/// Which of the formats `known` an output has: that of --format where given, else what the file's ending
/// says. `fallback` is that of standard output and of what is no regular file: a pipe, a device. Throws
/// InputError for an unknown format, an ending that says none of them, and one that says another than
/// --format.
std::string output_format(const std::string& format, const std::string& file,
                          const std::vector<std::string>& known, const std::string& fallback);

/// Throws InputError where the ending is that of a text format: what is written there is a store.
void require_store_name(const std::string& file);

}  // namespace attnbench
