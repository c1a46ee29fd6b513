#include "run/worker/worker.h"

#include <memory>

#include "command.h"
#include "commands.h"

namespace attnbench {

void add_worker_command(CLI::App& app, char** argv, int& exit_code) {
  Command command(app, "worker", "Measure for a conductor; started by 'run', not by hand");
  command.hide();  // not in --help
  const auto options = std::make_shared<WorkerOptions>();
  options->commit = built_commit();
  command.add_option("--threads", options->threads);
  command.add_option("--cpus", options->cpus).delimiter(',');
  command.add_option("--plugin", options->plugins);
  command.add_option("--exec", options->exec);
  command.add_option("--layout-seed", options->layout_seed);
  command.callback([options, argv, &exit_code] { exit_code = run_worker(*options, argv); });
}

}  // namespace attnbench
