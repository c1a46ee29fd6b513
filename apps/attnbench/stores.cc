#include "stores.h"

#include <fmt/format.h>

#include "attnbench/error.h"
#include "io/files.h"
#include "store/export.h"
#include "store/import.h"

namespace attnbench {

std::vector<RunContents> read_stores(const std::vector<std::string>& files) {
  std::vector<RunContents> runs;
  for (const auto& file : files) {
    auto of_file = read_runs(file);
    if (of_file.empty()) throw InputError("store", file, "holds no run");
    for (auto& run : of_file) {
      if (run.processes.empty())
        throw InputError("store", file, "holds a run of '" + run.run.study + "' without any process");
      runs.push_back(std::move(run));
    }
  }
  return runs;
}

void check_outputs(const std::vector<Output>& outputs, const std::vector<std::string>& inputs) {
  std::vector<Output> taken;
  for (const auto& input : inputs) {
    taken.push_back({"an input", input});
    if (input.ends_with(".csv")) taken.push_back({"an input's environment", environment_file(input)});
  }
  for (const auto& output : outputs) {
    if (output.file.empty()) continue;
    require_writable(output.file, output.option);
    for (const auto& other : taken) {
      if (same_regular_file(output.file, other.file))
        throw InputError(output.option, output.file, fmt::format("would write over {}", other.option));
    }
    taken.push_back({output.option, output.file});
  }
}

}  // namespace attnbench
