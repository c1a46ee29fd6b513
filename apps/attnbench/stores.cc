#include "stores.h"

#include "attnbench/error.h"
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

}  // namespace attnbench
